"""Whatever is not exactly what was issued is refused, by the table of refusals, and never with a 500."""

import base64
import json
import re
import time
import urllib.parse

import pytest

from conftest import SEED, SOAK
from harness import server as provisioned
from harness import tokens
from harness.api import Api, object_path
from harness.content import Content
from harness.http import Connection, exchange, target_of

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
SECRET = Content("what nobody may see", 64)


@pytest.fixture(scope="module")
def granted(shared):
    """The API, with an object to ask for and one that nobody is granted."""
    shared.put_new("granted.txt", Content(f"{SEED} granted", 1000), content_type="text/plain")
    shared.put_new("secret.txt", SECRET, content_type="text/plain")
    shared.put_new("public/page.txt", Content(f"{SEED} page", 100), content_type="text/plain")
    return shared


def get(api, target, fields=(), source="127.0.0.1"):
    """A signed GET of any target, spelt as it is."""
    return exchange(api.server.port, "GET", target, fields, source=source)


def assert_refused(answer, status, code):
    """A refusal as the table has it, in the shape that every refusal has."""
    assert (answer.status, answer.code) == (status, code), answer
    assert answer.json["status"] == status
    assert answer["cache-control"] == "no-store"
    assert answer["x-content-type-options"] == "nosniff"
    assert answer["access-control-allow-origin"] == "*"
    assert SECRET.bytes() not in answer.body


def parts_of(target):
    """The path and the token of a target in token form."""
    path, token = target.split("?cat=")
    return path, token


# --- tokens


def test_any_changed_byte_of_a_token_is_refused(granted, rng):
    path, token = parts_of(granted.target("granted.txt"))
    assert get(granted, f"{path}?cat={token}").status == 200
    for position, character in enumerate(token):
        others = ALPHABET.replace(character, "")
        for other in others if SOAK else rng.sample(others, 2):
            changed = token[:position] + other + token[position + 1 :]
            assert_refused(get(granted, f"{path}?cat={changed}"), 403, "invalid_signature")


def test_a_token_of_another_length_is_refused(granted, rng):
    path, token = parts_of(granted.target("granted.txt"))
    changed = [token[:-1], token[1:], token + "A", "A" + token, token + "=", token + "==", token * 2, "", "A", token.lower()]
    changed += [token[:position] + token[position + 1 :] for position in rng.sample(range(len(token)), 10)]
    changed += [token[:position] + rng.choice(ALPHABET) + token[position:] for position in rng.sample(range(len(token)), 10)]
    changed += [
        token.replace("-", "+").replace("_", "/") + "!",
        token + "%00",
        token + "%0A",
        token + "%",
        token + "%zz",
        token + "%ff",
        "A" * 3000,
        "A" * 9000,
    ]
    for other in changed:
        assert_refused(get(granted, f"{path}?cat={other}"), 403, "invalid_signature")
    assert_refused(get(granted, path), 403, "invalid_signature")


def test_any_changed_byte_of_a_link_is_refused(granted, rng):
    target = granted.target("granted.txt", form="link")
    secret = target.removeprefix("/l/")
    assert get(granted, target).status == get(granted, f"{target}/any-name.txt").status == 200
    for position, character in enumerate(secret):
        changed = secret[:position] + rng.choice(ALPHABET.replace(character, "")) + secret[position + 1 :]
        assert_refused(get(granted, f"/l/{changed}"), 404, "unknown_link")
    for other in ("", secret[:-1], secret + "A", secret * 50):
        assert_refused(get(granted, f"/l/{other}"), 404, "unknown_link")


def own_token(
    path="/o/reports/granted.txt", kid=provisioned.KID, secret=provisioned.SIGNING_SECRET, tenant=provisioned.TENANT, **more
):
    """A token signed by ourselves, with a key that the tests and the server share."""
    header = {name: more.pop(name) for name in ("algorithm", "tag") if name in more}
    return tokens.sign(tokens.claims(tenant, path, int(time.time()), **more), kid, secret, **header)


