"""One store behind every API: what came in by one goes out by each, and a stranger finds nothing by any id."""

import base64
import json
import urllib.parse
import uuid

import pytest

from harness import server as provisioned
from harness.api import Api
from harness.content import Content
from harness.http import exchange, target_of
from harness.ids import NO_FILE_ID, raw_id

NAME = "Année 2026 – تقرير 📈.pdf"
TYPE = "application/pdf"
WAYS = ("native", "autodesk", "redivis", "datalab", "flexportal")


def encoded(text):
    """As one path segment."""
    return urllib.parse.quote(text, safe="")


class Tenant:
    """A tenant's programs, one for each API."""

    def __init__(self, shared, name, bearer, bucket):
        self.api = Api(shared.server, bearer)
        self.name, self.bearer, self.bucket = name, bearer, bucket

    def fetch(self, url):
        """Presents a URL, as anybody who was given it."""
        return exchange(self.api.server.port, "GET", target_of(url))

    def done(self, method, path, body=None, fields=(), expected=200):
        """A call that must succeed; what it gives."""
        answer = self.api.call(method, path, body, fields)
        assert answer.status == expected, answer
        return answer.json if answer.body else None

    def upload(self, url, content):
        """Presents a URL for writing."""
        answer = exchange(self.api.server.port, "PUT", target_of(url), {"Content-Type": TYPE}, content)
        assert 200 <= answer.status < 300, answer

    # In by each API; each gives bucket and key of the object.

    def put_native(self, content):
        key = f"{content.seed}/{NAME}"
        self.api.put_new(key, content, content_type=TYPE, bucket=self.bucket)
        return self.bucket, key

    def put_autodesk(self, content):
        key = f"{content.seed}/{NAME}"
        path = f"/oss/v2/buckets/{self.bucket}/objects/{encoded(key)}/signeds3upload"
        ticket = self.done("GET", path)
        self.upload(ticket["urls"][0], content.bytes())
        self.done("POST", path, {"uploadKey": ticket["uploadKey"]}, {"x-ads-meta-Content-Type": TYPE})
        return self.bucket, key

    def put_redivis(self, content):
        table = "/api/v1/tables/demo.files.current"
        asked = {"tempUploads": [{"name": NAME, "size": content.size, "resumable": False}]}
        (upload,) = self.done("POST", f"{table}/tempUploads", asked)["results"]
        self.upload(upload["url"], content.bytes())
        (file,) = self.done(
            "POST", f"{table}/rawFiles", {"files": [{"name": NAME, "tempUploadId": upload["id"]}]}, expected=201
        )["results"]
        return self.place(file["id"].rpartition(".")[2])

    def put_datalab(self, content):
        upload = self.done("POST", "/api/v1/files/upload", {"filename": NAME, "content_type": TYPE})
        self.upload(upload["upload_url"], content.bytes())
        self.done("GET", f"/api/v1/files/{upload['file_id']}/confirm")
        return self.place(upload["reference"].removeprefix("datalab://file-"))

    def put_flexportal(self, content):
        asked = {"action": "upload", "fileName": NAME, "contentType": TYPE}
        upload = self.done("POST", "/v1/files/url", asked, {"Tenant-ID": self.name})
        self.upload(upload["url"], content.bytes())
        return self.place(upload["fileId"].removeprefix("file_"))

    def place(self, file_id):
        """Where a file without a bucket of its own is."""
        bucket = f"files-{self.name}"
        (found,) = [each for each in self.api.objects(bucket) if each["file_id"] == file_id]
        return bucket, found["key"]

    def object(self, bucket, key):
        """What the native API says of an object, with its ids."""
        (found,) = [each for each in self.api.objects(bucket, prefix=key) if each["key"] == key]
        return found

    # Out by each API: the answer to a call that signs, and the URL in it.

    def sign_native(self, bucket, object_):
        asked = {"bucket": bucket, "key": object_["key"], "permission": "read"}
        return self.api.call("POST", "/vk/v1/signed-urls", asked), lambda body: body["url"]

    def sign_autodesk(self, bucket, object_):
        path = f"/oss/v2/buckets/{bucket}/objects/{encoded(object_['key'])}/signed"
        return self.api.call("POST", path, {}), lambda body: body["signedUrl"]

    def sign_redivis(self, _bucket, object_):
        answer = self.api.call("POST", f"/api/v1/rawFiles/{object_['raw_file_id']}/signedUrl", {"duration": 60})
        return answer, lambda body: body

    def sign_datalab(self, _bucket, object_):
        return self.api.call("GET", f"/api/v1/files/{object_['file_number']}/download"), lambda body: body["download_url"]

    def sign_flexportal(self, _bucket, object_):
        asked = {"fileId": f"file_{object_['file_id']}"}
        return self.api.call("POST", "/v1/files/url", asked, {"Tenant-ID": self.name}), lambda body: body["url"]

    def put(self, way, content):
        """In by one API."""
        return getattr(self, f"put_{way}")(content)

    def sign(self, way, bucket, object_):
        """Asks one API for a URL."""
        return getattr(self, f"sign_{way}")(bucket, object_)


