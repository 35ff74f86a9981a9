"""Datalab's files, as that vendor's clients use them: from the request for an upload URL to the bytes."""

import contextlib
import hashlib
import json
import time
import urllib.parse

import pytest

from conftest import SEED
from harness import server as provisioned
from harness.content import Content
from harness.http import Connection, exchange, target_of

MIB = 1 << 20
FILES = "/api/v1/files"


class Datalab:
    """Calls with one API key, as the vendor's Python client makes them."""

    def __init__(self, port, key=provisioned.BEARER):
        self.port = port
        self._key = key

    def call(self, method, path, body=None, fields=()):
        """Any call; the answer as it is."""
        fields = {"X-Api-Key": self._key, **dict(fields)}
        if body is not None and not isinstance(body, bytes):
            fields["Content-Type"] = "application/json"
            body = json.dumps(body).encode()
        return exchange(self.port, method, FILES + path, fields, body)

    def wanted(self, method, path, body=None):
        """A call that must succeed; what it says."""
        answer = self.call(method, path, body)
        assert (answer.status, answer["content-type"]) == (200, "application/json"), answer
        return answer.json

    def begin(self, name, content_type="application/pdf"):
        """A file with ids and without bytes."""
        begun = self.wanted("POST", "/upload", {"filename": name, "content_type": content_type})
        assert begun.keys() == {"file_id", "upload_url", "reference", "expires_in"}
        assert isinstance(begun["file_id"], int) and begun["expires_in"] == 3600
        return begun

    def put(self, url, content, content_type="application/pdf"):
        """The bytes, to the URL alone: no API key."""
        with Connection(self.port) as connection:
            fields = {"Content-Type": content_type, "Content-Length": str(content.size)}
            connection.request("PUT", target_of(url), fields, content.pieces())
            answer = connection.receive_head()
            answer.body = connection.receive_body(answer)
            return answer

    def file(self, name, content, content_type="application/pdf"):
        """A file that can be downloaded, as `upload_files` of the client makes it."""
        begun = self.begin(name, content_type)
        put = self.put(begun["upload_url"], content, content_type)
        assert put.status == 200 and put["etag"], put
        confirmed = self.wanted("GET", f"/{begun['file_id']}/confirm")
        assert confirmed["success"] is True and confirmed["reference"] == begun["reference"]
        return begun

    def download(self, file_id, query=""):
        """Path and query of a download URL."""
        body = self.wanted("GET", f"/{file_id}/download{query}")
        assert body.keys() == {"download_url", "expires_in", "file_id", "original_filename"}
        return target_of(body["download_url"])


@pytest.fixture
def datalab(shared):
    """The vendor's API of the shared server."""
    return Datalab(shared.server.port)


def hash_id_of(begun):
    """The id in the reference."""
    return begun["reference"].removeprefix("datalab://file-")


@pytest.mark.parametrize("size", [0, 1, 5 * MIB + 1], ids=lambda size: f"{size}-bytes")
def test_a_file_comes_back(datalab, size):
    content = Content(f"{SEED} datalab", size)
    begun = datalab.file("Größe \"M\".pdf", content)
    for file_id in (begun["file_id"], hash_id_of(begun)):
        shown = datalab.wanted("GET", f"/{file_id}")
        assert (shown["upload_status"], shown["file_size"], shown["original_filename"]) == ("completed", size, "Größe \"M\".pdf")
        target = datalab.download(file_id, "?expires_in=60")
        got = exchange(datalab.port, "GET", target, {"Cookie": "wos-session=x; datalab_active_team=y"})
        assert (got.status, hashlib.sha256(got.body).hexdigest()) == (200, content.sha256)
        assert got["content-type"] == "application/pdf"
        assert urllib.parse.quote("Größe \"M\".pdf") in got["content-disposition"]
        head = exchange(datalab.port, "HEAD", target)
        assert (head.status, head["content-length"], head["etag"]) == (200, str(size), got["etag"])


def test_ranges(datalab, rng):
    content = Content(f"{SEED} ranges", MIB + 17)
    target = datalab.download(datalab.file("a", content)["file_id"])
    for start, end in [(0, 1), (content.size - 1, content.size), *(sorted(rng.sample(range(content.size), 2)) for _ in range(10))]:
        got = exchange(datalab.port, "GET", target, {"Range": f"bytes={start}-{end - 1}"})
        assert (got.status, got.body) == (206, content.part(start, end))
    beyond = exchange(datalab.port, "GET", target, {"Range": f"bytes={content.size}-"})
    assert (beyond.status, beyond["content-range"]) == (416, f"bytes */{content.size}")
    assert isinstance(beyond.json["detail"], str)


