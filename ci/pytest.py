"""Runs the end-to-end tests and counts."""

import xml.etree.ElementTree as ElementTree

from ci import command, installed
from ci.outcome import Outcome

PROGRAMS = {"aria2c": "aria2", "curl": "curl", "strace": "strace"}


def run(context, work, binary, arguments=(), env=None):
    """The tests in `e2e/` that `arguments` choose, against this binary, with their data in `work`."""
    installed.debian(context, PROGRAMS)
    folder = context.root / "e2e"
    python = installed.python_venv(context, "e2e", folder / "requirements.txt")
    results = work / "results.xml"
    data = work / "data"
    whole = [python, "-B", "-m", "pytest", "--basetemp", data, "--junitxml", results, "-p", "no:cacheprovider", *arguments]
    own = {"VALETKEY_BINARY": str(binary), "PYTHONUNBUFFERED": "1"}
    done = command.run(whole, cwd=folder, env={**context.env(), **own, **(env or {})}, limit_seconds=7200)
    return counted(done, results)


def counted(done, results):
    """The outcome by pytest's own count."""
    outcome = Outcome()
    if not results.exists():
        outcome.fault(f"pytest ended with status {done.status} and counted nothing")
        return outcome
    for suite in ElementTree.parse(results).getroot().iter("testsuite"):
        n_cases, n_skipped = int(suite.get("tests")), int(suite.get("skipped"))
        outcome.ran += n_cases - n_skipped
        outcome.skipped += n_skipped
        outcome.failed += int(suite.get("failures")) + int(suite.get("errors"))
    if not done.ok and not outcome.failed:
        outcome.fault(f"pytest ended with status {done.status}")
    return outcome
