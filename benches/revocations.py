#!/usr/bin/env python3
"""What a million revocations cost: memory, the time to start, and GETs.

Two `valetkey serve` with as many files and URLs; one of them has that many live revocations, of random link ids, made through
`POST /vk/v1/revocations`. Both are started again: then the start has read them. What the one takes more of resident memory is
divided by their number; and once more when both have listed all their URLs, so that SQLite's page caches, 8 MiB for each reader
whatever is read, are as full in either. Then distinct tokens for files of 4 KiB are asked for, in turns, each round in the other
direction, as get-vs-nginx.py does it: one worker on CPU 0, the load on CPU 1; the figure is requests per busy second of CPU 0, and
its ratio is formed round by round.

    benches/revocations.py                      # a million, 10 rounds of 2 s
    benches/revocations.py --binary PATH --revocations 100000 --rounds 3 --seconds 1

Needs root for `nice`, and wrk, gcc, cargo. Works in a directory of its own under the system's temporary one (1.5 GB while it runs),
on loopback alone, and removes it.
"""

import argparse
import base64
import concurrent.futures
import contextlib
import http.client
import importlib.util
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
SPEC = importlib.util.spec_from_file_location("get_vs_nginx", HERE / "get-vs-nginx.py")
shared = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(shared)

CASE = "4k"
# As many as a call takes.
IDS_A_CALL = 1000
CALLERS = 8


class Server(shared.Valetkey):
    """`valetkey serve` with one worker, which can be started again on its data."""

    def command(self):
        self.known = super().command()
        return self.known

    def restart(self):
        """How many seconds it took until it was ready."""
        self.api.close()
        self.stop()
        began = time.monotonic()
        self.process = subprocess.Popen(shared.on(0, self.known), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while time.monotonic() < began + 60:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self.call("GET", "/readyz") != (503, None):
                    return time.monotonic() - began
            self.api.close()
            time.sleep(0.005)
        raise SystemExit(f"{self.name} does not start again")

    def revoke(self, n_urls):
        """Takes back so many URLs that nobody has issued."""

        def some(n_ids):
            ids = [f"lnk_{base64.urlsafe_b64encode(os.urandom(16)).decode().rstrip('=')}" for _ in range(n_ids)]
            api = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
            fields = {"Authorization": f"Bearer {shared.BEARER}"}
            api.request("POST", "/vk/v1/revocations", json.dumps({"link_ids": ids}), fields)
            answer = api.getresponse()
            content = answer.read()
            api.close()
            if answer.status != 200 or json.loads(content)["revoked"] != n_ids:
                raise SystemExit(f"{self.name}: {answer.status} {content[:300]}")

        calls = [min(IDS_A_CALL, n_urls - at) for at in range(0, n_urls, IDS_A_CALL)]
        with concurrent.futures.ThreadPoolExecutor(CALLERS) as callers:
            list(callers.map(some, calls))

    def n_revocations(self):
        """How many it remembers."""
        _, content = self.call("GET", "/metrics")
        return int(re.search(r"^valetkey_revocations (\d+)$", content.decode(), re.M)[1])

    def fill_page_caches(self):
        """Has it read a good deal that it does not keep."""
        following = ""
        while following is not None:
            _, content = self.call("GET", f"/vk/v1/signed-urls?limit=1000{following and f'&next={following}'}")
            following = json.loads(content)["next"]

    def resident_bytes(self):
        """The memory that it has resident."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"^VmRSS:\s+(\d+) kB$", status, re.M)[1]) << 10


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--revocations", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--client", choices=["wrk", "spinning"], default="spinning", help="what asks")
    parser.add_argument("--binary", help="valetkey, if it is built already")
    arguments = parser.parse_args()
    # Where the kernel groups processes by session, `nice` counts only within ours: the group has a niceness of its own.
    with contextlib.suppress(OSError):
        pathlib.Path("/proc/self/autogroup").write_text("-20")
    for tool in ["wrk", "gcc", "taskset"]:
        if not shutil.which(tool):
            raise SystemExit(f"`{tool}` is not installed")
    binary = arguments.binary or shared.built("-p", "valetkey", name="valetkey")
    with tempfile.TemporaryDirectory(prefix="revocations-") as work, contextlib.ExitStack() as stack:
        work = pathlib.Path(work)
        root = work / "files"
        root.mkdir()
        subprocess.run(["gcc", "-O2", "-o", work / "small", HERE / "small.c"], check=True)
        files = shared.make_files(root, CASE)
        without, revoking = (Server(name, binary, work, root) for name in ("without", "with"))
        lists = {}
        for server in (without, revoking):
            stack.callback(server.stop)
            server.start()
            lists[server.name] = work / f"{server.name}.txt"
            lists[server.name].write_text("\n".join(server.paths(CASE, files)) + "\n")
        began = time.monotonic()
        revoking.revoke(arguments.revocations)
        made_in = time.monotonic() - began
        starts = {server.name: server.restart() for server in (without, revoking)}
        memory = {server.name: [server.resident_bytes()] for server in (without, revoking)}
        for server in (without, revoking):
            server.fill_page_caches()
            memory[server.name].append(server.resident_bytes())
        if (without.n_revocations(), revoking.n_revocations()) != (0, arguments.revocations):
            raise SystemExit("not as many are remembered as were made")
        print(f"{os.uname().release}, {os.cpu_count()} CPUs; {arguments.revocations} revocations, made in {made_in:.0f} s")
        for when, base, more in zip(("after a start", "page caches full"), memory["without"], memory["with"]):
            print(f"  resident memory, {when}: {base / 2**20:.1f} MiB without, {more / 2**20:.1f} MiB with:"
                  f" {(more - base) / arguments.revocations:.1f} bytes a revocation")
        print(f"  from start to ready: {starts['without']:.2f} s without, {starts['with']:.2f} s with", flush=True)
        compare(without, revoking, lists, work, arguments)


def compare(without, revoking, lists, work, arguments):
    """The rounds."""
    servers = [without, revoking]
    for server in servers:
        shared.measure(server, CASE, lists[server.name], 1, work / "large", arguments.client)
    runs = {server.name: [] for server in servers}
    for number in range(arguments.rounds):
        # In the other direction every second time: what drifts meets both alike.
        for server in servers if number % 2 == 0 else reversed(servers):
            run = shared.measure(server, CASE, lists[server.name], arguments.seconds, work / "large", arguments.client)
            runs[server.name].append(run)
    print(f"  GET of 4 KiB by {shared.N_URLS} distinct tokens, client {arguments.client}, {arguments.rounds} rounds of"
          f" {arguments.seconds} s; with to without, median (least..most):")
    for key, per in ("per_core", "busy second of CPU 0"), ("per_own", "second of the process"):
        ratios = [run[key] / base[key] for run, base in zip(runs["with"], runs["without"])]
        medians = [statistics.median(run[key] for run in runs[server.name]) for server in servers]
        print(f"    per {per:21} {statistics.median(ratios):.3f} ({min(ratios):.3f}..{max(ratios):.3f}),"
              f" {medians[1]:.0f} to {medians[0]:.0f} requests")


if __name__ == "__main__":
    main()