def test_pending_until_confirmed(datalab):
    begun = datalab.begin("a.pdf")
    file_id = begun["file_id"]
    confirm = lambda: datalab.call("GET", f"/{file_id}/confirm")
    assert confirm().status == 400 and isinstance(confirm().json["detail"], str)
    for number in range(2):
        assert datalab.put(begun["upload_url"], Content(f"{SEED} {number}", 1000)).status == 200
        assert datalab.wanted("GET", f"/{file_id}")["upload_status"] == "pending"
        assert datalab.call("GET", f"/{file_id}/download").status == 404
    assert [confirm().status for _ in range(3)] == [200, 200, 200]
    refused = datalab.put(begun["upload_url"], Content(f"{SEED} 2", 1000))
    assert refused.status == 412 and isinstance(refused.json["detail"], str)
    got = exchange(datalab.port, "GET", datalab.download(file_id))
    assert got.body == Content(f"{SEED} 1", 1000).bytes(), "the last bytes before it was confirmed"


def test_a_file_outlives_the_process(serve):
    """What was acknowledged is there after kill -9: a reservation, bytes that nobody has confirmed, a confirmation."""
    server = serve()
    datalab = Datalab(server.port)
    content = Content(SEED, 70_000)
    reserved, uploaded, confirmed = datalab.begin("a"), datalab.begin("b"), datalab.file("c", content)
    assert datalab.put(uploaded["upload_url"], content).status == 200
    target = datalab.download(confirmed["file_id"])
    server.kill()
    server.start()
    datalab = Datalab(server.port)
    assert exchange(server.port, "GET", target).body == content.bytes()
    assert datalab.put(confirmed["upload_url"], content).status == 412
    assert datalab.call("GET", f"/{reserved['file_id']}/confirm").status == 400
    assert datalab.put(reserved["upload_url"], content).status == 200
    for begun in (reserved, uploaded):
        datalab.wanted("GET", f"/{hash_id_of(begun)}/confirm")
        assert exchange(server.port, "GET", datalab.download(begun["file_id"])).body == content.bytes()


def listed(datalab, query=""):
    """A page of the list: the ids, and what is said of them."""
    body = datalab.wanted("GET", query)
    assert body.keys() == {"files", "total", "limit", "offset"}
    return [file["file_id"] for file in body["files"]], body


def test_the_list(serve, soak):
    """Every file once, the newest first, whatever the pages; the same after kill -9."""
    server = serve()
    datalab = Datalab(server.port)
    assert datalab.wanted("GET", "") == {"files": [], "total": 0, "limit": 50, "offset": 0}
    begun, body = [], json.dumps({"filename": "a.pdf", "content_type": "application/pdf"}).encode()
    fields = {"X-API-Key": provisioned.BEARER, "Content-Type": "application/json"}
    with Connection(server.port) as connection:
        for _ in range(10_000 if soak else 250):
            answer = connection.exchange("POST", f"{FILES}/upload", fields, body)
            assert answer.status == 200, answer
            begun.append(answer.json["file_id"])
    begun.reverse()
    done = datalab.file("done.pdf", Content(SEED, 10))
    everything = [done["file_id"], *begun]
    for _ in range(2):
        found = []
        while len(found) < len(everything):
            ids, said = listed(datalab, f"?limit=100&offset={len(found)}")
            assert (said["total"], said["limit"], said["offset"]) == (len(everything), 100, len(found))
            assert len(ids) == min(100, len(everything) - len(found))
            assert all(file == datalab.wanted("GET", f"/{file['file_id']}") for file in said["files"][:3])
            found += ids
        assert found == everything
        server.kill()
        server.start()
        datalab = Datalab(server.port)
    assert listed(datalab)[0] == everything[:50]
    statuses = [file["upload_status"] for file in listed(datalab, "?limit=2")[1]["files"]]
    assert statuses == ["completed", "pending"]
    datalab.wanted("DELETE", f"/{everything[1]}")
    ids, said = listed(datalab, "?limit=1&offset=1")
    assert (ids, said["total"]) == ([everything[2]], len(everything) - 1)
    assert listed(Datalab(server.port, provisioned.OTHER_BEARER))[1]["total"] == 0


