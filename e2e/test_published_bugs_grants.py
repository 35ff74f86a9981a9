"""Security bugs that others have published, tried on this server: what a URL, or another credential, is good for and for how long.
`docs/published-bugs.md` has the table of all."""

import base64
import re
import struct
import time

import pytest

from conftest import SEED
from harness import server as provisioned
from harness import tokens
from harness.api import Api, object_path
from harness.content import Content
from harness.forms import READING, WRITING, Forms, refusal, told, with_query
from harness.http import exchange, target_of
from harness.published import CONTENT, KEY, SECRET, decoded, own, own_token, with_mac_of, without_date

ALLOWED = {"Authorization": f"Bearer {provisioned.BEARER}"}


@pytest.fixture(scope="module")
def forms(shared):
    """A tenant's programs, with an object to sign for."""
    shared.put_new(KEY, CONTENT, content_type="text/plain")
    return Forms(shared.server)


# --- 1: fields without a delimiter between them


def test_case_01_gitea_fields_cannot_be_shifted(forms):
    """The bytes at each edge between two fields belong to one of them: of no two requests the signed bytes are the same."""
    api = forms.api
    for bucket, key in (("glued-ab", "c"), ("glued-a", "bc")):
        forms.done("POST", "/vk/v1/buckets", {"name": bucket})
        api.put_new(key, Content(f"{SEED} {bucket}", 50), bucket=bucket)
    plain = {"bucket": "glued-ab", "key": "c", "permission": "read", "expires_in_seconds": 600, "stable_window_seconds": 86400}
    shifted = [
        {},
        {"bucket": "glued-a", "key": "bc"},
        {"expires_in_seconds": 60086, "stable_window_seconds": 400},
        {"expires_in_seconds": 60, "stable_window_seconds": 86400},
        *({"filename": name, "label": label} for name, label in (("ab", "c"), ("a", "bc"))),
        *({"filename": "abc"}, {"label": "abc"}, {"content_type": "a/bc"}, {"filename": "a/bc"}),
        *({"filename": name, "content_type": of} for name, of in (("n", "a/b"), ("na", "a/b"), ("n", "aa/b"))),
        *({"addresses": some} for some in (["10.0.0.1", "10.0.0.10"], ["10.0.0.11", "10.0.0.10"], ["10.0.0.1/8"])),
    ]
    for form in ("token", "link"):
        issued = [api.issue(**{**plain, "form": form, **more}) for more in shifted]
        assert len({one["link_id"] for one in issued}) == len({one["url"] for one in issued}) == len(shifted)
        # They do follow from the request alone; the window may just have ended.
        assert any(api.issue(**plain, form=form)["url"] == api.issue(**plain, form=form)["url"] for _ in range(3))
    # One signature, and claims whose bytes put together are the same.
    token = own_token("/o/glued-ab/c")
    answer = forms.ask("GET", f"/o/glued-a/bc?cat={token}")
    assert told(answer) == (403, "wrong_path")
    now, cti = int(time.time()), bytes(16)
    name, label, of = tokens.FILE_NAME, tokens.LABEL, tokens.CONTENT_TYPE
    paths = [{tokens.PATH: {tokens.EXACT: path}} for path in ("/o/glued-ab/c", "/o/glued-a/bc")]
    edges = [
        (dict(catu=paths[0]), dict(catu=paths[1])),
        (dict(private={name: "ab", label: "c"}), dict(private={name: "a", label: "bc"})),
        (dict(private={name: "a/b", of: "c/d"}), dict(private={name: "a", of: "bc/d"})),
        (dict(exp=now + 100, iat=now), dict(exp=now + 100 + 1, iat=now - 1)),
        (dict(catm=["GET", "HEAD"]), dict(catm=["GET"])),
    ]
    for one, other in edges:
        made = [own_token("/o/glued-ab/c", **{"iat": now, "exp": now + 600, "cti": cti, **more}) for more in (one, other)]
        path = "/o/glued-a/bc" if "catu" in other else "/o/glued-ab/c"
        assert forms.ask("GET", f"{path}?cat={made[1]}").status == 200, other
        assert told(forms.ask("GET", f"{path}?cat={with_mac_of(made[1], made[0])}")) == (403, "invalid_signature"), other


