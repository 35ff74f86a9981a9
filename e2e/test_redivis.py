"""Redivis' API on the real binary, spoken to as its published clients do: with nothing but a URL and a token."""

import base64
import email.utils
import hashlib
import json
import re
import socket
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest

from conftest import SEED
from harness import server as provisioned
from harness.content import Content
from harness.http import TIMEOUT_SECONDS, exchange, target_of

FILE_ID = re.compile(r"[0-9a-z]{4}-[0-9a-z]{9}\.[A-Za-z0-9_-]{22}")
TABLE = "/tables/" + urllib.parse.quote("demo.files:current.docs", safe="")
DAY_SECONDS = 86_400


class Client:
    """Calls below `/api/v1`, each on a connection of its own."""

    def __init__(self, server, bearer=provisioned.BEARER):
        self.server = server
        self._bearer = bearer

    def call(self, method, path, payload=None):
        """A call as the Python client makes it; gives status, fields and body."""
        fields = {"Authorization": f"Bearer {self._bearer}"}
        body = None
        if payload is not None:
            body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
            fields["Content-Type"] = "application/json"
        return fetch(method, f"{self.server.url}/api/v1{path}", fields, body)

    def begin(self, *files):
        """Asks for the places of uploads, each a name and a size."""
        payload = {"tempUploads": [{"name": name, "size": size, "resumable": False} for name, size in files]}
        status, _, body = self.call("POST", f"{TABLE}/tempUploads", payload)
        assert status == 200, body
        return json.loads(body)["results"]

    def confirm(self, upload, name):
        """Makes an upload a file."""
        status, _, body = self.call("POST", f"{TABLE}/rawFiles", {"files": [{"name": name, "tempUploadId": upload["id"]}]})
        assert status == 201, body
        return json.loads(body)["results"][0]

    def add_file(self, name, content):
        """Uploads a file; gives what the API says of it."""
        (upload,) = self.begin((name, content.size))
        assert self.put(upload, content.bytes())[0] == 200
        return self.confirm(upload, name)

    def put(self, upload, body):
        """Sends the bytes of an upload, with the token that the client sends everywhere."""
        return fetch("PUT", self.server.at(upload["url"]), {"Authorization": f"Bearer {self._bearer}"}, body)

    def sign(self, file_id, duration):
        """Signs a file; gives the URL as it came."""
        status, fields, body = self.call("POST", f"/rawFiles/{file_id}/signedUrl", {"duration": duration})
        assert (status, fields["content-type"]) == (200, "text/plain; charset=utf-8"), body
        return body.decode()


