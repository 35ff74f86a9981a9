"""Clients that break the protocol, lie, dawdle or go away: they get a 4xx or nothing, never a 5xx, nobody else notices, and
nothing is left of what they did."""

import socket
import time

import pytest

from conftest import SEED, SOAK
from harness.api import object_path
from harness.content import Content
from harness.http import Broken, Connection, exchange
from harness.server import BEARER

AUTHORIZATION = f"Authorization: Bearer {BEARER}\r\n".encode()
# Generous: the server's limit for a head is 10 s.
HEAD_SECONDS = 30


@pytest.fixture
def hostile(shared):
    """The API of a server that must be as well afterwards as before."""
    yield shared
    key = "wellness"
    content = Content(SEED, 1000)
    shared.put(key, content)
    answer = exchange(shared.server.port, "GET", shared.target(key))
    assert (answer.status, answer.body) == (200, content.bytes())
    assert shared.server.pid is not None


def statuses(port, raw, timeout=HEAD_SECONDS):
    """What raw bytes are answered with: every status, until the server ends the connection."""
    found = []
    with Connection(port, timeout=timeout) as connection:
        try:
            connection.send(raw)
            connection.socket.shutdown(socket.SHUT_WR)
        except ConnectionError:
            pass  # it did not want to hear all of it
        try:
            while True:
                answer = connection.receive_head()
                found.append(answer.status)
                connection.receive_body(answer)
        except Broken:
            return found


MALFORMED = {
    "no host": b"GET /l/x HTTP/1.1\r\n\r\n",
    "two hosts": b"GET /l/x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "a host with a space": b"GET /l/x HTTP/1.1\r\nHost: a b\r\n\r\n",
    "no version": b"GET /l/x\r\n\r\n",
    "a version of its own": b"GET /l/x HTTP/9.9\r\nHost: a\r\n\r\n",
    "no target": b"GET HTTP/1.1\r\nHost: a\r\n\r\n",
    "a space in the target": b"GET /l/x y HTTP/1.1\r\nHost: a\r\n\r\n",
    "a NUL in the target": b"GET /l/\x00 HTTP/1.1\r\nHost: a\r\n\r\n",
    "a method with a colon": b"GE:T /l/x HTTP/1.1\r\nHost: a\r\n\r\n",
    "no colon in a field": b"GET /l/x HTTP/1.1\r\nHost: a\r\nnonsense\r\n\r\n",
    "a space before a colon": b"GET /l/x HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n",
    "a folded field": b"GET /l/x HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n",
    "a field without a name": b"GET /l/x HTTP/1.1\r\nHost: a\r\n: y\r\n\r\n",
    "a NUL in a field": b"GET /l/x HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n",
    "a bare CR in a field": b"GET /l/x HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n",
    "a length that is no number": b"PUT /l/x HTTP/1.1\r\nHost: a\r\nContent-Length: five\r\n\r\nabcde",
    "a negative length": b"PUT /l/x HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\nabcde",
    "a length with a sign": b"PUT /l/x HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nabcde",
    "a length in hexadecimal": b"PUT /l/x HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\nabcde",
    "a length beyond 64 bits": b"PUT /l/x HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616\r\n\r\nabcde",
    "two lengths": b"PUT /l/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
    "two lengths in one": b"PUT /l/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 6\r\n\r\nabcdef",
    "a length and chunks": b"PUT /l/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "an unknown coding": b"PUT /l/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\nabcde",
    "chunks not last": b"PUT /l/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "an obscured coding": b"PUT /l/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunks of HTTP/1.0": b"PUT /l/x HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9),
    "TLS": bytes.fromhex("1603010200010001fc0303") + bytes(500),
    "a proxy request": b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n",
    "a proxy header": b"PROXY TCP4 127.0.3.1 127.0.0.1 1 2\r\nGET /l/x HTTP/1.1\r\nHost: a\r\n\r\n",
    "an asterisk": b"GET * HTTP/1.1\r\nHost: a\r\n\r\n",
    "another scheme": b"GET ftp://a/l/x HTTP/1.1\r\nHost: a\r\n\r\n",
    "a target without a slash": b"GET l/x HTTP/1.1\r\nHost: a\r\n\r\n",
    "only line ends": b"\r\n" * 1000,
    "only bare line ends": b"\n" * 1000,
    "zeros": bytes(5000),
    "nothing": b"",
}


