"""Crashes at named points, in the test-only build."""

from ci import installed, nextest

NAME = "crash"
ABOUT = "stores killed at named points, and their system calls (feature `faults`)"

# The stores' tests that need the feature; a test binary of that name in each.
ARGUMENTS = ["-p", "valetkey-objects", "-p", "valetkey-metadata", "--features", "faults", "--test", "crash", "--examples"]


def run(context):
    """The tests named `crash`; `--examples` builds the children that are killed."""
    installed.debian(context, {"strace": "strace"})
    return nextest.run(context, ARGUMENTS)