# --- 2: a handler that does not know a kind of credential

NO_CREDENTIALS = {
    "nothing": {},
    "AWS signature": {"Authorization": "AWS4-HMAC-SHA256 Credential=a/20260101/us/s3/aws4_request, SignedHeaders=host, Signature=00"},
    "AWS streaming": {"X-Amz-Content-Sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "X-Amz-Date": "20260101T000000Z"},
    "AWS session": {"X-Amz-Security-Token": "x", "X-Amz-Content-Sha256": "UNSIGNED-PAYLOAD"},
    "AWS snowball": {"X-Amz-Meta-Snowball-Auto-Extract": "true"},
    "wrong bearer": {"Authorization": "Bearer wrong"},
    "wrong key": {"X-API-Key": "wrong"},
    "empty": {"Authorization": ""},
    "key id alone": {"Authorization": f"Bearer {provisioned.API_KEY}"},
    "digest": {"Authorization": 'Digest username="app", response="00"'},
    "session cookie": {"Cookie": f"access_token={provisioned.BEARER}; wos-session={provisioned.BEARER}"},
    "two": {"Authorization": f"Bearer {provisioned.BEARER}", "X-API-Key": provisioned.BEARER},
}
DATALAB_NO_KEY = "Invalid API key provided. Set the X-API-Key header to your API key."
# Status and word of a call without a credential that works, by where its path begins.
UNAUTHENTICATED = {
    "/vk/v1": {(401, "unauthenticated")},
    "/oss/v2": {(401, "AUTH-012"), (401, "AUTH-006")},
    "/api/v1/rawFiles": {(401, "invalid_token")},
    "/api/v1/tables": {(401, "invalid_token")},
    "/api/v1/datasets": {(401, "invalid_token")},
    "/api/v1/users": {(401, "invalid_token")},
    "/api/v1/files": {(401, DATALAB_NO_KEY)},
    "/v1/files": {(401, "AUTH_REQUIRED"), (401, "INVALID_TOKEN")},
}
TWO = {"/vk/v1": (400, "ambiguous"), "/oss/v2": (401, "AUTH-012"), "/api/v1/rawFiles": (400, "invalid_request")}
TWO |= {root: (400, "invalid_request") for root in ("/api/v1/tables", "/api/v1/datasets", "/api/v1/users")}
TWO |= {"/api/v1/files": (401, DATALAB_NO_KEY), "/v1/files": (401, "INVALID_TOKEN")}
# Of the server's own description: what is presented with a URL, what is anybody's, and where the credential is in the body.
NO_CALLS = r"/(o|l)/.*|/oss/v2/(signedresources/\{id\}(/resumable)?|uploads/.*|\{bucketKey\}/\{id\})|/(healthz|readyz|robots.txt|openapi.json|docs|metrics)"
NO_CALLS += r"|/authentication/(v2/token|v1/authenticate)"


def calls(forms):
    """Every call that the server says it has, about something that there is."""
    found = forms.object(KEY)
    named = {"bucket": forms.bucket, "bucketKey": forms.bucket, "key": KEY, "objectKey": KEY, "fileId": found["raw_file_id"]}
    named |= {"file_id": str(found["file_number"]), "table": "demo.files.current", "kid": provisioned.KID, "id": provisioned.API_KEY}
    forms.api.call("GET", f"/oss/v2/buckets/{forms.bucket}/objects/begun/signeds3upload")
    (upload,) = forms.api.call("GET", "/vk/v1/uploads").json["uploads"]
    named |= {"link_id": forms.api.issue(KEY)["link_id"], "upload_id": upload["upload_id"], "sessionId": "s"}
    named |= {"newObjectKey": "copied.txt", "dataset": "demo.files", "user": "demo"}
    described = exchange(forms.server.port, "GET", "/openapi.json").json
    for template, operations in described["paths"].items():
        if not re.fullmatch(NO_CALLS, template):
            path = re.sub(r"\{(\w+)\}", lambda name: named[name[1]], template)
            yield from ((method.upper(), path) for method in operations if method not in ("parameters", "options"))


def test_case_02_minio_no_kind_of_credential_falls_through(serve):
    """Every call of the server's own description, with every kind of credential that is none; and with two that are good."""
    forms = Forms(serve(arguments=["--max-failed-authentications", "0"]))
    forms.api.put_new(KEY, CONTENT)
    before = forms.everything()
    tried = list(calls(forms))
    assert len(tried) > 40
    read, write = (decoy.rpartition("=")[2] for decoy in (forms.api.target(KEY), forms.api.target("new", "write")))
    in_query = {f"cat={read}", f"token={read}", f"cat={write}", f"access_token={provisioned.BEARER}", f"api_key={provisioned.BEARER}"}
    in_query |= {"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=app&X-Amz-Signature=00", "X-Amz-Credential=app"}
    for method, path in tried:
        (root,) = [root for root in UNAUTHENTICATED if path.startswith(root)]
        body = b"{}" if method in ("POST", "PATCH", "PUT") else None
        json_body = {"Content-Type": "application/json"} if body else {}
        for name, fields in NO_CREDENTIALS.items():
            expected = {TWO[root]} if name == "two" else UNAUTHENTICATED[root]
            answer = forms.ask(method, path, {**fields, **json_body}, body)
            said = {(status, None) for status, _ in expected} if method == "HEAD" else expected
            assert told(answer) in said, (name, method, path, answer)
        for query in in_query:
            if root == "/api/v1/rawFiles" and query.startswith("token="):
                continue  # where the token is what it is for
            answer = forms.ask(method, with_query(path, query), json_body, body)
            assert answer.status == 401, (method, path, query, answer)
        if method in ("POST", "GET"):
            token = {**json_body, "CTA-Common-Access-Token": write}
            assert forms.ask(method, path, token, body).status == 401, (method, path)
    assert forms.everything() == before
    assert set(UNAUTHENTICATED) == {root for root in UNAUTHENTICATED if any(path.startswith(root) for _, path in tried)}


def test_case_02_minio_two_credentials_on_a_url(forms):
    """In header and query at once: told so. An API key on a signed URL plays no part, good or not."""
    for form, target in forms.reading(KEY).items():
        if "?cat=" not in target and "?token=" not in target:
            continue
        name, token = target.partition("?")[2].split("=")
        refused = refusal("ambiguous", form)
        if name == "cat":
            assert told(forms.ask("GET", target, {"CTA-Common-Access-Token": token})) == refused, form
        assert told(forms.ask("GET", f"{target}&{name}={token}")) == refused, form
        damaged = target[:-4] + ("AAAA" if not target.endswith("AAAA") else "BBBB")
        for fields in ({}, ALLOWED, {"X-API-Key": provisioned.BEARER}, {**ALLOWED, "X-API-Key": provisioned.BEARER}):
            assert told(forms.ask("GET", damaged, fields)) == refusal("bad_signature", form), (form, fields)
            assert forms.ask("GET", target, fields).body == CONTENT.bytes(), (form, fields)


# --- 11, 12 and 30: time


def test_case_11_lakefs_no_url_outlives_its_time(forms):
    """Presented again and again, unchanged and right: dead from its second on, in every form. Takes a minute: some last that long."""
    began = time.time()
    reading = forms.reading(KEY, minutes=1, seconds=2)
    writing = {form: target for form, target in forms.writing("late", minutes=1, seconds=2).items() if form not in ("redivis", "datalab")}
    long = ("autodesk", "autodesk direct", "autodesk part", "flexportal")
    alive = {("GET", form): target for form, target in reading.items()} | {("PUT", form): target for form, target in writing.items()}
    # Those for writing are not used before: who wrote by one could not do so again anyway.
    while alive:
        for (method, form), target in list(alive.items()):
            lasts = 60 if form in long else 2
            if method == "PUT" and time.time() < began + lasts + 3:
                continue
            asked = time.time()
            answer = forms.ask(method, target, (), b"12345" if method == "PUT" else None)
            if answer.status == 200 and method == "GET":
                assert asked < began + lasts + 10, (form, "it works for ever")
            else:
                assert told(answer) == refusal("expired", form), (method, form, answer)
                assert time.time() >= began + lasts, (form, "too early")
                del alive[method, form]
    for key in ("late/token", "late/link"):
        assert forms.object(key) is None
    assert forms.content(forms.bucket, "late/signed") == b"before"
    # Those for uploads that live for an hour or a day, and the words of each API: signed offline.
    now = int(time.time())
    for dialect, form in (("autodesk", "autodesk direct"), *((same, same) for same in ("redivis", "datalab", "flexportal"))):
        private = {tokens.DIALECT: tokens.DIALECTS[dialect]}
        for method in ("GET", "PUT"):
            target = own(iat=now - 100, exp=now, private=private, methods=(method,))
            assert told(forms.ask(method, target, (), b"12345" if method == "PUT" else None)) == refusal("expired", form), form
    past = own(iat=now - 100, exp=now)
    assert told(forms.ask("GET", past)) == (410, "expired")
    assert told(forms.ask("HEAD", past)) == (410, None)
    then = "Thu, 01 Jan 1970 00:00:00 GMT"
    for more in ({"If-None-Match": "*"}, {"Range": "bytes=1-"}, {"Date": then}, {"X-Amz-Date": "19700101T000000Z"}):
        assert told(forms.ask("GET", past, more)) == (410, "expired"), more


def double(number):
    """A CBOR float of 8 bytes."""
    return tokens.Encoded(b"\xfb" + struct.pack(">d", number))


SOON = int(time.time()) + 3600
NO_INSTANTS = {
    "missing": None,
    "NaN": double(float("nan")),
    "half NaN": tokens.Encoded(b"\xf9\x7e\x00"),
    "infinite": double(float("inf")),
    "below all": double(float("-inf")),
    "fractional": double(SOON + 0.5),
    "huge float": double(1e300),
    "negative": -1,
    "zero": 0,
    "beyond 63 bits": 1 << 63,
    "all bits": (1 << 64) - 1,
    "bignum": tokens.Tagged(2, b"\1" + bytes(8)),
    "year 10000": 253_402_300_800,
    "text": str(SOON),
    "date": "2099-01-01T00:00:00Z",
    "bytes": SOON.to_bytes(4, "big"),
    "null": tokens.Encoded(b"\xf6"),
    "undefined": tokens.Encoded(b"\xf7"),
    "true": tokens.Encoded(b"\xf5"),
    "tagged": tokens.Tagged(1, SOON),
    "array": [SOON],
    "in 400 years": SOON + 400 * 365 * 86400,
}


@pytest.mark.parametrize("name", NO_INSTANTS, ids=lambda name: name.replace(" ", "-"))
def test_case_12_noobaa_an_expiry_that_is_none_is_no_token(forms, name):
    """Signed with the right key all the same."""
    assert told(forms.ask("GET", own(exp=NO_INSTANTS[name]))) == (403, "invalid_signature")
    assert told(forms.ask("PUT", own(exp=NO_INSTANTS[name], methods=("PUT",)), (), b"x")) == (403, "invalid_signature")
    assert forms.content(forms.bucket, KEY) == CONTENT.bytes()


def test_case_12_noobaa_no_url_is_issued_without_an_end(forms):
    """Malformed, negative, fractional, huge, twice: each API says that it is none, and issues nothing."""
    found = forms.object(KEY)
    no_numbers = ["-1", "0", "1e400", "-1e400", '"60"', '"NaN"', "NaN", "true", "[60]", "{}", "1e30", "18446744073709551616", "", "0x10"]
    native = '{"bucket": "%s", "key": "%s", "permission": "read", %s}'
    no_instants = ["60", '"2020-01-01T00:00:00Z"', '"9999-99-99T00:00:00Z"']
    file_id = f"file_{found['file_id']}"
    places = {
        "native": ("/vk/v1/signed-urls", lambda text: native % (forms.bucket, KEY, f'"expires_in_seconds": {text}'), ["1.5"]),
        "native instant": ("/vk/v1/signed-urls", lambda text: native % (forms.bucket, KEY, f'"expires_at": {text}'), no_instants),
        "autodesk": (forms.path(KEY, "/signed"), lambda text: f'{{"minutesExpiration": {text}}}', ["1.5", "null"]),
        "redivis": (f"/api/v1/rawFiles/{found['raw_file_id']}/signedUrl", lambda text: f'{{"duration": {text}}}', ["null", "86401"]),
        "flexportal": ("/v1/files/url", lambda text: f'{{"fileId": "{file_id}", "expiresInMinutes": {text}}}', ["null", "0.5"]),
    }
    n_listed = lambda: len(forms.done("GET", f"/vk/v1/signed-urls?bucket={forms.bucket}&key={KEY}&limit=500")["signed_urls"])  # noqa: E731
    before = n_listed()
    for name, (path, body, more) in places.items():
        fields = ("expires_in_seconds", "minutesExpiration", "duration", "expiresInMinutes", "expires_at")
        twice = "".join(f', "{field}": 60' for field in fields)
        for text in [*no_numbers, *more, f"60{twice}"]:
            answer = forms.api.call("POST", path, body(text).encode(), {"Content-Type": "application/json", "Tenant-ID": forms.tenant})
            assert answer.status == 400, (name, text, answer)
    for text in ("-1", "0", "NaN", "1e9", "Infinity", "1.5", "86401", "", "%00", "9" * 400):
        answer = forms.api.call("GET", f"/api/v1/files/{found['file_number']}/download?expires_in={text}")
        assert answer.status == 422, (text, answer)
    for text in ("-1", "0", "NaN", "1e9", "Infinity", "61", "", "9" * 40):
        answer = forms.api.call("GET", forms.path(KEY, f"/signeds3upload?minutesExpiration={text}"))
        assert answer.status == 400, (text, answer)
    assert n_listed() == before


def test_case_30_sentry_a_signer_s_clock_may_be_a_little_ahead(api):
    """Half a minute is forgiven where a URL begins, ten minutes are not; where it ends, nothing is. By itself, because revoking reaches as
    far as what is dated ahead."""
    api.put_new(KEY, CONTENT)
    forms, now = Forms(api.server), int(time.time())
    for ahead, expected in ((30, 200), (50, 200), (600, 403)):
        for more in ({"nbf": now + ahead}, {"iat": now + ahead}, {"nbf": now + ahead, "iat": now + ahead}):
            answer = forms.ask("GET", own(exp=now + 3000, **more))
            assert answer.status == expected, (more, answer)
            assert expected == 200 or told(answer) == (403, "not_yet_valid")
    assert told(forms.ask("GET", own(iat=now - 60, exp=now))) == (410, "expired")
    # What the server itself has just issued works at once.
    for target in forms.reading(KEY).values():
        assert forms.ask("GET", target).status == 200


# --- 18: what is appended

APPENDED = "uses=100 exp=9999999999 expires=9999999999 Expires=9999999999 temp_url_expires=9999999999 expires_at=2099-01-01T00:00:00Z"
APPENDED += " permission=write access=readwrite bucket=others key=secret.txt prefix= object=secret.txt path=/o/others/x versionId=1"
APPENDED += " pin=false uploadId=1&partNumber=1 uploads acl delete tagging policy list-type=2 region=EMEA useCdn=true singleUse=false"
APPENDED += " tenant=tenant-2 Tenant-ID=tenant-2 X-Amz-Expires=604800&X-Amz-Signature=00 AWSAccessKeyId=app&Signature=00 method=PUT"
APPENDED += " _method=DELETE range=bytes=0-9 sig=00&se=2099-01-01 session=x jwt=x access_token=x count=started dialect=1"


def test_case_18_sigv2_what_is_appended_changes_nothing(forms):
    targets = forms.reading(KEY)
    for form, target in targets.items():
        plain = without_date(forms.ask("GET", target))
        assert plain[0] == 200
        for query in APPENDED.split(" "):
            assert without_date(forms.ask("GET", with_query(target, query))) == plain, (form, query)
    for form, name in {"native token": "cat", "autodesk direct": "cat", "redivis": "token", "datalab": "cat", "flexportal": "cat"}.items():
        for more in (f"{name}=", name, f"{name}=x", f"%{ord(name[0]):02x}{name[1:]}=x"):
            assert told(forms.ask("GET", with_query(targets[form], more))) == refusal("ambiguous", form), (form, more)
    # Nor of what is counted, or written.
    limited = forms.api.target(KEY, uses=1)
    assert forms.ask("GET", with_query(limited, "uses=100&count=none")).status == 200
    assert told(forms.ask("GET", with_query(limited, "uses=100"), source="127.0.0.9")) == (410, "used_up")
    before = set(forms.everything())
    for form, target in forms.writing("appended").items():
        query = "key=elsewhere&bucket=others&mode=replace&uploadId=1&partNumber=2&append"
        answer = forms.ask("PUT", with_query(target, query), (), b"12345")
        assert answer.status in (200, 201), (form, answer)
    forms.completed("appended")
    new = {key for _, key in set(forms.everything()) - before}
    assert {key for key in new if not key.endswith("/appended")} == {f"appended/{way}" for way in ("token", "link", "signed", "part")}


# --- 23: what a credential is for


def credentials(forms):
    """One of each kind, and the places where it is good, by the kind's name."""
    forms.api.put_new("purposes", CONTENT)
    reading = forms.reading("purposes")
    writing = forms.writing("purpose")
    token_of = lambda target: target.rpartition("=")[2]  # noqa: E731
    link, resource = reading["native link"].rpartition("/")[2], re.search(r"[0-9a-f-]{36}", reading["autodesk"])[0]
    basic = base64.b64encode(b"app:secret-of-app-0123456789").decode()
    form = {"Content-Type": "application/x-www-form-urlencoded", "Authorization": f"Basic {basic}"}
    access = exchange(forms.server.port, "POST", "/authentication/v2/token", form, b"grant_type=client_credentials").json
    limited = forms.api.target("purposes", uses=1, form="link")
    yield "native token", token_of(reading["native token"]), {"cat"}
    yield "redivis token", token_of(reading["redivis"]), {"redivis"}
    yield "writing token", token_of(writing["native token"]), set()
    yield "datalab's writing token", token_of(writing["datalab"]), set()
    yield "link", link, {"link"}
    yield "link as a UUID", as_uuid(link), {"resource"}
    yield "resource", resource, {"resource"}
    yield "part", writing["autodesk part"].split("/")[-2], set()
    yield "session", forms.ask("GET", limited)["valetkey-session"], set()
    yield "link id", forms.api.issue("purposes")["link_id"], set()
    yield "upload key", forms.ticket["uploadKey"], set()
    yield "API key", provisioned.BEARER, {"bearer", "key"}
    yield "access token", access["access_token"], {"bearer", "key"}


def as_uuid(link):
    """Another API's spelling of a link's secret."""
    digits = decoded(link).hex()
    return "-".join(digits[at:end] for at, end in ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32)))