@pytest.mark.parametrize("name", MALFORMED, ids=lambda name: name.replace(" ", "-").replace("/", "-"))
def test_a_malformed_request_is_refused(hostile, name):
    found = statuses(hostile.server.port, MALFORMED[name])
    assert len(found) <= 1, f"one request, or none: {found}"
    assert all(400 <= status < 500 or status == 505 for status in found), found


SMUGGLED = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: %d\r\n" % len(SMUGGLED),
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        b"Transfer-Encoding: identity, chunked\r\n",
        b"Transfer-Encoding:\x0bchunked\r\n",
        b"Content-Length: 5\r\nContent-Length: 5, 0\r\n",
    ],
)
def test_no_request_can_be_smuggled_in_a_body(hostile, framing):
    """Where a body's end is in doubt, nothing after it is taken for a request."""
    raw = (
        b"PUT /vk/v1/buckets/reports/objects/smuggled HTTP/1.1\r\nHost: a\r\n"
        + AUTHORIZATION
        + framing
        + b"\r\n0\r\n\r\n"
        + SMUGGLED
    )
    found = statuses(hostile.server.port, raw)
    assert len(found) <= 1 and all(400 <= status < 500 for status in found), found
    assert hostile.call("GET", object_path("smuggled")).status == 404


BAD_CHUNKS = [
    b"zz\r\nabc\r\n0\r\n\r\n",
    b"-1\r\nabc\r\n0\r\n\r\n",
    b"ffffffffffffffff1\r\nabc\r\n",
    b"3\r\nabcd\r\n0\r\n\r\n",
    b"3\nabc\n0\n\n",
    b"5\r\nabc",
]
BAD_CHUNKS += [b"3;" + b"x" * 100_000 + b"\r\nabc\r\n0\r\n\r\n", b"1\r\na\r\n" * 10 + b"0\r\n" + b"X: y\r\n" * 100_000 + b"\r\n"]


@pytest.mark.parametrize("body", BAD_CHUNKS, ids=[str(number) for number in range(len(BAD_CHUNKS))])
def test_bad_chunks_leave_nothing(hostile, body):
    head = (
        b"PUT /vk/v1/buckets/reports/objects/chunks HTTP/1.1\r\nHost: a\r\n"
        + AUTHORIZATION
        + b"Transfer-Encoding: chunked\r\n\r\n"
    )
    found = statuses(hostile.server.port, head + body)
    assert len(found) <= 1 and all(400 <= status < 500 for status in found), found
    assert hostile.call("GET", object_path("chunks")).status == 404


def test_a_length_that_lies_does_not_make_an_object(hostile):
    """More announced than sent: nothing. Less: exactly what was announced, and the rest is no request."""
    head = b"PUT /vk/v1/buckets/reports/objects/%s HTTP/1.1\r\nHost: a\r\n" + AUTHORIZATION + b"Content-Length: %d\r\n\r\n"
    found = statuses(hostile.server.port, head % (b"longer", 1000) + b"x" * 999)
    assert all(400 <= status < 500 for status in found) and len(found) <= 1, found
    assert hostile.call("GET", object_path("longer")).status == 404
    found = statuses(hostile.server.port, head % (b"shorter", 10) + b"x" * 1000)
    assert found[0] == 201 and all(400 <= status < 500 for status in found[1:]) and len(found) <= 2, found
    assert hostile.call("GET", object_path("shorter")).body == b"x" * 10


HUGE = {
    "target": b"GET /l/" + b"x" * 1_000_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    "query": b"GET /l/x?" + b"a=b&" * 250_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    "field": b"GET /l/x HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 1_000_000 + b"\r\n\r\n",
    "field name": b"GET /l/x HTTP/1.1\r\nHost: a\r\n" + b"X" * 1_000_000 + b": y\r\n\r\n",
    "fields": b"GET /l/x HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 100_000 + b"\r\n",
    "method": b"G" * 1_000_000 + b" /l/x HTTP/1.1\r\nHost: a\r\n\r\n",
    "cookies": b"GET /l/x HTTP/1.1\r\nHost: a\r\n" + b"Cookie: vk_aaaaaaaa=x\r\n" * 50_000 + b"\r\n",
}


@pytest.mark.parametrize("name", HUGE, ids=lambda name: name.replace(" ", "-"))
def test_a_huge_head_is_refused_unread(hostile, name):
    before = hostile.server.peak_rss_bytes()
    found = statuses(hostile.server.port, HUGE[name])
    assert all(status in (400, 414, 431) for status in found) and len(found) <= 1, found
    assert hostile.server.peak_rss_bytes() - before < 8 << 20


