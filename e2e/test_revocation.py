"""URLs taken back, in every way there is: at once, for good, over kills, in mid-transfer, and never another tenant's."""

import time
import urllib.parse

import pytest

from conftest import SEED, SOAK
from harness import server as provisioned
from harness import tokens
from harness.api import Api, object_path
from harness.content import Content
from harness.http import Connection, exchange, target_of
from harness.waiting import WAIT_SECONDS, until

CONTENT = Content(f"{SEED} revoked", 1000)
# Far more than what kernels keep for a client that does not read.
LARGE = Content(f"{SEED} large", 1 << 30 if SOAK else 64 << 20)

KINDS = {
    "label": {"label": "q3"},
    "object": {"bucket": provisioned.BUCKET, "key": "2026/a.txt"},
    "prefix": {"bucket": provisioned.BUCKET, "prefix": "2026/"},
    "bucket": {"bucket": provisioned.BUCKET, "prefix": ""},
    "api-key": {"api_key": provisioned.API_KEY},
    "signing-key": {"signing_key": provisioned.KID},
    "tenant": {"all": True},
    "ids": None,
}


def chief_of(server):
    """Who administers the tenant."""
    return Api(server, provisioned.ADMIN_BEARER)


def get(server, target):
    """A GET without a credential but what stands in the target."""
    return exchange(server.port, "GET", target)


def offline(path, tenant=provisioned.TENANT, kid=provisioned.KID, secret=provisioned.SIGNING_SECRET, **more):
    """A URL signed by ourselves."""
    return f"{path}?cat={tokens.sign(tokens.claims(tenant, path, int(time.time()), **more), kid, secret)}"


def revoked(api, what):
    """Takes back and wants it done; gives what the API says."""
    answer = api.call("POST", "/vk/v1/revocations", what)
    assert answer.status == 200, answer
    return answer.json


@pytest.mark.parametrize("kind", KINDS)
def test_a_revocation_survives_a_kill(server, kind):
    """Answered, then killed: after the next start, what was issued before is dead, and what is issued afterwards works."""
    api, chief = Api(server), chief_of(server)
    api.put_new("2026/a.txt", CONTENT)
    path = "/o/reports/2026/a.txt"
    cti = bytes(range(16))
    issued = {form: api.issue("2026/a.txt", form=form, label="q3") for form in ("token", "link")}
    folder = chief.call("POST", "/vk/v1/signed-urls", {"bucket": "reports", "prefix": "2026/", "permission": "read", "label": "q3"}).json
    folder = f"{path}?{urllib.parse.urlsplit(folder['url']).query}"
    targets = {form: target_of(one["url"]) for form, one in issued.items()} | {"offline": offline(path, cti=cti), "folder": folder}
    if KINDS[kind] is None:
        what = {"link_ids": [one["link_id"] for one in issued.values()]}
        revoked(api, {"token_ids": [cti.hex()]})
    else:
        what = KINDS[kind]
        for target in targets.values():
            assert get(server, target).body == CONTENT.bytes()
    answer = revoked(chief, what)
    server.kill()
    server.start()
    alive = {
        "label": {"offline"},
        "api-key": {"folder"},
        "signing-key": {"token", "link", "folder"},
        "ids": {"folder"},
    }.get(kind, set())
    for form, target in targets.items():
        got = get(server, target)
        expected = (200, None) if form in alive else (410, "revoked")
        assert (got.status, got.code if got.status != 200 else None) == expected, (kind, form, got, answer)
    for form in ("token", "link"):
        assert get(server, api.target("2026/a.txt", form=form, label="q3")).body == CONTENT.bytes()


def test_what_is_issued_in_the_same_second_works(shared):
    """Taken back and issued anew, many times a second: the old is dead and the new works."""
    shared.put_new("again.txt", CONTENT)
    for _ in range(10):
        old = [shared.target("again.txt", form=form, label="again") for form in ("token", "link")]
        assert all(get(shared.server, target).status == 200 for target in old)
        revoked(shared, {"label": "again"})
        assert [get(shared.server, target).code for target in old] == ["revoked", "revoked"]


def test_parts_of_an_upload_begun_in_the_same_second_are_taken(shared):
    """They count as issued when the upload was begun: what was taken back before that does not hit them, what is afterwards does."""
    for number in range(5):
        objects = f"/oss/v2/buckets/{provisioned.BUCKET}/objects/again-{number}/signeds3upload"
        old = ()
        for _ in range(2):
            revoked(shared, {"bucket": provisioned.BUCKET, "prefix": ""})
            assert [exchange(shared.server.port, "PUT", target, body=b"part").status for target in old] == [403] * len(old)
            begun = shared.call("GET", f"{objects}?parts=1").json
            old = [target_of(url) for url in begun["urls"]]
            assert [exchange(shared.server.port, "PUT", target, body=b"part").status for target in old] == [200]
        assert shared.call("POST", objects, {"uploadKey": begun["uploadKey"]}).status == 200