def test_case_23_laravel_a_credential_is_for_one_purpose(serve):
    """Each kind of credential in each place: it works where it belongs, and nowhere else."""
    forms = Forms(serve(arguments=["--max-failed-authentications", "0"]))
    kinds = list(credentials(forms))
    raw = f"/api/v1/rawFiles/{forms.object('purposes')['raw_file_id']}"
    half = {"Range": "bytes=50-"}
    places = {
        "cat": lambda secret: forms.ask("GET", f"/o/{forms.bucket}/purposes?cat={secret}"),
        "link": lambda secret: forms.ask("GET", f"/l/{secret}"),
        "resource": lambda secret: forms.ask("GET", f"/oss/v2/signedresources/{secret}?region=US"),
        "redivis": lambda secret: forms.ask("GET", f"{raw}?token={secret}"),
        "part": lambda secret: forms.ask("PUT", f"/oss/v2/uploads/{secret}/2", (), b"x"),
        "bearer": lambda secret: forms.ask("GET", object_path("purposes"), {"Authorization": f"Bearer {secret}"}),
        "key": lambda secret: forms.ask("GET", object_path("purposes"), {"X-API-Key": secret}),
        "session": lambda secret: forms.ask("GET", forms.api.target("purposes", uses=1), {"Valetkey-Session": secret, **half}),
    }
    for kind, secret, good in kinds:
        for place, present in places.items():
            answer = present(secret)
            if place in good or (kind, place) == ("part", "part"):
                assert answer.status == 200, (kind, place, answer)
            elif place == "session":
                assert answer.status == 206 and answer["valetkey-session"] != secret, (kind, "a session of its own")
            else:
                assert 400 <= answer.status < 500 and CONTENT.bytes() not in answer.body, (kind, place, answer)


