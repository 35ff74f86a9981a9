"""Runs commands: no standard input, output shown as it comes and kept, a limit in time, nothing left behind."""

import contextlib
import dataclasses
import os
import shlex
import signal
import subprocess
import sys
import threading


@dataclasses.dataclass(frozen=True)
class Done:
    """A command that has ended."""

    status: int
    output: str

    @property
    def ok(self):
        """Whether it said that it went well."""
        return self.status == 0


def run(command, *, cwd, env=None, limit_seconds=1800, quiet=False):
    """Runs a command with the environment `env` on top of ours.

    It gets a process group of its own, and whatever is left of that group is killed when the command ends, is interrupted, or
    has run for `limit_seconds`.
    """
    if not quiet:
        print(f"$ {shlex.join(map(str, command))}", flush=True)
    process = subprocess.Popen(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    late = threading.Event()
    timer = threading.Timer(limit_seconds, lambda: (late.set(), _kill_group(process.pid)))
    timer.start()
    kept = []
    try:
        for line in process.stdout:
            text = line.decode("utf-8", "replace")
            kept.append(text)
            if not quiet:
                sys.stdout.write(text)
                sys.stdout.flush()
        status = process.wait()
    finally:
        timer.cancel()
        _kill_group(process.pid)
        process.stdout.close()
        process.wait()
    if late.is_set():
        kept.append(f"stopped after {limit_seconds} s\n")
        print(kept[-1], end="", flush=True)
        status = status or -signal.SIGKILL
    return Done(status, "".join(kept))


def _kill_group(leader):
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)
