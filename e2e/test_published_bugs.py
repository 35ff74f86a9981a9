"""Security bugs that others have published, tried on this server. `docs/published-bugs.md` has the table of all; here are those of secrets:
how they are made, compared, kept and logged, and that nothing is left out."""

import base64
import hashlib
import json
import pathlib
import re
import subprocess

import pytest

from harness import server as provisioned
from harness import tokens
from harness.api import Api
from harness.forms import Forms, told
from harness.http import target_of
from harness.published import CONTENT, KEY, decoded, own, own_token, with_mac_of

ROOT = pathlib.Path(__file__).parents[1]


@pytest.fixture(scope="module")
def forms(shared):
    """A tenant's programs, with an object to sign for."""
    shared.put_new(KEY, CONTENT, content_type="text/plain")
    return Forms(shared.server)


def test_every_case_is_a_test_or_exempt():
    """The table of the manual has every number once, with tests that are named after it, or the reason why there are none; no test is
    missing in it."""
    table = (ROOT / "docs" / "published-bugs.md").read_text()
    rows = re.findall(r"^\| (\d+) \|.*\| ([^|]+) \|$", table, re.M)
    assert [int(number) for number, _ in rows] == list(range(1, 31))
    for number, how in rows:
        tests = how.split(", ")
        assert how.startswith("not applicable: ") or all(re.fullmatch(f"`test_case_{int(number):02}_\\w+`", test) for test in tests), how
    sources = "".join(path.read_text() for path in ROOT.glob("e2e/test_published_bugs*.py"))
    there = re.findall(r"^def (test_case_\w+)\(", sources, re.M)
    assert sorted(re.findall(r"`(test_case_\w+)`", table)) == sorted(there)


# --- 7: secrets that anybody can know


