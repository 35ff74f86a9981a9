#!/usr/bin/env python3
"""GET throughput against nginx with secure_link, on one machine, over loopback.

Each server has one worker on CPU 0, the load runs on CPU 1; servers take turns within a round; the median of all rounds is
given, as a ratio to nginx. The figure is work per busy second of CPU 0 (/proc/stat, softirq included), so that the load
generator's limit does not count; where its own core is over 90 % busy, requests per second are only a lower bound. Beside it
stands the ratio per second of the server's own process time: it misses softirq on other cores and ticks coarsely, but where
other programs use CPU 0 (the last column but one tells how much of it was not the server) it is the one to look at.

Small files are asked for by two clients in turn. `wrk` sleeps when it has nothing to read, and has to be woken by the server at
each answer: that costs the slower server a third of its time and the faster one, whose client always has something to read,
little, so that a difference looks larger than it is. The spinning client (small.c) never sleeps.

valetkey is the real server: files come in through its API, URLs are issued by it, in the token form and (`links`) in the link
form; each is asked for in turn with as many others.

    benches/get-vs-nginx.py                       # all cases, 5 rounds of 2 s
    benches/get-vs-nginx.py --cases 4k,64k --rounds 3 --seconds 1
    benches/get-vs-nginx.py --with other=/path/to/another/valetkey      # two builds in the same rounds
    benches/get-vs-nginx.py --with-dataplane      # also the data plane alone, without signatures

Needs root for `nice`, and nginx, wrk, gcc, cargo. Works in a directory of its own under the system's temporary one (5 GiB while
it runs), on loopback alone, and removes it.
"""

import argparse
import base64
import contextlib
import hashlib
import http.client
import json
import os
import pathlib
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
SECRET = "not a secret, a benchmark"
BEARER = "not-a-secret-a-benchmark"
BOOTSTRAP = f"""
[[tenant]]
name = "bench"

[[api_key]]
tenant = "bench"
id = "bench"
secret = "secret-of-a-benchmark-0123456789"
bearer = "{BEARER}"
scopes = ["*"]

[[bucket]]
tenant = "bench"
name = "bench"
"""
# Case: size of a file, number of files, connections.
CASES = {
    "4k": (4 << 10, 1000, 64),
    "64k": (64 << 10, 1000, 64),
    "1m": (1 << 20, 200, 64),
    "1g-1": (1 << 30, 1, 1),
    "1g-8": (1 << 30, 1, 8),
}
N_URLS = 100_000


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def on(cpu, command):
    return ["taskset", "-c", str(cpu), "nice", "-n", "-20", *map(str, command)]


class Server:
    """A server under test: a process on CPU 0, and the paths to ask it for."""

    name = "?"
    port = 0
    process = None

    def command(self):
        raise NotImplementedError

    def paths(self, case, files):
        raise NotImplementedError

    def start(self):
        self.port = free_port()
        self.process = subprocess.Popen(on(0, self.command()), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.05)
        raise SystemExit(f"{self.name} does not listen")

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(10)
            self.process = None


class Nginx(Server):
    """nginx with secure_link; `extra` makes it a tuned one."""

    def __init__(self, name, work, root, extra=""):
        self.name, self.work, self.root, self.extra = name, work / name.replace(" ", "-"), root, extra

    def command(self):
        self.work.mkdir(exist_ok=True)
        config = self.work / "nginx.conf"
        config.write_text(f"""
daemon off; user root; worker_processes 1; pid {self.work}/pid; error_log {self.work}/error.log;
events {{ worker_connections 16384; }}
http {{
    access_log off; sendfile on; tcp_nopush on; default_type application/octet-stream;
    keepalive_requests 1000000000; client_body_temp_path {self.work}/body; proxy_temp_path {self.work}/proxy;
    fastcgi_temp_path {self.work}/fastcgi; uwsgi_temp_path {self.work}/uwsgi; scgi_temp_path {self.work}/scgi;
    {self.extra}
    server {{
        listen 127.0.0.1:{self.port} reuseport;
        location / {{
            root {self.root};
            secure_link $arg_md5,$arg_expires;
            secure_link_md5 "$secure_link_expires$uri {SECRET}";
            if ($secure_link = "") {{ return 403; }}
            if ($secure_link = "0") {{ return 410; }}
        }}
    }}
}}
""")
        return ["nginx", "-e", f"{self.work}/error.log", "-c", config]

    def paths(self, case, files):
        return signed(files)


