"""The real binary, from outside."""

from ci import binary, pytest

NAME = "end-to-end"
ABOUT = "the release binary over real sockets: round trips, tampering, single use, kill -9, memory, hostile clients"


def run(context):
    """`e2e/`."""
    server = binary.release(context)
    with context.work(NAME) as work:
        return pytest.run(context, work, server)
