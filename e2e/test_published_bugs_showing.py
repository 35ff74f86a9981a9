"""Security bugs that others have published, tried on this server: what is shown, to whom, and how often.
`docs/published-bugs.md` has the table of all."""

import re
import urllib.parse

import pytest

from conftest import SEED
from harness import server as provisioned
from harness.api import Api, object_path
from harness.content import Content
from harness.downloads import Client
from harness.forms import TABLE, TYPE, Forms, told, with_query
from harness.http import Connection, exchange, target_of
from harness.published import CONTENT, KEY, SECRET, assert_others_have_what_they_had, furnished, own, without_date

BODY = b"12345"
BUCKET = provisioned.BUCKET
HTML = b"<!DOCTYPE html><script>fetch('/vk/v1/buckets')</script>"


@pytest.fixture(scope="module")
def forms(shared):
    return furnished(shared)


@pytest.fixture(autouse=True)
def nothing_of_others(forms):
    """Whatever was tried: the other tenant has what it had, and no more."""
    yield
    assert_others_have_what_they_had(forms)


# --- 5: whose address it is

HOPS = {
    "192.0.2.7": True,
    "::ffff:192.0.2.7": True,
    "[::ffff:192.0.2.7]:80": True,
    "192.0.2.7:1234": True,
    "2001:db8::7": True,
    "[2001:db8::7]:443": True,
    "2001:db9::7": False,
    "198.51.100.1": False,
    "::ffff:198.51.100.1": False,
    "192.0.2.7, 198.51.100.1": False,
    "2001:db8::7, ::ffff:198.51.100.1": False,
    "198.51.100.1, 192.0.2.7": True,
    "192.0.2.7, 127.0.5.9": True,
    "198.51.100.1, 127.0.5.9": False,
    "192.0.2.7, unknown": False,
    "192.0.2.7, 127.0.5.9, nonsense": False,
    '"192.0.2.7, 198.51.100.1': False,
    "": False,
}


def test_case_05_rustfs_an_address_is_taken_from_proxies_alone(serve):
    """From anybody else the field means nothing, whatever is in it."""
    server = serve(arguments=["--trusted-proxies", "127.0.5.0/24", "--client-address-from", "x-forwarded-for"])
    forms = Forms(server)
    forms.api.put_new("a.txt", CONTENT)
    networks = ["192.0.2.0/24", "2001:db8::/32"]
    targets = {form: forms.api.target("a.txt", form=form, addresses=networks) for form in ("token", "link")}
    body = {"allowedIpAddresses": ",".join(networks)}
    targets["autodesk"] = target_of(forms.done("POST", forms.path("a.txt", "/signed"), body)["signedUrl"])
    for form, target in targets.items():
        refused = (403, "wrong_address") if form != "autodesk" else 403
        for hops, works in HOPS.items():
            for source, expected in (("127.0.5.1", works), ("127.0.0.1", False), ("127.0.6.1", False)):
                answer = forms.ask("GET", target, {"X-Forwarded-For": hops}, source=source)
                if expected:
                    assert (answer.status, answer.body) == (200, CONTENT.bytes()), (form, hops, source)
                else:
                    assert (told(answer) if form != "autodesk" else answer.status) == refused, (form, hops, source, answer)
        for fields in (
            [("X-Forwarded-For", "192.0.2.7"), ("X-Forwarded-For", "198.51.100.1")],
            [("Forwarded", "for=192.0.2.7"), ("X-Real-IP", "192.0.2.7"), ("True-Client-IP", "192.0.2.7")],
        ):
            assert forms.ask("GET", target, fields, source="127.0.5.1").status == 403, (form, fields)


@pytest.mark.parametrize("field", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "CF-Connecting-IP", "True-Client-IP", "X-Client-IP"])
def test_case_05_rustfs_who_guesses_has_one_address(serve, field):
    """Another one in each request does not help."""
    server = serve(arguments=["--max-failed-authentications", "3"])
    value = "for=192.0.2.{}" if field == "Forwarded" else "192.0.2.{}"
    fields = [{"Authorization": f"Bearer guess-{number}", field: value.format(number)} for number in range(8)]
    statuses = [exchange(server.port, "GET", "/vk/v1/buckets", each, source="127.0.0.8").status for each in fields]
    assert statuses == [401] * 3 + [429] * 5
    own = {"Authorization": f"Bearer {provisioned.BEARER}", field: value.format(1)}
    assert exchange(server.port, "GET", "/vk/v1/buckets", own, source="127.0.0.9").status == 200