def test_whoever_has_a_signing_key_can_sign_offline(granted):
    answer = get(granted, f"/o/reports/granted.txt?cat={own_token()}")
    assert (answer.status, len(answer.body)) == (200, 1000)
    in_header = get(granted, "/o/reports/granted.txt", {"CTA-Common-Access-Token": own_token()})
    assert (in_header.status, in_header.body) == (200, answer.body)


@pytest.mark.parametrize(
    "wrong",
    {
        "unknown kid": {"kid": "app-2"},
        "another tenant's kid": {"kid": provisioned.OTHER_KID},
        "another tenant's key": {"kid": provisioned.OTHER_KID, "secret": provisioned.OTHER_SIGNING_SECRET},
        "another tenant, its key": {
            "kid": provisioned.OTHER_KID,
            "secret": provisioned.OTHER_SIGNING_SECRET,
            "tenant": provisioned.OTHER_TENANT,
        },
        "another tenant's name": {"tenant": provisioned.OTHER_TENANT},
        "nobody's name": {"tenant": "nobody"},
        "another secret": {"secret": bytes(32)},
        "algorithm HS256/64": {"algorithm": 4},
        "algorithm ES256": {"algorithm": -7},
        "algorithm 0": {"algorithm": 0},
        "tag of a signature": {"tag": 18},
        "tag of an encryption": {"tag": 16},
        "without an expiry": {"exp": None},
        "without an issuer": {"iss": None},
        "without an id": {"cti": None},
        "without a path": {"catu": None},
        "without methods": {"catm": None},
        "an id of 15 bytes": {"cti": bytes(15)},
        "a prefix without its end": {"catu": {tokens.PATH: {tokens.PREFIX: "/o/reports/gran"}}},
        "a regular expression": {"catu": {tokens.PATH: {4: ".*"}}},
        "a host": {"catu": {0: {tokens.EXACT: "https"}}},
    }.items(),
    ids=lambda wrong: wrong[0].replace(" ", "-"),
)
def test_a_token_that_was_not_made_for_this_is_refused(granted, wrong):
    assert_refused(get(granted, f"/o/reports/granted.txt?cat={own_token(**wrong[1])}"), 403, "invalid_signature")


def test_a_claim_or_header_that_is_not_known_is_refused(granted):
    payload = tokens.claims(provisioned.TENANT, "/o/reports/granted.txt", int(time.time()))
    good = tokens.sign(payload, provisioned.KID, provisioned.SIGNING_SECRET)
    assert get(granted, f"/o/reports/granted.txt?cat={good}").status == 200
    for label in (2, 309, 314, 399, -1, -70000):
        token = tokens.sign({**payload, label: "x"}, provisioned.KID, provisioned.SIGNING_SECRET)
        assert_refused(get(granted, f"/o/reports/granted.txt?cat={token}"), 403, "invalid_signature")
    twice = b"\xa8" + tokens.cbor(payload)[1:] + tokens.cbor(4) + tokens.cbor(int(time.time()) + 10_000)
    assert tokens.cbor(payload)[0] + 1 == 0xA7, "six claims, and a seventh and eighth do not fit the count"
    for body in (twice, b"\xa7" + twice[1:], tokens.cbor(payload) + b"\x00", b"", b"\xa0"):
        token = tokens.sign(body, provisioned.KID, provisioned.SIGNING_SECRET)
        assert_refused(get(granted, f"/o/reports/granted.txt?cat={token}"), 403, "invalid_signature")


# --- times


def test_an_expired_url_is_refused(granted):
    now = int(time.time())
    for expired in (now - 1, now):
        token = own_token(iat=now - 60, exp=expired)
        assert_refused(get(granted, f"/o/reports/granted.txt?cat={token}"), 410, "expired")


