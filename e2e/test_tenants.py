"""Tenants and those who act for them: what is another's is not there, and what administrators change counts at once and for good."""

import time

from harness import server as provisioned
from harness import tokens
from harness.api import Api, object_path
from harness.content import Content
from harness.http import exchange

CONTENT = Content("a tenant's own", 1000)


def chief_of(server):
    """Who administers the tenant."""
    return Api(server, provisioned.ADMIN_BEARER)


def done(answer, status=200):
    """What a call that must succeed gives."""
    assert answer.status == status, answer
    return answer.json if answer.body else None


def get(server, target, **more):
    """A GET without a credential but what stands in the target."""
    return exchange(server.port, "GET", target, **more)


# --- one tenant and the other


def test_another_tenants_is_not_there(shared):
    """Every call about what is another's is answered as that about what never was."""
    shared.put_new("theirs.txt", CONTENT)
    stranger = Api(shared.server, provisioned.OTHER_BEARER)

    def calls(bucket, key):
        path = object_path(key, bucket)
        signed = {"bucket": bucket, "key": key, "permission": "read"}
        yield "GET", path, None
        yield "HEAD", path, None
        yield "PUT", path, b"stolen"
        yield "DELETE", path, None
        yield "GET", f"/vk/v1/buckets/{bucket}", None
        yield "DELETE", f"/vk/v1/buckets/{bucket}", None
        yield "GET", f"/vk/v1/buckets/{bucket}/objects", None
        yield "POST", "/vk/v1/signed-urls", signed
        yield "POST", "/vk/v1/signed-urls", {**signed, "form": "link"}
        yield "POST", "/vk/v1/signed-urls", {**signed, "permission": "write"}

    theirs = list(calls(provisioned.BUCKET, "theirs.txt"))
    nobodys = list(calls("never-made", "never-put.txt"))
    for asked, control in zip(theirs, nobodys, strict=True):
        got, expected = stranger.call(*asked), stranger.call(*control)
        assert (got.status, got.body) == (expected.status, expected.body), (asked, got, expected)
        assert got.status == 404, (asked, got)
    assert shared.call("GET", object_path("theirs.txt")).body == CONTENT.bytes()


# --- API keys


def test_a_url_is_worth_what_its_issuer_is(shared):
    chief = chief_of(shared.server)
    shared.put_new("worth.txt", CONTENT)
    made = done(chief.call("POST", "/vk/v1/api-keys", {"scopes": ["object:read", "link:issue"]}), 201)
    own = Api(shared.server, made["secret"])
    targets = [own.target("worth.txt"), own.target("worth.txt", form="link")]
    path = f"/vk/v1/api-keys/{made['id']}"
    for change, works in [
        ({}, True),
        ({"disabled": True}, False),
        ({"disabled": False}, True),
        ({"scopes": ["link:issue"]}, False),
        ({"scopes": ["object:read"]}, True),
        ({"buckets": ["elsewhere"]}, False),
        ({"buckets": []}, True),
    ]:
        done(chief.call("PATCH", path, change))
        for target in targets:
            answer = get(shared.server, target)
            if works:
                assert (answer.status, answer.body) == (200, CONTENT.bytes()), (change, answer)
            else:
                assert (answer.status, answer.code) == (403, "issuer_disabled"), (change, answer)
    done(chief.call("DELETE", path), 204)
    for target in targets:
        assert get(shared.server, target).code == "issuer_disabled"


def test_what_was_administered_survives_a_kill(server):
    """Each change is durable when it is answered."""
    api, chief = Api(server), chief_of(server)
    api.put_new("a.txt", CONTENT)
    made = done(chief.call("POST", "/vk/v1/api-keys", {"id": "made", "scopes": ["*"]}), 201)
    key = done(chief.call("POST", "/vk/v1/signing-keys", {"kid": "made", "algorithm": "HS256", "owner": "server"}), 201)
    assert key["secret"] is None

    def restarted():
        server.kill()
        server.start()

    restarted()
    own = Api(server, made["secret"])
    token = own.target("a.txt")
    assert get(server, token).status == 200
    rotated = done(chief.call("POST", "/vk/v1/api-keys/made/secret"))
    restarted()
    assert own.call("GET", "/vk/v1/buckets").status == 401
    own = Api(server, rotated["secret"])
    assert own.call("GET", "/vk/v1/buckets").status == 200
    done(chief.call("PATCH", "/vk/v1/buckets/reports", {"public": True}))
    restarted()
    assert get(server, f"/o/{provisioned.BUCKET}/a.txt").body == CONTENT.bytes()
    done(chief.call("PATCH", "/vk/v1/buckets/reports", {"public": False}))
    restarted()
    assert get(server, f"/o/{provisioned.BUCKET}/a.txt").status == 403
    done(chief.call("PATCH", "/vk/v1/signing-keys/made", {"state": "revoked"}))
    restarted()
    assert get(server, token).code == "revoked"
    link = own.target("a.txt", form="link")
    done(chief.call("DELETE", "/vk/v1/api-keys/made"), 204)
    restarted()
    assert get(server, link).code == "issuer_disabled"
    assert own.call("GET", "/vk/v1/buckets").status == 401
    again = chief.call("POST", "/vk/v1/api-keys", {"id": "made", "scopes": ["*"]})
    assert (again.status, again.code) == (409, "already_exists")