# --- 9, 15, 22: how something is shown

PASSIVE = re.compile(r"(text/plain|image/(png|jpeg|gif|webp|avif)|audio/|video/|application/pdf$)")
SHOWN = "text/html image/svg+xml application/xhtml+xml text/xml application/xml application/javascript text/javascript application/pdf"
SHOWN += " text/plain image/png application/octet-stream text/html;charset=utf-7 application/x-unknown multipart/related message/rfc822"
SHOWN += " text/xsl application/pdf;x=text/html text/cache-manifest application/mathml+xml application/rss+xml image/svg"


@pytest.mark.parametrize("of", SHOWN.split(" "), ids=lambda of: of.replace("/", "-"))
def test_case_09_rustfs_what_is_shown_has_no_origin(forms, of):
    """Whatever type and name a file was given: shown in a sandbox without an origin, or as what cannot act, or not shown but saved. The
    name decides nothing."""
    for extension in ("pdf", "html", "png"):
        key = f"shown/{of.replace('/', '-')}.{extension}"
        assert forms.api.call("PUT", object_path(key), HTML, {"Content-Type": of}).status == 201
        file_id = f"file_{forms.object(key)['file_id']}"
        asked = {"contentDisposition": "inline", "contentType": of}
        targets = {form: forms.api.target(key, form=form, disposition="inline") for form in ("token", "link")}
        targets |= {f"{form}, as": forms.api.target(key, form=form, disposition="inline", content_type=of) for form in ("token", "link")}
        targets["flexportal"] = target_of(forms.flexportal(fileId=file_id, action="view")["url"])
        targets["autodesk"] = target_of(forms.done("POST", forms.path(key, "/signed"), asked)["signedUrl"])
        for form, target in targets.items():
            answer = forms.ask("GET", target, {"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"})
            assert (answer.status, answer.body, answer["x-content-type-options"]) == (200, HTML, "nosniff"), (form, answer)
            if answer["content-disposition"].startswith("inline"):
                policy = answer.get("content-security-policy") or ""
                assert PASSIVE.match(answer["content-type"]) or re.match(r"sandbox; default-src 'none';", policy), (form, answer)
                assert "allow-scripts" not in policy and "allow-same-origin" not in policy
            assert answer["content-type"].partition(";")[0] in (of.partition(";")[0], "application/octet-stream"), (form, answer)


OVERRIDES = ["inline", "inline=1", "temp_url_inline", "disposition=inline", "filename=evil.html", "content_type=text/html"]
OVERRIDES += ["response-content-type=text/html", "response-content-disposition=inline", "type=text/html", "action=view", "view=1"]
OVERRIDES += ["response-content-disposition=inline%3Bfilename%3Dx.html", "rsct=text/html&rscd=inline", "contentDisposition=inline"]
OVERRIDES += ["response-cache-control=public", "response-expires=0"]
OVERRIDES += ["response-content-type=text/html&response-content-disposition=inline", "download=0", "attachment=false", "X-Amz-Meta-a=b"]
SHAPES = ("content-disposition", "content-type", "content-security-policy", "x-content-type-options")


def assert_shown_alike(forms, key, queries, fields=()):
    """Every form answers all of these as it does without them: saved stays saved, the type is the one that was signed or stored."""
    assert forms.api.call("PUT", object_path(key), HTML, {"Content-Type": "text/html"}).status == 201
    for form, target in forms.reading(key).items():
        plain = forms.ask("GET", target)
        assert plain["content-disposition"].startswith("inline" if form == "flexportal" else "attachment"), form
        for query in queries:
            answer = forms.ask("GET", with_query(target, query), fields)
            assert (answer.status, answer.body) == (200, HTML), (form, query)
            assert {name: answer.get(name) for name in SHAPES} == {name: plain.get(name) for name in SHAPES}, (form, query, answer)
            assert answer["cache-control"].startswith("private"), (form, query)


def test_case_15_swift_the_query_does_not_choose_how_it_is_shown(forms):
    assert_shown_alike(forms, "unshown-15.html", OVERRIDES)


def test_case_21_rails_the_request_does_not_choose_how_it_is_shown(forms):
    fields = {"Content-Disposition": "inline", "Prefer": "inline"}
    fields |= dict.fromkeys(("Content-Type", "Accept", "X-Content-Type"), "text/html")
    for name, value in fields.items():
        assert_shown_alike(forms, f"unshown-21-{name}.html", ["x=y"], {name: value})


