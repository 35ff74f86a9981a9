"""Signed URLs that were damaged on their way, and requests with two of them: refused in the words of the API that issued them, as far as
anybody can tell."""

import json

import pytest

from harness import server as provisioned
from harness.http import exchange, target_of

HEADER = "CTA-Common-Access-Token"


def datalab(api):
    """A URL to download a file, as Datalab issues it."""
    begun = api.call("POST", "/api/v1/files/upload", {"filename": "a.txt", "content_type": "text/plain"}).json
    assert exchange(api.server.port, "PUT", target_of(begun["upload_url"]), {}, b"content").status == 200
    assert api.call("GET", f"/api/v1/files/{begun['file_id']}/confirm").status == 200
    return target_of(api.call("GET", f"/api/v1/files/{begun['file_id']}/download").json["download_url"])


def flexportal(api):
    """A URL to view a file, as FlexPortal issues it."""

    def ask(**fields):
        headers = {"Authorization": f"Bearer {provisioned.BEARER}", "Content-Type": "application/json", "Tenant-ID": provisioned.TENANT}
        return exchange(api.server.port, "POST", "/v1/files/url", headers, json.dumps(fields).encode()).json

    begun = ask(action="upload", fileName="a.txt", contentType="text/plain")
    assert exchange(api.server.port, "PUT", target_of(begun["url"]), {}, b"content").status == 200
    return target_of(ask(fileId=begun["fileId"])["url"])


def native(api):
    """A native URL."""
    assert api.call("PUT", f"/vk/v1/buckets/{provisioned.BUCKET}/objects/a.txt", b"content").status in (200, 201)
    asked = {"bucket": provisioned.BUCKET, "key": "a.txt", "permission": "read"}
    return target_of(api.call("POST", "/vk/v1/signed-urls", asked).json["url"])


def shape(answer):
    """Whose words a refusal is in."""
    if answer["content-type"].startswith("application/problem+json"):
        return "native"
    body = answer.json
    if isinstance(body.get("detail"), str) and body.keys() == {"detail"}:
        return "datalab"
    assert body["error"]["code"] in ("INVALID_SIGNATURE", "VALIDATION_ERROR"), answer
    return "flexportal"


ISSUERS = {"datalab": datalab, "flexportal": flexportal, "native": native}


@pytest.fixture(scope="module")
def targets(shared):
    """A target of each API: path and token."""
    return {name: tuple(issue(shared).split("?cat=")) for name, issue in ISSUERS.items()}


DAMAGES = {
    "without its end": lambda token: token[:-1],
    "without its signature": lambda token: token[:-50],
    "without its beginning": lambda token: token[1:],
    "with a full stop": lambda token: token + ".",
    "with what stood behind it": lambda token: token + "%22%3E",
    "with an escape that is none": lambda token: token[:9] + "%zz" + token[9:],
    "with a line break": lambda token: token[:20] + "%0A" + token[20:],
    "with a letter lost": lambda token: token[:30] + token[31:],
    "with a letter twice": lambda token: token[:30] + token[29:],
    "in capitals from the signature on": lambda token: token[:-42] + token[-42:].upper(),
    "twice as one": lambda token: token + token,
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("api", ISSUERS)
def test_a_damaged_token(shared, targets, api, damage):
    path, token = targets[api]
    for method in ("GET", "PUT"):
        answer = exchange(shared.server.port, method, f"{path}?cat={DAMAGES[damage](token)}", {}, b"x" if method == "PUT" else None)
        assert (answer.status, shape(answer)) == (403, api), answer
        assert answer["access-control-allow-origin"] == "*" and answer["cache-control"] == "no-store"
    assert exchange(shared.server.port, "GET", f"{path}?cat={token}").status == 200


@pytest.mark.parametrize("api", ISSUERS)
def test_what_says_nothing_is_refused_in_native_words(shared, targets, api):
    path, token = targets[api]
    for query in ("", "?cat=", "?cat", "?cat=x", f"?cat={token[:40]}", f"?cat={token[-43:]}", f"?CAT={token}", "?cat=" + "A" * 5000):
        answer = exchange(shared.server.port, "GET", path + query)
        assert (answer.status, shape(answer)) == (403, "native"), (query, answer)


@pytest.mark.parametrize("api", ISSUERS)
def test_two_tokens(shared, targets, api):
    path, token = targets[api]
    other = token[:-5] + "AAAAA"
    for second in (token, other, "", "x", token[:-1] + "."):
        answer = exchange(shared.server.port, "GET", f"{path}?cat={token}&cat={second}")
        assert (answer.status, shape(answer)) == (400, api), answer
        answer = exchange(shared.server.port, "GET", f"{path}?c%61t={second}", {HEADER: token})
        assert (answer.status, shape(answer)) == (400, api), answer
    answer = exchange(shared.server.port, "GET", path, [(HEADER, token), (HEADER, other)])
    assert (answer.status, shape(answer)) == (400, api), answer
    many = exchange(shared.server.port, "GET", path + "?" + "&".join(["cat=x"] * 1000 + [f"cat={token}"]))
    assert (many.status, shape(many)) == (400, api), many


@pytest.mark.parametrize("api", ISSUERS)
def test_a_part_of_a_file(shared, targets, api):
    path, token = targets[api]
    answer = exchange(shared.server.port, "PUT", f"{path}?cat={token}", {"Content-Range": "bytes 0-0/5"}, b"x")
    assert (answer.status, shape(answer), answer["connection"]) == (400, api, "close"), answer
    assert answer["access-control-allow-origin"] == "*"


def test_two_tokens_of_two_apis_are_nobodys(shared, targets):
    for one, two in [("datalab", "flexportal"), ("flexportal", "datalab"), ("native", "datalab"), ("flexportal", "native")]:
        (path, token), (_, other) = targets[one], targets[two]
        answer = exchange(shared.server.port, "GET", f"{path}?cat={token}&cat={other}")
        assert (answer.status, shape(answer)) == (400, "native"), answer


def test_a_token_s_bytes_that_are_no_text(shared, targets):
    for api in ("datalab", "flexportal"):
        path, token = targets[api]
        answer = exchange(shared.server.port, "GET", path, {HEADER: token + "\xff"})
        assert (answer.status, shape(answer)) == (403, api), answer
