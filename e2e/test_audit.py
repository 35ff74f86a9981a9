"""The audit: whole across kill -9, equal to what clients and metrics count, and checked by code that is not the server's."""

import json
import os
import re
import subprocess
import time

import pytest

from conftest import SEED
from harness import server as provisioned
from harness import tokens
from harness.api import Api
from harness.audit import check
from harness.content import Content
from harness.http import Connection, exchange, target_of
from harness.server import BINARY

MIB = 1 << 20
TRUSTING = ["--trusted-proxies", "127.0.0.7/32", "--client-address-from", "x-forwarded-for"]


def export(api):
    """The lines of an export, as they are."""
    answer = api.call("GET", "/vk/v1/audit/export")
    assert answer.status == 200 and answer["content-type"] == "application/jsonl", answer
    return answer.body.decode().splitlines()


def eventually(condition, seconds=30):
    """Waits until there is something, and gives it."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, "in vain"
        time.sleep(0.05)


def metrics(server):
    """Each sample by its name and labels."""
    answer = exchange(server.port, "GET", "/metrics")
    assert answer.status == 200 and answer["content-type"].startswith("text/plain; version=0.0.4"), answer
    lines = [line for line in answer.body.decode().splitlines() if not line.startswith("#")]
    return {name: int(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def requests_of(samples):
    """How many requests to signed URLs by outcome."""
    found = {}
    for name, value in samples.items():
        if name.startswith("valetkey_requests_total{"):
            outcome = re.search('outcome="([a-z_]+)"', name)[1]
            found[outcome] = found.get(outcome, 0) + value
    return found


def redemptions(rows):
    """The same by the audit."""
    found = {}
    for line in rows:
        row = line["row"]
        if row.get("n_requests") and row["action"] in ("url.redeem", "object.publish"):
            found[row["outcome"]] = found.get(row["outcome"], 0) + row["n_requests"]
    return found


def settled(api, n_requests):
    """The rows, once they stand for so many requests and nothing waits."""

    def all_there():
        rows = [json.loads(line) for line in export(api)]
        rows = [line for line in rows if line["type"] == "row"]
        return rows if sum(redemptions(rows).values()) >= n_requests else None

    return eventually(all_there)


def cli(server, *arguments, status=0, bearer=provisioned.BEARER):
    """The command line; its standard output and error."""
    own = {"VALETKEY_URL": server.url, "VALETKEY_API_KEY": bearer, "PATH": os.environ["PATH"]}
    done = subprocess.run([BINARY, *arguments], env=own, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == status, done
    return done.stdout, done.stderr


def test_audit_metrics_and_clients_count_the_same(server, api):
    small, large = Content(f"{SEED} small", 5000), Content(f"{SEED} large", 24 * MIB)
    api.put_new("small", small)
    api.put_new("large", large)
    counted = {}

    def count(outcome, n=1):
        counted[outcome] = counted.get(outcome, 0) + n

    sent = 0
    for form in ("token", "link"):
        target = api.target("small", form=form)
        with Connection(server.port) as connection:
            for _ in range(500):
                assert connection.exchange("GET", target).status == 200
            count("delivered", 500)
            sent += 500 * small.size
            assert connection.exchange("GET", target, {"Range": "bytes=10-19"}).status == 206
            count("delivered")
            sent += 10
            assert connection.exchange("HEAD", target).status == 200
            count("described")
            etag = connection.exchange("GET", target)["etag"]
            count("delivered")
            sent += small.size
            assert connection.exchange("GET", target, {"If-None-Match": etag}).status == 304
            count("not_modified")
            assert connection.exchange("GET", target, {"Range": "bytes=9000-"}).status == 416
            count("range_not_satisfiable")
    issued = api.issue("small")
    api.revoke(issued["link_id"])
    for _ in range(20):
        assert exchange(server.port, "GET", target_of(issued["url"])).status == 410
    count("revoked", 20)
    for _ in range(5):
        limited = api.target("small", uses=1)
        assert exchange(server.port, "GET", limited).status == 200
        assert exchange(server.port, "GET", limited).status == 410
    count("opened", 5)
    count("used_up", 5)
    sent += 5 * small.size
    # Cut by the client, in the middle.
    target = api.target("large")
    for _ in range(3):
        with Connection(server.port, receive_buffer=64 << 10) as connection:
            connection.request("GET", target)
            connection.receive_head()
            connection.receive_exactly(100_000)
    count("cut", 3)
    write = api.target("new", permission="write")
    assert exchange(server.port, "PUT", write, body=b"x" * 100).status == 201
    count("done")
    assert exchange(server.port, "PUT", write, body=b"x").status in (410, 412)
    for _ in range(7):
        assert exchange(server.port, "GET", "/o/reports/small?cat=forged").status == 403
    eventually(lambda: requests_of(metrics(server)).get("cut") == 3)
    for target in (api.target("small"), api.target("small", form="link")):
        for method in ("POST", "PATCH", "DELETE"):
            assert exchange(server.port, method, target).status == 405
        assert exchange(server.port, "PUT", target, {"Content-Range": "bytes 0-0/2"}, b"x").status == 400
        for unheard_of in ("TRACE", "BREW"):
            assert exchange(server.port, unheard_of, target).status == 405
        assert exchange(server.port, "OPTIONS", target).status == 204
    (small_file,) = [each for each in api.objects() if each["key"] == "small"]
    raw = f"/api/v1/rawFiles/{small_file['raw_file_id']}"
    assert exchange(server.port, "PUT", f"{raw}?token=x", body=b"x").status == 405
    assert exchange(server.port, "GET", f"{raw}?token=x&token=y").status == 400
    refused_put = {"used_up", "exists"}
    rows = settled(api, sum(counted.values()) + 1)
    by_audit, samples = redemptions(rows), metrics(server)
    by_metrics = requests_of(samples)
    # What no signature was proved of stands in the installation's chain, which no tenant reads.
    assert by_metrics.pop("malformed") == 7 + 2
    assert by_metrics.pop("wrong_method") == 2 * 3 + 1
    assert by_metrics.pop("ambiguous") == 1
    assert by_audit == by_metrics, "the audit and the metrics"
    put = next(outcome for outcome in refused_put if by_audit.get(outcome, 0) == counted.get(outcome, 0) + 1)
    count(put)
    assert by_audit == counted, "and the client"
    cut = sum(line["row"].get("bytes", 0) for line in rows if line["row"]["outcome"] == "cut")
    assert 300_000 <= cut < 3 * large.size
    audited = [line["row"] for line in rows if line["row"]["action"] in ("url.redeem", "url.settle")]
    assert sum(row.get("bytes", 0) for row in audited) == sent + cut
    assert samples['valetkey_sent_bytes_total{dialect="native"}'] == sent + cut
    eventually(lambda: metrics(server)["valetkey_audit_unsealed_rows"] == 0)
    assert len(check(export(api))) >= len(rows)


def test_whole_after_kill_9(server, api):
    content = Content(SEED, 3000)
    api.put_new("a", content)
    plain, n_limited, n_acknowledged = api.target("a"), 0, 0
    for _ in range(3):
        limited = [api.target("a", uses=1) for _ in range(20)]
        for target in limited:
            assert exchange(server.port, "GET", target).status == 200
            n_limited += 1
        with Connection(server.port) as connection:
            for _ in range(2000):
                connection.exchange("GET", plain)
                n_acknowledged += 1
        eventually(lambda: metrics(server)["valetkey_audit_pending_rows"] == 0)
        before = time.monotonic()
        with Connection(server.port) as connection:
            while time.monotonic() < before + 0.3:
                connection.exchange("GET", plain)
        server.kill()
        server.start()
    eventually(lambda: metrics(server)["valetkey_audit_unsealed_rows"] == 0)
    rows = check(export(api))
    opened = [line for line in rows if line["row"]["outcome"] == "opened"]
    assert len(opened) == n_limited, "no request under a limited URL is lost"
    delivered = sum(line["row"]["n_requests"] for line in rows if line["row"]["outcome"] == "delivered")
    assert delivered >= n_acknowledged, "nor anything that was written down, which takes a second at most"


def test_nothing_is_lost_at_an_orderly_end(server, api):
    api.put_new("a", Content(SEED, 3000))
    target = api.target("a")
    with Connection(server.port) as connection:
        for _ in range(100):
            connection.exchange("GET", target)
    server.stop()
    server.start()
    rows = check(export(api))
    assert redemptions(rows) == {"delivered": 100}


def test_the_command_line_finds_what_was_changed(server, api, work):
    for number in range(12):
        api.put_new(f"k{number}", Content(SEED, 10 + number))
    eventually(lambda: metrics(server)["valetkey_audit_unsealed_rows"] == 0)
    out, _ = cli(server, "audit", "export")
    lines = out.splitlines()
    assert lines == export(api)
    file = work / "audit.jsonl"

    def verify(changed, status, *arguments):
        file.write_text("".join(f"{line}\n" for line in changed))
        return cli(server, "audit", "verify", *arguments, str(file), status=status)

    told, _ = verify(lines, 0)
    assert "are whole" in told
    cli(server, "audit", "verify")
    key = cli(server, "audit", "key")[0].split()[1]
    verify(lines, 0, "--key", key)
    verify(lines, 1, "--key", "00" * 32)
    rows = [at for at, line in enumerate(lines) if '"type":"row"' in line]
    at = rows[len(rows) // 2]
    seq = json.loads(lines[at])["seq"]
    for changed in (
        lines[:at] + lines[at + 1 :],
        lines[:at] + [lines[at].replace('"bytes":1', '"bytes":2')] + lines[at + 1 :],
        lines[:at] + [lines[at].replace('"action":', '"action":"url.revoke","action":')] + lines[at + 1 :],
        lines[:at] + [lines[at].replace('"type":"row",', '"type":"row","note":"",')] + lines[at + 1 :],
        lines[:at] + [lines[at + 1], lines[at]] + lines[at + 2 :],
    ):
        assert changed != lines
        _, error = verify(changed, 1)
        assert f"row {seq}" in error, error
        with pytest.raises(AssertionError):
            check(changed)
    _, error = verify(lines[:-1], 1)
    assert "cut off" in error


def test_erasing_a_person(server, api):
    api.put_new("a", Content(SEED, 10))
    issued = api.issue("a", label="Jane Doe")
    with Connection(server.port, source="127.9.9.9") as connection:
        assert connection.exchange("GET", target_of(issued["url"])).status == 200
    eventually(lambda: "127.9.9.9" in "".join(export(api)))
    assert int(cli(server, "audit", "erase", "--address", "127.9.9.9", bearer=provisioned.ADMIN_BEARER)[0]) == 1
    assert int(cli(server, "audit", "erase", "--label", "Jane Doe", bearer=provisioned.ADMIN_BEARER)[0]) == 2
    cli(server, "audit", "erase", "--label", "Jane Doe", status=1)
    eventually(lambda: metrics(server)["valetkey_audit_unsealed_rows"] == 0)
    lines = export(api)
    check(lines)
    assert "127.9.9.9" not in "".join(lines) and "Jane Doe" not in "".join(lines)


def test_who_may_read(server, api):
    reader, other = Api(server, provisioned.READER_BEARER), Api(server, provisioned.OTHER_BEARER)
    for path in ("/vk/v1/audit", "/vk/v1/audit/export"):
        assert reader.call("GET", path).status == 403
        assert exchange(server.port, "GET", path).status == 401
    api.put_new("a", Content(SEED, 10))
    assert "reports" not in "".join(export(other))
    assert {row["row"]["bucket"] for row in api.call("GET", "/vk/v1/audit?key=a").json["rows"]} == {"reports"}


def test_acts_upon_a_url_are_found_by_its_object(server, api):
    """And refusals of one that was signed offline by whose key signed it."""
    api.put_new("a", Content(SEED, 10))
    limited, unlimited = api.issue("a", uses=1), api.issue("a", form="link")
    assert api.call("POST", f"/vk/v1/signed-urls/{limited['link_id']}/reset").status == 204
    api.revoke(limited["link_id"], unlimited["link_id"])
    now = int(time.time())
    expired = tokens.claims(provisioned.TENANT, "/o/reports/a", now - 700)
    token = tokens.sign(expired, provisioned.KID, provisioned.SIGNING_SECRET)
    assert exchange(server.port, "GET", f"/o/reports/a?cat={token}").code == "expired"

    def found():
        rows = api.call("GET", "/vk/v1/audit?bucket=reports&key=a").json["rows"]
        return {(each["row"]["action"], each["row"]["outcome"], each["row"]["principal"]) for each in rows}

    acts = {(action, "done", provisioned.API_KEY) for action in ("object.publish", "url.issue", "url.reset", "url.revoke")}
    eventually(lambda: found() == {*acts, ("url.redeem", "expired", provisioned.API_KEY)})


def test_who_may_read_metrics(serve):
    """Who is on this machine, as far as that is certain; otherwise who may read the audit."""
    server = serve(arguments=[*TRUSTING, "--max-failed-authentications", "3"])
    api, reader = Api(server), Api(server, provisioned.READER_BEARER)

    def status(fields=(), source="127.0.0.1"):
        return exchange(server.port, "GET", "/metrics", dict(fields), source=source).status

    assert status() == status({"Host": f"127.0.0.1:{server.port}"}) == status(source="127.0.0.8") == 200
    for passed_on in (
        {"X-Forwarded-For": "192.0.2.1"},
        {"X-Forwarded-For": "127.0.0.1"},
        {"X-Forwarded-Proto": "https"},
        {"Via": "1.1 proxy"},
        {"Host": "files.example.org"},
    ):
        assert status(passed_on) == 401, passed_on
        assert reader.call("GET", "/metrics", fields=passed_on).status == 403
        assert api.call("GET", "/metrics", fields=passed_on).status == 200
    assert status(source="127.0.0.7") == 401, "a proxy is not believed to be a client"
    with Connection(server.port) as connection:
        connection.send(b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n")
        assert connection.receive_head().status == 401, "what nginx sends by itself"
    # Wrong credentials count for the client, not for its proxy.
    wrong = {"Authorization": "Bearer wrong", "X-Forwarded-For": "192.0.2.1"}
    assert [status(wrong, "127.0.0.7") for _ in range(5)] == [401, 401, 401, 429, 429]
    right = {"Authorization": f"Bearer {provisioned.BEARER}", "X-Forwarded-For": "192.0.2.2"}
    assert status(right, "127.0.0.7") == 200