class Valetkey(Server):
    """`valetkey serve` with one worker; files come in through its API, URLs are issued by it."""

    def __init__(self, name, binary, work, root):
        self.name, self.binary, self.work, self.root = name, binary, work / name, root
        self.stored = set()

    def command(self):
        self.work.mkdir()
        bootstrap = self.work / "bootstrap.toml"
        bootstrap.write_text(BOOTSTRAP)
        bootstrap.chmod(0o600)
        return [self.binary, "serve", "--data", self.work / "data", "--listen", f"127.0.0.1:{self.port}",
                "--bootstrap", bootstrap, "--workers", "1"]

    def start(self):
        super().start()
        self.api = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        # The first connection may come before the keys are there.
        for _ in range(100):
            if self.call("GET", "/readyz") != (503, None):
                return
            time.sleep(0.05)

    def call(self, method, path, body=None):
        self.api.request(method, path, body, {"Authorization": f"Bearer {BEARER}"})
        answer = self.api.getresponse()
        content = answer.read()
        if answer.status == 503 and path == "/readyz":
            self.api.close()
            return 503, None
        if answer.status >= 300:
            raise SystemExit(f"{self.name}: {method} {path}: {answer.status} {content[:300]}")
        return answer.status, content

    def paths(self, case, files, form="token"):
        for file in files:
            if file not in self.stored:
                with open(self.root / file, "rb") as body:
                    self.call("PUT", f"/vk/v1/buckets/bench/objects/{file}", body)
                self.stored.add(file)
        n_each = max(1, N_URLS // len(files)) if len(files) > 1 else 1
        asked = [{"bucket": "bench", "key": file, "permission": "read", "form": form, "expires_in_seconds": 86400}
                 for file in files for _ in range(n_each)]
        paths = []
        for at in range(0, len(asked), 1000):
            _, content = self.call("POST", "/vk/v1/signed-urls", json.dumps(asked[at:at + 1000]))
            paths += ["/" + issued["url"].split("://", 1)[1].partition("/")[2] for issued in json.loads(content)]
        if len(set(paths)) != len(asked):
            raise SystemExit(f"{self.name}: the same URL was issued twice")
        random.Random(1).shuffle(paths)
        return paths


class Links(Server):
    """The same server, asked by URLs of the link form."""

    def __init__(self, valetkey):
        self.name, self.valetkey = valetkey.name + " links", valetkey

    def start(self):
        self.port, self.process = self.valetkey.port, self.valetkey.process

    def stop(self):
        pass

    def paths(self, case, files):
        return self.valetkey.paths(case, files, "link")


class PlainFiles(Server):
    """The data plane alone, without signatures (crates/dataplane/examples/plain_files.rs)."""

    def __init__(self, name, binary, root):
        self.name, self.binary, self.root = name, binary, root

    def command(self):
        return [self.binary, self.root, self.port]

    def paths(self, case, files):
        return signed(files)  # of the same length as nginx's; what is after the question mark is not looked at


def signed(files):
    """At least N_URLS distinct signed paths over all files, shuffled."""
    expires = 4_000_000_000
    paths = []
    for i in range(max(1, N_URLS // len(files)) if len(files) > 1 else 1):
        for file in files:
            digest = hashlib.md5(f"{expires + i}/{file} {SECRET}".encode()).digest()
            md5 = base64.urlsafe_b64encode(digest).decode().rstrip("=")
            paths.append(f"/{file}?md5={md5}&expires={expires + i}")
    random.Random(1).shuffle(paths)
    return paths


def make_files(root, case):
    """Files of random bytes, read once, so that they are in the page cache."""
    size, n, _ = CASES[case]
    folder = root / case.split("-")[0]
    folder.mkdir(exist_ok=True)
    noise = random.Random(2).randbytes(min(size, 1 << 20))
    files = []
    for i in range(n):
        file = folder / f"{i:04}.bin"
        if not file.exists():
            with open(file, "wb") as out:
                for _ in range(size // len(noise)):
                    out.write(noise)
        files.append(str(file.relative_to(root)))
    return files


def busy(cpu):
    """Busy seconds of a CPU since the start of the machine: all but idle, iowait and steal."""
    for line in open("/proc/stat"):
        fields = line.split()
        if fields[0] == f"cpu{cpu}":
            user, nice, system, _idle, _iowait, irq, softirq = map(int, fields[1:8])
            return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")
    raise SystemExit(f"no CPU {cpu}")


def process_seconds(pid):
    """User and system time of a process and its children."""
    total = 0
    pids = [pid, *map(int, pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]
    for each in pids:
        fields = pathlib.Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def measure(server, case, list_file, seconds, large, client):
    """One run: what was delivered, and the busy seconds of both CPUs."""
    _, _, connections = CASES[case]
    if case.startswith("1g"):
        path = list_file.read_text().split("\n", 1)[0]
        command = [large, server.port, path, connections, seconds]
    elif client == "spinning":
        command = [large.with_name("small"), server.port, list_file, connections, seconds]
    else:
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", HERE / "urls.lua",
                   f"http://127.0.0.1:{server.port}", "--", list_file]
    pid = server.process.pid
    before = busy(0), busy(1), time.monotonic(), process_seconds(pid)
    result = subprocess.run(on(1, command), capture_output=True, text=True, timeout=seconds + 60)
    if result.returncode:
        raise SystemExit(f"{server.name}: {result.stderr or result.stdout}")
    outcome = json.loads(result.stdout.strip().splitlines()[-1])
    if outcome.get("errors"):
        raise SystemExit(f"{server.name}: {outcome['errors']} failed requests")
    passed = time.monotonic() - before[2]
    busy_0, own = max(busy(0) - before[0], 0.01), max(process_seconds(pid) - before[3], 0.01)
    work = outcome["bytes"] if case.startswith("1g") else outcome["requests"]
    return {
        "rate": work / outcome["seconds"],
        "per_core": work / busy_0,
        "per_own": work / own,
        "server_core": busy_0 / passed,
        "foreign": max(busy_0 - own, 0) / passed,
        "load_core": (busy(1) - before[1]) / passed,
    }


def built(*what, name):
    """A release build of this tree."""
    subprocess.run(["cargo", "build", "--release", *what], cwd=ROOT, check=True)
    return pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release" / name


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--binary", help="valetkey, if it is built already")
    parser.add_argument("--with", dest="others", action="append", default=[], metavar="NAME=BINARY",
                        help="another build of valetkey, in the same rounds")
    parser.add_argument("--with-dataplane", action="store_true", help="also the data plane alone (plain_files)")
    parser.add_argument("--without-links", action="store_true", help="the token form alone")
    parser.add_argument("--client", choices=["wrk", "spinning"], help="what asks for small files; by default both in turn")
    parser.add_argument("--json", help="a file for the figures of every round")
    arguments = parser.parse_args()
    # Where the kernel groups processes by session, `nice` counts only within ours: the group has a niceness of its own.
    with contextlib.suppress(OSError):
        pathlib.Path("/proc/self/autogroup").write_text("-20")
    for tool in ["nginx", "wrk", "gcc", "taskset"]:
        if not shutil.which(tool):
            raise SystemExit(f"`{tool}` is not installed")
    binary = arguments.binary or built("-p", "valetkey", name="valetkey")
    examples = ["-p", "valetkey-dataplane", "--example", "plain_files"]
    plain_files = built(*examples, name="examples/plain_files") if arguments.with_dataplane else None

    with tempfile.TemporaryDirectory(prefix="get-vs-nginx-") as work, contextlib.ExitStack() as stack:
        work = pathlib.Path(work)
        os.chmod(work, 0o755)
        root = work / "files"
        root.mkdir()
        large = work / "large"
        for program in "large", "small":
            subprocess.run(["gcc", "-O2", "-o", work / program, HERE / f"{program}.c"], check=True)
        cache = "open_file_cache max=10000 inactive=60s; open_file_cache_valid 30s;"
        others = (other.split("=", 1) for other in arguments.others)
        builds = [Valetkey(name, path, work, root) for name, path in [("valetkey", binary), *others]]
        servers = [
            Nginx("nginx", work, root),
            Nginx("nginx tuned", work, root, cache + " sendfile_max_chunk 256k;"),
            *builds,
            *([] if arguments.without_links else [Links(builds[0])]),
            *([PlainFiles("dataplane", plain_files, root)] if plain_files else []),
        ]
        for server in servers:
            stack.callback(server.stop)
            server.start()
        version = subprocess.run(["nginx", "-v"], capture_output=True, text=True).stderr.strip()
        print(f"{os.uname().release}, {os.cpu_count()} CPUs, {version}; {arguments.rounds} rounds of {arguments.seconds} s")
        for case in arguments.cases.split(","):
            files = make_files(root, case)
            clients = [arguments.client] if arguments.client else ["wrk", "spinning"]
            for client in ["large"] if case.startswith("1g") else clients:
                run_case(case, client, servers, files, work, large, arguments)


def run_case(case, client, servers, files, work, large, arguments):
    lists = {}
    for server in servers:
        lists[server.name] = work / f"{case}-{server.name.replace(' ', '-')}.txt"
        if not lists[server.name].exists():
            lists[server.name].write_text("\n".join(server.paths(case, files)) + "\n")
        measure(server, case, lists[server.name], 1, large, client)
    runs = {server.name: [] for server in servers}
    for number in range(arguments.rounds):
        # In the other direction every second time: what drifts meets all alike.
        for server in servers if number % 2 == 0 else reversed(servers):
            runs[server.name].append(measure(server, case, lists[server.name], arguments.seconds, large, client))
    unit, scale = ("GB/s", 1e9) if case.startswith("1g") else ("requests/s", 1)
    print(f"\n{case}, client {client}: ratios to nginx, median (least..most): per busy second of CPU 0 | per second of the process; {unit};"
          " busy: CPU 0, thereof not the server, CPU 1")
    for name, all_runs in runs.items():
        texts = []
        for key in "per_core", "per_own":
            ratios = [run[key] / base[key] for run, base in zip(all_runs, runs["nginx"])]
            texts.append(f"{statistics.median(ratios):5.2f} ({min(ratios):.2f}..{max(ratios):.2f})")
        median = {key: statistics.median(run[key] for run in all_runs) for key in all_runs[0]}
        print(f"  {name:18} {' | '.join(texts)}  {median['rate'] / scale:10.2f}"
              f"  {median['server_core']:4.0%} {median['foreign']:4.0%} {median['load_core']:4.0%}")
    sys.stdout.flush()
    if arguments.json:
        with open(arguments.json, "a") as out:
            out.write(json.dumps({"case": case, "client": client, "runs": runs}) + "\n")


if __name__ == "__main__":
    main()
