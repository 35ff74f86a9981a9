"""Explaining: every form of URL, by the API and at the command line; to whose URL it is, and to nobody else."""

import base64
import json
import os
import subprocess
import time
import urllib.parse

import pytest

from harness import server as provisioned
from harness import tokens
from harness.api import Api
from harness.content import Content
from harness.http import exchange, target_of
from harness.server import BINARY

NAME = "q3 ü.pdf"
BUCKET = provisioned.BUCKET
# The private claim, and the number of uses in it.
PRIVATE_CLAIM, USES = -0x766B657A, 1


@pytest.fixture(scope="module")
def stored(shared):
    """The API, with an object to ask for."""
    shared.put_new(NAME, Content("explained", 1000), content_type="application/pdf")
    return shared


def explain(api, url, **more):
    """What is told of a URL."""
    answer = api.call("POST", "/vk/v1/explain", {"url": url, **more})
    assert answer.status == 200, answer
    told = answer.json
    failed = [check["check"] for check in told["checks"] if check["outcome"] == "failed"]
    assert failed == ([told["refusal"]] if told["refusal"] else []), told
    assert told["works"] == (told["refusal"] is None) and (told["mend"] is None) == told["works"]
    return told


def get(api, url):
    return exchange(api.server.port, "GET", target_of(url))


def urls(api):
    """A URL of each form for the object, by the API that it is of."""
    encoded = urllib.parse.quote(NAME, safe="")
    (found,) = [each for each in api.objects(BUCKET) if each["key"] == NAME]
    yield "native token", api.issue(NAME)["url"], "native"
    yield "native link", api.issue(NAME, form="link")["url"], "native"
    yield "native link with a name", api.issue(NAME, form="link")["url"] + "/q3.pdf", "native"

    def signed():
        return api.call("POST", f"/oss/v2/buckets/{BUCKET}/objects/{encoded}/signed", {}).json["signedUrl"]

    yield "signed resource", signed(), "autodesk"
    uuid = urllib.parse.urlsplit(signed()).path.rpartition("/")[2]
    yield "its alias", f"{api.server.url}/oss/v2/{BUCKET}/{uuid}", "autodesk"
    direct = api.call("GET", f"/oss/v2/buckets/{BUCKET}/objects/{encoded}/signeds3download").json["url"]
    yield "direct download", direct, "autodesk"
    raw = api.call("POST", f"/api/v1/rawFiles/{found['raw_file_id']}/signedUrl", {"duration": 60})
    yield "raw file", raw.body.decode().strip(), "redivis"
    yield "Datalab", api.call("GET", f"/api/v1/files/{found['file_number']}/download").json["download_url"], "datalab"
    asked = {"fileId": f"file_{found['file_id']}"}
    flexportal = api.call("POST", "/v1/files/url", asked, {"Tenant-ID": provisioned.TENANT}).json["url"]
    yield "FlexPortal", flexportal, "flexportal"


def test_every_form_of_url(stored):
    stranger = Api(stored.server, provisioned.OTHER_BEARER)
    forms = list(urls(stored))
    assert len({form for form, _, _ in forms}) == 9
    nothing = stranger.call("POST", "/vk/v1/explain", {"url": f"{stored.server.url}/o/{BUCKET}/x?cat=gibberish"}).body
    for form, url, dialect in forms:
        told = explain(stored, url)
        assert told["works"] and told["own_host"], (form, told)
        facts = told["facts"]
        assert (facts["bucket"], facts["key"], facts["dialect"]) == (BUCKET, NAME, dialect), (form, facts)
        assert facts["link_id"].startswith("lnk_") and facts["issuer"] == provisioned.API_KEY
        elsewhere = urllib.parse.urlsplit(url)._replace(scheme="https", netloc="cdn.example.net").geturl()
        told = explain(stored, elsewhere)
        assert told["works"] and not told["own_host"], (form, told)
        assert stranger.call("POST", "/vk/v1/explain", {"url": url}).body == nothing, form
        assert get(stored, url).status == 200, form
        stored.revoke(facts["link_id"])
        assert explain(stored, url)["refusal"] == "revoked", form
        assert get(stored, url).status >= 400, form


def test_what_is_explained_is_what_a_request_meets(stored, rng):
    """Each refusal, by the URL that meets it."""
    now = int(time.time())

    def offline(kid=provisioned.KID, secret=provisioned.SIGNING_SECRET, path=f"/o/{BUCKET}/{urllib.parse.quote(NAME)}", **more):
        claims = tokens.claims(provisioned.TENANT, path, more.pop("now", now), **more)
        return f"{path}?cat={tokens.sign(claims, kid, secret)}"

    cases = [
        (offline(), None),
        (offline(secret=b"?" * 32), "bad_signature"),
        (offline(nbf=now + 600, lifetime=1200), "not_yet_valid"),
        (offline(now=now - 700), "expired"),
        (offline().replace("/q3", "/q4", 1), "wrong_path"),
        (offline(methods=("PUT",)), "wrong_method"),
        (offline(path=f"/o/{BUCKET}/never"), "object_gone"),
        (stored.target(NAME, addresses=["198.51.100.7"]), "wrong_address"),
    ]
    for target, refusal in cases:
        told = explain(stored, target, method="GET")
        assert told["refusal"] == refusal, (target, told)
        answer = exchange(stored.server.port, "GET", target)
        expected = {"bad_signature": "invalid_signature"}.get(refusal, refusal)
        assert answer.code == expected, answer


