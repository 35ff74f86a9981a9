"""FlexPortal, with the vendor's own requests against the real server, before and after a kill."""

import json
import subprocess
import time
import urllib.parse

import pytest

from conftest import SEED
from harness import server as provisioned
from harness.content import Content
from harness.http import Connection, exchange, target_of

PATH = "/v1/files/url"


def ask(server, fields, bearer=provisioned.BEARER, tenant=provisioned.TENANT):
    """A call as the page shows it."""
    headers = {"Authorization": f"Bearer {bearer}", "Content-Type": "application/json", "Tenant-ID": tenant}
    return exchange(server.port, "POST", PATH, headers, json.dumps(fields).encode())


def given(server, **fields):
    """The same, and wants it done."""
    answer = ask(server, fields)
    assert answer.status == 200, answer
    assert answer["content-type"] == "application/json; charset=utf-8"
    return answer.json


def put(server, url, content, content_type):
    """Uploads to a URL; gives the answer."""
    fields = {"Content-Type": content_type, "Content-Length": str(content.size)}
    with Connection(server.port) as connection:
        connection.request("PUT", target_of(url), fields, content.pieces())
        answer = connection.receive_head()
        answer.body = connection.receive_body(answer)
        return answer


def upload(server, name, content, content_type="application/pdf"):
    """A file, by the page's own steps; gives its id."""
    asked = given(server, action="upload", fileName=name, contentType=content_type)
    answer = put(server, asked["url"], content, content_type)
    assert answer.status == 200, answer
    return asked["fileId"]


def get(server, url, fields=()):
    """What a signed URL answers."""
    return exchange(server.port, "GET", target_of(url), fields)


def assert_refused(answer, status, code):
    """A failure in the vendor's shape."""
    assert answer.status == status, answer
    assert answer.json["error"]["code"] == code, answer
    assert answer["access-control-allow-origin"] == "*"
    assert answer["cache-control"] == "no-store"


@pytest.fixture(scope="module")
def flexportal(shared):
    """The server that all tests here share."""
    return shared.server


def test_the_page_s_curl_and_its_uploads_by_curl(flexportal, work):
    asked = given(flexportal, action="upload", fileName="contract-order-123.pdf", contentType="application/pdf")
    (work / "file").write_bytes(b"a contract")
    curl = ["curl", "--silent", "--show-error", "--fail"]
    subprocess.run([*curl, "--request", "PUT", "--upload-file", work / "file", asked["url"]], check=True, stdout=subprocess.DEVNULL)
    fields = {"fileId": asked["fileId"], "action": "view", "expiresInMinutes": 60}
    call = [*curl, "--request", "POST", "--url", f"{flexportal.url}{PATH}"]
    call += ["--header", f"Authorization: Bearer {provisioned.BEARER}", "--header", "Content-Type: application/json"]
    call += ["--header", f"Tenant-ID: {provisioned.TENANT}", "--data", json.dumps(fields, indent=2)]
    answer = json.loads(subprocess.run(call, check=True, capture_output=True).stdout)
    assert {name: type(value) for name, value in answer.items()} == {
        "success": bool,
        "url": str,
        "filename": str,
        "contentType": str,
        "fileSize": int,
        "expiresAt": int,
        "fileId": str,
        "expiresAtIso": str,
    }
    assert answer["success"] is True and answer["fileSize"] == 10
    assert (answer["filename"], answer["contentType"]) == ("contract-order-123.pdf", "application/pdf")
    shown = subprocess.run([*curl, "--include", answer["url"]], check=True, capture_output=True).stdout
    head, _, body = shown.partition(b"\r\n\r\n")
    assert body == b"a contract" and b'inline; filename="contract-order-123.pdf"' in head


@pytest.mark.parametrize("size", [0, 1, 5 << 20], ids=lambda size: f"{size}-bytes")
def test_any_size_comes_back(flexportal, size):
    content = Content(f"{SEED} flexportal", size)
    asked = given(flexportal, action="download", fileId=upload(flexportal, "sized", content))
    assert asked["fileSize"] == size
    answer = get(flexportal, asked["url"])
    assert (answer.status, answer.body == content.bytes()) == (200, True)


