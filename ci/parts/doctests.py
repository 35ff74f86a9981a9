"""The examples in the documentation of the code."""

import re

from ci import command
from ci.outcome import Outcome

NAME = "doctests"
ABOUT = "the examples in rustdoc compile and run"

_RESULT = re.compile(r"^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored;", re.M)


def run(context):
    """`cargo test --doc`."""
    done = command.run(
        ["cargo", "test", "--locked", "--workspace", "--doc", "--no-fail-fast"], cwd=context.root, env=context.env()
    )
    outcome = Outcome()
    for passed, failed, ignored in _RESULT.findall(done.output):
        outcome.ran += int(passed) + int(failed)
        outcome.failed += int(failed)
        outcome.skipped += int(ignored)
    if not done.ok and not outcome.failed:
        outcome.fault("`cargo test --doc` failed before its tests ran")
    return outcome
