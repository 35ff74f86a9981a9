"""Crashes at named points, in the test-only build."""

from ci import command, installed, nextest
from ci.outcome import Outcome

NAME = "crash"
ABOUT = "stores killed at named points, and their system calls (feature `faults`)"

# The stores' tests that need the feature; a test binary of that name in each.
STORES = ["-p", "valetkey-objects", "-p", "valetkey-metadata", "--features", "faults"]
ARGUMENTS = [*STORES, "--test", "crash"]


def build_children(context):
    """The programs that are killed, which other parts have built without the feature; whether that could be done."""
    return command.run(["cargo", "build", "--locked", *STORES, "--examples"], cwd=context.root, env=context.env()).ok


def run(context):
    """The tests named `crash`, over freshly linked children."""
    installed.debian(context, {"strace": "strace"})
    if not build_children(context):
        outcome = Outcome()
        outcome.fault("the programs that are to be killed cannot be built")
        return outcome
    return nextest.run(context, ARGUMENTS)
