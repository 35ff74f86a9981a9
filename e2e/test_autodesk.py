"""Autodesk's API: uploads in parts outlive a crash, copies take no room, and a bucket of any size is listed page by page."""

import concurrent.futures
import hashlib
import json
import re
import threading
import time
import urllib.parse

import pytest

from conftest import SEED, SOAK
from harness.api import Api
from harness.content import Content
from harness.downloads import Trigger, together
from harness.http import Broken, exchange, target_of

KIB = 1 << 10
N_PARTS = 40
PART_BYTES = 200 * KIB
N_RUNS = 20 if SOAK else 3
OBJECTS = "/oss/v2/buckets/reports/objects"


def path_of(key, rest=""):
    """Where an object is."""
    return f"{OBJECTS}/{urllib.parse.quote(key, safe='')}{rest}"


def begin(api, key, upload_key=None, first=1, n_parts=N_PARTS):
    """URLs for parts; without a handle, of a new upload."""
    query = {"parts": n_parts, "firstPart": first, "minutesExpiration": 30, **({"uploadKey": upload_key} if upload_key else {})}
    answer = api.call("GET", path_of(key, f"/signeds3upload?{urllib.parse.urlencode(query)}"))
    assert answer.status == 200, answer
    return answer.json


def put_part(server, url, content, number):
    """Puts a part; gives its entity tag."""
    part = content.part((number - 1) * PART_BYTES, number * PART_BYTES)
    answer = exchange(server.port, "PUT", target_of(url), (), part)
    assert answer.status == 200, answer
    assert answer["etag"] == f'"{hashlib.md5(part, usedforsecurity=False).hexdigest()}"'
    return answer["etag"]


def complete(api, key, upload_key, etags=None):
    """Completes an upload; gives the answer."""
    return api.call("POST", path_of(key, "/signeds3upload"), {"uploadKey": upload_key, **({"eTags": etags} if etags else {})})


def is_there(api, key):
    """Whether the object can be seen, in whichever way; in all of them or in none."""
    listed = api.call("GET", f"{OBJECTS}?limit=100").json["items"]
    seen = [
        api.call("GET", path_of(key)).status == 200,
        api.call("GET", path_of(key, "/details")).status == 200,
        api.call("GET", path_of(key, "/signeds3download")).status == 200,
        key in [item["objectKey"] for item in listed],
    ]
    assert len(set(seen)) == 1, seen
    return seen[0]


@pytest.mark.parametrize("run", range(N_RUNS))
def test_an_upload_in_40_parts_goes_on_after_a_crash(serve, rng, run):
    """kill -9 while parts are put; what was acknowledged is there, and nothing is seen before it is complete."""
    server = serve()
    api, key = Api(server), "big/file.bin"
    content = Content(f"{SEED} {run} parts", N_PARTS * PART_BYTES - 77)
    upload = begin(api, key)
    etags, lock = {}, threading.Lock()
    crash = Trigger(rng.randrange(1, N_PARTS - 4), server.kill)
    numbers = list(range(1, N_PARTS + 1))
    rng.shuffle(numbers)

    def put(worker):
        try:
            for number in numbers[worker::4]:
                etag = put_part(server, upload["urls"][number - 1], content, number)
                with lock:
                    etags[number] = etag
                crash.count(1)
        except (Broken, OSError):
            assert server.n_kills == 1, "nobody broke off but by the crash"

    together(range(4), put)
    assert server.n_kills == 1 and 0 < len(etags) < N_PARTS, "the crash came in the middle"
    server.start()

    assert not is_there(api, key)
    early = complete(api, key, upload["uploadKey"])
    assert (early.status, early.json["reason"]) == (400, "MissingOrInvalidParts")
    there = {part["part"]: part["status"] for part in early.json["parts"]}
    assert all(there[number] != "Pending" for number in etags), "what was acknowledged is there"
    assert not is_there(api, key)
    # The URLs from before work on; fresh ones do as well.
    for number in sorted(set(numbers) - set(etags)):
        url = upload["urls"][number - 1] if number % 2 else begin(api, key, upload["uploadKey"], number, 1)["urls"][0]
        etags[number] = put_part(server, url, content, number)
    done = complete(api, key, upload["uploadKey"], [etags[number] for number in sorted(etags)])
    assert (done.status, done.json["size"]) == (200, content.size), done
    assert is_there(api, key)
    found = exchange(server.port, "GET", target_of(api.call("GET", path_of(key, "/signeds3download")).json["url"]))
    assert hashlib.sha256(found.body).hexdigest() == content.sha256