def test_case_23_laravel_each_url_has_a_subject_and_a_purpose(forms):
    """Ids of their own; and what proves one URL proves no other: not its token, nor the button of its page."""
    issued = [forms.api.issue(KEY, form=form) for form in ("token", "link") for _ in range(20)]
    assert len({one["link_id"] for one in issued}) == len({one["url"] for one in issued}) == len(issued)
    for one in issued[::10]:
        told_of = forms.done("GET", f"/vk/v1/signed-urls/{one['link_id']}")
        expected = {"issuer": provisioned.API_KEY, "bucket": forms.bucket, "key": KEY, "permission": "read"}
        assert expected.items() <= told_of.items()
    forms.api.put_new("subject.txt", SECRET)
    other = forms.object("subject.txt")
    for form, target in forms.reading(KEY).items():
        if "?cat=" in target or "?token=" in target:
            query = target.partition("?")[2]
            path = f"/api/v1/rawFiles/{other['raw_file_id']}" if form == "redivis" else f"/o/{forms.bucket}/subject.txt"
            assert told(forms.ask("GET", f"{path}?{query}")) == refusal("wrong_path", form), form
    one, two = (forms.api.target(KEY, form="link", uses=1) for _ in range(2))
    navigation = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}
    nonce = re.search(rb'name="nonce" value="([^"]+)"', forms.ask("GET", one, navigation).body)[1]
    pressed = {**navigation, "Content-Type": "application/x-www-form-urlencoded"}
    assert forms.ask("POST", two, pressed, b"nonce=" + nonce).get("set-cookie") is None
    assert forms.ask("POST", one, pressed, b"nonce=" + nonce).status == 303


