"""Security bugs that others have published, tried on this server: what is stored, and where.
`docs/published-bugs.md` has the table of all."""

import hashlib
import json
import re
import urllib.parse
from datetime import datetime, timedelta, timezone

import pytest

from conftest import SEED
from harness import server as provisioned
from harness import tokens
from harness.api import Api, object_path
from harness.content import Content
from harness.forms import TABLE, TYPE, WRITING, Forms, told, with_query
from harness.http import Connection, target_of
from harness.published import CONTENT, KEY, SECRET, assert_others_have_what_they_had, furnished, own, without_date

BODY = b"12345"
BUCKET = provisioned.BUCKET


@pytest.fixture(scope="module")
def forms(shared):
    return furnished(shared)


@pytest.fixture(autouse=True)
def nothing_of_others(forms):
    """Whatever was tried: the other tenant has what it had, and no more."""
    yield
    assert_others_have_what_they_had(forms)


def written(forms, name, fields=(), body=BODY):
    """Writes by every form with these fields; gives the rows of what came of it, without their ids and times."""
    for form, target in forms.writing(name, len(body)).items():
        answer = forms.ask("PUT", target, fields, body)
        assert answer.status in (200, 201), (form, fields, answer)
    places = forms.completed(name)
    assert len(places) == len(WRITING)
    everything = forms.everything()
    rows = []
    for place in places:
        assert forms.content(*place) == body, (place, fields)
        # Those of Redivis' and the others' are told apart by their ids alone.
        rows.append({name: everything[place][name] for name in ("size_bytes", "sha256", "content_type", "etag")} | {"in": place[0]})
    return sorted(rows, key=json.dumps)


# --- 3, 14, 19: what unsigned fields do

UNSIGNED = {
    "x-amz-copy-source": "/others/secret.txt",
    "x-amz-copy-source-range": "bytes=0-9",
    "x-amz-acl": "public-read-write",
    "x-amz-grant-full-control": 'uri="http://acs.amazonaws.com/groups/global/AllUsers"',
    "x-amz-storage-class": "GLACIER",
    "x-amz-tagging": "owner=other-app",
    "x-amz-website-redirect-location": "https://evil.example/",
    "x-amz-meta-content-type": "text/html",
    "x-amz-object-lock-mode": "COMPLIANCE",
    "x-amz-decoded-content-length": "99",
    "x-goog-copy-source": "others/secret.txt",
    "x-goog-acl": "public-read",
    "x-goog-resumable": "start",
    "x-ms-copy-source": "http://localhost/o/others/secret.txt",
    "x-ms-blob-type": "AppendBlob",
    "X-Copy-From": "others/secret.txt",
    "Destination": "/o/others/secret.txt",
    "X-HTTP-Method-Override": "DELETE",
    "X-Original-URL": "/o/others/secret.txt",
    "X-Rewrite-URL": "/o/others/secret.txt",
    "X-Forwarded-Prefix": "/o/others",
    "X-Forwarded-Host": "evil.example",
    "Host": "others.localhost",
    "Tenant-ID": "tenant-2",
    "X-Delete-After": "0",
    "Expires": "Thu, 01 Jan 1970 00:00:00 GMT",
    "Cache-Control": "public, max-age=31536000",
    "Content-Encoding": "gzip",
    "Upload-Offset": "3",
    "Upload-Metadata": "filename c2VjcmV0LnR4dA==",
    "Tus-Resumable": "1.0.0",
    "Link": "</o/others/secret.txt>; rel=canonical",
}


@pytest.mark.parametrize("field", UNSIGNED)
def test_case_03_rustfs_an_unsigned_field_does_nothing(forms, field):
    """An upload by every form is its body, and nothing else; a download by every form is what it is without the field."""
    name = f"unsigned-{field.lower()}"
    before = set(forms.everything())
    plain = written(forms, f"{name}-not")
    assert written(forms, name, {field: UNSIGNED[field]}) == plain
    new = set(forms.everything()) - before
    assert len(new) == 2 * len(WRITING)
    for form, target in forms.reading("a.txt").items():
        expected = without_date(forms.ask("GET", target))
        assert expected[2] == CONTENT.bytes()
        assert without_date(forms.ask("GET", target, {field: UNSIGNED[field]})) == expected, form