def first_start(directory):
    """Starts a server on nothing, without a bootstrap file; gives the administrator's key and the master key."""
    command = [provisioned.BINARY, "serve", "--data", directory, "--listen", "127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            lines = iter(process.stdout.readline, "")
            shown = next(line for line in lines if "VALETKEY_API_KEY=" in line)
        finally:
            process.terminate()
    master_key = directory / "master.key"
    assert master_key.stat().st_mode & 0o777 == 0o600
    return re.search(r"VALETKEY_API_KEY=(\S+)", shown)[1], master_key.read_bytes()


def test_case_07_publiccms_no_secret_is_known_or_derived(forms, work):
    keys, master_keys = zip(*(first_start(work / name) for name in ("one", "two")), strict=True)
    assert len(set(keys)) == len(set(master_keys)) == 2 and {len(key) for key in master_keys} == {32}
    for key in keys:
        assert re.fullmatch(r"vk_[A-Za-z0-9_-]{48}", key) and len(set(key)) > 16
    binary = provisioned.BINARY.read_bytes()
    held = set(re.findall(rb"vk_[A-Za-z0-9_-]{48}(?![A-Za-z0-9_-])", binary))
    assert not [key for key in held if forms.ask("GET", "/vk/v1/buckets", {"X-API-Key": key.decode()}).status == 200]
    assert b"PRIVATE KEY-----" not in binary and provisioned.SIGNING_SECRET not in binary
    # What a server's own key could be derived from: names, the URL, nothing.
    token = forms.api.target(KEY).partition("=")[2]
    kid = re.search(rb"server-[A-Za-z0-9_-]{12}", decoded(token))[0].decode()
    bases = [b"", b"secret", b"valetkey", b"changeme", b"default", kid.encode(), provisioned.TENANT.encode(), forms.server.url.encode()]
    guesses = {bytes(32), b"\xff" * 32, b"0" * 32, bytes(range(32))}
    guesses |= {made for base in bases for made in (base, base.ljust(32, b"\0"), hashlib.sha256(base).digest())}
    for guess in guesses:
        for key in (kid, provisioned.KID):
            assert told(forms.ask("GET", own(kid=key, secret=guess))) == (403, "invalid_signature")


@pytest.mark.parametrize(
    "entry, says",
    [
        ('[[signing_key]]\ntenant = "t"\nkid = "k"\nalgorithm = "HS256"\nsecret_file = "short.key"\nowner = "server"\n', "32"),
        ('[[signing_key]]\ntenant = "t"\nkid = "k"\nalgorithm = "HS256"\nowner = "a"\n', "secret_file"),
        ('[[api_key]]\ntenant = "t"\nid = "a"\nsecret = "short"\nscopes = ["*"]\n', "secret"),
        ('[[api_key]]\ntenant = "t"\nid = "a"\nscopes = ["*"]\n', "secret"),
    ],
    ids=["short-signing-key", "no-signing-key", "short-api-key", "no-api-key"],
)
def test_case_07_rustfs_does_not_start_with_a_weak_secret(work, entry, says):
    """Where others can reach it: an API key that can be guessed is refused off loopback."""
    (work / "short.key").write_bytes(b"x" * 31)
    (work / "short.key").chmod(0o600)
    (work / "bootstrap.toml").write_text(f'[[tenant]]\nname = "t"\n\n{entry}')
    command = [provisioned.BINARY, "serve", "--data", work / "data", "--listen", "0.0.0.0:0", "--bootstrap", work / "bootstrap.toml"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and says in done.stderr and "x" * 31 not in done.stderr, done
    assert "listening" not in done.stdout


# --- 8 and 17: secrets in logs


def provoked(forms, urls, links):
    """Uses every URL, well and badly, and every kind of call; gives what must not be in a log, by name."""
    wrong = own_token(kid=provisioned.KID, secret=bytes(32))
    right = with_mac_of(wrong, tokens.sign(decoded_payload(wrong), provisioned.KID, provisioned.SIGNING_SECRET))
    hidden = {"API key": provisioned.BEARER, "API secret": "secret-of-app-0123456789", "expected MAC": right[-40:]}
    for name, some in {"expected MAC": decoded(right)[-32:], "signing secret": provisioned.SIGNING_SECRET}.items():
        hidden |= {f"{name}, hex": some.hex(), f"{name}, base64": base64_of(some)}
    hidden |= {"signing secret": provisioned.SIGNING_SECRET.decode(), "wrong MAC": wrong[-40:], "wrong key": "guess-9876543210"}
    hidden |= {f"link id {number}": link_id for number, link_id in enumerate(links)}
    for name, target in urls.items():
        path, _, query = target.partition("?")
        secret = query.partition("=")[2] if "=2D" in query else next(part for part in reversed(path.split("/")) if len(part) > 20)
        hidden[f"URL {name}"] = secret[-40:]
        damaged = target.replace(secret[-8:], secret[-8:].swapcase())
        for method, body in (("GET", None), ("HEAD", None), ("PUT", b"other"), ("POST", b"nonce=1.x"), ("OPTIONS", None)):
            forms.ask(method, target, {"Referer": forms.server.url + target}, body)
            forms.ask(method, damaged, (), body)
        forms.ask("GET", target + "\x01")
        forms.ask("GET", f"{target} HTTP/9.9")
        forms.api.call("POST", "/vk/v1/explain", {"url": forms.server.url + target})
    assert told(forms.ask("GET", f"/o/{forms.bucket}/{KEY}?cat={wrong}")) == (403, "invalid_signature")
    assert forms.ask("GET", f"/o/{forms.bucket}/{KEY}?cat={right}").status == 200, "it is what was expected"
    guess = "guess-9876543210"
    for fields in ({"Authorization": f"Bearer {guess}"}, {"X-API-Key": guess}, {"Authorization": f"Bearer {guess} x"}):
        for path in ("/vk/v1/buckets", "/oss/v2/buckets", "/api/v1/files/1", f"/api/v1/rawFiles/{forms.object(KEY)['raw_file_id']}"):
            assert forms.ask("GET", path, fields).status == 401, path
    for body in (f'{{"key": "{guess}'.encode(), json.dumps({"secret": guess}).encode()):
        for path in ("/vk/v1/signed-urls", "/vk/v1/api-keys", "/vk/v1/token", "/v1/files/url"):
            forms.api.call("POST", path, body)
    return hidden


def base64_of(some):
    """In base64url."""
    return base64.urlsafe_b64encode(some).decode().rstrip("=")


def decoded_payload(token):
    """The payload of one of our own tokens, as it is encoded: between the empty map and the MAC."""
    whole = decoded(token)[:-34]
    at = whole.index(b"\xa0\x58")
    return whole[at + 3 :]


def limited(forms):
    """URLs with uses, their sessions and nonces: what else must stay out of logs."""
    issued = [forms.api.issue(KEY, form=form, uses=1, label="label-0123456789") for form in ("token", "link")]
    sessions = {}
    for number, one in enumerate(issued):
        target = target_of(one["url"])
        page = forms.ask("GET", target, {"Accept": "text/html", "Sec-Fetch-Mode": "navigate"})
        sessions[f"nonce {number}"] = re.search(rb'name="nonce" value="([^"]+)"', page.body)[1].decode()
        answer = forms.ask("GET", target)
        assert answer.status == 200
        sessions[f"session {number}"] = answer["valetkey-session"]
        forms.ask("GET", target, {"Valetkey-Session": answer["valetkey-session"] + "x", "Cookie": answer["set-cookie"].split(";")[0]})
    return {f"limited {n}": target_of(one["url"]) for n, one in enumerate(issued)}, [one["link_id"] for one in issued], sessions


def assert_nothing_logged(serve, log_format):
    """At the most talkative level."""
    server = serve(arguments=["--log", "trace", "--log-format", log_format, "--max-failed-authentications", "0"])
    forms = Forms(server)
    forms.api.put_new(KEY, CONTENT, content_type="text/plain")
    urls, links, hidden = limited(forms)
    urls |= {f"reading, {form}": target for form, target in forms.reading(KEY).items()}
    urls |= {f"writing, {form}": target for form, target in forms.writing("new.pdf").items()}
    hidden |= provoked(forms, urls, links)
    made = Api(server, provisioned.ADMIN_BEARER).call("POST", "/vk/v1/api-keys", {"scopes": ["*"]}).json
    hidden["made API key"] = made["secret"]
    Api(server, provisioned.ADMIN_BEARER).call("DELETE", f"/vk/v1/api-keys/{made['id']}")
    server.stop()
    log = server.log.read_text(errors="replace")
    assert log.count("a signed URL was refused") > 50 and log.count("a request was answered") > 100, "it is not much that was logged"
    found = {name: secret for name, secret in hidden.items() if secret in log}
    assert not found, found
    assert not re.search(r"[?&](cat|token)=2D|/l/[A-Za-z0-9_-]{22}|lnk_[A-Za-z0-9_-]{22}", log)


def test_case_08_rustfs_no_secret_is_logged(serve):
    assert_nothing_logged(serve, "text")


def test_case_17_swift_no_signed_url_is_logged(serve):
    """As 8, in the other format; and no answer leads on to where a URL would be in a `Referer`."""
    assert_nothing_logged(serve, "json")
    forms = Forms(serve())
    forms.api.put_new(KEY, CONTENT, content_type="text/html")
    for form, target in forms.reading(KEY).items():
        for wanted in (target, target[:-4] + "AAAA", target + "x"):
            answer = forms.ask("GET", wanted)
            assert answer["referrer-policy"] == "no-referrer" and answer.get("location") is None, (form, answer)


# --- 16 and 27: comparisons whose time tells how much was right


def sources():
    """What is compiled, file by file, without its tests."""
    for path in sorted(ROOT.glob("crates/**/src/**/*.rs")):
        if "testkit" not in path.parts:
            yield path, path.read_text().partition("#[cfg(test)]")[0]


def test_case_16_swift_minio_no_mac_is_compared_byte_by_byte():
    """Time cannot be asserted without luck; what compares can: MACs by the MAC's own comparison, everything secret by `subtle`."""
    whole = {path.relative_to(ROOT / "crates").as_posix(): text for path, text in sources()}
    assert "mac.verify_slice(&self.proof)" in whole["signing/src/cose.rs"]
    for path in ("service/src/access_token.rs", "service/src/redeem/offer.rs", "model/src/secret.rs"):
        assert ".ct_eq(" in whole[path], path
    compared = re.compile(r"\b(expose|finalize|into_bytes)\(\)\)?\s*[!=]= |[!=]= [\w.&*]*\b(expose|finalize|into_bytes)\(\)")
    proof = r"\b(mac|proof|nonce|signature)"
    named = re.compile(rf"{proof}\s*[!=]= |[!=]= &?{proof}\b|(secret|digest|{proof})\b\.(as_bytes|as_slice)\(\)\s*[!=]= ")
    for path, text in whole.items():
        for line in text.splitlines():
            if not line.lstrip().startswith("//"):
                assert not compared.search(line) and not named.search(line), (path, line)


def test_case_27_symfony_secrets_have_no_other_equality():
    """No type of secrets derives `PartialEq`; where equality is needed at all, it takes constant time."""
    text = dict(sources())[ROOT / "crates" / "model" / "src" / "secret.rs"]
    types = re.findall(r"#\[derive\(([^)]*)\)\]\npub struct (\w+)", text)
    assert [name for _, name in types] == ["Secret", "SecretText", "SecretDigest"]
    assert not [name for derived, name in types if re.search(r"\bPartialEq\b", derived)]
    equalities = re.findall(r"impl PartialEq for (\w+) \{\n    fn eq\(.*\n        (.*)\n", text)
    assert equalities == [("Secret", "self.0.ct_eq(&other.0).into()"), ("SecretDigest", "self.0.ct_eq(&other.0).into()")]
