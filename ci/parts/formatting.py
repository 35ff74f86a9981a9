"""The layout of the source."""

from ci import command
from ci.outcome import Outcome

NAME = "format"
ABOUT = "the source is laid out by rustfmt"


def run(context):
    """`cargo fmt --check`."""
    return Outcome.of_check(command.run(["cargo", "fmt", "--all", "--check"], cwd=context.root, env=context.env()).ok)
