"""The server streams: what it holds in memory depends neither on the size of files nor much on the number of transfers."""

import hashlib
import selectors

from conftest import SEED, SOAK
from harness.api import object_path
from harness.content import Content
from harness.http import Connection
from harness.server import BEARER

MIB = 1 << 20
LIMIT_BYTES = 64 * MIB
N_TRANSFERS = 64


def test_64_downloads_of_one_file_fit_into_64_mib(api):
    """All under way at once and read in turn, so that none is done before the others have begun."""
    content = Content(SEED, 1024 * MIB if SOAK else 128 * MIB)
    api.put_new("large", content)
    target = api.target("large")
    connections = [Connection(api.server.port, receive_buffer=256 << 10) for _ in range(N_TRANSFERS)]
    left = {}
    # Normally all get some of it and a few get all; in the soak all get all.
    n_whole = N_TRANSFERS if SOAK else 4
    for number, connection in enumerate(connections):
        connection.request("GET", target)
        assert connection.receive_head().status == 200
        left[connection] = content.size if number < n_whole else 8 * MIB
    digests = {connection: hashlib.sha256() for connection in connections[:4]}
    read_in_turn(left, digests)
    peak = api.server.peak_rss_bytes()
    for connection in connections:
        connection.close()
    assert {digest.hexdigest() for digest in digests.values()} == {content.sha256}
    assert peak < LIMIT_BYTES, f"{peak / MIB:.1f} MiB"


def read_in_turn(left, digests):
    """Reads so many bytes from each connection, a bit from each that has some."""
    buffer = bytearray(256 << 10)
    with selectors.DefaultSelector() as ready:
        for connection in left:
            ready.register(connection.socket, selectors.EVENT_READ, connection)
        while ready.get_map():
            for key, _ in ready.select(60):
                connection = key.data
                some = connection.receive_some(min(len(buffer), left[connection]))
                assert some, "the server broke off"
                if connection in digests:
                    digests[connection].update(some)
                left[connection] -= len(some)
                if not left[connection]:
                    ready.unregister(connection.socket)


def test_64_uploads_of_64_mib_fit_into_64_mib(api):
    """All under way at once: each is sent a bit in turn, as fast as the server takes it."""
    contents = [Content(f"{SEED} {number}", (64 if SOAK else 16) * MIB) for number in range(N_TRANSFERS)]
    connections = {Connection(api.server.port): content for content in contents}
    pieces = {}
    for number, (connection, content) in enumerate(connections.items()):
        fields = {"Authorization": f"Bearer {BEARER}", "Content-Length": str(content.size)}
        connection.request("PUT", object_path(f"up/{number}"), fields, [])
        pieces[connection] = content.pieces()
    send_in_turn(pieces)
    digests = set()
    for connection in connections:
        answer = connection.receive_head()
        answer.body = connection.receive_body(answer)
        assert answer.status == 201, answer
        digests.add(answer.json["sha256"])
        connection.close()
    peak = api.server.peak_rss_bytes()
    assert digests == {content.sha256 for content in contents}
    assert peak < LIMIT_BYTES, f"{peak / MIB:.1f} MiB"


def send_in_turn(pieces):
    """Sends to each connection what it takes at the moment, until all have all."""
    unsent = {}
    with selectors.DefaultSelector() as ready:
        for connection in pieces:
            connection.socket.setblocking(False)
            ready.register(connection.socket, selectors.EVENT_WRITE, connection)
        while ready.get_map():
            for key, _ in ready.select(60):
                connection = key.data
                piece = unsent.get(connection) or next(pieces[connection], b"")
                if not piece:
                    ready.unregister(connection.socket)
                    connection.socket.settimeout(60)
                    continue
                n_sent = connection.socket.send(piece)
                unsent[connection] = piece[n_sent:]


def test_many_idle_connections_cost_little(api):
    """1,000 connections that ask for something and stay."""
    api.put_new("small", Content(SEED, 1000))
    target = api.target("small")
    before = api.server.peak_rss_bytes()
    connections = [Connection(api.server.port) for _ in range(1000)]
    for connection in connections:
        assert connection.exchange("GET", target).status == 200
    peak = api.server.peak_rss_bytes()
    for connection in connections:
        connection.close()
    assert peak < LIMIT_BYTES, f"{peak / MIB:.1f} MiB, {before / MIB:.1f} MiB before"
