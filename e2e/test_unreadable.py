"""What cannot be read as a request is told in the shape of the API it was meant for, and ends the connection."""

import socket

import pytest

from harness import server as provisioned
from harness.http import Connection, exchange, target_of

# A path of each API, and the member of its errors that tells what was wrong.
SHAPES = {
    "native": ("/vk/v1/buckets", lambda body: body["detail"]),
    "autodesk": ("/oss/v2/buckets", lambda body: body["reason"]),
    "redivis": ("/api/v1/rawFiles/x", lambda body: body["error_description"]),
    "datalab": ("/api/v1/files/5", lambda body: body["detail"]),
    "flexportal": ("/v1/files/url", lambda body: body["error"]["message"]),
}
FAULTS = {
    "a field that is too large": (431, b"Host: a\r\nX: " + b"x" * 20_000 + b"\r\n\r\n"),
    "too many fields": (431, b"Host: a\r\n" + b"X: y\r\n" * 300 + b"\r\n"),
    "two lengths": (400, b"Host: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n"),
    "a length and chunks": (400, b"Host: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
    "no number": (400, b"Host: a\r\nContent-Length: -5\r\n\r\n"),
    "no host": (400, b"X: y\r\n\r\n"),
    "two hosts": (400, b"Host: a\r\nHost: b\r\n\r\n"),
    "a folded line": (400, b"Host: a\r\nX: y\r\n z\r\n\r\n"),
}
# What stands behind the path, to the end of the head, where not even the first line can be read.
LINES = {
    "a fragment": (400, b"#x HTTP/1.1\r\nHost: a\r\n\r\n"),
    "a space": (400, b"?a b HTTP/1.1\r\nHost: a\r\n\r\n"),
    "a control character": (400, b"?\x01 HTTP/1.1\r\nHost: a\r\n\r\n"),
    "what is no ASCII": (400, b"/\xff HTTP/1.1\r\nHost: a\r\n\r\n"),
    "a bare line feed": (400, b" HTTP/1.1\nHost: a\n\n"),
    "another version": (505, b" HTTP/2.0\r\nHost: a\r\n\r\n"),
    "a query that is too large": (431, b"?" + b"x" * 30_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n"),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("shape", SHAPES)
def test_told_in_the_api_s_shape(shared, shape, fault):
    (path, text_of), (status, fields) = SHAPES[shape], FAULTS[fault]
    with Connection(shared.server.port) as connection:
        connection.send(f"POST {path} HTTP/1.1\r\n".encode() + fields)
        answer = connection.receive_head()
        answer.body = connection.receive_body(answer)
    assert answer.status == status, answer
    assert len(text_of(answer.json)) > 10, answer
    assert answer["x-content-type-options"] == "nosniff" and answer["cache-control"] == "no-store", answer
    assert answer["connection"] == "close", answer


@pytest.mark.parametrize("fault", LINES)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_first_line_that_cannot_be_read(shared, shape, fault):
    (path, text_of), (status, rest) = SHAPES[shape], LINES[fault]
    with Connection(shared.server.port) as connection:
        connection.send(f"GET {path}".encode() + rest)
        answer = connection.receive_head()
        answer.body = connection.receive_body(answer)
    assert answer.status == status and len(text_of(answer.json)) > 5, answer


def test_an_upload_that_breaks_off_is_told_in_the_api_s_shape(shared):
    asked = {"filename": "a.txt", "content_type": "text/plain"}
    upload = shared.call("POST", "/api/v1/files/upload", asked).json
    target = target_of(upload["upload_url"])
    with Connection(shared.server.port) as connection:
        connection.send(f"PUT {target} HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc".encode())
        connection.socket.shutdown(socket.SHUT_WR)
        answer = connection.receive_head()
        answer.body = connection.receive_body(answer)
    assert (answer.status, answer.json["detail"]) == (400, "the upload broke off"), answer
    assert exchange(shared.server.port, "PUT", target, {}, b"all of it").status == 200


@pytest.mark.parametrize("shape", SHAPES)
def test_a_body_declared_too_large_is_refused_at_once(shared, shape):
    path = {"redivis": "/api/v1/tables/t/tempUploads", "datalab": "/api/v1/files/upload"}.get(shape, SHAPES[shape][0])
    fields = "Host: a\r\nContent-Type: application/json\r\nTenant-ID: tenant-1\r\nContent-Length: 10000000000\r\nExpect: 100-continue\r\n"
    with Connection(shared.server.port, timeout=20) as connection:
        connection.send(f"POST {path} HTTP/1.1\r\nAuthorization: Bearer {provisioned.BEARER}\r\n{fields}\r\n".encode())
        assert connection.receive_head().status == 413
