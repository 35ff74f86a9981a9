"""Tokens against other implementations."""

import sys

from ci import command
from ci.outcome import Outcome

NAME = "tokens"
ABOUT = "token vectors against three other implementations, both ways (conformance/tokens)"


def run(context):
    """`conformance/tokens/run.py`, which ends with `N passed, N failed`."""
    script = context.root / "conformance" / "tokens" / "run.py"
    done = command.run([sys.executable, script], cwd=context.root, env=context.env())
    return Outcome.of_sum(done, "conformance/tokens/run.py")
