"""The command line of `./test`."""

import argparse
import random
import time

from ci import given, installed, sabotage, settings
from ci.binary import CannotBuild
from ci.context import ROOT, Context
from ci.outcome import Outcome, report
from ci.parts import PARTS


def main(arguments):
    """Runs what the arguments choose; gives the exit status."""
    options = _parse(arguments)
    if options.list:
        width = max(map(len, PARTS))
        print("\n".join(f"{name:<{width}}  {part.ABOUT}" for name, part in PARTS.items()))
        return 0
    if phrases := given.missing():
        print(given.sentence(phrases))
        print("0 passed, 1 failed")
        return 2
    context = Context(seed=options.seed if options.seed is not None else random.getrandbits(63), soak=options.soak)
    print(f"seed: VALETKEY_SEED={context.seed}", flush=True)
    if options.sabotage:
        outcomes = {"sabotage": _timed("sabotage", lambda: sabotage.run(context, options.parts))}
    else:
        outcomes = _run_parts(context, options.parts or list(PARTS))
    print(f"\nseed: VALETKEY_SEED={context.seed}")
    print(report(outcomes), flush=True)
    return 1 if any(outcome.n_failed for outcome in outcomes.values()) else 0


def _run_parts(context, names):
    expected = settings.read(ROOT / "ci" / "expected.toml")["parts"]
    outcomes = {}
    for name in names:
        outcome = outcomes[name] = _timed(name, lambda name=name: PARTS[name].run(context))
        outcome.hold_to(expected[name])
    return outcomes


def _timed(name, run):
    """The outcome of a part with its time; whatever stops a part is that part's failure and lets the others run."""
    print(f"\n== {name}", flush=True)
    began = time.monotonic()
    try:
        outcome = run()
    except (installed.CannotInstall, CannotBuild, settings.SettingsError, RuntimeError, OSError) as error:
        outcome = Outcome()
        outcome.fault(str(error))
    outcome.seconds = time.monotonic() - began
    return outcome


def _parse(arguments):
    parser = argparse.ArgumentParser(
        prog="./test",
        description="Tests everything, and installs what it needs for that. About 10 minutes on two cores once all is built.",
        epilog="`cargo nextest run --workspace` is the quick subset, and needs nothing but Rust.",
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help="only these parts (with --sabotage: only these switches)")
    parser.add_argument("--list", action="store_true", help="list the parts and end")
    parser.add_argument("--soak", action="store_true", help="the long counts: an hour, and up to 8 GiB of disk")
    parser.add_argument("--sabotage", action="store_true", help="break one guarantee at a time, and want the tests to see it")
    parser.add_argument("--seed", type=int, help="the seed of an earlier run, to run it again")
    options = parser.parse_args(arguments)
    known = sabotage.switches() if options.sabotage else PARTS
    for name in options.parts:
        if name not in known:
            parser.error(f"there is no `{name}`; there are {', '.join(known)}")
    return options