def fetch(method, url, fields=(), body=None):
    """One request by the standard library, redirects and proxies left out; gives status, fields and body."""
    request = urllib.request.Request(url, data=body, headers=dict(fields), method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
            return answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, {name.lower(): value for name, value in error.headers.items()}, error.read()


def assert_refused(answer, status, error):
    """An error in the vendor's shape."""
    found, fields, body = answer
    assert (found, fields["content-type"]) == (status, "application/json; charset=utf-8"), answer
    said = json.loads(body)
    assert (said["status"], said["error"]) == (status, error), said
    assert isinstance(said["error_description"], str)
    assert fields["cache-control"] == "no-store"


def md5_of(content):
    return base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()


@pytest.fixture(scope="module")
def client(shared):
    return Client(shared.server)


@pytest.fixture
def strangers(shared):
    return Client(shared.server, provisioned.OTHER_BEARER)


@pytest.mark.parametrize("size", [0, 1, 5 << 20], ids=lambda size: f"{size}-bytes")
def test_what_was_put_in_comes_out(client, size):
    content = Content(f"{SEED} redivis", size)
    file = client.add_file("dir/data 1.csv", content)
    assert FILE_ID.fullmatch(file["id"])
    assert (file["size"], file["md5Hash"]) == (size, md5_of(content.bytes()))
    url = client.sign(file["id"], 3600)
    assert url.startswith(f"{client.server.url}/api/v1/rawFiles/{file['id']}?token=")
    assert re.fullmatch(r"[A-Za-z0-9_-]+", url.split("?token=")[1])
    # Whoever has the URL.
    status, fields, body = fetch("GET", url)
    assert status == 200 and hashlib.sha256(body).hexdigest() == content.sha256
    assert (fields["content-type"], fields["content-length"]) == ("text/csv", str(size))
    assert fields["content-disposition"] == 'attachment; filename="dir_data 1.csv"'
    # As the published client reads it.
    md5 = re.search(r"(?:^|,)\s*md5\s*=\s*([^,\s]+)\s*(?=,|$)", fields["content-digest"])[1].strip(":")
    assert md5 == file["md5Hash"]
    # And whoever has the key.
    status, _, body = client.call("GET", f"/rawFiles/{file['id']}")
    assert status == 200 and hashlib.sha256(body).hexdigest() == content.sha256


def test_head_and_ranges(client):
    content = Content(f"{SEED} ranges", 1 << 20)
    url = client.sign(client.add_file("a.bin", content)["id"], 60)
    status, fields, body = fetch("HEAD", url)
    assert (status, fields["content-length"], body) == (200, str(content.size), b"")
    assert (fields["x-redivis-filename"], fields["digest"]) == ("a.bin", f"md5={md5_of(content.bytes())}")
    status, fields, body = fetch("GET", url, {"Range": f"bytes={1 << 19}-"})
    assert (status, body) == (206, content.part(1 << 19, content.size))
    assert fields["content-range"] == f"bytes {1 << 19}-{content.size - 1}/{content.size}"
    assert_refused(fetch("GET", url, {"Range": f"bytes={content.size}-"}), 416, "range_not_satisfiable")
    status, fields, _ = fetch("HEAD", url + "x")
    said = json.loads(urllib.parse.unquote(fields["x-redivis-error-payload"]))
    assert (status, said["status"], said["error"]) == (401, 401, "invalid_token")


@pytest.mark.parametrize("duration", ["0", "-1", "86400.0001", "86401", "1e400", "NaN", '"60"', "null", "true", "[60]", "{}"])
def test_durations_that_are_refused(client, duration):
    file = client.add_file("a.txt", Content(SEED, 10))
    answer = client.call("POST", f"/rawFiles/{file['id']}/signedUrl", f'{{"duration": {duration}}}'.encode())
    assert_refused(answer, 400, "invalid_request")


@pytest.mark.parametrize("body", [b"", b"{}", b"{", b"[]", b"60", b'{"duration": 60, "duration": 60}'])
def test_bodies_that_are_refused(client, body):
    file = client.add_file("a.txt", Content(SEED, 10))
    assert_refused(client.call("POST", f"/rawFiles/{file['id']}/signedUrl", body), 400, "invalid_request")


def test_a_url_ends_when_its_duration_is_over(client):
    content = Content(f"{SEED} brief", 1000)
    file = client.add_file("a.txt", content)
    for duration in (1, 0.5, 2.5):
        begin = time.time()
        url = client.sign(file["id"], duration)
        # It works at first, unless its only second was over before it was asked for, and not for longer than it should.
        answer = fetch("GET", url)
        assert answer[2] == content.bytes() or time.time() >= int(begin) + 1, answer
        while answer[0] == 200:
            answer = fetch("GET", url)
            assert time.time() - begin < 30, "it never ends"
        assert_refused(answer, 401, "invalid_token")
        assert time.time() >= int(begin) + 1
    assert fetch("GET", client.sign(file["id"], DAY_SECONDS))[0] == 200


def test_nobody_else_gets_in(client, strangers):
    file = client.add_file("a.txt", Content(f"{SEED} secret", 1000))
    path = f"/rawFiles/{file['id']}"
    assert_refused(strangers.call("GET", path), 404, "not_found")
    assert_refused(strangers.call("POST", f"{path}/signedUrl", {"duration": 60}), 404, "not_found")
    assert_refused(strangers.call("POST", f"{TABLE}/rawFiles", {"files": [{"tempUploadId": file["id"]}]}), 404, "not_found")
    assert_refused(fetch("GET", f"{client.server.url}/api/v1{path}"), 401, "invalid_token")
    assert_refused(fetch("POST", f"{client.server.url}/api/v1{path}/signedUrl", body=b'{"duration": 60}'), 401, "invalid_token")
    # A token of theirs in the URL of ours.
    theirs = strangers.add_file("b.txt", Content(f"{SEED} theirs", 10))
    url = strangers.sign(theirs["id"], 60)
    assert_refused(fetch("GET", url.replace(theirs["id"], file["id"])), 403, "access_denied")


def test_what_lacks_a_scope(client):
    file = client.add_file("a.txt", Content(f"{SEED} scope", 10))
    reader = Client(client.server, provisioned.READER_BEARER)
    assert fetch("GET", reader.sign(file["id"], 60))[0] == 200
    answer = reader.call("POST", f"{TABLE}/tempUploads", {"tempUploads": [{"name": "a", "size": 1}]})
    assert_refused(answer, 403, "insufficient_scope")
    assert json.loads(answer[2])["scope"] == "data.edit"


def test_a_changed_token_is_refused(client, rng):
    file = client.add_file("a.txt", Content(f"{SEED} changed", 10))
    front, token = client.sign(file["id"], 60).split("?token=")
    for position in rng.sample(range(len(token)), 20):
        other = "A" if token[position] != "A" else "B"
        answer = fetch("GET", f"{front}?token={token[:position]}{other}{token[position + 1 :]}")
        assert_refused(answer, 401, "invalid_token")
    assert_refused(fetch("GET", f"{front}?token={token}&token={token}"), 400, "invalid_request")
    assert fetch("GET", f"{front}?token={token}", {"Authorization": "Bearer nonsense"})[0] == 200
    for method in ("POST", "PUT", "DELETE"):
        answer = fetch(method, f"{front}?token={token}", body=b"x")
        assert_refused(answer, 405, "method_not_allowed")
        assert answer[1]["allow"] == "GET, HEAD, OPTIONS"


def test_any_page_may_read_it(client):
    file = client.add_file("a.txt", Content(f"{SEED} page", 10))
    target = target_of(client.sign(file["id"], 60))
    fields = {"Origin": "https://example.org", "Access-Control-Request-Method": "GET"}
    preflight = exchange(client.server.port, "OPTIONS", target, fields)
    assert (preflight.status, preflight["access-control-allow-methods"]) == (204, "GET, HEAD, OPTIONS")
    for wanted in (target, target + "x"):
        answer = exchange(client.server.port, "GET", wanted, {"Origin": "https://example.org"})
        assert answer["access-control-allow-origin"] == "*"
        assert answer.get("access-control-allow-credentials") is None


def test_an_upload_is_what_was_declared(client):
    (upload,) = client.begin(("a.txt", 5))
    for body, status, error in ((b"1234", 400, "invalid_request"), (b"123456", 413, "too_large")):
        assert_refused(client.put(upload, body), status, error)
    unfinished = client.call("POST", f"{TABLE}/rawFiles", {"files": [{"name": "a", "tempUploadId": upload["id"]}]})
    assert_refused(unfinished, 400, "invalid_request")
    for body in (b"12345", b"54321"):
        assert client.put(upload, body)[0] == 200
    assert client.call("GET", f"/rawFiles/{upload['id']}")[0] == 404
    assert client.confirm(upload, "a.txt")["md5Hash"] == md5_of(b"54321")
    assert client.put(upload, b"00000")[0] in (404, 412)
    assert client.call("GET", f"/rawFiles/{upload['id']}")[2] == b"54321"


def listed(client, table, **fields):
    """A listing, without a reader of Arrow: status, fields, and the bytes, which are whole."""
    path = f"/tables/{table}/rawFiles?format=arrow"
    status, found, body = fetch("GET", f"{client.server.url}/api/v1{path}", {"Authorization": f"Bearer {provisioned.BEARER}", **fields})
    if status == 200:
        assert (found["content-type"], found["cache-control"]) == ("application/vnd.apache.arrow.stream", "no-store")
        # A message begins with its mark and length; the last one is empty.
        assert body.startswith(b"\xff\xff\xff\xff") and body.endswith(b"\xff\xff\xff\xff\0\0\0\0")
    return status, found, body


def test_a_table_lists_its_files(client):
    contents = {name: Content(f"{SEED} {name}", 1000) for name in ("first.bin", "dir/second.bin")}
    files = {name: client.add_file(name, content) for name, content in contents.items()}
    _, _, body = listed(client, "demo.files.docs")
    for name, file in files.items():
        for text in (name, file["id"], file["md5Hash"]):
            assert text.encode() in body, text
    (unconfirmed,) = client.begin(("third.bin", 1))
    assert client.put(unconfirmed, b"x")[0] == 200
    _, _, body = listed(client, "demo.files.docs")
    assert b"third.bin" not in body and unconfirmed["id"].encode() not in body
    _, _, other = listed(client, "demo.files.other")
    assert b"file_name" in other and b"first.bin" not in other
    assert_refused(fetch("GET", f"{client.server.url}/api/v1{TABLE}/rawFiles?format=arrow"), 401, "invalid_token")
    assert_refused(client.call("GET", f"{TABLE}/rawFiles"), 400, "invalid_request")


def test_a_listing_that_has_not_changed_is_not_sent(client):
    client.add_file("unchanged.bin", Content(SEED, 10))
    begin = time.time()
    status, since = 200, ""
    while status == 200:
        assert time.time() - begin < 30, "it is never unchanged"
        since = email.utils.formatdate(time.time(), usegmt=True)
        status, _, body = listed(client, "demo.files.docs", **{"If-Modified-Since": since})
    assert (status, body) == (304, b"")
    client.add_file("changed.bin", Content(SEED, 11))
    status, _, body = listed(client, "demo.files.docs", **{"If-Modified-Since": since})
    assert status == 200 and b"changed.bin" in body


def test_a_resumable_upload_outlives_the_server(serve):
    server = serve()
    client = Client(server)
    content = Content(f"{SEED} resumable", 3 << 20)
    payload = {"tempUploads": [{"name": "a.bin", "size": content.size, "resumable": True}]}
    status, _, body = client.call("POST", f"{TABLE}/tempUploads", payload)
    (upload,) = json.loads(body)["results"]
    assert (status, upload["resumable"]) == (200, True)
    start = {"x-goog-resumable": "start", "x-upload-content-length": str(content.size)}
    status, fields, _ = fetch("POST", server.at(upload["url"]), start, b"")
    assert status == 201
    location = fields["location"]

    def put(first, end):
        span = "*" if first == end else f"{first}-{end - 1}"
        fields = {"Content-Range": f"bytes {span}/{content.size}"}
        status, fields, _ = fetch("PUT", server.at(location), fields, content.part(first, end))
        return status, fields.get("range")

    assert put(0, 1 << 20) == (308, f"bytes=0-{(1 << 20) - 1}")
    server.kill()
    server.start()
    assert put(0, 0) == (308, f"bytes=0-{(1 << 20) - 1}")
    # A client that begins a little before where it broke off, and is gone in the middle.
    head = f"PUT {target_of(location)} HTTP/1.1\r\nHost: h\r\nContent-Length: {2 << 20}\r\n"
    head += f"Content-Range: bytes {1 << 20}-{(3 << 20) - 1}/{content.size}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), TIMEOUT_SECONDS) as connection:
        connection.sendall(head.encode() + content.part(1 << 20, 2 << 20))
    begin = time.time()
    while put(0, 0) != (308, f"bytes=0-{(2 << 20) - 1}"):
        assert time.time() - begin < 30, "what came is not kept"
    assert put((2 << 20) - 100, content.size)[0] == 200
    server.kill()
    server.start()
    assert put(0, 0)[0] == 200
    assert client.confirm(upload, "a.bin")["md5Hash"] == md5_of(content.bytes())
    assert client.call("GET", f"/rawFiles/{upload['id']}")[2] == content.bytes()


def test_it_all_outlives_the_server(serve):
    server = serve()
    client = Client(server)
    content = Content(f"{SEED} restart", 100_000)
    file, (upload,) = client.add_file("a.bin", content), client.begin(("b.bin", content.size))
    url = client.sign(file["id"], 3600)
    server.kill()
    server.start()
    assert fetch("GET", url)[2] == content.bytes()
    assert client.put(upload, content.bytes())[0] == 200
    server.kill()
    server.start()
    client.confirm(upload, "b.bin")
    assert fetch("GET", client.sign(upload["id"], 60))[2] == content.bytes()