# --- signing keys


def test_the_signing_key_of_the_bootstrap_file_is_retired_and_revoked(server):
    """What a holder of the key signs offline is refused from then on, also after a start with the same file."""
    api, chief = Api(server), chief_of(server)
    api.put_new("a.txt", CONTENT)
    path = f"/vk/v1/signing-keys/{provisioned.KID}"
    shown = done(chief.call("GET", path))
    assert (shown["owner"], shown["state"]) == (provisioned.API_KEY, "active")
    target = f"/o/{provisioned.BUCKET}/a.txt"
    claims = tokens.claims(provisioned.TENANT, target, int(time.time()))
    target += "?cat=" + tokens.sign(claims, provisioned.KID, provisioned.SIGNING_SECRET)
    for state in ("verify-only", "active"):
        assert done(chief.call("PATCH", path, {"state": state}))["state"] == state
        assert get(server, target).status == 200
    assert done(chief.call("PATCH", path, {"state": "revoked"}))["state"] == "revoked"
    assert get(server, target).code == "revoked"
    back = chief.call("PATCH", path, {"state": "active"})
    assert (back.status, back.code) == (409, "conflict")
    server.stop()
    server.start()
    assert done(chief.call("GET", path))["state"] == "revoked"
    assert get(server, target).code == "revoked"


# --- public buckets


def test_what_is_public_and_nothing_else_needs_no_credential(shared):
    chief = chief_of(shared.server)
    shared.put_new("public.txt", CONTENT)
    targets = [f"/o/{provisioned.BUCKET}/public.txt", object_path("public.txt")]
    path = f"/vk/v1/buckets/{provisioned.BUCKET}"
    for public in (False, True, False):
        done(chief.call("PATCH", path, {"public": public}))
        for target in targets:
            answer = get(shared.server, target)
            if public:
                assert (answer.status, answer.body) == (200, CONTENT.bytes()), answer
                assert answer["cache-control"] == "public, no-cache"
                changed = get(shared.server, target, fields={"If-None-Match": answer["etag"]})
                assert changed.status == 304, changed
            else:
                assert answer.status == (403 if target.startswith("/o/") else 401), answer
                assert CONTENT.bytes() not in answer.body
        for method, target in [("PUT", targets[0]), ("PUT", targets[1]), ("DELETE", targets[1]), ("GET", path)]:
            answer = exchange(shared.server.port, method, target, body=b"x" if method == "PUT" else None)
            assert answer.status in (401, 403), (method, target, answer)


# --- who guesses


def test_whoever_guesses_is_made_to_wait(server):
    """By address: others are not concerned, nor are signed URLs."""
    api = Api(server)
    api.put_new("a.txt", CONTENT)
    target = api.target("a.txt")

    def ask(authorization, source="127.0.0.7"):
        return exchange(server.port, "GET", "/vk/v1/buckets", {"Authorization": authorization}, source=source)

    refused = 0
    for number in range(200):
        answer = ask(f"Bearer guess-{number}")
        if answer.status == 429:
            refused += 1
            assert (answer.code, answer["retry-after"]) == ("too_many_requests", "1")
        else:
            assert answer.status == 401, answer
    # While the guesses lasted, one came back in every 0.6 s.
    assert refused > 0
    def is_refused(authorization):
        # A guess may have come back between the two.
        while ask(f"Bearer guess-{time.monotonic_ns()}").status != 429:
            pass
        return ask(authorization).status == 429

    assert any(is_refused(f"Bearer {provisioned.BEARER}") for _ in range(20)), "the right credential is let in"
    assert ask(f"Bearer {provisioned.BEARER}", source="127.0.0.8").status == 200
    assert get(server, target, source="127.0.0.7").status == 200
    deadline = time.monotonic() + 60
    while ask(f"Bearer {provisioned.BEARER}").status != 200:
        assert time.monotonic() < deadline, "it is never let in again"


def test_the_limit_can_be_another(serve):
    server = serve(arguments=["--max-failed-authentications", "1"])
    ask = lambda bearer: exchange(server.port, "GET", "/vk/v1/buckets", {"Authorization": f"Bearer {bearer}"})  # noqa: E731
    assert [ask("guess").status, ask(provisioned.BEARER).status] == [401, 429]
    server = serve(arguments=["--max-failed-authentications", "0"])
    assert {ask("guess").status for _ in range(300)} == {401}
    assert ask(provisioned.BEARER).status == 200
