"""Fixtures: a server of one's own, or one that a whole file shares."""

import os
import pathlib
import random
import shutil
import tempfile

import pytest

from harness.api import Api
from harness.server import Server

SEED = int(os.environ.get("VALETKEY_SEED") or random.getrandbits(63))
SOAK = os.environ.get("VALETKEY_SOAK") == "1"

_FAILED = pytest.StashKey[bool]()


def pytest_terminal_summary(terminalreporter):
    """Whatever is random follows from the seed."""
    terminalreporter.write_line(f"seed: VALETKEY_SEED={SEED}{', soak' if SOAK else ''}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    """Lets fixtures know how their test went."""
    report = yield
    item.stash[_FAILED] = item.stash.get(_FAILED, False) or report.failed
    return report


@pytest.fixture(scope="session")
def soak():
    """Whether the counts are to be long."""
    return SOAK


@pytest.fixture
def rng(request):
    """Randomness that follows from the seed and the test's name, whichever tests run besides."""
    return random.Random(f"{SEED} {request.node.nodeid}")


@pytest.fixture
def work(tmp_path_factory):
    """A directory of one's own, by its real name; gone when the test is over, that the disk does not fill."""
    directory = pathlib.Path(tempfile.mkdtemp(dir=tmp_path_factory.getbasetemp())).resolve()
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def serve(request, work):
    """Makes servers, each on a directory of its own, and ends them; what they logged is shown if the test fails."""
    servers = []

    def start(**options):
        server = Server(work / f"server-{len(servers)}", **options)
        servers.append(server)
        return server.start()

    yield start
    for server in servers:
        server.close()
        if request.node.stash.get(_FAILED, False):
            print(f"--- log of {server.directory.name}, the end\n{server.tail()}")


@pytest.fixture
def server(serve):
    """A server of one's own."""
    return serve()


@pytest.fixture
def api(server):
    """The API of one's own server."""
    return Api(server)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """The API of a server that all tests of a file share; it must still be there when they are over, and end well."""
    directory = pathlib.Path(tempfile.mkdtemp(dir=tmp_path_factory.getbasetemp())).resolve()
    server = Server(directory).start()
    try:
        yield Api(server)
        server.stop()
    finally:
        server.close()
        shutil.rmtree(directory)