@pytest.mark.parametrize("form", ["token", "link"])
def test_a_url_works_until_its_last_second(granted, form):
    """Asked all the time: whatever is sent after the expiry is refused, whatever is answered before is not."""
    slack = 0.2
    issued = granted.issue("granted.txt", form=form, expires_in_seconds=2)
    expires_at = _seconds(issued["expires_at"])
    outcomes = {200: 0, 410: 0}
    while time.time() < expires_at + 2 * slack:
        sent_at = time.time()
        answer = get(granted, target_of(issued["url"]))
        outcomes[answer.status] += 1
        if sent_at > expires_at + slack:
            assert_refused(answer, 410, "expired")
        if time.time() < expires_at - slack:
            assert answer.status == 200
    assert outcomes[200] and outcomes[410]


def test_a_url_that_is_not_valid_yet_is_refused(granted):
    now = int(time.time())
    early = own_token(nbf=now + 120)
    assert_refused(get(granted, f"/o/reports/granted.txt?cat={early}"), 403, "not_yet_valid")
    assert get(granted, f"/o/reports/granted.txt?cat={own_token(nbf=now + 30)}").status == 200, "60 s of skew are forgiven"


def _seconds(rfc3339):
    from datetime import datetime

    return datetime.fromisoformat(rfc3339.replace("Z", "+00:00")).timestamp()


# --- paths and methods


def test_another_path_is_refused(granted):
    path, token = parts_of(granted.target("granted.txt"))
    for other in (
        "/o/reports/secret.txt",
        "/o/reports/granted.txt/",
        "/o/reports/Granted.txt",
        "/o/others/granted.txt",
        "/o/reports/",
    ):
        assert_refused(get(granted, f"{other}?cat={token}"), 403, "wrong_path")
    spelt_otherwise = path.replace("granted", "%67r%61nted")
    assert get(granted, f"{spelt_otherwise}?cat={token}").status == 200, "the same path, spelt otherwise"


def test_another_method_is_refused(granted):
    read, write = granted.target("granted.txt"), granted.target("new.txt", "write")
    port = granted.server.port
    assert_refused(exchange(port, "PUT", read, body=b"new"), 403, "wrong_method")
    assert_refused(exchange(port, "PUT", granted.target("granted.txt", form="link"), body=b"new"), 403, "wrong_method")
    assert_refused(exchange(port, "GET", write), 403, "wrong_method")
    for method in ("DELETE", "POST", "PATCH", "TRACE", "BREW"):
        answer = exchange(port, method, read)
        assert answer.status in (403, 405), answer
    assert exchange(port, "GET", read).status == 200


TRAVERSALS = [
    "../secret.txt",
    "..%2Fsecret.txt",
    "%2e%2e/secret.txt",
    "%2E%2E%2Fsecret.txt",
    ".%2e/secret.txt",
    "%252e%252e/secret.txt",
    "%252e%252e%252fsecret.txt",
    "%25252e%25252e%25252fsecret.txt",
    "..\\secret.txt",
    "..%5Csecret.txt",
    "..%255Csecret.txt",
    "%c0%ae%c0%ae/secret.txt",
    "%c0%ae%c0%ae%c0%afsecret.txt",
    "%e0%80%ae%e0%80%ae/secret.txt",
    "%uff0e%uff0e/secret.txt",
    "\uff0e\uff0e/secret.txt",
    "..;/secret.txt",
    "..%00/secret.txt",
    "%00/../secret.txt",
    "./../secret.txt",
    "//../secret.txt",
    "x/../../secret.txt",
    "x/%2e%2e/%2e%2e/secret.txt",
    "../../reports/secret.txt",
    "../../others/secret.txt",
    "..%2F..%2Fothers%2Fsecret.txt",
    "../../../vk/v1/buckets",
    "/etc/passwd",
    "%2Fetc%2Fpasswd",
    "..%2F..%2F..%2F..%2F..%2F..%2Fetc%2Fpasswd",
    "page.txt%2F..%2F..%2Fsecret.txt",
    "page.txt/../../secret.txt",
    "page.txt%00.jpg",
    "page.txt#/../../secret.txt",
    "%",
    "%2",
    "%zz",
    "%ff",
]