def test_case_21_rails_a_name_or_type_is_signed(forms):
    """Changed in the token, it is another token; changed in the object later, the signed one stays."""
    forms.api.put_new("signed-name", CONTENT, content_type="text/html")
    for form in ("token", "link"):
        target = forms.api.target("signed-name", form=form, filename="signed.txt", content_type="text/plain", disposition="attachment")
        for query in ("", "filename=x.html", "response-content-type=text/html&response-content-disposition=inline"):
            answer = forms.ask("GET", with_query(target, query) if query else target)
            assert answer["content-disposition"] == 'attachment; filename="signed.txt"' and answer["content-type"] == "text/plain", query


INJECTIONS = [f"a{between}X-Injected: 1" for between in ("\r\n", "\n", "\r", "\0", "\x0b", "\u0085", "\u2028", "\u560d\u560a", "%0d%0a")]
INJECTIONS += ["a\r\n\r\n<script>", "<script>alert(1)</script>", 'a"; X-Injected="1', "=?utf-8?q?x?="]


def raw_head(port, target, fields=()):
    """The head of an answer, byte for byte."""
    with Connection(port) as connection:
        connection.request("GET", target, fields)
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.receive_some()
        return head.partition(b"\r\n\r\n")[0]


def assert_no_field(forms, target, fields=()):
    """No line of the head begins with what was injected, and nothing in it is unprintable."""
    head = raw_head(forms.server.port, target, fields)
    assert not re.search(rb"(?im)^(x-injected|set-cookie)|[^\x20-\x7e\r\n]|\r(?!\n)|(?<!\r)\n", head), head
    assert b"\r\n\r\n" not in head and b"<script>" not in head.partition(b"filename")[0], head


@pytest.mark.parametrize("injection", INJECTIONS, ids=[str(number) for number in range(len(INJECTIONS))])
def test_case_22_ceph_no_name_or_type_becomes_a_field(forms, injection):
    """Wherever text of strangers comes near a head: names, types, labels, and what the query or the preflight asks for."""
    key = f"injected-{INJECTIONS.index(injection)}"
    forms.api.put_new(key, CONTENT)
    asked = {"bucket": BUCKET, "key": key, "permission": "read"}
    for name in ("filename", "content_type", "label"):
        for form in ("token", "link"):
            answer = forms.api.call("POST", "/vk/v1/signed-urls", {**asked, name: injection, "form": form})
            assert answer.status in (201, 400), (name, answer)
            if answer.status == 201:
                assert_no_field(forms, target_of(answer.json["url"]))
    for name in ("contentDisposition", "contentType"):
        value = f"attachment; filename*=UTF-8''{urllib.parse.quote(injection)}" if name == "contentDisposition" else injection
        for each in (injection, value):
            answer = forms.api.call("POST", forms.path(key, "/signed"), {name: each})
            assert answer.status in (200, 400), (name, answer)
            if answer.status == 200:
                assert_no_field(forms, target_of(answer.json["signedUrl"]))
    quoted = urllib.parse.quote(injection, safe="")
    for form, target in forms.reading(key).items():
        for query in (f"response-content-disposition={quoted}", f"response-content-disposition=attachment%3B%20filename%3D{quoted}"):
            assert_no_field(forms, with_query(target, f"{query}&response-content-type={quoted}"))
    begun = forms.api.call("POST", "/api/v1/files/upload", {"filename": injection, "content_type": TYPE})
    flexportal = forms.flexportal(action="upload", fileName=injection, contentType=TYPE)
    temporary = {"tempUploads": [{"name": injection, "size": 5, "resumable": False}]}
    redivis = forms.done("POST", f"{TABLE}/tempUploads", temporary)["results"][0]
    for url in (begun.json["upload_url"], flexportal["url"], redivis["url"]):
        assert forms.ask("PUT", target_of(url), (), BODY).status == 200
    file_id = begun.json["file_id"]
    forms.done("GET", f"/api/v1/files/{file_id}/confirm")
    forms.done("POST", f"{TABLE}/rawFiles", {"files": [{"name": injection, "tempUploadId": redivis["id"]}]})
    assert_no_field(forms, target_of(forms.done("GET", f"/api/v1/files/{file_id}/download")["download_url"]))
    assert_no_field(forms, target_of(forms.flexportal(fileId=flexportal["fileId"], action="view")["url"]))
    assert_no_field(forms, target_of(forms.done("POST", f"/api/v1/rawFiles/{redivis['id']}/signedUrl", {"duration": 60})))
    for path in (f"/o/{BUCKET}/{quoted}", f"/l/{quoted}", f"/oss/v2/signedresources/{quoted}", f"/api/v1/rawFiles/{quoted}", f"/{quoted}"):
        for query in ("", f"?cat={quoted}", f"?token={quoted}"):
            assert_no_field(forms, path + query)


