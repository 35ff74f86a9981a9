#!/usr/bin/env python3
"""How many durable acts there are in a second: limited redemptions, and URLs issued singly and a hundred at a time.

One `valetkey serve` and one `wrk` with 64 keep-alive connections share the machine's cores. Each redemption is the whole GET of a
4 KiB object by a single-use URL of its own: two commits that are synced, a reservation and a settlement, with their audit
rows. Each issue is a synced commit of the URL and its audit row. Every answer must be a success.

    benches/durable.py                          # 3 rounds of 5 s
    benches/durable.py --binary PATH --rounds 1 --seconds 2

Needs wrk and cargo. Works in a directory of its own under the system's temporary one, on loopback alone, and removes it.
"""

import argparse
import contextlib
import http.client
import importlib.util
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
SPEC = importlib.util.spec_from_file_location("get_vs_nginx", HERE / "get-vs-nginx.py")
shared = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(shared)

N_FILES = 100
CONNECTIONS = 64
# More than can be redeemed in a second, by far.
URLS_A_SECOND = 25_000


class Server(shared.Valetkey):
    """`valetkey serve` as it comes, on all cores."""

    def command(self):
        pinned = super().command()
        return pinned[:pinned.index("--workers")]

    def start(self):
        self.port = shared.free_port()
        self.process = subprocess.Popen(list(map(str, self.command())), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(200):
            with contextlib.suppress(OSError):
                self.api = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
                if self.call("GET", "/readyz") != (503, None):
                    return
            time.sleep(0.05)
        raise SystemExit("the server does not start")

    def put_files(self):
        self.files = [f"{number:03}.bin" for number in range(N_FILES)]
        for file in self.files:
            self.call("PUT", f"/vk/v1/buckets/bench/objects/{file}", os.urandom(4096))

    def issue(self, n_urls):
        """Paths of so many single-use URLs."""
        paths = []
        while len(paths) < n_urls:
            asked = [asking(file, uses=1) for file in (self.files * 10)]
            _, content = self.call("POST", "/vk/v1/signed-urls", json.dumps(asked))
            paths += ["/" + issued["url"].split("://", 1)[1].partition("/")[2] for issued in json.loads(content)]
        return paths


def asking(file, **more):
    return {"bucket": "bench", "key": file, "permission": "read", "expires_in_seconds": 86400, **more}


def load(server, seconds, *arguments):
    """What wrk did in so many seconds."""
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", HERE / "calls.lua",
               f"http://127.0.0.1:{server.port}", "--", *arguments]
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=seconds + 60)
    if result.returncode:
        raise SystemExit(result.stderr or result.stdout)
    outcome = json.loads(result.stdout.strip().splitlines()[-1])
    if outcome["failed"] or outcome["broken"]:
        raise SystemExit(f"{outcome['failed']} refused and {outcome['broken']} broken of {outcome['requests']} requests")
    return outcome


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--binary", help="valetkey, if it is built already")
    arguments = parser.parse_args()
    if not shutil.which("wrk"):
        raise SystemExit("`wrk` is not installed")
    binary = arguments.binary or shared.built("-p", "valetkey", name="valetkey")
    with tempfile.TemporaryDirectory(prefix="durable-") as work, contextlib.ExitStack() as stack:
        work = pathlib.Path(work)
        server = Server("valetkey", binary, work, work)
        stack.callback(server.stop)
        server.start()
        server.put_files()
        one, hundred, paths = work / "one.json", work / "hundred.json", work / "paths.txt"
        one.write_text(json.dumps(asking(server.files[0])))
        hundred.write_text(json.dumps([asking(file) for file in server.files]))
        issue = "post", "/vk/v1/signed-urls"
        runs = {"redeemed, single use": [], "issued singly": [], "issued by arrays of 100": []}
        for _ in range(arguments.rounds):
            paths.write_text("\n".join(server.issue(URLS_A_SECOND * arguments.seconds)) + "\n")
            runs["redeemed, single use"].append((1, load(server, arguments.seconds, "get", paths)))
            runs["issued singly"].append((1, load(server, arguments.seconds, *issue, one, shared.BEARER)))
            runs["issued by arrays of 100"].append((100, load(server, arguments.seconds, *issue, hundred, shared.BEARER)))
    print(f"{os.uname().release}, {os.cpu_count()} CPUs; {arguments.rounds} rounds of {arguments.seconds} s, {CONNECTIONS} connections;"
          " a second, median (least..most); milliseconds of a call, median and 99th percentile")
    for name, rounds in runs.items():
        rates = [n_each * outcome["requests"] / outcome["seconds"] for n_each, outcome in rounds]
        middle = {key: statistics.median(outcome[key] for _, outcome in rounds) for key in ("p50_ms", "p99_ms")}
        print(f"  {name:24} {statistics.median(rates):8.0f} ({min(rates):.0f}..{max(rates):.0f})"
              f"   {middle['p50_ms']:7.1f} {middle['p99_ms']:7.1f}")


if __name__ == "__main__":
    main()
