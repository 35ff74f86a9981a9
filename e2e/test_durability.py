"""What was acknowledged is there after a crash, what was not is there whole or not at all, and nothing is left lying about."""

import dataclasses
import re
import subprocess
import time

import pytest

from conftest import SEED, SOAK
from harness import trace
from harness.api import Api
from harness.content import Content
from harness.downloads import Client, Trigger, together
from harness.http import Broken, Connection, exchange, target_of
from harness.server import BEARER, BINARY

MIB = 1 << 20
N_UPLOADERS = 20
N_ISSUERS = 4
N_RUNS = 50 if SOAK else 5
SYNCS = ("fsync", "fdatasync")
SENDS = ("write", "writev", "sendto", "sendmsg")


@dataclasses.dataclass
class Acknowledged:
    """What the server said is done."""

    objects: dict = dataclasses.field(default_factory=dict)
    targets: list = dataclasses.field(default_factory=list)
    revoked: list = dataclasses.field(default_factory=list)


def blobs(server):
    """The blobs on disk: those that are published, and those that are not (yet)."""
    objects = server.data / "objects"
    return {path.name for path in objects.glob("blobs/*/*")}, {path.name for path in objects.glob("incoming/*")}


def assert_no_orphans(server, api):
    """After a start, there are as many blobs as objects, and nothing half done."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        published, incoming = blobs(server)
        n_objects = len(api.objects())
        if len(published) == n_objects and not incoming:
            return
        time.sleep(0.05)  # it is cleared behind the scenes: only the limit counts
    raise AssertionError(f"{len(published)} blobs for {n_objects} objects, {len(incoming)} in incoming/")


@pytest.mark.parametrize("run", range(N_RUNS))
def test_a_crash_loses_nothing_that_was_acknowledged(serve, rng, run):
    """kill -9 while 20 clients upload and others issue and revoke links, at a random instant of their work."""
    server = serve()
    api = Api(server)
    api.put_new("linked", Content(f"{SEED} linked", 100))
    done = Acknowledged()
    crash = Trigger(rng.randint(5, 400), server.kill)
    sizes = [[rng.choice([0, 1, 4096, 70_000, rng.randrange(2 * MIB)]) for _ in range(200)] for _ in range(N_UPLOADERS)]

    def upload(number):
        for turn, size in enumerate(sizes[number]):
            key, content = f"up/{number}/{turn}", Content(f"{SEED} {run} {number} {turn}", size)
            answer = api.put(key, content)
            assert answer.status == 201, answer
            done.objects[key] = content
            crash.count(1)

    def issue(number):
        for _ in range(400):
            many = [{"bucket": "reports", "key": "linked", "permission": "read", "form": "link"}] * 5
            answer = api.call("POST", "/vk/v1/signed-urls", many)
            assert answer.status == 201, answer
            kept, taken = answer.json[:4], answer.json[4]
            done.targets += [target_of(issued["url"]) for issued in kept]
            api.revoke(taken["link_id"])
            done.revoked.append(target_of(taken["url"]))
            crash.count(1)

    def work(worker):
        try:
            worker[0](worker[1])
        except (Broken, OSError):
            assert server.n_kills == 1, "nobody broke off but by the crash"

    together([(upload, number) for number in range(N_UPLOADERS)] + [(issue, number) for number in range(N_ISSUERS)], work)
    assert server.n_kills == 1, "the crash came while they worked"
    server.start()

    for key, content in done.objects.items():
        answer = api.call("GET", f"/vk/v1/buckets/reports/objects/{key}")
        assert (answer.status, answer.body) == (200, content.bytes()), key
    for target in done.targets:
        assert exchange(server.port, "HEAD", target).status == 200
    for target in done.revoked:
        assert exchange(server.port, "HEAD", target).status == 410
    for found in api.objects(prefix="up/"):
        _, number, turn = found["key"].split("/")
        content = Content(f"{SEED} {run} {number} {turn}", sizes[int(number)][int(turn)])
        assert (found["size_bytes"], found["sha256"]) == (content.size, content.sha256), "visible, so whole"
        answer = api.call("GET", f"/vk/v1/buckets/reports/objects/{found['key']}")
        assert answer.body == content.bytes()
    assert_no_orphans(server, api)


@pytest.mark.parametrize("run", range(N_RUNS))
def test_a_crash_within_an_overwrite_leaves_one_of_both(serve, rng, run):
    """The old generation or the new one, never a mixture."""
    server = serve()
    api = Api(server)
    contents = [Content(f"{SEED} {run} {turn}", rng.randrange(1, MIB)) for turn in range(60)]
    api.put_new("overwritten", contents[0])
    target = api.target("overwritten", "write", upload={"mode": "replace"}, uses=1000)
    crash = Trigger(rng.randrange(sum(content.size for content in contents[1:])), server.kill)
    acknowledged = 0

    def pieces(content):
        for start in range(0, content.size, 100_000):
            piece = content.part(start, start + 100_000)
            crash.count(len(piece))
            yield piece

    try:
        for turn, content in enumerate(contents[1:], 1):
            with Connection(server.port) as connection:
                connection.request("PUT", target, {"Content-Length": str(content.size)}, pieces(content))
                assert connection.receive_head().status == 200
            acknowledged = turn
    except (Broken, OSError):
        pass
    assert server.n_kills == 1
    server.start()
    answer = api.call("GET", "/vk/v1/buckets/reports/objects/overwritten")
    assert answer.body in (contents[acknowledged].bytes(), contents[min(acknowledged + 1, 59)].bytes())


def test_an_orderly_end_loses_nothing_and_leaves_nothing(serve):
    server = serve()
    api = Api(server)
    contents = {f"kept/{number}": Content(f"{SEED} {number}", number * 10_000) for number in range(10)}
    for key, content in contents.items():
        api.put_new(key, content)
    server.stop()
    assert blobs(server)[1] == set(), "an orderly end leaves nothing in incoming/"
    server.start()
    for key, content in contents.items():
        assert api.call("GET", f"/vk/v1/buckets/reports/objects/{key}").body == content.bytes()
    assert_no_orphans(server, api)


def test_an_upload_that_breaks_off_leaves_nothing(server, api):
    content = Content(SEED, 3 * MIB)
    for stop_after in (0, 1, MIB, content.size - 1):
        for target in ("/vk/v1/buckets/reports/objects/broken", api.target("broken", "write")):
            with Connection(server.port) as connection:
                fields = {"Content-Length": str(content.size), "Authorization": f"Bearer {BEARER}"}
                connection.request("PUT", target, fields, [content.part(0, stop_after)])
            assert api.call("GET", "/vk/v1/buckets/reports/objects/broken").status == 404
    assert_no_orphans(server, api)
    api.put_new("broken", content)


# --- system calls


class Traced:
    """A server under strace; what it did is read when it has ended."""

    def __init__(self, serve, work):
        self._file = work / "trace"
        kinds = (
            "trace=fsync,fdatasync,sync_file_range,linkat,link,rename,renameat,renameat2,openat,openat2,pwrite64,pwritev,pwritev2"
        )
        kinds += ",write,writev,sendto,sendmsg,sendfile,mkdir,mkdirat,unlinkat,unlink"
        self.server = serve(wrapper=["strace", "-f", "-y", "-s", "80", "-e", kinds, "-o", str(self._file)])
        self.api = Api(self.server)

    def calls(self):
        """Ends the server; gives its calls."""
        self.server.stop()
        return trace.read(self._file)


@pytest.fixture
def traced(serve, work):
    """A server under strace."""
    return Traced(serve, work)


def answer_sent(calls, status, after=0):
    """Where the first answer with this status after a line begins to be sent."""
    for call in calls:
        if call.began > after and call.name in SENDS and f'"HTTP/1.1 {status} ' in call.text:
            return call
    raise AssertionError(f"no answer {status} in the trace")


def synced(calls, path, after, before, what):
    """The first sync of exactly this file that lies between two lines."""
    for call in calls:
        if call.name in SYNCS and f"<{path}>" in call.text and call.ok and call.began > after and call.ended < before:
            return call
    raise AssertionError(f"{what}: `{path}` was not synced between lines {after} and {before} of the trace")


def wal_of(server, calls):
    """The log of the database, by what was written."""
    logs = {name for call in calls for name in re.findall(r"<([^<>]*-wal)>", call.text)}
    assert len(logs) == 1 and str(server.data) in next(iter(logs)), logs
    return logs.pop()


def last_write(calls, path, before):
    """Where the last write to a file ends that begins before a line."""
    ends = [
        call.ended
        for call in calls
        if call.name.startswith(("pwrite", "write")) and f"<{path}>" in call.text and call.began < before
    ]
    assert ends, f"nothing was written to `{path}`"
    return ends[-1]


@pytest.mark.parametrize("size", [0, 1, 5 * MIB], ids=lambda size: f"{size}-bytes")
@pytest.mark.parametrize("way", ["api", "write-url"])
def test_everything_is_synced_before_an_upload_is_acknowledged(traced, way, size):
    """That very blob, the directories that hold its names, and the database's log, in this order, before the 201."""
    content = Content(SEED, size)
    if way == "api":
        traced.api.put_new("traced", content)
    else:
        target = traced.api.target("traced", "write")
        assert exchange(traced.server.port, "PUT", target, body=content.bytes()).status == 201
    objects = traced.server.data / "objects"
    calls = traced.calls()

    linked = [call for call in calls if call.name in ("linkat", "link") and call.ok and "/blobs/" in call.text]
    assert len(linked) == 1, linked
    blob = re.search(r"<[^<>]*/incoming(?:/([\w-]+))?>(?:, \"([\w-]+)\")?", linked[0].text)
    name = blob[1] or blob[2]
    hour = re.search(r"<([^<>]*/blobs/[^<>/]+)>", linked[0].text)[1]
    incoming = str(objects / "incoming")
    own = f"{incoming}/{name}"
    answers = [call for call in calls if call.name in SENDS and '"HTTP/1.1 201 ' in call.text and call.began > linked[0].ended]
    acknowledged = answers[0].began

    if size:
        written = last_write(calls, own, linked[0].began)
        synced(calls, own, written, linked[0].began, "the blob before its name")
    else:
        synced(calls, own, -1, linked[0].began, "an empty blob before its name")
    synced(calls, incoming, -1, linked[0].began, "its first name")
    directory = synced(calls, hour, linked[0].ended, acknowledged, "its name")
    wal = wal_of(traced.server, calls)
    row = min(
        call.began
        for call in calls
        if call.name.startswith("pwrite") and f"<{wal}>" in call.text and call.began > directory.ended
    )
    written = last_write(calls, wal, acknowledged)
    synced(calls, wal, written, acknowledged, "its row")
    assert directory.ended < row, "the name is durable before the row that speaks of it"
    made = [call for call in calls if call.name in ("mkdirat", "mkdir") and call.ok and hour.rsplit("/", 1)[1] in call.text]
    if made:
        synced(calls, str(objects / "blobs"), made[0].ended, acknowledged, "the new hour")