# --- 25: what the owner sees and takes back


def test_case_25_nextcloud_every_url_is_seen_and_taken_back_by_its_owner(forms):
    """Of every form: listed with its object, to nobody else, and dead once it is taken back."""
    stranger, api = Api(forms.server, provisioned.OTHER_BEARER), forms.api
    api.put_new("listed.txt", CONTENT)
    targets = {("GET", form): target for form, target in forms.reading("listed.txt").items()}
    targets |= {("PUT", form): target for form, target in forms.writing("listed").items()}
    new = [one for one in listed(api) if "listed" in (one["key"] or "")]
    assert [one["permission"] for one in new].count("read") == len(READING)
    # An upload in parts is under way, and no URL; it is taken back by its object.
    assert [one["permission"] for one in new].count("write") == len(WRITING) - 1
    assert not {one["link_id"] for one in listed(stranger)} & {one["link_id"] for one in new}
    for one in new:
        assert stranger.call("GET", f"/vk/v1/signed-urls/{one['link_id']}").status == 404
    stranger.call("POST", "/vk/v1/revocations", {"link_ids": [one["link_id"] for one in new]})
    for (method, form), target in targets.items():
        if method == "GET":
            assert forms.ask("GET", target).body == CONTENT.bytes(), form
    api.revoke(*(one["link_id"] for one in new))
    forms.done("POST", "/vk/v1/revocations", {"bucket": forms.bucket, "key": "listed/part"})
    for (method, form), target in targets.items():
        answer = forms.ask(method, target, (), b"12345" if method == "PUT" else None)
        assert told(answer) == refusal("revoked", form), (method, form, answer)
    assert {one["state"] for one in listed(api) if "listed" in (one["key"] or "")} == {"revoked"}


