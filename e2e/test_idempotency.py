"""`Idempotency-Key`: what is sent again and again is done once, also over a kill."""

import concurrent.futures
import json

from harness import server as provisioned
from harness.api import Api
from harness.content import Content
from harness.http import Connection, exchange, target_of

KEYED = {"Idempotency-Key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}


def test_the_answer_is_given_again(serve):
    server = serve()
    api, chief = Api(server), Api(server, provisioned.ADMIN_BEARER)
    api.put_new("a.txt", Content("a", 100))
    calls = [
        ("/vk/v1/buckets", {"name": "scans"}),
        ("/vk/v1/signed-urls", {"bucket": provisioned.BUCKET, "key": "a.txt", "permission": "read", "form": "link"}),
        ("/vk/v1/signed-urls", [{"bucket": provisioned.BUCKET, "key": "a.txt", "permission": "read"}] * 100),
        ("/vk/v1/revocations", {"link_ids": ["lnk_AAAAAAAAAAAAAAAAAAAAAA"]}),
        ("/vk/v1/api-keys", {"scopes": ["object:read"]}),
        ("/vk/v1/signing-keys", {"algorithm": "HS256", "owner": provisioned.API_KEY}),
    ]

    def all_of_them():
        return [
            chief.call("POST", path, body, {"Idempotency-Key": f"call {number}"}) for number, (path, body) in enumerate(calls)
        ]

    first = all_of_them()
    assert [answer.status for answer in first] == [201, 201, 201, 200, 201, 201]
    server.kill()
    server.start()
    for again, before in zip(all_of_them(), first, strict=True):
        assert (again.status, again.body) == (before.status, before.body)
        assert again.get("location") == before.get("location")
        assert (before.get("idempotency-replayed"), again.get("idempotency-replayed")) == (None, "true")
    secret = first[4].json["secret"]
    assert Api(server, secret).call("GET", f"/vk/v1/buckets/{provisioned.BUCKET}/objects").status == 200
    for file in (server.data).glob("metadata*"):
        assert secret.encode() not in file.read_bytes(), file
    assert len(chief.call("GET", "/vk/v1/api-keys").json["api_keys"]) == 4


def test_another_call_is_refused(shared):
    first = shared.call("POST", "/vk/v1/buckets", {"name": "first"}, KEYED)
    assert first.status == 201, first
    other = shared.call("POST", "/vk/v1/buckets", {"name": "second"}, KEYED)
    assert (other.status, other.code) == (422, "idempotency_key_reused"), other
    assert shared.call("GET", "/vk/v1/buckets/second").status == 404
    elsewhere = shared.call("POST", "/vk/v1/revocations", {"name": "first"}, KEYED)
    assert (elsewhere.status, elsewhere.code) == (422, "idempotency_key_reused")
    stranger = Api(shared.server, provisioned.OTHER_BEARER)
    assert stranger.call("POST", "/vk/v1/buckets", {"name": "theirs"}, KEYED).status == 201


def test_of_many_at_once_one_does_it(shared):
    shared.put_new("many.txt", Content("many", 10))
    body = [{"bucket": provisioned.BUCKET, "key": "many.txt", "permission": "read", "form": "link"}] * 500
    fields = {"Idempotency-Key": "many at once"}
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: shared.call("POST", "/vk/v1/signed-urls", body, fields), range(32)))
    for answer in answers:
        if answer.status == 409:
            assert (answer.code, answer["retry-after"]) == ("idempotency_key_in_use", "1"), answer
        else:
            assert answer.status == 201, answer
    bodies = {answer.body for answer in answers if answer.status == 201}
    assert len(bodies) == 1
    assert len({url["url"] for url in json.loads(bodies.pop())}) == 500


def test_a_kill_makes_no_second_thing(serve, rng):
    """Killed at any moment of the call and sent again: one link, one API key, whose secret works; never two."""
    server = serve()
    api, chief = Api(server), Api(server, provisioned.ADMIN_BEARER)
    api.put_new("a.txt", Content("a", 100))
    for number in range(8):
        fields = {"Idempotency-Key": f"call {number}"}
        link = {"bucket": provisioned.BUCKET, "key": "a.txt", "permission": "read", "form": "link"}
        for client, path, body in ((api, "/vk/v1/signed-urls", link), (chief, "/vk/v1/api-keys", {"scopes": ["object:read"]})):
            bearer = provisioned.BEARER if client is api else provisioned.ADMIN_BEARER
            with Connection(server.port) as connection:
                sent = {"Authorization": f"Bearer {bearer}", **fields}
                connection.request("POST", path, sent, json.dumps(body).encode())
                connection.socket.settimeout(rng.uniform(0, 0.01))
                try:
                    connection.receive_head()
                except OSError:
                    pass
                server.kill()
            server.start()
            first, second = client.call("POST", path, body, fields), client.call("POST", path, body, fields)
            assert first.status == 201 and (second.status, second.body) == (201, first.body), (first, second)
            if client is api:
                assert exchange(server.port, "GET", target_of(first.json["url"])).status == 200
            else:
                path = f"/vk/v1/buckets/{provisioned.BUCKET}/objects"
                assert Api(server, first.json["secret"]).call("GET", path).status == 200
    assert len(chief.call("GET", "/vk/v1/api-keys").json["api_keys"]) == 3 + 8