def test_case_03_rustfs_fields_that_count_are_checked(forms):
    """As a control, those that do have an effect: the media type counts where the URL leaves it open; a part, a copy, another digest or
    another generation than the one named is refused, and nothing is stored."""
    types = {row["content_type"] for row in written(forms, "typed", {"Content-Type": "text/css"})}
    assert types == {"text/css", TYPE, "application/octet-stream", None}
    refused = {
        "Content-Range": {"bytes 5-9/10": 400, "bytes 0-4/5": 400, "bytes */5": 400},
        "If-Match": {'"other"': 412},
        "Content-MD5": {"1B2M2Y8AsgTpgAmY7PhCfg==": 400},
        "Repr-Digest": {f"sha-256=:{'A' * 43}=:": 400},
    }
    before = forms.everything()
    for field, values in refused.items():
        for number, (value, status) in enumerate(values.items()):
            targets = forms.writing(f"refused-{field}-{number}", len(BODY))
            changed = {(BUCKET, f"refused-{field}-{number}/signed")}
            for form, target in targets.items():
                # Parts are put together later; what each of them is is checked then.
                if form != "autodesk part":
                    answer = forms.ask("PUT", target, {field: value}, BODY)
                    assert answer.status == status, (form, field, value, answer)
            for place in changed:
                assert forms.content(*place) == b"before", (field, value)
            assert set(forms.everything()) == set(before) | changed, (field, value)
            before = forms.everything()


MANIFESTS = {
    "dynamic large object": ({"X-Object-Manifest": "others/secret"}, b""),
    "static large object": ({"X-Static-Large-Object": "True"}, b'[{"path": "/others/secret.txt"}]'),
    "symlink": ({"X-Symlink-Target": "others/secret.txt", "X-Symlink-Target-Account": "tenant-2"}, b""),
    "copy": ({"x-amz-copy-source": "/others/secret.txt"}, b""),
    "compose": ({"x-goog-component-count": "2"}, b"<ComposeRequest><Component><Name>secret.txt</Name></Component></ComposeRequest>"),
    "parts": ({"Content-Type": "text/xml"}, b"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber></Part></CompleteMultipartUpload>"),
    "entity": ({"Content-Type": "text/xml"}, b'<!DOCTYPE x [<!ENTITY y SYSTEM "file:///etc/passwd">]><x>&y;</x>'),
    "include": ({"Content-Type": "text/html", "Surrogate-Control": 'content="ESI/1.0"'}, b'<esi:include src="/o/others/secret.txt"/>'),
    "archive": ({"x-amz-meta-snowball-auto-extract": "true", "Content-Type": "application/x-tar"}, b"../../others/x" + bytes(1010)),
    "tus concatenation": ({"Upload-Concat": "final;/u/a /u/b", "Tus-Resumable": "1.0.0"}, b""),
}


@pytest.mark.parametrize("kind", MANIFESTS, ids=lambda kind: kind.replace(" ", "-"))
def test_case_14_swift_nothing_stored_is_a_pointer(forms, kind):
    """What is put in comes out, whatever it says of other objects: by every form in, by every form out."""
    fields, body = MANIFESTS[kind]
    name = f"manifest-{kind.replace(' ', '-')}"
    targets = forms.writing(name, len(body))
    for form, target in targets.items():
        answer = forms.ask("PUT", with_query(target, "multipart-manifest=put"), fields, body)
        assert answer.status in (200, 201), (form, answer)
    for bucket, key in forms.completed(name):
        for query in ("", "multipart-manifest=get", "symlink=get", "partNumber=1"):
            answer = forms.ask("GET", with_query(forms.api.target(key, bucket=bucket), query))
            assert (answer.status, answer.body) == (200, body), (bucket, key, query, answer)
    for form, target in forms.reading(f"{name}/token").items():
        assert forms.ask("GET", target).body == body, form