def test_a_link_is_synced_before_it_is_given_out(traced):
    traced.api.put_new("linked", Content(SEED, 1))
    marker = exchange(traced.server.port, "GET", "/marker-before")
    issued = traced.api.issue("linked", form="link")
    traced.api.revoke(issued["link_id"])
    calls = traced.calls()
    before = answer_sent(calls, marker.status).ended
    given = answer_sent(calls, 201, after=before).began
    revoked = answer_sent(calls, 200, after=given).began
    wal = wal_of(traced.server, calls)
    synced(calls, wal, max(before, last_write(calls, wal, given)), given, "the link")
    synced(calls, wal, max(given, last_write(calls, wal, revoked)), revoked, "the revocation")


def test_a_use_is_synced_before_the_first_byte_of_a_body(traced):
    content = Content(SEED, MIB)
    traced.api.put_new("once", content)
    target = traced.api.target("once", uses=1)
    marker = exchange(traced.server.port, "GET", "/marker-before")
    client = Client(traced.server, target, content)
    assert client.get() == 200 and client.is_complete
    calls = traced.calls()
    before = answer_sent(calls, marker.status).ended
    head = answer_sent(calls, 200, after=before).began
    wal = wal_of(traced.server, calls)
    synced(calls, wal, max(before, last_write(calls, wal, head)), head, "the reservation")


def test_two_servers_do_not_share_a_directory(server):
    """The second one says so and ends, and the first is not disturbed."""
    command = [str(BINARY), "serve", "--data", str(server.data), "--listen", "127.0.0.1:0"]
    second = subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    assert second.returncode == 1 and second.stdout == ""
    assert "in use" in second.stderr
    Api(server).put_new("still", Content(SEED, 10))
