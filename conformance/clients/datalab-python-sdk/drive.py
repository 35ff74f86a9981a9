"""datalab-python-sdk: uploads, lists, metadata, downloads, deletions, refusals, by its two clients."""

import asyncio
import hashlib
import importlib.metadata
import json
import os
import pathlib
import random
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request

from datalab_sdk import AsyncDatalabClient, DatalabClient
from datalab_sdk.exceptions import DatalabAPIError, DatalabFileError

URL, KEY, OTHER_KEY = (os.environ[name] for name in ("VALETKEY_URL", "VALETKEY_BEARER", "VALETKEY_OTHER_BEARER"))
MIB = 1 << 20
n_failed = 0


def check(name, body):
    """One check: `ok NAME`, or `not ok NAME: why`."""
    global n_failed
    try:
        body()
        print(f"ok {name}", flush=True)
    except Exception as error:  # Whatever a client raises is a finding.
        n_failed += 1
        print(f"not ok {name}: {error!r}"[:800].replace("\n", " "), flush=True)


def equal(found, expected):
    """What is found is what is expected."""
    assert found == expected, f"{found!r} is not {expected!r}"


def refused(status, call):
    """The call fails, with this status."""
    try:
        found = call()
    except DatalabAPIError as error:
        equal(error.status_code, status)
    else:
        raise AssertionError(f"{found!r}, and not {status}")


def fetched(url, fields=()):
    """What a URL answers to whoever has it: the body and the answer's fields."""
    with urllib.request.urlopen(urllib.request.Request(url, headers=dict(fields)), timeout=60) as answer:
        return answer.read(), answer.headers


def is_status(status, url, fields=()):
    """What a URL answers is this failure; gives its body."""
    try:
        fetched(url, fields)
    except urllib.error.HTTPError as error:
        equal(error.code, status)
        return json.loads(error.read())
    raise AssertionError(f"not refused with {status}")


def written(work, name, size):
    """A file to upload; gives its path and content."""
    content = random.Random(name).randbytes(size)
    path = work / name
    path.write_bytes(content)
    return path, content


def is_uploaded(file, path, content):
    """What the client says of a file is so."""
    equal((file.original_filename, file.upload_status, file.file_size), (path.name, "completed", len(content)))
    assert isinstance(file.file_id, int) and file.reference.startswith("datalab://file-"), file
    assert file.created, file


def drive_sync(work):
    """The client without asyncio."""
    client = DatalabClient(api_key=KEY, base_url=URL)
    check("sync: the list of nothing", lambda: equal(client.list_files(), {"files": [], "total": 0, "limit": 50, "offset": 0}))
    named = {"report.pdf": 100_000, "Größe – تقرير 🎉.csv": 1_000, "empty.txt": 0, "no-extension": 17, "large.bin": 9 * MIB + 1}
    files = {}
    for name, size in named.items():
        path, content = written(work, name, size)

        def upload():
            file = client.upload_files(path)
            is_uploaded(file, path, content)
            files[name] = (file, content)

        check(f"sync: upload {name}", upload)
    file, content = files["report.pdf"]
    hash_id = file.reference.removeprefix("datalab://file-")

    def metadata():
        for file_id in (file.file_id, hash_id):
            equal(client.get_file_metadata(file_id), file)
        equal(client.get_file_metadata(files["no-extension"][0].file_id).content_type, "application/octet-stream")

    check("sync: metadata, by either id", metadata)

    def download():
        for file, content in files.values():
            told = client.get_file_download_url(file.file_id, expires_in=60)
            equal((told["expires_in"], told["file_id"], told["original_filename"]), (60, file.file_id, file.original_filename))
            body, fields = fetched(told["download_url"])
            equal(hashlib.sha256(body).digest(), hashlib.sha256(content).digest())
            equal(fields["Content-Type"], file.content_type)
            assert urllib.parse.quote(file.original_filename) in fields["Content-Disposition"] or file.original_filename.isascii()

    check("sync: every file comes back", download)
    url = lambda: client.get_file_download_url(hash_id)["download_url"]
    check("sync: a URL by the hash id", lambda: equal(fetched(url())[0], content))
    check("sync: a part of it", lambda: equal(fetched(url(), {"Range": "bytes=10-19"})[0], content[10:20]))
    check("sync: with a key that it does not need", lambda: equal(fetched(url(), {"X-API-Key": "other"})[0], content))

    def pages():
        newest = [file for file, _ in files.values()][::-1]
        equal(client.list_files(), {"files": newest, "total": 5, "limit": 50, "offset": 0})
        for limit in (1, 2, 3):
            found = []
            while len(found) < 5:
                page = client.list_files(limit=limit, offset=len(found))
                equal((page["total"], page["limit"], page["offset"]), (5, limit, len(found)))
                found += page["files"]
            equal(found, newest)
        equal(client.list_files(offset=5)["files"], [])

    check("sync: the list, page by page", pages)
    check("sync: a page that is none", lambda: [refused(422, lambda: client.list_files(**bad)) for bad in ({"limit": 101}, {"offset": -1})])
    check("sync: several at once", lambda: several(client, work))

    def delete():
        path, content = written(work, "doomed.pdf", 1_000)
        doomed = client.upload_files(path)
        link = client.get_file_download_url(doomed.file_id)["download_url"]
        equal(fetched(link)[0], content)
        before = client.list_files(limit=1)["total"]
        told = client.delete_file(doomed.reference.removeprefix("datalab://file-"))
        equal(told, {"success": True, "message": f"File {doomed.file_id} deleted successfully"})
        equal(client.list_files(limit=1)["total"], before - 1)
        equal(is_status(404, link), {"detail": "File not found"})
        for call in (client.get_file_metadata, client.get_file_download_url, client.delete_file):
            refused(404, lambda: call(doomed.file_id))

    check("sync: a deletion", delete)
    check("sync: a file that there is not", lambda: refused(404, lambda: client.get_file_metadata(1)))
    check("sync: an id that is none", lambda: refused(422, lambda: client.get_file_metadata("x")))
    wrong = DatalabClient(api_key="wrong", base_url=URL)
    check("sync: a wrong key", lambda: [refused(401, call) for call in (wrong.list_files, lambda: wrong.upload_files(path_of(files, work)))])

    def another():
        stranger = DatalabClient(api_key=OTHER_KEY, base_url=URL)
        equal(stranger.list_files()["total"], 0)
        for call in (stranger.get_file_metadata, stranger.get_file_download_url, stranger.delete_file):
            refused(404, lambda: call(file.file_id))

    check("sync: another's files are not there", another)