def test_case_14_swift_an_upload_is_put_together_of_its_own_parts(forms):
    """The key of another upload, of another object or tenant, or none that there is: refused, and nothing is made."""
    other = Forms(forms.server, provisioned.OTHER_TENANT, provisioned.OTHER_BEARER, provisioned.OTHER_BUCKET)
    theirs = other.done("GET", other.path("composed", "/signeds3upload"))
    assert other.ask("PUT", target_of(theirs["urls"][0]), (), SECRET.bytes()).status == 200
    mine, elsewhere = (forms.done("GET", forms.path(key, "/signeds3upload")) for key in ("composed", "elsewhere"))
    assert forms.ask("PUT", target_of(elsewhere["urls"][0]), (), BODY).status == 200
    for key in (theirs["uploadKey"], elsewhere["uploadKey"], mine["uploadKey"][:-4] + "AAAA", "../" + mine["uploadKey"], ""):
        answer = forms.api.call("POST", forms.path("composed", "/signeds3upload"), {"uploadKey": key})
        assert told(answer) == (400, "InvalidUploadKey"), (key, answer)
    temporary = {"tempUploads": [{"name": "theirs", "size": SECRET.size, "resumable": False}]}
    upload = other.done("POST", f"{TABLE}/tempUploads", temporary)["results"][0]
    assert other.ask("PUT", target_of(upload["url"]), (), SECRET.bytes()).status == 200
    answer = forms.api.call("POST", f"{TABLE}/rawFiles", {"files": [{"name": "mine", "tempUploadId": upload["id"]}]})
    assert told(answer) == (404, "not_found")
    assert forms.object("composed") is None
    bucket = f"files-{other.tenant}"
    ((_, key),) = [place for place in other.everything() if place[0] == bucket]
    assert other.content(bucket, key) == SECRET.bytes()
    assert other.api.call("DELETE", object_path(key, bucket)).status == 204


def test_case_19_rails_what_a_client_says_of_itself_is_not_believed(forms):
    """Fields that nobody was asked for are refused by the native API, and play no part elsewhere; no flag of theirs skips a rule."""
    asked = {"bucket": BUCKET, "key": "flags", "permission": "write"}
    flags = {**dict.fromkeys(("identified", "analyzed", "verified"), True), "tenant": provisioned.OTHER_TENANT, "issuer": "chief"}
    flags |= {"metadata": {"identified": True}, "scopes": ["*"], "state": "active", "uses_left": 9, "signing_key": "x"}
    flags |= {"link_id": "lnk_x", "dialect": "autodesk"}
    for name, value in flags.items():
        answer = forms.api.call("POST", "/vk/v1/signed-urls", {**asked, name: value})
        assert told(answer) == (400, "invalid"), (name, answer)
        answer = forms.api.call("POST", "/vk/v1/signed-urls", {**asked, "upload": {"max_bytes": 5, name: value}})
        assert told(answer) == (400, "invalid"), (name, answer)
    ruled = forms.api.target("flags", "write", upload={"types": ["image/png"], "max_bytes": 5})
    said = {"X-Amz-Meta-Identified": "true", "X-Identified": "true", "x-ads-meta-Content-Type": "image/png", "X-Content-Type": "image/png"}
    for of in ("text/html", "image/png, text/html", "image/pngx", "text/html; a=image/png", "image/*", "*/*", "image", "IMAGE/SVG+XML"):
        answer = forms.ask("PUT", ruled, {"Content-Type": of, **said}, BODY)
        assert told(answer) == (415, "type_not_allowed"), (of, answer)
    assert told(forms.ask("PUT", ruled, {"Content-Type": "image/png", "X-Content-Length": "1"}, b"123456")) == (413, "too_large")
    assert forms.object("flags") is None
    assert forms.ask("PUT", ruled, {"Content-Type": "image/png", **said, "X-Size": "9", "ETag": '"x"', "X-Sha256": "0"}, BODY).status == 201
    row = forms.object("flags")
    assert (row["size_bytes"], row["content_type"], row["sha256"]) == (5, "image/png", hashlib.sha256(BODY).hexdigest())
    # FlexPortal takes fields that it does not know, and Redivis' too: without any effect.
    sent = {**flags, "fileSize": 9, "fileId": "file_x", "url": "x", "success": False, "tenantId": provisioned.OTHER_TENANT}
    begun = forms.flexportal(action="upload", fileName="flags", contentType=TYPE, **{k: v for k, v in sent.items() if k != "fileId"})
    answer = forms.ask("PUT", target_of(begun["url"]), (), BODY)
    assert (answer.status, answer.json["fileSize"], answer.json["contentType"]) == (200, 5, TYPE)
    assert told(forms.ask("PUT", target_of(begun["url"]), (), BODY)) == (412, "VALIDATION_ERROR")