def test_case_25_nextcloud_what_others_sign_ends_with_the_owner_s_consent(forms):
    """Anybody signs for what is public; once it is not, none of those URLs is worth anything."""
    stranger, chief = Api(forms.server, provisioned.OTHER_BEARER), Api(forms.server, provisioned.ADMIN_BEARER)
    forms.done("POST", "/vk/v1/buckets", {"name": "opened"})
    forms.api.put_new(KEY, SECRET, bucket="opened")
    asked = {"bucket": "opened", "key": KEY, "permission": "read"}
    assert stranger.call("POST", "/vk/v1/signed-urls", asked).status == 404
    assert chief.call("PATCH", "/vk/v1/buckets/opened", {"public": True}).status == 200
    targets = [target_of(stranger.call("POST", "/vk/v1/signed-urls", {**asked, "form": form}).json["url"]) for form in ("token", "link")]
    assert [forms.ask("GET", target).status for target in targets] == [200, 200]
    assert chief.call("PATCH", "/vk/v1/buckets/opened", {"public": False}).status == 200
    for target in targets:
        assert told(forms.ask("GET", target)) == (403, "invalid_signature"), target


def listed(api):
    """Every URL that the API lists."""
    found, following = [], ""
    while True:
        answer = api.call("GET", f"/vk/v1/signed-urls?limit=200{f'&next={following}' if following else ''}").json
        found += answer["signed_urls"]
        following = answer["next"]
        if not following:
            return found