@pytest.mark.parametrize(
    ("query", "kind", "name"),
    [
        ("limit=0", "greater_than_equal", "limit"),
        ("limit=101", "less_than_equal", "limit"),
        ("limit=ten", "int_parsing", "limit"),
        ("offset=-1", "greater_than_equal", "offset"),
        ("offset=99999999999999999999", "less_than_equal", "offset"),
    ],
)
def test_limits_of_the_list(datalab, query, kind, name):
    answer = datalab.call("GET", f"?{query}")
    assert (answer.status, answer["content-type"]) == (422, "application/json")
    [fault] = answer.json["detail"]
    assert (fault["type"], fault["loc"], fault["input"]) == (kind, ["query", name], query.split("=")[1])


def test_expiry(datalab):
    """One second is enough to see it end; the wait is for the clock itself."""
    file_id = datalab.file("a", Content(SEED, 10))["file_id"]
    began = time.monotonic()
    target = datalab.download(file_id, "?expires_in=1")
    with Connection(datalab.port) as connection:
        while (got := connection.exchange("GET", target)).status == 200:
            pass
    assert time.monotonic() - began >= 1, "less than was asked for"
    assert got.status == 403 and got.json == {"detail": "the URL has expired"}


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("expires_in=0", "greater_than_equal"),
        ("expires_in=86401", "less_than_equal"),
        ("expires_in=1h", "int_parsing"),
        ("expires_in=", "int_parsing"),
        ("expires_in=3600&expires_in=1.5", "int_parsing"),
    ],
)
def test_limits(datalab, query, kind):
    file_id = datalab.file("a", Content(SEED, 10))["file_id"]
    answer = datalab.call("GET", f"/{file_id}/download?{query}")
    assert (answer.status, answer["content-type"]) == (422, "application/json")
    [fault] = answer.json["detail"]
    assert (fault["type"], fault["loc"]) == (kind, ["query", "expires_in"]) and isinstance(fault["msg"], str)


def test_ids_that_are_none(datalab):
    for file_id, status in [("x", 422), ("1.5", 422), ("0", 404), ("9" * 40, 404), ("A" * 22, 404), ("A" * 23, 422)]:
        for method, call in [("GET", ""), ("GET", "/confirm"), ("GET", "/download"), ("DELETE", "")]:
            answer = datalab.call(method, f"/{file_id}{call}")
            assert answer.status == status, (method, file_id, call, answer)
            if status == 422:
                assert answer.json["detail"][0]["loc"] == ["path", "file_id"]
            else:
                assert answer.json == {"detail": "File not found"}


def test_keys(datalab):
    begun = datalab.file("a", Content(SEED, 10))
    path = f"{FILES}/{begun['file_id']}/download"
    for fields in ({}, {"X-API-Key": "nobody"}, {"Cookie": f"access_token={provisioned.BEARER}"}, {"Authorization": "Basic eDp5"}):
        answer = exchange(datalab.port, "GET", path, fields)
        detail = "Invalid API key provided. Set the X-API-Key header to your API key."
        assert (answer.status, answer.json) == (401, {"detail": detail}), fields
    assert exchange(datalab.port, "GET", path, {"Authorization": f"Bearer {provisioned.BEARER}"}).status == 200
    reader = Datalab(datalab.port, provisioned.READER_BEARER)
    assert exchange(datalab.port, "GET", reader.download(begun["file_id"])).status == 200
    for method, call in [("GET", "/confirm"), ("DELETE", "")]:
        assert reader.call(method, f"/{begun['file_id']}{call}").status == 403


def test_another_tenant_learns_nothing(datalab):
    stranger = Datalab(datalab.port, provisioned.OTHER_BEARER)
    own = stranger.file("own", Content(f"{SEED} own", 10))
    done, pending = datalab.file("a", Content(SEED, 10)), datalab.begin("b")
    for begun in (done, pending):
        for file_id in (begun["file_id"], hash_id_of(begun)):
            for method, call in [("GET", ""), ("GET", "/confirm"), ("GET", "/download"), ("DELETE", "")]:
                theirs, nobodys = (stranger.call(method, f"/{some}{call}") for some in (file_id, 1))
                assert (theirs.status, theirs.body) == (nobodys.status, nobodys.body) == (404, b'{"detail":"File not found"}')
    # A token of the one in the path of the other.
    path, token = stranger.download(own["file_id"]).split("?")[0], datalab.download(done["file_id"]).split("?")[1]
    assert exchange(datalab.port, "GET", f"{path}?{token}").status == 403
    assert datalab.wanted("GET", f"/{done['file_id']}")["upload_status"] == "completed"


