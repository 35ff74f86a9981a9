"""The real binary, seen by a real browser."""

import re

from ci import binary, command, installed
from ci.outcome import Outcome

NAME = "browser"
ABOUT = "names of downloads, the safe view, CORS, refusals and the page of limited URLs in Chromium"

_COUNT = re.compile(r"^# (tests|fail|cancelled|skipped|todo) (\d+)$", re.M)


def run(context):
    """`e2e/browser/`, by node's own test runner."""
    folder = context.root / "e2e" / "browser"
    server = binary.release(context)
    installed.debian(context, {"chromium": "chromium"})
    installed.npm(context, folder)
    with context.work(NAME) as work:
        env = {**context.env(), "VALETKEY_BINARY": str(server), "VALETKEY_WORK": str(work)}
        done = command.run(["node", "--test", "--test-reporter", "tap"], cwd=folder, env=env, limit_seconds=900)
    outcome = Outcome()
    counts = {name: int(count) for name, count in _COUNT.findall(done.output)}
    if not counts:
        outcome.fault(f"node's test runner ended with status {done.status} and counted nothing")
        return outcome
    outcome.skipped = counts["skipped"] + counts["todo"]
    outcome.ran = counts["tests"] - outcome.skipped
    outcome.failed = counts["fail"] + counts["cancelled"]
    if not done.ok and not outcome.failed:
        outcome.fault(f"node's test runner ended with status {done.status}")
    return outcome
