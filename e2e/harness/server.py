"""The server under test: the real binary, started on a directory, killed and started again on the same one."""

import contextlib
import os
import pathlib
import re
import select
import signal
import socket
import subprocess
import threading
import time
import urllib.parse

BINARY = pathlib.Path(os.environ.get("VALETKEY_BINARY", pathlib.Path(__file__).parents[2] / "target" / "release" / "valetkey"))

# The tenant, its API key with every scope but `admin`, its bucket, and a signing key whose secret the tests know; and another
# tenant with as much.
TENANT, OTHER_TENANT = "tenant-1", "tenant-2"
API_KEY, OTHER_API_KEY = "app", "other-app"
BEARER, OTHER_BEARER = "bearer-of-app-0123456789", "bearer-of-other-app-0123456789"
READER_BEARER = "bearer-of-reader-0123456789"
# Who administers the tenant.
ADMIN_BEARER = "bearer-of-chief-0123456789"
BUCKET, OTHER_BUCKET = "reports", "others"
KID, OTHER_KID = "app-1", "other-app-1"
SIGNING_SECRET, OTHER_SIGNING_SECRET = b"0123456789abcdef0123456789abcdef", b"fedcba9876543210fedcba9876543210"

BOOTSTRAP = f"""
[[tenant]]
name = "{TENANT}"

[[tenant]]
name = "{OTHER_TENANT}"

[[api_key]]
tenant = "{TENANT}"
id = "{API_KEY}"
secret = "secret-of-app-0123456789"
bearer = "{BEARER}"
scopes = ["*"]

[[api_key]]
tenant = "{TENANT}"
id = "reader"
secret = "secret-of-reader-0123456789"
bearer = "{READER_BEARER}"
scopes = ["object:read", "link:issue"]

[[api_key]]
tenant = "{TENANT}"
id = "chief"
secret = "secret-of-chief-0123456789"
bearer = "{ADMIN_BEARER}"
scopes = ["*", "admin"]

[[api_key]]
tenant = "{OTHER_TENANT}"
id = "{OTHER_API_KEY}"
secret = "secret-of-other-app-0123456789"
bearer = "{OTHER_BEARER}"
scopes = ["*"]

[[bucket]]
tenant = "{TENANT}"
name = "{BUCKET}"

[[bucket]]
tenant = "{OTHER_TENANT}"
name = "{OTHER_BUCKET}"

[[signing_key]]
tenant = "{TENANT}"
kid = "{KID}"
algorithm = "HS256"
secret_file = "{KID}.key"
owner = "{API_KEY}"

[[signing_key]]
tenant = "{OTHER_TENANT}"
kid = "{OTHER_KID}"
algorithm = "HS256"
secret_file = "{OTHER_KID}.key"
owner = "{OTHER_API_KEY}"
"""

START_SECONDS = 60
STOP_SECONDS = 60

# Below the ports that the kernel gives to clients: one that asks for a server that is down must not meet itself.
_PORTS = range(20_000, 30_000)


class Server:
    """One data directory and the process on it. Threads may use it while another kills and starts the process."""

    def __init__(self, directory, arguments=(), environment=None, wrapper=()):
        self.directory = directory
        self.data = directory / "data"
        self.log = directory / "log"
        self.port = None
        self.pid = None
        self.n_kills = 0
        self._arguments = list(arguments)
        self._environment = environment or {}
        self._wrapper = list(wrapper)
        self._process = None
        self._changed = threading.Condition()
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "bootstrap.toml").write_text(BOOTSTRAP)
        for kid, secret in ((KID, SIGNING_SECRET), (OTHER_KID, OTHER_SIGNING_SECRET)):
            key_file = directory / f"{kid}.key"
            key_file.write_bytes(secret)
            key_file.chmod(0o600)

    @property
    def url(self):
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def at(self, url):
        """A URL that it gave out, as it is to be asked for now."""
        parts = urllib.parse.urlsplit(url)
        return parts._replace(scheme="http", netloc=f"127.0.0.1:{self.port}").geturl()

    def start(self):
        """Starts the process and waits until it says that it listens."""
        port = self.port or _free_port()
        command = [*self._wrapper, BINARY, "serve", "--data", self.data, "--listen", f"127.0.0.1:{port}"]
        command += ["--bootstrap", self.directory / "bootstrap.toml", *self._arguments]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**_environment(), **self._environment},
                start_new_session=True,
            )
        line = self._first_line()
        listening = re.fullmatch(r"listening on http://127\.0\.0\.1:(\d+)\n", line)
        if not listening:
            self._end()
            raise AssertionError(f"the first line is {line!r}; the log ends with:\n{self.tail()}")
        with self._changed:
            self.port = int(listening[1])
            self.pid = self._process.pid if not self._wrapper else _only_child(self._process.pid)
            self._changed.notify_all()
        return self

    def kill(self):
        """kill -9."""
        with self._changed:
            process, self.n_kills = self._process, self.n_kills + 1
            os.kill(self.pid, signal.SIGKILL)
            self.pid = None
        process.wait(STOP_SECONDS)
        self._end()

    def stop(self):
        """Asks it to stop, as an operator does, and wants it to end well."""
        os.kill(self.pid, signal.SIGTERM)
        status = self._process.wait(STOP_SECONDS)
        self.pid = None
        self._end()
        assert status == 0, f"status {status} after SIGTERM; the log ends with:\n{self.tail()}"

    def close(self):
        """Leaves nothing behind, whatever has happened."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(STOP_SECONDS)
            self._end()

    def wait_until_up(self, seconds=START_SECONDS):
        """Waits for the next start if it is down; gives whether it is up."""
        with self._changed:
            return self._changed.wait_for(lambda: self.pid is not None, seconds)

    def tail(self, n_bytes=4000):
        """The end of its log."""
        return self.log.read_bytes()[-n_bytes:].decode("utf-8", "replace") if self.log.exists() else ""

    def peak_rss_bytes(self):
        """The most memory that it ever had resident."""
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"^VmHWM:\s+(\d+) kB$", status, re.M)[1]) << 10

    def _first_line(self):
        """The first line of standard output. Read byte by byte: the process may write more and must not block."""
        deadline = time.monotonic() + START_SECONDS
        line = b""
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([self._process.stdout], [], [], max(0, deadline - time.monotonic()))
            byte = os.read(self._process.stdout.fileno(), 1) if ready else b""
            if not byte:
                break
            line += byte
        return line.decode("utf-8", "replace")

    def _end(self):
        self._process.stdout.close()
        self._process = None


def _environment():
    """Ours, without the settings of another server; the switches of the test-only build stay."""
    switches = ("VALETKEY_SABOTAGE", "VALETKEY_CRASH_AT")
    return {name: value for name, value in os.environ.items() if not name.startswith("VALETKEY_") or name in switches}


def _free_port():
    first = os.getpid() % len(_PORTS)
    for port in [*_PORTS[first:], *_PORTS[:first]]:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port
    raise AssertionError("no port is free")


def _only_child(pid):
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    assert len(children) == 1, children
    return int(children[0])
