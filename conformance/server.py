"""The server of the conformance suites: a process on an empty data directory, with tenants, keys and buckets."""

import contextlib
import json
import os
import re
import signal
import subprocess
import threading
import urllib.error
import urllib.request

TENANT = "tenant-1"
API_KEY = "conformance"
SECRET = "secret-of-conformance-0123456789"
BEARER = "bearer-of-conformance-0123456789"
BUCKET = "reports"
PUBLIC_BUCKET = "leaflets"
# Who has every scope, but administers nothing: as an application's key should be. And another tenant's.
CLIENT = "client-of-conformance"
CLIENT_SECRET = "secret-of-the-client-0123456789"
CLIENT_BEARER = "bearer-of-the-client-0123456789"
OTHER_TENANT = "tenant-2"
OTHER_BEARER = "bearer-of-another-0123456789"

BOOTSTRAP = f"""
[[tenant]]
name = "{TENANT}"

[[api_key]]
tenant = "{TENANT}"
id = "{API_KEY}"
secret = "{SECRET}"
bearer = "{BEARER}"
scopes = ["*", "admin"]

[[api_key]]
tenant = "{TENANT}"
id = "{CLIENT}"
secret = "{CLIENT_SECRET}"
bearer = "{CLIENT_BEARER}"
scopes = ["*"]

[[tenant]]
name = "{OTHER_TENANT}"

[[api_key]]
tenant = "{OTHER_TENANT}"
id = "another-of-conformance"
secret = "secret-of-another-0123456789"
bearer = "{OTHER_BEARER}"
scopes = ["*"]

[[bucket]]
tenant = "{TENANT}"
name = "{BUCKET}"

[[bucket]]
tenant = "{TENANT}"
name = "{PUBLIC_BUCKET}"
public = true
"""


class Refused(Exception):
    """A call that was to succeed, and did not."""


class Server:
    """A running server, and its tenant's administrator."""

    def __init__(self, binary, directory, arguments=()):
        bootstrap = directory / "bootstrap.toml"
        bootstrap.write_text(BOOTSTRAP)
        listen = ["--listen", "127.0.0.1:0", "--data", directory / "data", "--bootstrap", bootstrap]
        self._log = open(directory / "server.log", "wb")
        self._process = subprocess.Popen(
            [str(binary), "serve", *map(str, [*listen, *arguments]), "--log", "warn"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            # Without the settings of another server.
            env={name: value for name, value in os.environ.items() if not name.startswith("VALETKEY_")},
        )
        timer = threading.Timer(30, self._process.kill)
        timer.start()
        line = self._process.stdout.readline()
        timer.cancel()
        if not (listening := re.fullmatch(r"listening on (http://\S+)\n", line)):
            raise Refused(f"the server did not start; its log is {self._log.name}")
        self.url = listening[1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(30)
        self._process.kill()
        self._process.stdout.close()
        self._log.close()

    @property
    def is_alive(self):
        """Whether it still runs."""
        return self._process.poll() is None

    def call(self, method, target, body=None, fields=()):
        """A call that must succeed; gives the decoded JSON, or the bytes."""
        fields = {"Authorization": f"Bearer {BEARER}", **dict(fields)}
        if body is not None and not isinstance(body, bytes):
            fields.setdefault("Content-Type", "application/json")
            body = json.dumps(body).encode()
        url = target if target.startswith("http") else self.url + target
        request = urllib.request.Request(url, body, fields, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                content = answer.read()
                is_json = answer.headers.get("Content-Type", "").startswith("application/json")
                return json.loads(content) if is_json and content else content
        except urllib.error.HTTPError as error:
            raise Refused(f"{method} {target}: {error.code} {error.read()[:500]}") from error