# --- 4: what is signed is enforced

RULES = {
    "max_bytes": ({"upload": {"max_bytes": 5}}, b"123456", {}, (413, "too_large")),
    "min_bytes": ({"upload": {"min_bytes": 5}}, b"1234", {}, (400, "too_small")),
    "no bytes": ({"upload": {"min_bytes": 1}}, b"", {}, (400, "too_small")),
    "types": ({"upload": {"types": ["text/plain"]}}, BODY, {"Content-Type": "text/html"}, (415, "type_not_allowed")),
    "types, none said": ({"upload": {"types": ["text/plain"]}}, BODY, {"Content-Type": ""}, (415, "type_not_allowed")),
    "digest": ({"upload": {"digest": {"sha256": "00" * 32}}}, BODY, {}, (400, "digest_mismatch")),
    "mode": ({"upload": {"mode": "create"}}, BODY, {}, (412, "exists")),
    "addresses": ({"addresses": ["192.0.2.0/24"]}, BODY, {}, (403, "wrong_address")),
    "not before": ({"expires_in_seconds": 7200, "not_before_at": None}, BODY, {}, (403, "not_yet_valid")),
}


@pytest.mark.parametrize("form", ["token", "link"])
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.replace(" ", "-").replace(",", ""))
def test_case_04_rustfs_each_rule_is_enforced_alone(forms, rule, form):
    """Everything else is as it should be. Refused, declared or not; nothing is stored or spent; then it is kept to, and works."""
    more, body, fields, expected = RULES[rule]
    key = f"ruled/{form}/{rule}"
    if rule == "mode":
        forms.api.put_new(key, CONTENT)
    if "not_before_at" in more:
        more = {**more, "not_before_at": in_an_hour()}
    target = forms.api.target(key, "write", form=form, **more)
    before = forms.everything()
    given = {"Content-Type": "text/plain", **fields}
    given = {name: value for name, value in given.items() if value}
    assert told(forms.ask("PUT", target, given, body)) == expected
    chunks = b"%x\r\n%s\r\n" % (len(body), body) if body else b""
    assert told(chunked(forms, target, given, chunks + b"0\r\n\r\n")) == expected
    assert forms.everything() == before
    if "upload" in more and rule not in ("mode", "digest"):
        assert forms.ask("PUT", target, {"Content-Type": "text/plain"}, BODY).status == 201
        assert forms.content(BUCKET, key) == BODY
        assert told(forms.ask("PUT", target, {"Content-Type": "text/plain"}, BODY)) == (410, "used_up")


def in_an_hour():
    """An instant, in RFC 3339."""
    return (datetime.now(timezone.utc) + timedelta(hours=1)).isoformat()