def test_deletion_ends_everything(datalab):
    begun = datalab.file("a", Content(SEED, 10))
    target = datalab.download(begun["file_id"])
    assert datalab.wanted("DELETE", f"/{begun['file_id']}")["success"] is True
    for answer in (
        exchange(datalab.port, "GET", target),
        datalab.put(begun["upload_url"], Content(SEED, 10)),
        datalab.call("GET", f"/{begun['file_id']}/download"),
        datalab.call("DELETE", f"/{hash_id_of(begun)}"),
    ):
        assert (answer.status, answer.json) == (404, {"detail": "File not found"})


BROKEN = {
    "nothing": (b"", 422),
    "no-json": (b"{", 422),
    "no-object": (b"[1]", 422),
    "no-fields": (b"{}", 422),
    "wrong-types": (b'{"filename": 1, "content_type": null}', 422),
    "not-utf-8": (b"\xff\xfe", 400),
    "deep": (b"[" * 100_000, 422),
    "too-large": (b'{"filename": "' + b"a" * MIB + b'"}', 413),
}


@pytest.mark.parametrize("name", BROKEN)
def test_bodies_that_are_none(datalab, name):
    body, status = BROKEN[name]
    answer = datalab.call("POST", "/upload", body, {"Content-Type": "application/json"})
    assert (answer.status, answer["content-type"]) == (status, "application/json")
    assert isinstance(answer.json["detail"], list if status == 422 else str)
    assert datalab.begin("afterwards")["file_id"] > 0


def test_a_body_that_ends_early(datalab):
    head = f"POST {FILES}/upload HTTP/1.1\r\nHost: h\r\nX-API-Key: {provisioned.BEARER}\r\nContent-Type: application/json\r\n"
    with Connection(datalab.port) as connection:
        connection.send(head.encode(), b"Content-Length: 1000\r\n\r\n", b'{"filename": "a", "content_type": "b"}')
        connection.socket.shutdown(1)
        assert connection.receive_head().status == 400
    assert datalab.begin("afterwards")["file_id"] > 0


def test_bodies_that_come_slowly_are_not_waited_for(datalab):
    """Below a kibibyte a second over a minute: a call, and an upload by its URL. Takes that minute."""
    begun = datalab.begin("dawdled")
    asked = [
        ("POST", f"{FILES}/upload", {"X-API-Key": provisioned.BEARER, "Content-Type": "application/json"}),
        ("PUT", target_of(begun["upload_url"]), {}),
    ]
    began, answers = time.monotonic(), {}
    with contextlib.ExitStack() as stack:
        slow = {}
        for method, target, fields in asked:
            slow[method] = stack.enter_context(Connection(datalab.port, timeout=0.5))
            slow[method].request(method, target, {**fields, "Content-Length": "1000000"}, [b" "])
        while len(answers) < len(slow) and time.monotonic() - began < 100:
            for method, connection in slow.items():
                try:
                    if method not in answers:
                        answers[method] = connection.receive_head()
                        answers[method].body = connection.receive_body(answers[method])
                except TimeoutError:
                    connection.send(b" ")
    for method, detail in [("POST", "The body came too slowly"), ("PUT", "the upload came too slowly")]:
        assert (answers[method].status, answers[method].json) == (408, {"detail": detail})
    assert datalab.call("GET", f"/{begun['file_id']}/confirm").status == 400


def test_a_file_is_an_object_like_any_other(datalab, shared):
    """Put in by this API, it is read by the native one."""
    begun = datalab.file("a.pdf", Content(SEED, 10))
    key = f"{hash_id_of(begun)}/a.pdf"
    got = shared.call("GET", f"/vk/v1/buckets/files-{provisioned.TENANT}/objects/{key}")
    assert (got.status, got.body) == (200, Content(SEED, 10).bytes())