def test_the_first_complete_upload_is_the_file_also_after_a_kill(serve):
    server = serve()
    content = Content(f"{SEED} first", 3 << 20)
    asked = given(server, action="upload", fileName="a.bin", contentType="application/x-big")
    # Half of it, and the server dies.
    connection = Connection(server.port)
    connection.request("PUT", target_of(asked["url"]), {"Content-Length": str(content.size)}, [content.part(0, content.size // 2)])
    server.kill()
    connection.close()
    server.start()
    assert_refused(ask(server, {"fileId": asked["fileId"]}), 404, "NOT_FOUND")
    # The reservation and its URL are still good.
    answer = put(server, asked["url"], content, "application/x-big")
    assert answer.status == 200 and answer.json["fileId"] == asked["fileId"], answer
    server.kill()
    server.start()
    assert_refused(put(server, asked["url"], Content("other", 10), "application/x-big"), 412, "VALIDATION_ERROR")
    found = given(server, action="download", fileId=asked["fileId"])
    assert (found["fileSize"], found["contentType"]) == (content.size, "application/x-big")
    assert get(server, found["url"]).body == content.bytes()


def test_of_two_uploads_at_once_one_is_the_file(flexportal):
    """Both began before either was complete: the second to finish is refused."""
    asked = given(flexportal, action="upload", fileName="race", contentType="text/plain")
    fields = {"Content-Type": "text/plain", "Content-Length": "6"}
    with Connection(flexportal.port) as first, Connection(flexportal.port) as second:
        for connection, content in ((first, b"first-"), (second, b"second")):
            connection.request("PUT", target_of(asked["url"]), fields, [content[:5]])
        first.send(b"-")
        assert first.receive_head().status == 200
        second.send(b"d")
        answer = second.receive_head()
        answer.body = second.receive_body(answer)
        assert_refused(answer, 412, "VALIDATION_ERROR")
    assert get(flexportal, given(flexportal, fileId=asked["fileId"])["url"]).body == b"first-"


def call(server, method, path, body=None, bearer=provisioned.BEARER, tenant=provisioned.TENANT):
    """A call of the files' own paths."""
    headers = {"Authorization": f"Bearer {bearer}", "Tenant-ID": tenant}
    if body is not None:
        headers["Content-Type"] = "application/json"
    return exchange(server.port, method, f"/v1/files{path}", headers, None if body is None else json.dumps(body).encode())


def wanted(server, method, path, body=None):
    """The same, and wants it done."""
    answer = call(server, method, path, body)
    assert answer.status == 200, answer
    assert answer["content-type"] == "application/json; charset=utf-8"
    return answer.json


def test_the_list_and_each_file(serve):
    """By cursor and by offset, in both directions; the same after kill -9."""
    server = serve()
    assert wanted(server, "GET", "")["files"] == []
    ids = [upload(server, f"{number}.pdf", Content(f"{SEED} {number}", 100 + number)) for number in range(12)]
    given(server, action="upload", fileName="pending", contentType="text/plain")
    newest = ids[::-1]
    for _ in range(2):
        for order, expected in (("", newest), ("&sortDir=asc", ids)):
            by_cursor, by_offset, after = [], [], ""
            while True:
                page = wanted(server, "GET", f"?limit=5{order}{after}")
                assert (page["count"], page["limit"], page["filters"]) == (len(page["files"]), 5, {})
                by_cursor += [file["fileId"] for file in page["files"]]
                if not page["hasMore"]:
                    break
                after = f"&startAfter={page['nextCursor']}"
            assert page["nextCursor"] is None
            while page["files"]:
                page = wanted(server, "GET", f"?limit=5{order}&offset={len(by_offset)}")
                by_offset += [file["fileId"] for file in page["files"]]
            assert by_cursor == by_offset == expected
        server.kill()
        server.start()
    shown = wanted(server, "GET", f"/{ids[3]}")
    assert shown == wanted(server, "GET", "?limit=1&offset=8")["files"][0]
    assert (shown["fileName"], shown["filename"], shown["size"], shown["fileSize"]) == ("3.pdf", "3.pdf", 103, 103)
    assert shown["tenantId"] == provisioned.TENANT and all(value is not None for value in shown.values())
    assert wanted(server, "GET", "?orderId=ord_abc123")["files"] == []
    assert call(server, "GET", "", None, provisioned.OTHER_BEARER, provisioned.OTHER_TENANT).json["files"] == []
    assert_refused(call(server, "GET", "?limit=0"), 400, "VALIDATION_ERROR")


def test_deletions(serve):
    """With the bytes and without: for good, and only what was asked for."""
    server = serve()
    content = Content(SEED, 1000)
    gone, kept = upload(server, "gone.pdf", content), upload(server, "kept.pdf", content)
    urls = [given(server, fileId=file_id)["url"] for file_id in (gone, kept)]
    storage_path = wanted(server, "GET", f"/{kept}")["storagePath"]
    told = [wanted(server, "DELETE", f"/{gone}"), wanted(server, "DELETE", f"/{kept}", {"deleteFromStorage": False})]
    assert [(answer["success"], answer["fileId"]) for answer in told] == [(True, gone), (True, kept)]
    assert storage_path in told[1]["message"]
    for _ in range(2):
        for file_id, url in zip((gone, kept), urls):
            for method in ("GET", "DELETE"):
                assert_refused(call(server, method, f"/{file_id}"), 404, "NOT_FOUND")
            assert_refused(ask(server, {"fileId": file_id}), 404, "NOT_FOUND")
            assert_refused(get(server, url), 404, "NOT_FOUND")
        assert wanted(server, "GET", "")["files"] == []
        bucket, key = storage_path.split("/", 1)
        target = f"/vk/v1/buckets/{bucket}/objects/{urllib.parse.quote(key, safe='')}"
        read = exchange(server.port, "GET", target, {"Authorization": f"Bearer {provisioned.BEARER}"})
        assert (read.status, read.body == content.bytes()) == (200, True)
        server.kill()
        server.start()


def test_nothing_but_what_was_signed(flexportal):
    url = given(flexportal, fileId=upload(flexportal, "a.pdf", Content(SEED, 100)))["url"]
    path, token = target_of(url).split("?cat=")
    position = len(token) - 10
    changed = token[:position] + ("A" if token[position] != "A" else "B") + token[position + 1 :]
    assert_refused(exchange(flexportal.port, "GET", f"{path}?cat={changed}"), 403, "INVALID_SIGNATURE")
    assert_refused(exchange(flexportal.port, "GET", f"{path}x?cat={token}"), 403, "INSUFFICIENT_PERMISSIONS")
    assert_refused(exchange(flexportal.port, "PUT", f"{path}?cat={token}", (), b"x"), 405, "METHOD_NOT_ALLOWED")
    assert get(flexportal, url).status == 200


def test_tenants_are_apart(flexportal):
    fields = {"fileId": upload(flexportal, "a.pdf", Content(SEED, 100))}
    assert_refused(ask(flexportal, fields, provisioned.OTHER_BEARER, provisioned.OTHER_TENANT), 404, "NOT_FOUND")
    assert_refused(ask(flexportal, fields, provisioned.OTHER_BEARER), 403, "NO_TENANT_ACCESS")
    assert_refused(ask(flexportal, fields, tenant=provisioned.OTHER_TENANT), 403, "NO_TENANT_ACCESS")
    assert_refused(ask(flexportal, fields, "nobody"), 401, "INVALID_TOKEN")
    assert_refused(ask(flexportal, {"action": "upload", "fileName": "a", "contentType": "a/b"}, provisioned.READER_BEARER), 403, "INSUFFICIENT_PERMISSIONS")


def test_a_file_deleted_by_the_native_api_is_gone(shared):
    server = shared.server
    file_id = upload(server, "gone.pdf", Content(SEED, 100))
    url = given(server, fileId=file_id)["url"]
    _, _, bucket, key = urllib.parse.urlsplit(url).path.split("/", 3)
    assert bucket == f"files-{provisioned.TENANT}"
    assert shared.call("DELETE", f"/vk/v1/buckets/{bucket}/objects/{key}").status == 204
    assert_refused(get(server, url), 404, "NOT_FOUND")
    assert_refused(ask(server, {"fileId": file_id}), 404, "NOT_FOUND")


@pytest.mark.parametrize(("form", "read", "upload"), [("by-action", int, str), ("number", int, int), ("text", str, str)])
def test_the_instant_is_told_as_the_operator_wants_it(serve, form, read, upload):
    server = serve(environment={"VALETKEY_FLEXPORTAL_EXPIRES_AT": form})
    asked = given(server, action="upload", fileName="a", contentType="text/plain")
    assert put(server, asked["url"], Content(SEED, 10), "text/plain").status == 200
    assert (type(given(server, fileId=asked["fileId"])["expiresAt"]), type(asked["expiresAt"])) == (read, upload)


def test_bodies_that_come_slowly_are_not_waited_for(flexportal):
    """Below a kibibyte a second over a minute. Takes that minute."""
    fields = {"Authorization": f"Bearer {provisioned.BEARER}", "Content-Type": "application/json", "Tenant-ID": provisioned.TENANT}
    with Connection(flexportal.port, timeout=0.5) as connection:
        connection.request("POST", PATH, {**fields, "Content-Length": "1000000"}, [b"{"])
        began, answer = time.monotonic(), None
        while answer is None and time.monotonic() - began < 100:
            try:
                answer = connection.receive_head()
                answer.body = connection.receive_body(answer)
            except TimeoutError:
                connection.send(b" ")
    assert_refused(answer, 408, "VALIDATION_ERROR")
    assert answer.json["error"]["message"] == "the body came too slowly"


def test_urls_begin_as_the_region_has_it(serve):
    """The bucket of a tenant's files is in the region US, if the operator made none before."""
    server = serve(arguments=["--public-url", "https://files.example.org", "--region-url", "US=https://us.example.org"])
    asked = given(server, action="upload", fileName="a", contentType="text/plain")
    assert asked["url"].startswith("https://us.example.org/o/"), asked
    assert put(server, asked["url"], Content(SEED, 10), "text/plain").status == 200
    assert given(server, fileId=asked["fileId"])["url"].startswith("https://us.example.org/o/")


def test_a_region_s_url_with_another_path_is_refused(work):
    arguments = ["--public-url", "https://files.example.org/a", "--region-url", "US=https://us.example.org/b"]
    done = subprocess.run([provisioned.BINARY, "serve", "--data", work / "data", *arguments], capture_output=True, text=True)
    assert done.returncode != 0 and "--region-url" in done.stderr, done
    assert not (work / "data").exists()