def chunked(forms, target, fields, body):
    """A PUT that does not say how long it is."""
    with Connection(forms.server.port) as connection:
        connection.request("PUT", target, {**fields, "Transfer-Encoding": "chunked"}, [body])
        answer = connection.receive_head()
        answer.body = connection.receive_body(answer)
        return answer


def test_case_21_rails_a_length_is_what_comes(forms):
    """Not what the client says: less, more, and what was declared beforehand."""
    forms.writing("sized", 5)
    target = target_of(forms.temporary["url"])
    for body in (b"1234", b"123456", b""):
        expected = (413, "too_large") if len(body) > 5 else (400, "invalid_request")
        assert told(forms.ask("PUT", target, {"X-Content-Length": "5", "x-goog-stored-content-length": "5"}, body)) == expected
        chunks = b"%x\r\n%s\r\n" % (len(body), body) if body else b""
        assert told(chunked(forms, target, {}, chunks + b"0\r\n\r\n")) == expected
    for key, n_declared, n_sent, expected in (("short", 10, 5, None), ("long", 5, 10, BODY)):
        target = forms.api.target(key, "write")
        with Connection(forms.server.port) as connection:
            connection.request("PUT", target, {"Content-Length": str(n_declared)}, [(BODY * 2)[:n_sent]])
            connection.socket.shutdown(1)
            answer = connection.receive_head()
        assert answer.status == (201 if expected else 400), (key, answer)
        assert (forms.object(key) is None) == (expected is None)
        assert expected is None or forms.content(BUCKET, key) == expected


# --- 6 and 13: paths

TRAVERSALS = ["../outside", "..\\outside", "/etc/passwd", "a/../../../outside", "..", ".", "....//outside", "C:\\outside", "~/outside"]
TRAVERSALS += ["%2e%2e%2foutside", "%252e%252e%252foutside", "..%2Foutside", "..%c0%afoutside", "a\x00/../outside", "\uff0e\uff0e/outside"]
TRAVERSALS += ["incoming/../../metadata.sqlite3", "blobs/../../master.key", "a" * 200 + "/../../outside"]


def test_case_06_rustfs_no_name_leaves_its_place(server):
    """Names that climb, put in by every API: nothing appears outside, each file is what its API gives back, and only there."""
    forms = Forms(server)
    forms.api.put_new("outside", SECRET)
    around = lambda: sorted(path.name for path in server.directory.iterdir())  # noqa: E731
    within = lambda: sorted(path.name for path in server.data.iterdir() if not path.name.startswith("metadata"))  # noqa: E731
    before = around(), within()
    for number, name in enumerate(TRAVERSALS):
        body = b"%03d" % number
        quoted = urllib.parse.quote(name, safe="")
        for path in (object_path(name), forms.path(name)):
            answer = forms.api.call("PUT", path, body)
            if answer.status in (200, 201):
                assert forms.api.call("GET", path).body == body, (name, path)
            else:
                assert answer.status == 400 and path.startswith("/vk/") or "\x00" in name, (name, path, answer)
        urls = {"datalab": forms.done("POST", "/api/v1/files/upload", {"filename": name, "content_type": TYPE})["upload_url"]}
        urls["flexportal"] = forms.flexportal(action="upload", fileName=name[:255], contentType=TYPE)["url"]
        temporary = {"tempUploads": [{"name": name, "size": len(body), "resumable": False}]}
        urls["redivis"] = forms.done("POST", f"{TABLE}/tempUploads", temporary)["results"][0]["url"]
        for form, url in urls.items():
            path = urllib.parse.urlsplit(url).path
            assert path.startswith((f"/o/files-{forms.tenant}/", "/l/")), (form, name, url)
            assert not re.search(r"/\.\.?(/|$)|\\|%2F|%00", path, re.I), (form, name, url)
            assert forms.ask("PUT", target_of(url), (), body).status == 200, (form, name)
        for path in (f"/o/{BUCKET}/{quoted}", f"/l/{quoted}", f"/api/v1/rawFiles/{quoted}", f"/api/v1/files/{quoted}", f"/{name}"):
            answer = forms.ask("GET", urllib.parse.quote(path, safe="/%\\~:"), {"X-API-Key": provisioned.BEARER})
            assert answer.status in (400, 401, 403, 404, 422) and b"root:" not in answer.body, (path, answer)
    assert (around(), within()) == before
    assert forms.content(BUCKET, "outside") == SECRET.bytes()
    assert all(re.fullmatch(r"[\w.-]+", path.name) for path in (server.data / "objects").rglob("*"))