def test_nothing_is_used_up_by_asking(stored):
    url = stored.issue(NAME, uses=1, form="link")["url"]
    for _ in range(50):
        told = explain(stored, url)
        assert told["works"] and told["facts"]["uses_left"] == 1
    assert len(get(stored, url).body) == 1000
    told = explain(stored, url)
    assert (told["refusal"], told["facts"]["uses_spent"], told["facts"]["uses_left"]) == ("used_up", 1, 0)


def test_strangers_learn_nothing(stored):
    """Byte by byte the same, whatever it is, and to its owner something else."""
    stranger = Api(stored.server, provisioned.OTHER_BEARER)
    token, link = stored.issue(NAME)["url"], stored.issue(NAME, form="link")["url"]
    revoked = stored.issue(NAME)
    stored.revoke(revoked["link_id"])
    path, _, secret = token.rpartition("=")
    all_of_them = [
        token,
        link,
        revoked["url"],
        f"{path}={secret[:-4]}AAAA",
        f"{path}=AAAA",
        f"{path}={secret}&cat=x".replace("&cat=x", "%00"),
        f"{stored.server.url}/l/3q2-7wAAQACAAAAAAAAAAA",
        f"{stored.server.url}/l/short",
        f"{stored.server.url}/o/{BUCKET}/{urllib.parse.quote(NAME)}",
        f"{stored.server.url}/oss/v2/signedresources/00000000-0000-4000-8000-000000000000?region=US",
        f"{stored.server.url}/api/v1/rawFiles/x?token={secret}",
        f"{stored.server.url}/nothing/here",
    ]
    answers = {stranger.call("POST", "/vk/v1/explain", {"url": url}).body for url in all_of_them}
    assert len(answers) == 1, answers
    told = json.loads(answers.pop())
    assert (told["refusal"], told["facts"]) == ("invalid_signature", None)
    assert explain(stored, token)["works"] and explain(stored, link)["works"]


def test_a_key_limited_to_buckets_is_a_stranger_elsewhere(stored):
    """Also if the token of another bucket's URL stands under a path of its own, or is made up of what is known of it."""
    chief = Api(stored.server, provisioned.ADMIN_BEARER)
    assert chief.call("POST", "/vk/v1/buckets", {"name": "limited"}).status == 201
    made = chief.call("POST", "/vk/v1/api-keys", {"id": "limited", "scopes": ["link:issue"], "buckets": ["limited"]})
    limited = Api(stored.server, made.json["secret"])
    issued = stored.issue(NAME, uses=3)
    assert get(stored, issued["url"]).status == 200
    own_path = f"{stored.server.url}/o/limited/x"
    token = issued["url"].partition("?cat=")[2]
    for url in (issued["url"], f"{own_path}?cat={token}"):
        assert explain(limited, url)["facts"] is None, url
    assert explain(chief, f"{own_path}?cat={token}")["refusal"] == "wrong_path"
    # Of a token that nobody has signed nothing is told but what stands in it.
    cti = base64.urlsafe_b64decode(issued["link_id"].removeprefix("lnk_") + "==")
    signing_key = explain(stored, issued["url"])["facts"]["signing_key"]
    claims = tokens.claims(provisioned.TENANT, "/o/limited/x", int(time.time()), cti=cti)
    claims[PRIVATE_CLAIM] = {USES: 3}
    told = explain(limited, f"{own_path}?cat={tokens.sign(claims, signing_key, b'?' * 32)}")
    assert told["refusal"] == "bad_signature"
    assert (told["facts"]["uses"], told["facts"]["uses_spent"], told["facts"]["uses_left"]) == (3, None, None)


def run(api, *arguments, bearer=provisioned.BEARER, stdin=""):
    """`valetkey explain`."""
    environment = {**os.environ, "VALETKEY_URL": api.server.url, "VALETKEY_API_KEY": bearer}
    command = [str(BINARY), "explain", *arguments]
    return subprocess.run(command, env=environment, input=stdin, capture_output=True, text=True, timeout=60, check=False)


def test_at_the_command_line(stored):
    url = stored.issue(NAME, form="link", addresses=["127.0.0.0/8"])["url"]
    works = run(stored, url)
    assert works.returncode == 0 and works.stderr == "", works
    lines = works.stdout.splitlines()
    assert lines[:3] == ["✓ unknown_link", "✓ not_yet_valid", "✓ expired"], lines
    assert any(line.split() == ["bucket", BUCKET] for line in lines), lines
    assert run(stored, "-", stdin=f"{url}\n").returncode == 0

    refused = run(stored, url, "--from", "198.51.100.7")
    assert refused.returncode == 1, refused
    assert "✗ wrong_address" in refused.stdout and "· revoked" in refused.stdout, refused
    assert "error: the URL would be refused: wrong_address" in refused.stderr and "hint: " in refused.stderr, refused
    assert run(stored, url, "--method", "put").returncode == 1
    assert run(stored, url, "--at", "2099-01-01T00:00:00Z").returncode == 1

    as_json = run(stored, url, "--json")
    assert (as_json.returncode, json.loads(as_json.stdout)["works"]) == (0, True)
    theirs = run(stored, url, "--json", bearer=provisioned.OTHER_BEARER)
    assert (theirs.returncode, json.loads(theirs.stdout)["refusal"]) == (1, "invalid_signature")
    assert run(stored, "not a URL").returncode == 1
    assert run(stored, url, "--from", "nowhere").returncode == 2
