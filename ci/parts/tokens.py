"""Tokens against other implementations."""

import re
import sys

from ci import command
from ci.outcome import Outcome

NAME = "tokens"
ABOUT = "token vectors against three other implementations, both ways (conformance/tokens)"

_SUM = re.compile(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", re.M)


def run(context):
    """`conformance/tokens/run.py`, which ends with `N passed, N failed`."""
    script = context.root / "conformance" / "tokens" / "run.py"
    done = command.run([sys.executable, script], cwd=context.root, env=context.env())
    outcome = Outcome()
    sums = _SUM.findall(done.output)
    if not sums:
        outcome.fault("conformance/tokens/run.py gave no sum")
        return outcome
    passed, failed, skipped = (int(count or 0) for count in sums[-1])
    outcome.ran, outcome.failed, outcome.skipped = passed + failed, failed, skipped
    if not done.ok and not failed:
        outcome.fault(f"conformance/tokens/run.py ended with status {done.status}")
    return outcome