@pytest.mark.parametrize("level", ["file", "folder"])
def test_case_06_rustfs_no_link_is_followed(server, level):
    """Whoever can put a symbolic link into the folder of objects shows nothing of what it leads to."""
    forms = Forms(server)
    content = Content(f"{SEED} linked", 5000)
    forms.api.put_new("linked", content)
    targets = forms.reading("linked")
    server.stop()
    (blob,) = [path for path in (server.data / "objects").rglob("*") if path.is_file() and path.stat().st_size == content.size]
    outside = server.directory / "outside"
    outside.mkdir()
    (outside / blob.name).write_bytes(b"s" * content.size)
    if level == "file":
        blob.unlink()
        blob.symlink_to(outside / blob.name)
    else:
        blob.rename(server.directory / "moved")
        blob.parent.rmdir()
        blob.parent.symlink_to(outside)
    server.start()
    for form, target in targets.items():
        answer = forms.ask("GET", target)
        assert answer.status == 503 and b"ssss" not in answer.body, (form, answer)


def test_case_13_s3_proxy_what_is_allowed_is_what_is_opened(forms):
    """However a slash or a dot is spelt: the grant is compared with the very key that is read, and so are the limits of an API key."""
    prefix = {tokens.PATH: {tokens.PREFIX: f"/o/{BUCKET}/public/"}}
    token = own(catu=prefix).partition("?")[2]
    assert forms.ask("GET", f"/o/{BUCKET}/public/page.txt?{token}").body == CONTENT.bytes()
    # The same object, spelt otherwise.
    for same in ("public%2Fpage.txt", "%70ublic%2fpage.txt", "public/page%2Etxt"):
        assert forms.ask("GET", f"/o/{BUCKET}/{same}?{token}").body == CONTENT.bytes(), same
    others = "private/page.txt private%2Fpage.txt PUBLIC/page.txt public%2fprivate%2fpage.txt public%00/private/page.txt".split()
    up = "%2F..%2F /..%2F /%2e%2e/ /.%2E/ %252F..%252F /%252e%252e/ %5C..%5C /../ //../ ;/../ /./../ %2f%2e%2e%2f".split()
    others += [f"public{spelt}private/page.txt" for spelt in up] + [f"public{spelt}private%2Fpage.txt" for spelt in up]
    others += ["../reports/private/page.txt", "/private/page.txt", "public/page.txt%2F..%2F..%2Fprivate%2Fpage.txt"]
    exact = own(f"/o/{BUCKET}/public/page.txt").partition("?")[2]
    for spelt in others:
        key = urllib.parse.unquote(spelt)
        is_within = key.startswith("public/") and not re.search(r"(^|/)\.{0,2}(/|$)", key)
        for bearer, expected in ((token, (404, "object_gone") if is_within else (403, "wrong_path")), (exact, (403, "wrong_path"))):
            for base in ("", "http://localhost"):
                assert told(forms.ask("GET", f"{base}/o/{BUCKET}/{spelt}?{bearer}")) == expected, spelt
    # What looks like a slash in a key is none: another object, for whose URL alone it is there.
    twins = {"twins/page.txt": CONTENT, "twins%2Fpage.txt": Content("twin", 20), "twins%252Fpage.txt": Content("triplet", 30)}
    for key, content in twins.items():
        forms.api.put_new(key, content)
    for key, content in twins.items():
        for form, target in forms.reading(key).items():
            assert forms.ask("GET", target).body == content.bytes(), (form, key)
        query = own(f"/o/{BUCKET}/{urllib.parse.quote(key)}").partition("?")[2]
        for other in twins:
            answer = forms.ask("GET", f"/o/{BUCKET}/{urllib.parse.quote(other)}?{query}")
            if other == key:
                assert answer.body == content.bytes(), key
            else:
                assert told(answer) == (403, "wrong_path"), (key, other)
    for bucket in (f"{BUCKET}%2Fprivate", f"{BUCKET}%2F..%2F{BUCKET}", f"others%2F..%2F{BUCKET}", f"%2e%2e/{BUCKET}"):
        assert told(forms.ask("GET", f"/o/{bucket}/page.txt?{token}")) == (403, "wrong_path"), bucket


