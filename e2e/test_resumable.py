"""Uploads in ranges: what broke off goes on, whoever broke it off, and nobody sees anything before it is whole."""

import hashlib
import random
import subprocess
import threading

import pytest

from conftest import SEED, SOAK
from harness.api import Api
from harness.content import Content
from harness.downloads import Trigger, together
from harness.http import Broken, Connection, exchange, target_of

MIB = 1 << 20
N_RUNS = 20 if SOAK else 3
N_RANGES = 40
RANGE_BYTES = 150_001


def begin(server, url, size):
    """Begins an upload to a write URL; gives where its ranges go."""
    fields = (("x-goog-resumable", "start"), ("x-upload-content-length", str(size)))
    answer = exchange(server.port, "POST", target_of(url), fields)
    assert answer.status == 201, answer
    return target_of(answer["location"])


def send(server, target, content, start, end):
    """Sends a range; gives the answer."""
    fields = (("Content-Range", f"bytes {start}-{end - 1}/{content.size}"),)
    return exchange(server.port, "PUT", target, fields, content.part(start, end))


def n_received(server, target, size):
    """How many bytes are there."""
    answer = exchange(server.port, "PUT", target, (("Content-Range", f"bytes */{size}"),), b"")
    assert answer.status == 308, answer
    told = answer.get("range")
    return int(told.removeprefix("bytes=0-")) + 1 if told else 0


def sha256_at(server, target):
    """SHA-256 of what is there."""
    answer = exchange(server.port, "GET", target)
    assert answer.status == 200, answer
    return hashlib.sha256(answer.body).hexdigest()


@pytest.mark.parametrize("form", ["token", "link"])
def test_an_upload_goes_on_after_any_break(serve, rng, form):
    """Lines that are cut at any byte, and kill -9 in the middle: what was told to be there is there, and the object is byte-identical."""
    server = serve()
    api = Api(server)
    content = Content(f"{SEED} {form} broken", 9 * MIB + 1)
    issued = api.issue("sent/😀 a+b.bin", "write", form=form)
    target = begin(server, issued["url"], content.size)
    known, furthest = 0, 0
    for _ in range(12):
        if known == content.size:
            break
        cut = rng.randrange(known + 1, content.size)
        furthest = max(furthest, cut)
        with Connection(server.port) as connection:
            head = f"PUT {target} HTTP/1.1\r\nHost: a\r\nContent-Range: bytes {known}-{content.size - 1}/{content.size}\r\n"
            connection.send(f"{head}Content-Length: {content.size - known}\r\n\r\n".encode(), content.part(known, cut))
        if rng.random() < 0.3:
            server.kill()
            server.start()
        received = n_received(server, target, content.size)
        assert known <= received <= furthest
        known = received
        assert api.objects() == [], "nothing is seen"
    done = send(server, target, content, known, content.size)
    assert done.status == 201, done
    assert sha256_at(server, api.target("sent/😀 a+b.bin")) == content.sha256
    assert api.call("GET", "/vk/v1/uploads").json["uploads"] == []


def test_what_came_before_a_cut_is_kept(serve):
    """The bytes of a range that broke off are there, not only whole ranges."""
    server = serve()
    api = Api(server)
    content = Content(f"{SEED} kept", 4 * MIB)
    target = begin(server, api.issue("a", "write")["url"], content.size)
    with Connection(server.port) as connection:
        head = f"PUT {target} HTTP/1.1\r\nHost: a\r\nContent-Range: bytes 0-{content.size - 1}/{content.size}\r\n"
        connection.send(f"{head}Content-Length: {content.size}\r\n\r\n".encode(), content.part(0, 3 * MIB))
    # Whoever asks at once waits for nobody: what is told then may be less, never more.
    told = [n_received(server, target, content.size) for _ in range(3)]
    deadline = threading.Event()
    while told[-1] < 3 * MIB and not deadline.wait(0.05) and len(told) < 200:
        told.append(n_received(server, target, content.size))
    assert told == sorted(told) and told[-1] == 3 * MIB
    assert send(server, target, content, 3 * MIB, content.size).status == 201


@pytest.mark.parametrize("run", range(N_RUNS))
def test_ranges_in_any_order_outlive_a_crash(serve, rng, run):
    """Four senders of 40 ranges, in any order, to a signed resource that works once, with kill -9 in the middle."""
    server = serve()
    api = Api(server)
    api.put_new("big/file.bin", Content("old", 10))
    signed = api.call("POST", "/oss/v2/buckets/reports/objects/big%2Ffile.bin/signed?access=write", {"singleUse": True})
    assert signed.status == 200, signed
    target = target_of(signed.json["signedUrl"]).replace("?", "/resumable?")
    content = Content(f"{SEED} {run} ranges", N_RANGES * RANGE_BYTES - 77)
    ranges = [(start, min(start + RANGE_BYTES, content.size)) for start in range(0, content.size, RANGE_BYTES)]
    rng.shuffle(ranges)
    kept, lock = set(), threading.Lock()
    crash = Trigger(rng.randrange(1, N_RANGES - 4), server.kill)

    def put(start, end):
        fields = (("Content-Range", f"bytes {start}-{end - 1}/{content.size}"), ("Session-Id", "s"))
        return exchange(server.port, "PUT", target, fields, content.part(start, end))

    def sender(worker):
        try:
            for start, end in ranges[worker::4]:
                answer = put(start, end)
                assert answer.status == 202, answer
                with lock:
                    kept.add((start, end))
                crash.count(1)
        except (Broken, OSError):
            assert server.n_kills == 1, "nobody broke off but by the crash"

    together(range(4), sender)
    assert server.n_kills == 1 and 0 < len(kept) < N_RANGES, "the crash came in the middle"
    server.start()
    assert [item["size_bytes"] for item in api.objects()] == [10], "nothing is seen"
    for start, end in kept:
        assert put(start, end).status == 416, "what was acknowledged is there"
    # Of the others some may be there whose answer was lost.
    answers = [put(start, end).status for start, end in ranges if (start, end) not in kept]
    assert set(answers) <= {200, 202, 416}
    if 200 not in answers:
        assert put(*ranges[0]).status == 200, "the last one completes it, however it was lost"
    assert sha256_at(server, api.target("big/file.bin")) == content.sha256
    assert put(*ranges[0]).status == 404, "it worked once"


def test_a_resumable_upload_with_curl(serve, work):
    """As the manual has it."""
    server = serve()
    api = Api(server)
    content = random.Random(SEED).randbytes(1_000_000)
    (work / "first").write_bytes(content[:262_144])
    (work / "rest").write_bytes(content[262_144:])
    url = api.issue("curl.bin", "write", upload={"max_bytes": 1_000_000})["url"]

    def curl(*arguments):
        return subprocess.run(["curl", "-si", *arguments], capture_output=True, check=True, text=True).stdout

    begun = curl("-X", "POST", server.at(url), "-H", "x-goog-resumable: start")
    upload = next(line.split(": ", 1)[1] for line in begun.splitlines() if line.lower().startswith("location"))
    upload = server.at(upload)
    first = curl("-X", "PUT", upload, "-H", "Content-Range: bytes 0-262143/1000000", "--data-binary", f"@{work}/first")
    assert " 308 " in first.splitlines()[0] and "range: bytes=0-262143" in first.lower()
    rest = ["-H", "Content-Range: bytes 262144-999999/1000000", "--data-binary", f"@{work}/rest"]
    assert " 201 " in curl("-X", "PUT", upload, *rest).splitlines()[0]
    assert sha256_at(server, api.target("curl.bin")) == hashlib.sha256(content).hexdigest()