# --- 10, 20, 26: what browsers and caches are told


def everywhere(forms):
    """Requests of every kind: URLs of every form, good and not; calls of every API; what there is not."""
    if forms.object("everywhere") is None:
        forms.api.put_new("everywhere", CONTENT)
    for target in [*forms.reading("everywhere").values(), forms.api.target("everywhere", uses=1), f"/o/{BUCKET}/everywhere"]:
        yield from ((method, at) for at in (target, target[:-4] + "AAAA") for method in ("GET", "HEAD", "OPTIONS", "PUT", "DELETE"))
    paths = [*exchange(forms.server.port, "GET", "/openapi.json").json["paths"], "/", "/*", "/files/", "/u/x", "/nothing", "/favicon.ico"]
    for path in paths:
        path = path.replace("{bucket}", BUCKET).replace("{bucketKey}", BUCKET).replace("{key}", "a.txt").replace("{objectKey}", "a.txt")
        yield from ((method, re.sub(r"\{\w+\}", "x", path)) for method in ("GET", "HEAD", "OPTIONS", "POST", "PATCH"))


def test_case_10_rustfs_no_origin_is_let_in_with_credentials(forms):
    """`*` for what a URL alone permits; never an origin, never credentials."""
    n_open = 0
    for method, target in everywhere(forms):
        for origin in ("https://evil.example", "null", forms.server.url):
            fields = {"Origin": origin, "Cookie": "vk_aaaaaaaa=x", "Authorization": f"Bearer {provisioned.BEARER}"}
            if method == "OPTIONS":
                fields |= {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "authorization, cookie"}
            answer = forms.ask(method, target, fields, b"" if method in ("PUT", "POST", "PATCH") else None)
            # That vendor's page has it on this one answer, with the literal `*`, with which no browser sends or shows anything.
            named = (method, target) == ("POST", forms.path("a.txt", "/signed")) and answer["access-control-allow-origin"] == "*"
            assert named or answer.get("access-control-allow-credentials") is None, (method, target, answer)
            assert answer.get("access-control-allow-origin") in (None, "*"), (method, target, answer)
            n_open += answer.get("access-control-allow-origin") == "*"
            if target.startswith("/vk/v1"):
                assert answer.get("access-control-allow-origin") is None, (method, target, answer)
    assert n_open > 100