# --- 28: the method


def test_case_28_rustfs_a_url_is_for_its_method(forms):
    """Every method with every form: those for reading change nothing, those for writing show nothing and spend nothing."""
    forms.api.put_new("methods.txt", CONTENT)
    reading, writing = forms.reading("methods.txt"), forms.writing("methods")
    before = forms.everything()
    others = ("POST", "PATCH", "DELETE", "TRACE", "COPY", "MOVE", "PROPFIND", "LOCK")
    for form, target in reading.items():
        assert told(forms.ask("PUT", target, (), b"stolen")) == refusal("read only", form), form
        for method in others:
            if (form, method) == ("autodesk", "DELETE"):
                # It takes the URL back, with a credential alone.
                assert told(forms.ask(method, target)) == (401, "AUTH-012")
                continue
            body = b"stolen" if method in ("POST", "PATCH") else None
            assert forms.ask(method, target, {"X-HTTP-Method-Override": "PUT"}, body).status == 405, (form, method)
        override = forms.ask("GET", target, {"X-HTTP-Method-Override": "DELETE", "X-HTTP-Method": "PUT", "X-Method-Override": "PUT"})
        assert (override.status, override.body) == (200, CONTENT.bytes()), form
    for form, target in writing.items():
        assert told(forms.ask("GET", target)) == refusal("write only", form), form
        assert forms.ask("HEAD", target).status == refusal("write only", form)[0], form
        for method in others:
            expected = (401, 405) if (form, method) == ("autodesk", "DELETE") else (405,)
            body = b"12345" if method in ("POST", "PATCH") else None
            assert forms.ask(method, target, {"X-HTTP-Method-Override": "PUT"}, body).status in expected, (form, method)
    assert forms.everything() == before
    for form, target in writing.items():
        assert forms.ask("PUT", target, (), b"12345").status in (200, 201), (form, "nothing was spent")