def test_case_13_s3_proxy_a_key_limited_to_a_bucket_stays_in_it(forms):
    """By every API that has paths; what is deleted, put or read is nothing but what the path says, decoded once."""
    chief = Api(forms.server, provisioned.ADMIN_BEARER)
    forms.done("POST", "/vk/v1/buckets", {"name": "limited"})
    made = chief.call("POST", "/vk/v1/api-keys", {"scopes": ["*"], "buckets": ["limited"]}).json
    limited = Api(forms.server, made["secret"])
    before = forms.everything()
    for up in ("..%2F", "../", "%2e%2e%2f", "%2e%2e/", "..%252F", "..%5C"):
        page = "private%2Fpage.txt"
        for rest in (f"{up}{up}{BUCKET}%2Fobjects%2F{page}", f"{up}{BUCKET}/{page}", f"{up}{up}{BUCKET}/objects/{page}"):
            bases = ("/vk/v1/buckets/limited/objects/", "/vk/v1/buckets/limited%2F", "/oss/v2/buckets/limited/objects/")
            for path in (base + rest for base in bases):
                for method in ("GET", "DELETE"):
                    answer = limited.call(method, path)
                    assert answer.status in (400, 403, 404, 405) and SECRET.bytes() not in answer.body, (method, path, answer)
    for path in (object_path("private/page.txt"), forms.path("private/page.txt")):
        for method in ("GET", "PUT", "DELETE"):
            assert limited.call(method, path, b"x" if method == "PUT" else None).status == 403, (method, path)
    assert forms.everything() == before


# --- 24: prefixes and names that begin alike


