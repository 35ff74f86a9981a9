"""The vendors' published clients, unmodified, against the real binary."""

import sys

from ci import binary, command
from ci.outcome import Outcome

NAME = "clients"
ABOUT = "the vendors' published clients, as locked, each against a server of its own (conformance/clients)"


def run(context):
    """`conformance/clients/run.py`, which ends with `N passed, N failed`; one test is one check of a client's driver."""
    server = binary.release(context)
    with context.work(NAME) as work:
        asked = [sys.executable, "-B", context.root / "conformance" / "clients" / "run.py", "--binary", server, "--work", work]
        done = command.run(asked, cwd=context.root, env=context.env(), limit_seconds=3600)
    return Outcome.of_sum(done, "conformance/clients/run.py")