@pytest.mark.parametrize("traversal", TRAVERSALS)
def test_no_traversal_leaves_a_prefix(granted, traversal):
    token = own_token(catu={tokens.PATH: {tokens.PREFIX: "/o/reports/public/"}})
    assert get(granted, f"/o/reports/public/page.txt?cat={token}").status == 200
    for target in (f"/o/reports/public/{traversal}?cat={token}", f"http://localhost/o/reports/public/{traversal}?cat={token}"):
        answer = get(granted, target)
        assert answer.status in (400, 403, 404), answer
        assert SECRET.bytes() not in answer.body and b"root:" not in answer.body


@pytest.mark.parametrize("traversal", TRAVERSALS)
def test_no_traversal_leaves_a_bucket(granted, traversal):
    answer = granted.call("GET", f"/vk/v1/buckets/{provisioned.OTHER_BUCKET}/objects/{traversal}")
    assert answer.status in (400, 403, 404), answer
    assert SECRET.bytes() not in answer.body and b"root:" not in answer.body


def test_a_path_is_decoded_once(granted):
    """A key with `%2F` or `%2e` in it is itself, not what it would be if it were decoded again."""
    twins = {"once%2Fkey.txt": "once/key.txt", "%2e%2e/x.txt": "x.txt", "once%25.txt": "once%.txt"}
    for key, decoded in twins.items():
        contents = {name: Content(f"{SEED} {name}", 50) for name in (key, decoded)}
        for name, content in contents.items():
            granted.put_new(name, content)
        for name, content in contents.items():
            answer = get(granted, granted.target(name))
            assert (answer.status, answer.body) == (200, content.bytes()), name
    token = own_token(catu={tokens.PATH: {tokens.PREFIX: "/o/reports/public/"}})
    assert_refused(get(granted, f"/o/reports/public/%252e%252e/secret.txt?cat={token}"), 404, "object_gone")


# --- credentials


def test_two_credentials_are_ambiguous(granted):
    path, token = parts_of(granted.target("granted.txt"))
    header = {"CTA-Common-Access-Token": token}
    assert_refused(get(granted, f"{path}?cat={token}&cat={token}"), 400, "ambiguous")
    assert_refused(get(granted, f"{path}?cat={token}&cat="), 400, "ambiguous")
    assert_refused(get(granted, f"{path}?cat=&cat={token}"), 400, "ambiguous")
    assert_refused(get(granted, f"{path}?cat={token}&%63at={token}"), 400, "ambiguous")
    assert_refused(get(granted, f"{path}?cat={token}", header), 400, "ambiguous")
    assert_refused(get(granted, path, [*header.items(), *header.items()]), 400, "ambiguous")
    assert get(granted, f"{path}?utm=x&cat={token}&utm=y").status == 200, "parameters that are not ours play no part"


def test_an_api_key_plays_no_part_on_a_signed_url(granted):
    path, token = parts_of(granted.target("granted.txt"))
    for fields in (
        {"Authorization": "Bearer nonsense"},
        {"X-API-Key": "nonsense"},
        {"Authorization": f"Bearer {provisioned.BEARER}"},
    ):
        assert get(granted, f"{path}?cat={token}", fields).status == 200
        assert_refused(get(granted, f"{path}?cat={token[:-4]}AAAA", fields), 403, "invalid_signature")


def test_the_api_wants_one_credential_that_is_good(granted):
    path = object_path("granted.txt")
    good = {"Authorization": f"Bearer {provisioned.BEARER}"}
    assert get(granted, path, good).status == get(granted, path, {"X-API-Key": provisioned.BEARER}).status == 200
    assert get(granted, path).status == 401
    for bad in (
        "Bearer",
        "Bearer ",
        "Bearer nonsense",
        "Basic bm9uc2Vuc2U=",
        f"Bearer {provisioned.BEARER}x",
        "bearer\t",
        "x" * 5000,
    ):
        assert get(granted, path, {"Authorization": bad}).status in (400, 401), bad
    both = get(granted, path, {**good, "X-API-Key": provisioned.BEARER})
    assert (both.status, both.code) == (400, "ambiguous")
    assert Api(granted.server, provisioned.OTHER_BEARER).call("GET", path).status in (403, 404)