def test_case_20_rails_no_cookie_is_kept_by_caches(forms):
    """Cookies only where nobody keeps the answer; what anybody may keep has none. Also where the bucket is public."""
    chief, cookies, public = Api(forms.server, provisioned.ADMIN_BEARER), 0, 0
    for is_public in (False, True):
        assert chief.call("PATCH", f"/vk/v1/buckets/{BUCKET}", {"public": is_public}).status == 200
        targets = list(everywhere(forms))
        for form in ("token", "link"):
            for navigation in ({}, {"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}):
                target = forms.api.target("everywhere", form=form, uses=1)
                targets += [("GET", target)]
                answer = forms.ask("GET", target, navigation)
                page = re.search(rb'name="nonce" value="([^"]+)"', answer.body)
                answers = [answer]
                if page:
                    form_type = {**navigation, "Content-Type": "application/x-www-form-urlencoded"}
                    answers.append(forms.ask("POST", target, form_type, b"nonce=" + page[1]))
                for answer in answers:
                    cookies += answer.get("set-cookie") is not None
                    assert answer["cache-control"] == "no-store", answer
        for method, target in targets:
            answer = forms.ask(method, target, {"Accept": "text/html"}, b"" if method in ("PUT", "POST", "PATCH") else None)
            if answer.get("set-cookie") is not None:
                cookies += 1
                assert answer["cache-control"] == "no-store", (method, target, answer)
            public += "public" in (answer.get("cache-control") or "")
    assert chief.call("PATCH", f"/vk/v1/buckets/{BUCKET}", {"public": False}).status == 200
    assert cookies > 4 and public > 0


def test_case_26_capgo_a_preflight_reaches_no_store(forms):
    """It needs no credential, so it is told nothing: the same for what is there and for what is not, whatever it brings. Never a 500."""
    before = forms.everything()
    limited = {form: forms.api.target("a.txt", form=form, uses=1) for form in ("token", "link")}
    tus = {"Tus-Resumable": "1.0.0", "Upload-Length": "5", "Upload-Offset": "0", "Upload-Metadata": "filename x"}
    asked = {"Origin": "https://example.org", "Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "tus-resumable"}
    for fields, body in (({}, None), (tus, None), (asked, None), ({**tus, **asked}, BODY), ({}, BODY), ({"Expect": "100-continue"}, None)):
        for method, target in everywhere(forms):
            if method == "OPTIONS":
                answer = forms.ask(method, target, fields, body)
                assert answer.status in (204, 404, 405), (target, fields, answer)
        found = forms.object("a.txt")
        pairs = [
            (f"/o/{BUCKET}/a.txt", f"/o/{BUCKET}/none"),
            (f"/o/{provisioned.OTHER_BUCKET}/secret.txt", "/o/none/none"),
            (limited["link"], "/l/" + "A" * 22),
            (f"/api/v1/rawFiles/{found['raw_file_id']}", "/api/v1/rawFiles/none"),
            (f"/api/v1/files/{found['file_number']}", "/api/v1/files/1"),
            (object_path("a.txt"), object_path("none", "none")),
            (forms.path("a.txt"), "/oss/v2/buckets/none/objects/none"),
            *((target, target[:-4] + "AAAA") for target in forms.reading("a.txt").values() if "?" not in target or "region" in target),
        ]
        for there, none in pairs:
            one, other = (without_date(forms.ask("OPTIONS", target, fields, body)) for target in (there, none))
            assert one == other, (there, none)
    assert forms.everything() == before | {(BUCKET, "everywhere"): forms.everything()[BUCKET, "everywhere"]}
    for target in limited.values():
        assert forms.ask("GET", target).status == 200, "a preflight uses nothing"


# --- 29: bytes are counted


@pytest.mark.parametrize("form", ["token", "link", "autodesk"])
def test_case_29_a_range_is_a_use_like_any_other(forms, form):
    """All but the first byte, or piece by piece: it is one holder's, and then it is used up. Nobody else gets a byte."""
    content = Content(f"{SEED} ranged {form}", 100_000)
    key = f"ranged/{form}"
    forms.api.put_new(key, content)

    def limited():
        if form == "autodesk":
            return target_of(forms.done("POST", forms.path(key, "/signed"), {"singleUse": True})["signedUrl"])
        return forms.api.target(key, form=form, uses=1)

    in_use, used_up = ((404, 404) if form == "autodesk" else (409, 410))
    tenths = [(start, start + 10_000) for start in range(0, 100_000, 10_000)]
    for ranges in ([(1, None), (0, 1)], [(0, 50_000), (50_000, None)], [(99_999, None), (0, 99_999)], tenths):
        target = limited()
        holder = Client(forms.server, target, content)
        for number, (start, end) in enumerate(ranges):
            assert holder.get(start, end) == 206, (ranges, number)
            is_last = number == len(ranges) - 1
            for some in ((1, None), (0, 1), (None, None), (start, end), (99_999, None)):
                stranger = Client(forms.server, target, content, f"127.0.{number}.77", "stranger")
                assert stranger.get(*some) == (used_up if is_last else in_use), (ranges, number, some)
                assert stranger.received_bytes == 0
        assert holder.is_complete
        # Also the same program at the same address, without the secret.
        for some in ((1, None), (None, None), (0, 1)):
            again = Client(forms.server, target, content)
            assert again.get(*some) == used_up, (ranges, some)
    # What counts nothing gives no byte: HEAD, a range that there is not, a precondition.
    target = limited()
    for method, fields, status in (
        ("HEAD", {}, 200),
        ("HEAD", {"Range": "bytes=1-"}, None),
        ("GET", {"Range": f"bytes={content.size}-"}, 416),
        ("GET", {"If-Match": '"other"', "Range": "bytes=1-"}, 412),
    ):
        answer = forms.ask(method, target, fields)
        assert status is None or answer.status == status, (method, fields, answer)
        assert content.part(0, 50) not in answer.body and content.part(50_000, 50_050) not in answer.body
    several = forms.ask("GET", target, {"Range": "bytes=1-99998,0-0"})
    assert several.status == 206 and several["valetkey-session" if form != "autodesk" else "content-type"]
    assert Client(forms.server, target, content, "127.0.0.99", "stranger").get(1, None) in (in_use, used_up)