@pytest.fixture(scope="module")
def tenant(shared):
    return Tenant(shared, provisioned.TENANT, provisioned.BEARER, provisioned.BUCKET)


@pytest.fixture(scope="module")
def stranger(shared):
    return Tenant(shared, provisioned.OTHER_TENANT, provisioned.OTHER_BEARER, provisioned.OTHER_BUCKET)


@pytest.mark.parametrize("way_in", WAYS)
def test_in_by_one_and_out_by_each(tenant, way_in):
    content = Content(f"in by {way_in}", 300_001)
    bucket, key = tenant.put(way_in, content)
    found = tenant.object(bucket, key)
    assert (found["size_bytes"], found["sha256"], found["content_type"]) == (content.size, content.sha256, TYPE)
    for way_out in WAYS:
        answer, url_of = tenant.sign(way_out, bucket, found)
        assert answer.status in (200, 201), (way_out, answer)
        is_json = answer["content-type"].startswith("application/json")
        fetched = tenant.fetch(url_of(answer.json if is_json else answer.body.decode()))
        assert (fetched.status, fetched["content-type"]) == (200, TYPE), (way_out, fetched)
        assert fetched.body == content.bytes(), way_out
        assert encoded(NAME) in fetched["content-disposition"], (way_out, fetched)


@pytest.mark.parametrize("way_in", WAYS)
def test_a_stranger_finds_nothing(tenant, stranger, way_in):
    """By the right ids, as if they did not exist; only Autodesk's API tells whose a bucket is not."""
    bucket, key = tenant.put(way_in, Content(f"{way_in} of somebody", 10))
    found = tenant.object(bucket, key)
    invented = {**found, "file_id": NO_FILE_ID, "raw_file_id": raw_id(NO_FILE_ID), "file_number": found["file_number"] ^ 1}
    assert found["raw_file_id"] == raw_id(found["file_id"]), "what is invented is no id"
    for way_out in WAYS:
        answer, _ = stranger.sign(way_out, bucket, found)
        if way_out == "autodesk":
            assert answer.status == 403, answer
            continue
        unknown, _ = stranger.sign(way_out, "no-such-bucket", {**invented, "key": found["key"]})
        assert (answer.status, unknown.status) == (404, 404), (way_out, answer, unknown)
        assert told(answer) == told(unknown), way_out
    for way, call in {
        "native": ("GET", f"/vk/v1/buckets/{bucket}/objects?prefix=", None),
        "redivis": ("GET", f"/api/v1/rawFiles/{found['raw_file_id']}", None),
        "datalab": ("DELETE", f"/api/v1/files/{found['file_number']}", None),
        "datalab, hash id": ("GET", f"/api/v1/files/{found['file_id']}", None),
        "datalab, confirmation": ("GET", f"/api/v1/files/{found['file_number']}/confirm", None),
    }.items():
        answer = stranger.api.call(*call)
        assert answer.status == 404, (way, answer)
    assert tenant.object(bucket, key) == found