def test_case_24_hackerone_a_prefix_ends_at_a_slash(forms):
    """`a/1/` is not `a/12`; nothing is not everything; `tenant-1` is not `tenant-12`."""
    api, chief = forms.api, Api(forms.server, provisioned.ADMIN_BEARER)
    for key in ("a/1/x", "a/12/x", "a/1"):
        api.put_new(key, CONTENT if key == "a/1/x" else SECRET)
    asked = {"bucket": BUCKET, "permission": "read"}
    for prefix in ("", "a/1", "/", "a//", "a/../", "../"):
        expected = (400, "invalid") if prefix else (403, "missing_scope")
        assert told(api.call("POST", "/vk/v1/signed-urls", {**asked, "prefix": prefix})) == expected, prefix
    for more in ({"permission": "write"}, {"uses": 1}, {"form": "link"}):
        assert told(api.call("POST", "/vk/v1/signed-urls", {**asked, "prefix": "a/1/", **more})) == (400, "invalid"), more
    query = urllib.parse.urlsplit(forms.done("POST", "/vk/v1/signed-urls", {**asked, "prefix": "a/1/"})["url"]).query
    signed = [query, own(catu={tokens.PATH: {tokens.PREFIX: f"/o/{BUCKET}/a/1/"}}).partition("?")[2]]
    for query in signed:
        assert forms.ask("GET", f"/o/{BUCKET}/a/1/x?{query}").body == CONTENT.bytes()
        for other in ("a/12/x", "a/1", "a/1/", "a/1%2F..%2F12%2Fx", "a/12", "a/", "a", ""):
            answer = forms.ask("GET", f"/o/{BUCKET}/{other}?{query}")
            assert told(answer) == (403, "wrong_path"), (other, answer)
    # Signed offline by who may not grant everything.
    codes = {f"/o/{BUCKET}/": "issuer_disabled", "/o/": "wrong_path", f"/o/{BUCKET}/a/1": "invalid_signature"}
    for prefix, code in {**codes, f"/o/{BUCKET}": "invalid_signature", "": "invalid_signature"}.items():
        answer = forms.ask("GET", own(f"/o/{BUCKET}/a/12/x", catu={tokens.PATH: {tokens.PREFIX: prefix}}))
        assert told(answer) == (403, code), (prefix, answer)
    limits = {"algorithm": "HS256", "owner": provisioned.API_KEY}
    for prefixes in (["a/1"], [""], ["/"], []):
        answer = chief.call("POST", "/vk/v1/signing-keys", {**limits, "kid": f"limited-{prefixes}", "prefixes": prefixes})
        assert told(answer) == (400, "invalid"), (prefixes, answer)
    # What is taken back is what is meant.
    targets = {key: api.target(key) for key in ("a/1/x", "a/12/x", "a/1")}
    forms.done("POST", "/vk/v1/revocations", {"bucket": BUCKET, "prefix": "a/1/"})
    assert {key: forms.ask("GET", target).status for key, target in targets.items()} == {"a/1/x": 410, "a/12/x": 200, "a/1": 200}
    assert api.call("POST", "/vk/v1/revocations", {"bucket": BUCKET, "prefix": "a/1"}).status == 400


def test_case_24_hackerone_a_tenant_s_name_is_compared_whole(serve, monkeypatch):
    """Another whose name begins with it, or that it begins with."""
    longer = provisioned.BOOTSTRAP.replace('"tenant-2"', '"tenant-12"')
    monkeypatch.setattr(provisioned, "BOOTSTRAP", longer)
    server = serve()
    one = Forms(server)
    twelve = Forms(server, "tenant-12", provisioned.OTHER_BEARER, provisioned.OTHER_BUCKET)
    upload = one.flexportal(action="upload", fileName="a", contentType=TYPE)
    assert one.ask("PUT", target_of(upload["url"]), (), SECRET.bytes()).status == 200
    for asking, tenant in ((twelve, "tenant-1"), (one, "tenant-12"), (one, "tenant-"), (one, "tenant-1 "), (one, ""), (one, "Tenant-1")):
        answer = asking.api.call("POST", "/v1/files/url", {"fileId": upload["fileId"]}, {"Tenant-ID": tenant})
        expected = {"tenant-1 ": 200}.get(tenant, 403)
        assert answer.status == expected, (tenant, answer)
    assert told(twelve.api.call("POST", "/v1/files/url", {"fileId": upload["fileId"]}, {"Tenant-ID": "tenant-12"})) == (404, "NOT_FOUND")
    bucket = f"files-{one.tenant}"
    for path in (f"/vk/v1/buckets/{bucket}", f"/vk/v1/buckets/{bucket}/objects", f"/vk/v1/buckets/{bucket}2/objects"):
        assert twelve.api.call("GET", path).status == 404, path
    key = upload["fileId"].removeprefix("file_") + "/a"
    for kid, tenant in ((provisioned.OTHER_KID, "tenant-1"), (provisioned.OTHER_KID, "tenant-12"), (provisioned.KID, "tenant-12")):
        answer = one.ask("GET", own(f"/o/{bucket}/{key}", iss=tenant, kid=kid, secret=provisioned.OTHER_SIGNING_SECRET))
        assert told(answer) == (403, "invalid_signature"), (kid, tenant)
