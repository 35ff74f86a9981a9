"""The crates' own tests."""

from ci import nextest

NAME = "unit"
ABOUT = "unit and integration tests of every crate"


def run(context):
    """Everything that is built without the test-only faults."""
    return nextest.run(context, ["--workspace"])