@pytest.mark.parametrize("run", range(N_RUNS))
def test_a_crash_while_parts_become_an_object(serve, rng, run):
    """The object is there whole, or not at all and can still be completed."""
    server = serve()
    api, key = Api(server), "big/file.bin"
    content = Content(f"{SEED} {run} complete", N_PARTS * PART_BYTES)
    upload = begin(api, key)
    for number in range(1, N_PARTS + 1):
        put_part(server, upload["urls"][number - 1], content, number)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        answer = pool.submit(complete, api, key, upload["uploadKey"])
        # Anywhere in the few hundredths of a second that it takes: no assertion hangs on where.
        time.sleep(rng.uniform(0, 0.05))
        server.kill()
        try:
            acknowledged = answer.result().status == 200
        except (Broken, OSError):
            acknowledged = False
    server.start()
    if not is_there(api, key):
        assert not acknowledged
        done = complete(api, key, upload["uploadKey"])
        assert done.status == 200, done
    again = complete(api, key, upload["uploadKey"])
    assert (again.status, again.json["reason"]) == (400, "InvalidUploadKey"), "it is complete once"
    found = api.call("GET", path_of(key))
    assert hashlib.sha256(found.body).hexdigest() == content.sha256


def test_a_copy_takes_no_room(serve):
    """The bytes of a copy are the original's on the disk; deleting either leaves the other."""
    server = serve()
    api = Api(server)
    content = Content(f"{SEED} copy", 3 << 20)
    api.put_new("original", content)
    for number in range(5):
        answer = api.call("PUT", path_of("original", f"/copyto/copy%2F{number}"))
        assert (answer.status, answer.json["size"]) == (200, content.size), answer
    files = {file.stat().st_ino: file.stat().st_nlink for file in server.data.glob("objects/blobs/*/*")}
    assert list(files.values()) == [6], "six names of one file"
    assert api.call("DELETE", path_of("original")).status == 200
    server.kill()
    server.start()
    for number in range(5):
        found = api.call("GET", path_of(f"copy/{number}"))
        assert hashlib.sha256(found.body).hexdigest() == content.sha256


def test_a_bucket_of_many_objects_is_listed_page_by_page(serve):
    """Every object once, in the order of the keys' bytes; a page has what was asked for, wherever it begins."""
    server = serve()
    api = Api(server)
    n_objects = 10_000 if SOAK else 1_000
    keys = sorted((f"dir {number % 7}/ü{number:05}" for number in range(n_objects)), key=lambda key: key.encode())

    def put(worker):
        for key in keys[worker::8]:
            api.put_new(key, Content(key, 3))

    together(range(8), put)
    for prefix in ("", "dir 3/"):
        expected = [key for key in keys if key.startswith(prefix)]
        found, target = [], f"{OBJECTS}?{urllib.parse.urlencode({'limit': 100, 'beginsWith': prefix})}"
        while target:
            answer = api.call("GET", target)
            assert answer.status == 200, answer
            found += [item["objectKey"] for item in answer.json["items"]]
            following = answer.json.get("next")
            assert following is None or len(answer.json["items"]) == 100
            target = following and target_of(following)
        assert found == expected
    assert all(re.fullmatch("[0-9a-f]{40}", item["sha1"]) for item in api.call("GET", f"{OBJECTS}?limit=100").json["items"])


def test_batches(shared):
    """25 uploads and downloads in three calls."""
    keys = [f"batch/{number} ü.txt" for number in range(25)]
    begun = shared.call("POST", f"{OBJECTS}/batchsigneds3upload", {"requests": [{"objectKey": key} for key in keys]})
    assert begun.status == 200, begun
    results = begun.json["results"]
    assert list(results) == keys
    for key in keys:
        put = exchange(shared.server.port, "PUT", target_of(results[key]["urls"][0]), (), key.encode())
        assert put.status == 200, put
    requests = [{"objectKey": key, "uploadKey": results[key]["uploadKey"]} for key in keys]
    done = shared.call("POST", f"{OBJECTS}/batchcompleteupload", {"requests": requests})
    assert {item["size"] for item in done.json["results"].values()} == {len(key.encode()) for key in keys}
    found = shared.call("POST", f"{OBJECTS}/batchsigneds3download", {"requests": [{"objectKey": key} for key in keys]})
    for key in keys:
        got = exchange(shared.server.port, "GET", target_of(found.json["results"][key]["url"]))
        assert (got.status, got.body) == (200, key.encode())
    too_many = {"requests": [{"objectKey": str(number)} for number in range(26)]}
    refused = shared.call("POST", f"{OBJECTS}/batchsigneds3download", too_many)
    assert (refused.status, json.loads(refused.body)) == (400, {"reason": "Invalid field 'requests': expected 1 to 25, found 26"})