def test_many_ranges_are_refused_or_cost_no_more_than_one(hostile):
    content = Content(SEED, 100_000)
    hostile.put("ranged", content)
    target = hostile.target("ranged")
    for field in (
        "0-," * 400 + "0-",
        ",".join(f"{n}-{n}" for n in range(0, 2000, 2)),
        ",".join(["0-99999"] * 100),
        "-1," * 1000 + "-1",
    ):
        answer = exchange(hostile.server.port, "GET", target, {"Range": f"bytes={field}"})
        assert answer.status in (200, 206, 400, 416, 431), answer
        assert len(answer.body) <= 2 * content.size


def test_a_head_that_comes_slowly_is_not_waited_for(hostile):
    """One byte at a time, for as long as the server listens: the limit counts from the first byte, not from the last."""
    began = time.monotonic()
    with Connection(hostile.server.port, timeout=0.5) as connection:
        ended = False
        connection.send(b"GET /l/x HTTP/1.1\r\nHost: a\r\nX: ")
        while not ended and time.monotonic() - began < HEAD_SECONDS:
            try:
                connection.send(b"y")
                ended = not connection.socket.recv(1000)
            except TimeoutError:
                continue  # it is still waiting, as it may for a while
            except ConnectionError:
                ended = True
    assert ended, f"still waiting after {HEAD_SECONDS} s"


def test_many_slow_heads_do_not_keep_others_out(hostile):
    hostile.put("wellness", Content(SEED, 1000))
    target = hostile.target("wellness")
    slow = [Connection(hostile.server.port) for _ in range(2000 if SOAK else 500)]
    for connection in slow:
        connection.send(b"GET /l/x HTTP/1.1\r\nHost: a\r\n")
    for _ in range(50):
        assert exchange(hostile.server.port, "GET", target).status == 200
    for connection in slow:
        connection.close()


def test_a_body_that_comes_slowly_is_not_waited_for(hostile):
    """Below a kibibyte a second over a minute. Takes that minute."""
    began = time.monotonic()
    with Connection(hostile.server.port, timeout=1) as connection:
        fields = {"Authorization": f"Bearer {BEARER}", "Content-Length": "1000000"}
        connection.request("PUT", object_path("dawdled"), fields, [b"x"])
        answer = None
        while answer is None and time.monotonic() - began < 100:
            try:
                answer = connection.receive_head()
            except TimeoutError:
                connection.send(b"x")
        answer.body = connection.receive_body(answer)
    assert (answer.status, answer.code) == (408, "too_slow"), answer
    assert hostile.call("GET", object_path("dawdled")).status == 404


def test_whoever_stops_reading_is_no_burden(hostile):
    """Downloads that nobody reads: others go on, and memory does not grow."""
    content = Content(SEED, 64 << 20)
    hostile.put("unread", content)
    target = hostile.target("unread")
    stuck = [Connection(hostile.server.port, receive_buffer=4096) for _ in range(50)]
    for connection in stuck:
        connection.request("GET", target)
    for _ in range(20):
        assert exchange(hostile.server.port, "GET", target, {"Range": "bytes=0-999"}).body == content.part(0, 1000)
    assert hostile.server.peak_rss_bytes() < 64 << 20
    for connection in stuck:
        connection.close()


def test_requests_in_a_row_are_answered_in_a_row(hostile):
    """Pipelining is allowed, and one answer never takes another's place."""
    bodies = [Content(f"{SEED} {number}", 100 + number) for number in range(10)]
    for number, content in enumerate(bodies):
        hostile.put(f"row/{number}", content)
    targets = [hostile.target(f"row/{number}") for number in range(10)]
    with Connection(hostile.server.port) as connection:
        connection.send("".join(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n" for target in targets).encode())
        for content in bodies:
            answer = connection.receive_head()
            assert (answer.status, connection.receive_body(answer)) == (200, content.bytes())


def test_connections_that_end_early_leave_nothing(hostile, rng):
    """Cut at every stage of a request and an answer."""
    content = Content(SEED, 2 << 20)
    hostile.put("early", content)
    head = f"GET {hostile.target('early')} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
    for _ in range(500 if SOAK else 100):
        with Connection(hostile.server.port) as connection:
            connection.send(head[: rng.randrange(len(head) + 1)])
            if rng.random() < 0.5:
                # Ends with RST instead of FIN.
                connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    for _ in range(50):
        with Connection(hostile.server.port) as connection:
            connection.send(head)
            connection.receive_head()
            connection.receive_exactly(rng.randrange(1, 1 << 20))