def test_a_key_can_do_no_more_than_its_scopes(granted):
    reader = Api(granted.server, provisioned.READER_BEARER)
    assert reader.call("GET", object_path("granted.txt")).status == 200
    assert reader.put("by-reader.txt", Content(SEED, 1)).status == 403
    assert reader.call("DELETE", object_path("granted.txt")).status == 403
    asked = {"bucket": provisioned.BUCKET, "key": "by-reader.txt", "permission": "write"}
    assert reader.call("POST", "/vk/v1/signed-urls", asked).status == 403
    assert reader.call("POST", "/vk/v1/revocations", {"link_ids": [granted.issue("granted.txt")["link_id"]]}).status == 403


@pytest.mark.parametrize("form", ["token", "link"])
def test_a_revoked_url_is_refused(granted, form):
    issued, other = granted.issue("granted.txt", form=form), granted.issue("granted.txt", form=form)
    assert get(granted, target_of(issued["url"])).status == 200
    granted.revoke(issued["link_id"])
    assert_refused(get(granted, target_of(issued["url"])), 410, "revoked")
    assert get(granted, target_of(other["url"])).status == 200


@pytest.mark.parametrize("form", ["token", "link"])
def test_a_url_dies_with_its_object(granted, form):
    granted.put_new(f"mortal-{form}", Content(SEED, 10))
    target = granted.target(f"mortal-{form}", form=form)
    assert get(granted, target).status == 200
    assert granted.call("DELETE", object_path(f"mortal-{form}")).status == 204
    assert_refused(get(granted, target), 404, "object_gone")
    granted.put_new(f"mortal-{form}", SECRET)
    assert_refused(get(granted, target), 404, "object_gone")


# --- addresses

SPOOFS = ["X-Forwarded-For", "Forwarded", "X-Real-IP", "X-Client-IP", "True-Client-IP", "CF-Connecting-IP", "X-Forwarded", "Via"]


@pytest.mark.parametrize("form", ["token", "link"])
def test_another_address_is_refused(granted, form):
    target = granted.target("granted.txt", form=form, addresses=["127.0.3.0/24", "127.9.9.9"])
    for source in ("127.0.3.1", "127.0.3.255", "127.9.9.9"):
        assert get(granted, target, source=source).status == 200, source
    for source in ("127.0.0.1", "127.0.2.255", "127.0.4.0", "127.9.9.8"):
        assert_refused(get(granted, target, source=source), 403, "wrong_address")


def test_an_address_in_a_header_is_not_the_clients(granted):
    target = granted.target("granted.txt", addresses=["127.0.3.0/24"])
    for name in SPOOFS:
        value = "for=127.0.3.1" if name == "Forwarded" else "127.0.3.1"
        assert_refused(get(granted, target, {name: value}), 403, "wrong_address")
        other = value.replace("127.0.3.1", "192.0.2.1")
        assert get(granted, target, {name: other}, source="127.0.3.1").status == 200, name


# --- names and types that would be headers

INJECTIONS = ["a\r\nSet-Cookie: x=1", "a\nX-Injected: 1", "a\r\n\r\n<script>", "a\x00b", "a\x7fb", "a\u0085b"]


