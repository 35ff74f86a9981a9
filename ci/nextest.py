"""Runs cargo-nextest and counts."""

import re

from ci import command, installed
from ci.outcome import Outcome

_SUMMARY = re.compile(r"Summary \[.*?\] +(\d+)(?:/\d+)? tests? run: (\d+) passed(.*)$", re.M)


def run(context, arguments, env=None):
    """One run over the tests that `arguments` choose; all of them, whatever fails."""
    installed.nextest(context)
    whole = ["cargo", "nextest", "run", "--locked", "--no-fail-fast", "--status-level", "slow", *arguments]
    done = command.run(whole, cwd=context.root, env={**context.env(), **(env or {})})
    return counted(done)


def counted(done):
    """The outcome by the summary that cargo-nextest prints last."""
    outcome = Outcome()
    summaries = _SUMMARY.findall(done.output)
    if not summaries:
        outcome.fault("cargo-nextest gave no summary: the build failed, or no test was found")
        return outcome
    ran, passed, rest = summaries[-1]
    outcome.ran = int(ran)
    outcome.failed = int(ran) - int(passed)
    skipped = re.search(r"(\d+) skipped", rest)
    outcome.skipped = int(skipped[1]) if skipped else 0
    if not done.ok and not outcome.failed:
        outcome.fault(f"cargo-nextest ended with status {done.status}")
    return outcome
