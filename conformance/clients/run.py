#!/usr/bin/env python3
"""Drives the vendors' published clients, unmodified, against the real server.

    conformance/clients/run.py --binary target/release/valetkey [CLIENT …]

Every folder here is a client: `client.toml` says what it is (`package`, `language` and `n_checks`), a lock file pins it, and `drive.py` or
`drive.mjs` drives it. The driver is told by the environment where the server is and who it may be (`VALETKEY_URL`, `VALETKEY_TENANT`,
`VALETKEY_CLIENT_ID`, `VALETKEY_CLIENT_SECRET`, `VALETKEY_BEARER`, and `VALETKEY_OTHER_BEARER` of another tenant). It prints `version …`, then
a line for each check: `ok NAME` or `not ok NAME: why`. Each client has a fresh server. The last line is `N passed, N failed`; the exit
status is 1 if any failed.
"""

import argparse
import dataclasses
import json
import pathlib
import re
import shutil
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent

# Packages are installed as `./test` installs its own, and the server is started as in the other suites.
sys.path[:0] = [str(ROOT), str(HERE.parent)]
sys.dont_write_bytecode = True

import server  # noqa: E402
from ci import command, installed, settings  # noqa: E402
from ci.context import Context  # noqa: E402

# What a whole client takes is seconds; one that hangs is ended.
LIMIT_SECONDS = 600


@dataclasses.dataclass(frozen=True)
class Client:
    """A published client, as its folder describes it."""

    folder: pathlib.Path
    package: str
    language: str
    n_checks: int

    @classmethod
    def of(cls, folder):
        """The client of a folder."""
        said = settings.read(folder / "client.toml")[""]
        if said.get("language") not in ("python", "node", "browser"):
            raise settings.SettingsError(f"{folder.name}/client.toml: `language` is `python`, `node` or `browser`")
        return cls(folder, said["package"], said["language"], said["n_checks"])

    def driver(self, context):
        """Installs what the lock file has; gives the command that drives the client."""
        if self.language == "python":
            python = installed.python_venv(context, f"client-{self.folder.name}", self.folder / "requirements.txt")
            return [python, "-B", "drive.py"]
        if self.language == "browser":
            installed.debian(context, {"chromium": "chromium"})
        installed.npm(context, self.folder)
        return ["node", "drive.mjs"]

    def pinned(self):
        """The version in the lock file; `None` for a browser, which is the system's."""
        if self.language == "python":
            name = re.escape(self.package).replace("_", "[-_]").replace(r"\-", "[-_]")
            found = re.search(rf"^{name}==([^\s;\\]+)", (self.folder / "requirements.txt").read_text(), re.M | re.I)
            return found and found[1]
        if self.language == "node":
            packages = json.loads((self.folder / "package-lock.json").read_text())["packages"]
            return packages.get(f"node_modules/{self.package}", {}).get("version", "none")
        return None


def drive(client, context, binary, work):
    """Drives a client against a server of its own; gives how many checks passed and failed, and a line about it."""
    asked = client.driver(context)
    with server.Server(binary, work) as running:
        env = {
            "VALETKEY_URL": running.url,
            "VALETKEY_TENANT": server.TENANT,
            "VALETKEY_CLIENT_ID": server.CLIENT,
            "VALETKEY_CLIENT_SECRET": server.CLIENT_SECRET,
            "VALETKEY_BEARER": server.CLIENT_BEARER,
            "VALETKEY_OTHER_BEARER": server.OTHER_BEARER,
            # A client that looks for its settings at home finds none.
            "HOME": str(work),
        }
        done = command.run(asked, cwd=client.folder, env={**context.env(), **env}, limit_seconds=LIMIT_SECONDS)
        is_alive = running.is_alive
        n_requests = requests_seen(running) if is_alive else 0
    n_passed = len(re.findall(r"^ok ", done.output, re.M))
    n_failed = len(re.findall(r"^not ok ", done.output, re.M))
    version = re.findall(r"^version (\S+)$", done.output, re.M)
    pinned = client.pinned()
    faults = [] if is_alive else ["the server did not survive it"]
    if len(version) != 1 or pinned and version != [pinned]:
        faults.append(f"the driver names {version or 'no version'}, and the lock file {pinned or 'none'}")
    if n_passed + n_failed != client.n_checks:
        faults.append(f"{n_passed + n_failed} checks ran where client.toml has {client.n_checks}")
    if pinned and not re.search(rf"^\|.*`{re.escape(client.package)}`.*\| {re.escape(pinned)} \|$", (ROOT / "README.md").read_text(), re.M):
        faults.append(f"README.md does not say that {client.package} {pinned} works")
    if done.status != (1 if n_failed else 0):
        faults.append(f"the driver ended with status {done.status}")
    if is_alive and not n_requests:
        faults.append("the server saw no request")
    for fault in faults:
        print(f"not ok {client.folder.name}: {fault}", flush=True)
    return n_passed, n_failed + len(faults), f"{client.package} {' '.join(version)}: {n_passed} checks passed, {n_requests} requests"


def requests_seen(running):
    """How many requests the server has had, by its own count, without the one that asks."""
    page = running.call("GET", "/metrics").decode()
    return int(re.search(r"^valetkey_http_requests_total (\d+)$", page, re.M)[1]) - 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "target" / "release" / "valetkey")
    parser.add_argument("--work", type=pathlib.Path, help="a directory to work in, which is kept")
    parser.add_argument("clients", nargs="*", metavar="CLIENT", help="only these folders")
    options = parser.parse_args()
    folders = [HERE / name for name in options.clients] or sorted(file.parent for file in HERE.glob("*/client.toml"))
    directory = options.work or pathlib.Path(tempfile.mkdtemp(prefix="valetkey-clients-"))
    context = Context(seed=0)
    n_passed, n_failed, lines = 0, 0, []
    try:
        for folder in folders:
            print(f"-- {folder.name}", flush=True)
            work = directory / folder.name
            work.mkdir()
            try:
                passed, failed, line = drive(Client.of(folder), context, options.binary.resolve(), work)
            except (installed.CannotInstall, server.Refused, settings.SettingsError, KeyError, OSError) as error:
                passed, failed, line = 0, 1, f"not ok {folder.name}: {error}"
            n_passed, n_failed, lines = n_passed + passed, n_failed + failed, [*lines, line]
    finally:
        if not options.work:
            shutil.rmtree(directory, ignore_errors=True)
    print("\n".join(lines))
    print(f"{n_passed} passed, {n_failed} failed")
    sys.exit(1 if n_failed else 0)


if __name__ == "__main__":
    main()