@pytest.mark.parametrize("field", ["filename", "content_type"])
@pytest.mark.parametrize("injection", INJECTIONS, ids=[str(number) for number in range(len(INJECTIONS))])
def test_a_name_or_type_with_control_characters_is_refused_when_signing(granted, field, injection):
    asked = {"bucket": provisioned.BUCKET, "key": "granted.txt", "permission": "read", field: injection}
    answer = granted.call("POST", "/vk/v1/signed-urls", asked)
    if answer.status == 201:
        assert field == "filename" and "\u0085" in injection, "only what no header line can end with may be cleaned instead"
        answer = get(granted, target_of(answer.json["url"]))
        assert not {"set-cookie", "x-injected"} & set(answer.fields)
    else:
        assert answer.status == 400, answer


@pytest.mark.parametrize("injection", INJECTIONS, ids=[str(number) for number in range(len(INJECTIONS))])
def test_a_key_with_control_characters_is_refused(granted, injection):
    assert granted.put(injection, Content(SEED, 1)).status == 400


@pytest.mark.parametrize(
    "said, shown",
    [
        ("attachment; filename*=UTF-8''a%0D%0AX-Injected:%201.txt", "aX-Injected: 1.txt"),
        ('attachment; filename="../../../etc/passwd"', "passwd"),
        ("attachment; filename*=UTF-8''invoice%E2%80%AEfdp.exe", "invoicefdp.exe"),
        ('attachment; filename="a\\"; filename=evil.exe"', 'a"; filename=evil.exe'),
        ("attachment; filename*=UTF-8''%C0%AE%C0%AE%C0%AFx", None),
    ],
    ids=["line-end", "folders", "right-to-left", "quotes", "not-utf-8"],
)
def test_the_name_of_an_upload_cannot_become_a_header(granted, said, shown):
    key = f"injected/{said.encode().hex()[-40:]}"
    granted.put_new(key, Content(SEED, 5), fields={"Content-Disposition": said})
    answer = get(granted, granted.target(key))
    assert "x-injected" not in answer.fields
    field = answer["content-disposition"]
    assert re.fullmatch(r"attachment; filename=\"[^\"\\]*\"(; filename\*=UTF-8''[A-Za-z0-9%!#$&+.^_`|~-]+)?", field), field
    if shown is not None:
        extended = re.search(r"filename\*=UTF-8''(.+)$", field)
        assert (urllib.parse.unquote(extended[1]) if extended else re.search(r'filename="(.*)"', field)[1]) == shown


# --- uploads


def put(api, target, body, fields=()):
    """A signed PUT."""
    return exchange(api.server.port, "PUT", target, {"Content-Type": "text/plain", **dict(fields)}, body)


def test_an_upload_is_held_to_its_rules(granted):
    rules = {"min_bytes": 3, "max_bytes": 5, "types": ["text/*", "image/png"]}
    target = granted.target("ruled.txt", "write", upload=rules)
    assert_refused(put(granted, target, b"sixsix"), 413, "too_large")
    assert_refused(put(granted, target, b"no"), 400, "too_small")
    assert_refused(put(granted, target, b"four", {"Content-Type": "application/pdf"}), 415, "type_not_allowed")
    wrong = base64.b64encode(bytes(32)).decode()
    assert_refused(put(granted, target, b"four", {"Content-Digest": f"sha-256=:{wrong}:"}), 400, "digest_mismatch")
    assert granted.call("GET", object_path("ruled.txt")).status == 404, "what was refused leaves nothing"
    assert put(granted, target, b"four").status == 201, "and spends nothing"
    assert_refused(put(granted, target, b"four"), 410, "used_up")


def test_an_upload_of_undeclared_length_is_held_to_its_rules(granted):
    target = granted.target("chunked.txt", "write", upload={"max_bytes": 1 << 20})
    with Connection(granted.server.port) as connection:
        connection.request("PUT", target, {"Transfer-Encoding": "chunked", "Content-Type": "text/plain"}, [])
        chunk = b"10000\r\n" + bytes(1 << 16) + b"\r\n"
        try:
            connection.send(*[chunk] * 17)
        except ConnectionError:
            pass  # it was refused before all was sent
        answer = connection.receive_head()
        answer.body = connection.receive_body(answer)
    assert_refused(answer, 413, "too_large")
    assert granted.call("GET", object_path("chunked.txt")).status == 404