def path_of(files, work):
    """A file that is on the disk."""
    return work / next(iter(files))


def several(client, work):
    """Files uploaded at the same time."""
    made = [written(work, f"several-{number}.txt", 1_000 + number) for number in range(8)]
    done = client.upload_files([path for path, _ in made])
    for file, (path, content) in zip(done, made, strict=True):
        is_uploaded(file, path, content)
        equal(fetched(client.get_file_download_url(file.file_id)["download_url"])[0], content)
    equal(len({file.file_id for file in done}), 8)


def drive_async(work):
    """The client for asyncio."""

    def check_async(name, body):
        async def run():
            async with AsyncDatalabClient(api_key=KEY, base_url=URL) as client:
                await body(client)

        check(f"async: {name}", lambda: asyncio.run(run()))

    async def whole_life(client):
        path, content = written(work, "life.pdf", 50_000)
        file = await client.upload_files(path)
        is_uploaded(file, path, content)
        equal(await client.get_file_metadata(file.file_id), file)
        equal((await client.list_files(limit=1))["files"], [file])
        told = await client.get_file_download_url(file.file_id, expires_in=86_400)
        equal(await asyncio.to_thread(lambda: fetched(told["download_url"])[0]), content)
        equal((await client.delete_file(file.file_id))["success"], True)
        try:
            await client.get_file_metadata(file.file_id)
        except DatalabAPIError as error:
            equal(error.status_code, 404)
        else:
            raise AssertionError("it is still there")

    check_async("upload, metadata, list, download, deletion", whole_life)

    async def at_once(client):
        made = [written(work, f"at-once-{number}.bin", 10_000) for number in range(20)]
        done = await client.upload_files([path for path, _ in made])
        equal({file.original_filename for file in done}, {path.name for path, _ in made})
        calls = [call(file.file_id) for file in done for call in (client.get_file_metadata, client.get_file_download_url)]
        for told in await asyncio.gather(*calls):
            assert told, told
        equal({file.file_id for file in (await client.list_files(limit=20))["files"]}, {file.file_id for file in done})
        await asyncio.gather(*(client.delete_file(file.file_id) for file in done))

    check_async("twenty files at once", at_once)

    async def pending(client):
        # What its upload does, step by step, and stops at.
        begun = await client._make_request("POST", "/api/v1/files/upload", json={"filename": "p.txt", "content_type": "text/plain"})
        equal((begun["expires_in"], (await client.get_file_metadata(begun["file_id"])).upload_status), (3600, "pending"))
        equal((await client.list_files(limit=1))["files"][0].upload_status, "pending")
        for path, status in (("confirm", 400), ("download", 404)):
            try:
                await client._make_request("GET", f"/api/v1/files/{begun['file_id']}/{path}")
            except DatalabAPIError as error:
                equal(error.status_code, status)
            else:
                raise AssertionError(path)
        request = urllib.request.Request(begun["upload_url"], b"content", {"Content-Type": "text/plain"}, method="PUT")
        await asyncio.to_thread(lambda: urllib.request.urlopen(request).close())
        told = [await client._make_request("GET", f"/api/v1/files/{begun['file_id']}/confirm") for _ in range(3)]
        assert told[0]["success"] is True and told[0] == told[1] == told[2], told
        equal((await client.get_file_metadata(begun["file_id"])).file_size, 7)

    check_async("a file that waits for its bytes", pending)

    async def missing(client):
        try:
            await client.upload_files(work / "not-there.pdf")
        except DatalabFileError:
            return
        raise AssertionError("there is no such file on the disk")

    check_async("a path that is none", missing)


def main():
    print(f"version {importlib.metadata.version('datalab-python-sdk')}", flush=True)
    with tempfile.TemporaryDirectory() as directory:
        work = pathlib.Path(directory)
        drive_sync(work)
        drive_async(work)
    sys.exit(1 if n_failed else 0)


if __name__ == "__main__":
    main()
