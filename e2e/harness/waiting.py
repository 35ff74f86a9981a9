"""Waiting for what a server does by and by."""

import time

WAIT_SECONDS = 60


def until(holds):
    """Asks again until it holds; gives what it is then."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not (found := holds()):
        assert time.monotonic() < deadline, f"not within {WAIT_SECONDS} seconds"
        time.sleep(0.02)
    return found