def test_an_upload_url_creates_and_does_not_replace(granted):
    target = granted.target("granted.txt", "write")
    assert_refused(put(granted, target, b"other"), 412, "exists")
    replacing = granted.target("replaced.txt", "write", upload={"mode": "replace"}, uses=2)
    assert put(granted, replacing, b"first").status == 201
    assert put(granted, replacing, b"second").status == 200
    assert granted.call("GET", object_path("replaced.txt")).body == b"second"


def test_no_body_is_asked_for_before_the_url_is_admitted(granted):
    """`100 Continue` comes after the checks; a body that is refused is not read, and the connection ends."""
    path, token = parts_of(granted.target("continued.txt", "write"))
    fields = {"Expect": "100-continue", "Content-Length": "1000000", "Content-Type": "text/plain"}
    with Connection(granted.server.port) as connection:
        connection.request("PUT", f"{path}?cat={token[:-4]}AAAA", fields, [])
        answer = connection.receive_head()
        answer.body = connection.receive_body(answer)
        assert_refused(answer, 403, "invalid_signature")
        assert answer["connection"] == "close" and connection.is_ended_by_peer()


# --- anything at all


def test_a_prefetch_does_not_spend_a_use(granted):
    target = granted.target("granted.txt", uses=1)
    assert_refused(get(granted, target, {"Sec-Purpose": "prefetch"}), 403, "prefetch")
    assert get(granted, target).status == 200
    assert_refused(get(granted, target), 410, "used_up")


def test_no_request_is_answered_with_a_500(granted, rng):
    """Targets mutated at random, by several edits each."""
    path, token = parts_of(granted.target("granted.txt"))
    targets = [f"{path}?cat={token}", granted.target("granted.txt", form="link"), "/vk/v1/buckets", object_path("granted.txt")]
    scraps = [
        "%",
        "%00",
        "%2e%2e",
        "/",
        "//",
        "?",
        "&",
        "=",
        ";",
        "+",
        "..",
        "\\",
        "é",
        "\u202e",
        "cat=",
        token[:20],
        "{}",
        "[",
        "*",
    ]
    for _ in range(5000 if SOAK else 500):
        target = rng.choice(targets)
        for _ in range(rng.randint(1, 4)):
            position = rng.randrange(len(target) + 1)
            end = min(len(target), position + rng.choice([0, 0, 1, 1, 2, 8]))
            target = target[:position] + rng.choice(scraps) + target[end:]
        method = rng.choice(["GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "PATCH"])
        answer = exchange(
            granted.server.port, method, target.replace(" ", "%20"), {"Authorization": f"Bearer {provisioned.BEARER}"}
        )
        assert answer.status < 500, (method, target, answer)


def test_no_json_is_answered_with_a_500(granted, rng):
    """Bodies of the API mutated at random."""
    good = json.dumps({"bucket": "reports", "key": "granted.txt", "permission": "read", "uses": 1, "expires_in_seconds": 60})
    scraps = [
        "null",
        "-1",
        "1e400",
        "0.5",
        "18446744073709551616",
        "[]",
        "{}",
        '""',
        '"\\u0000"',
        "true",
        ",",
        "[" * 200,
        '"é"',
        "\\ud800",
    ]
    for path in ("/vk/v1/signed-urls", "/vk/v1/buckets", "/vk/v1/revocations", "/vk/v1/token"):
        for _ in range(500 if SOAK else 60):
            body = good
            for _ in range(rng.randint(1, 3)):
                position = rng.randrange(len(body) + 1)
                body = body[:position] + rng.choice(scraps) + body[min(len(body), position + rng.choice([0, 1, 4, 20])) :]
            answer = granted.call("POST", path, body.encode("utf-8", "surrogatepass"), {"Content-Type": "application/json"})
            assert answer.status < 500, (path, body, answer)
