"""Proves that tests can fail: breaks one guarantee at a time in a test-only build, and wants the tests to see it.

The switches stand in ci/sabotage.toml, each with the tests that must catch it. Three things are checked: that the table has
every switch of the source and no other; that all these tests pass while nothing is broken; and, switch by switch, that each
of its tests turns red.
"""

import re

from ci import binary, installed, nextest, pytest, settings
from ci.context import ROOT
from ci.outcome import Outcome
from ci.parts import crash

TABLE = ROOT / "ci" / "sabotage.toml"
VARIABLE = "VALETKEY_SABOTAGE"

_IN_SOURCE = re.compile(r"\bsabotaged\(\s*\"([a-z0-9-]+)\"")


def switches():
    """The table: a switch's name, and its row."""
    return {name: row for name, row in settings.read(TABLE).items() if name}


def run(context, chosen):
    """Breaks every guarantee of the table, or those chosen, one at a time."""
    table = {name: row for name, row in switches().items() if not chosen or name in chosen}
    outcome = Outcome()
    outcome.ran += 1
    for finding in _strangers():
        outcome.fault(finding)
    with context.work("sabotage") as work:
        catch = _Catchers(context, work)
        tests = sorted({test for row in table.values() for test in row["caught_by"]})
        for test in tests:
            outcome.ran += 1
            result = catch.result(test, "")
            if result.n_failed or not result.ran:
                outcome.fault(f"`{test}` does not pass while nothing is broken: {_because(result)}")
        for name, row in table.items():
            outcome.ran += 1
            results = {test: catch.result(test, name) for test in row["caught_by"]}
            blind = [test for test, result in results.items() if not result.failed]
            if blind or not results:
                outcome.fault(f'{name}: "{row["breaks"]}" was broken, and not seen by {", ".join(blind) or "anything"}')
            print(f"{name}: seen by {len(results) - len(blind)} of {len(results)}", flush=True)
    return outcome


def _because(result):
    return "; ".join(result.faults) or (f"{result.failed} failed" if result.ran else "there is no such test")


def _strangers():
    """Switches of the table that the source does not have, and the other way round."""
    in_source = set()
    for path in ROOT.glob("crates/**/*.rs"):
        in_source.update(_IN_SOURCE.findall(path.read_text(encoding="utf-8")))
    in_table = set(switches())
    harmless = set(settings.read(TABLE)[""]["harmless"])
    for name in sorted(in_table - in_source):
        yield f"{name}: no line of the source asks for this switch"
    for name in sorted(in_source - in_table - harmless):
        yield f"{name}: a switch of the source that ci/sabotage.toml does not have"


class _Catchers:
    """Runs the tests of the table, `part: test`, in the test-only build."""

    def __init__(self, context, work):
        self._context = context
        self._work = work
        self._server = None
        self._n_runs = 0

    def result(self, test, switch):
        """The outcome of one test while this switch is on."""
        part, _, name = test.partition(": ")
        env = {VARIABLE: switch}
        print(f"\n-- {switch or 'nothing'} broken: {test}", flush=True)
        if part == "crash":
            installed.debian(self._context, {"strace": "strace"})
            crash.build_children(self._context)
            return nextest.run(self._context, [*crash.ARGUMENTS, "--no-tests", "fail", "-E", f"test({name})"], env)
        if part == "end-to-end":
            self._server = self._server or binary.with_faults(self._context)
            self._n_runs += 1
            work = self._work / str(self._n_runs)
            work.mkdir()
            return pytest.run(self._context, work, self._server, [name], env)
        raise settings.SettingsError(f"{TABLE.name}: `{test}` is neither of `crash` nor of `end-to-end`")