def test_a_tenant_is_not_taken_at_a_stranger_s_word(tenant, stranger):
    tenant.api.put_new("mine", Content("mine", 10), bucket=tenant.bucket)
    asked = {"fileId": f"file_{tenant.object(tenant.bucket, 'mine')['file_id']}"}
    answer = stranger.api.call("POST", "/v1/files/url", asked, {"Tenant-ID": tenant.name})
    assert (answer.status, answer.json["error"]["code"]) == (403, "NO_TENANT_ACCESS")


def test_a_file_deleted_by_one_is_gone_for_all(tenant):
    bucket, key = tenant.put("datalab", Content("to be deleted", 1000))
    found = tenant.object(bucket, key)
    urls = []
    for way in WAYS:
        answer, url_of = tenant.sign(way, bucket, found)
        urls.append(url_of(answer.json if answer["content-type"].startswith("application/json") else answer.body.decode()))
    assert [tenant.fetch(url).status for url in urls] == [200] * len(WAYS)
    answer = tenant.api.call("DELETE", f"/vk/v1/buckets/{bucket}/objects/{encoded(key)}")
    assert answer.status == 204, answer
    assert [tenant.fetch(url).status for url in urls] == [404] * len(WAYS)
    for way in WAYS:
        assert tenant.sign(way, bucket, found)[0].status == 404, way


def test_urls_for_any_key_are_refused_in_the_words_of_who_gave_them(tenant):
    """A key that cannot stand in a path: short links, whose path is the native API's whoever gave them out."""
    key = "a/../b"
    object_path = f"/oss/v2/buckets/{tenant.bucket}/objects/{encoded(key)}"
    tenant.done("PUT", object_path, b"content", {"Content-Type": TYPE})
    found = tenant.object(tenant.bucket, key)
    link = tenant.done(
        "POST",
        "/vk/v1/signed-urls",
        {"bucket": tenant.bucket, "key": key, "permission": "read", "form": "link"},
        expected=201,
    )["url"]
    secret = base64.urlsafe_b64decode(target_of(link).rpartition("/")[2] + "==")
    urls = {"native": link, "native at Autodesk's path": f"/oss/v2/signedresources/{uuid.UUID(bytes=secret)}"}
    urls["autodesk, direct"] = tenant.done("GET", f"{object_path}/signeds3download")["url"]
    for way in ("autodesk", "redivis", "datalab", "flexportal"):
        answer, url_of = tenant.sign(way, tenant.bucket, found)
        urls[way] = url_of(answer.json if answer["content-type"].startswith("application/json") else answer.body.decode())
    short = [way for way, url in urls.items() if target_of(url).startswith("/l/")]
    assert short == ["native", "autodesk, direct", "datalab", "flexportal"]
    assert {way: tenant.fetch(url).body for way, url in urls.items()} == dict.fromkeys(urls, b"content")
    tenant.done("DELETE", object_path)
    autodesk = {"reason": "The specified resource does not exist"}
    for way, expected in {
        "native": {"code": "object_gone"},
        "native at Autodesk's path": autodesk,
        "autodesk": autodesk,
        "autodesk, direct": autodesk,
        "redivis": {"error": "not_found"},
        "datalab": {"detail": "File not found"},
        "flexportal": {},
    }.items():
        answer = tenant.fetch(urls[way])
        assert answer.status == 404 and expected.items() <= answer.json.items(), (way, answer)
    assert tenant.fetch(urls["flexportal"]).json["error"]["code"] == "NOT_FOUND"


def told(answer):
    """What an answer says, but for what names the request."""
    try:
        body = json.loads(answer.body)
    except ValueError:
        return answer.body
    return {name: value for name, value in body.items() if name not in ("instance", "request_id")}