def test_another_tenants_are_never_hit(shared):
    """Everything is called the same, and only one tenant's is dead."""
    server, other = shared.server, Api(shared.server, provisioned.OTHER_BEARER)
    shared.put_new("same/a.txt", CONTENT)
    other.put_new("same/a.txt", CONTENT, bucket=provisioned.OTHER_BUCKET)
    cti = bytes(range(1, 17))
    path = f"/o/{provisioned.OTHER_BUCKET}/same/a.txt"
    theirs = [
        other.target("same/a.txt", bucket=provisioned.OTHER_BUCKET, label="same"),
        other.target("same/a.txt", bucket=provisioned.OTHER_BUCKET, label="same", form="link"),
        offline(path, provisioned.OTHER_TENANT, provisioned.OTHER_KID, provisioned.OTHER_SIGNING_SECRET, cti=cti),
    ]
    their_ids = [listed["link_id"] for listed in other.call("GET", "/vk/v1/signed-urls").json["signed_urls"]]
    chief = chief_of(server)
    for what in ({"label": "same"}, {"token_ids": [cti.hex()]}, {"link_ids": their_ids}, {"all": True}):
        revoked(chief, what)
    for what in (
        {"bucket": provisioned.OTHER_BUCKET, "prefix": ""},
        {"bucket": provisioned.OTHER_BUCKET, "key": "same/a.txt"},
        {"api_key": provisioned.OTHER_API_KEY},
        {"signing_key": provisioned.OTHER_KID},
    ):
        assert chief.call("POST", "/vk/v1/revocations", what).status == 404, what
    for target in theirs:
        assert get(server, target).body == CONTENT.bytes()
    assert not set(their_ids) & {listed["link_id"] for listed in chief.call("GET", "/vk/v1/signed-urls").json["signed_urls"]}


# --- transfers under way


def slow_download(server, target):
    """A connection on which a large download has begun, whose client reads no more."""
    connection = Connection(server.port, receive_buffer=64 << 10)
    connection.request("GET", target, {"Connection": "close"})
    head = connection.receive_head()
    assert head.status == 200 and int(head["content-length"]) == LARGE.size, head
    assert connection.receive_some()
    return connection


def drained(connection):
    """How many bytes still come."""
    n_bytes = 0
    while some := connection.receive_some():
        n_bytes += len(some)
    return n_bytes


@pytest.mark.parametrize("form", ["token", "link"])
def test_a_cut_ends_a_download(server, form):
    """Also where the client does not read, and its use is settled; without a cut it may finish."""
    api = Api(server)
    api.put_new("large.bin", LARGE)
    issued = api.issue("large.bin", form=form, label="large", uses=3)
    target = target_of(issued["url"])
    with slow_download(server, target) as stays, slow_download(server, api.target("large.bin")) as other:
        assert revoked(api, {"label": "nothing"})["n_cut"] == 0
        n_cut = revoked(api, {"link_ids": [issued["link_id"]], "cut": False})["n_cut"]
        assert n_cut == 0 and get(server, target).code == "revoked"
        began = time.monotonic()
        assert revoked(api, {"label": "large", "cut": True})["n_cut"] == 1
        assert drained(stays) < LARGE.size // 2
        assert time.monotonic() - began < WAIT_SECONDS
        # The other one has come so far that a little is left in any case: it goes on to its end.
        assert drained(other) > LARGE.size // 2
    found = until(lambda: (one := api.call("GET", f"/vk/v1/signed-urls/{issued['link_id']}").json)["n_requests"] and one)
    assert (found["state"], found["uses_left"], found["n_requests"]) == ("revoked", 3, 1)
    server.stop()


def test_a_cut_ends_an_upload(server):
    """The client is told, nothing is stored, and nothing is left over; without a cut it is refused at its end."""
    api = Api(server)
    for cut in (True, False):
        issued = api.issue("new.bin", "write", label="new")
        target, listed = target_of(issued["url"]), f"/vk/v1/signed-urls/{issued['link_id']}"
        with Connection(server.port) as connection:
            connection.request("PUT", target, {"Content-Length": str(4 << 20)}, [b"x" * (1 << 20)])
            if cut:
                # It has begun: taken back before, it would be refused and not cut. It can be cut as soon as it waits for more.
                until(lambda: api.call("GET", listed).json["n_requests"])
                until(lambda: revoked(api, {"label": "new", "cut": True})["n_cut"])
            else:
                revoked(api, {"label": "new"})
                connection.send(b"x" * (3 << 20))
            answer = connection.receive_head()
            answer.body = connection.receive_body(answer)
            assert (answer.status, answer.code) == (410, "revoked"), answer
            assert not connection.receive_some(), "the connection is over"
        assert api.call("GET", object_path("new.bin")).status == 404
    server.stop()


# --- listed


def test_a_url_signed_offline_is_listed_from_its_first_use_on(api):
    api.put_new("listed.txt", CONTENT)
    cti = bytes(range(2, 18))
    target = offline("/o/reports/listed.txt", cti=cti)
    listing = "/vk/v1/signed-urls?bucket=reports&key=listed.txt"
    assert api.call("GET", listing).json == {"signed_urls": [], "next": None}
    assert get(api.server, target).status == 200
    found = until(lambda: api.call("GET", listing).json["signed_urls"])[0]
    assert (found["state"], found["form"], found["issuer"]) == ("active", "token", provisioned.API_KEY)
    assert (found["signing_key"], found["n_requests"], found["uses"]) == (provisioned.KID, 1, None)
    revoked(api, {"link_ids": [found["link_id"]]})
    assert get(api.server, target).code == "revoked"
    assert api.call("GET", listing).json["signed_urls"][0]["state"] == "revoked"


def test_uses_are_counted_exactly_over_an_orderly_end(server):
    """What was counted and not yet recorded is recorded when the server stops."""
    api = Api(server)
    api.put_new("counted.txt", CONTENT)
    issued = api.issue("counted.txt")
    for _ in range(25):
        assert get(server, target_of(issued["url"])).status == 200
    server.stop()
    server.start()
    assert api.call("GET", f"/vk/v1/signed-urls/{issued['link_id']}").json["n_requests"] == 25
