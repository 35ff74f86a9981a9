"""redivis: files added at once and so that they can be resumed, listed, read, streamed, downloaded and signed; tables and datasets; public files; refusals."""

import contextlib
import datetime
import hashlib
import importlib.metadata
import io
import json
import os
import pathlib
import random
import socket
import sys
import tempfile
import time
import traceback
import urllib.parse
import urllib.request

URL = os.environ["VALETKEY_URL"]
BEARER = os.environ["VALETKEY_BEARER"]
# All that a user of the client sets. It reads the address when it is imported.
os.environ["REDIVIS_API_ENDPOINT"] = f"{URL}/api/v1"
os.environ["REDIVIS_API_TOKEN"] = BEARER

import redivis  # noqa: E402
from redivis import exceptions  # noqa: E402

PATIENCE_SECONDS = 30
MANY = 1001
n_failed = 0


def check(body):
    """One check: `ok NAME`, or `not ok NAME: why`."""
    global n_failed
    name = body.__name__.replace("_", " ")
    try:
        with tempfile.TemporaryDirectory() as directory:
            body(pathlib.Path(directory))
        print(f"ok {name}", flush=True)
    except Exception as error:  # noqa: BLE001: whatever the client raises is a finding
        n_failed += 1
        if os.environ.get("VERBOSE"):
            traceback.print_exc()
        print(f"not ok {name}: {type(error).__name__}: {error}"[:800].replace("\n", " "), flush=True)


def equal(found, expected):
    """What is found is what is expected."""
    assert found == expected, f"{found!r:.300} is not {expected!r:.300}"


@contextlib.contextmanager
def refused(kind, status, text=""):
    """The client raises this, and tells what the server said."""
    try:
        yield
    except kind as error:
        equal(error.status_code, status)
        assert text in str(error), str(error)
    else:
        raise AssertionError(f"it was not refused with {status}")


@contextlib.contextmanager
def token(value):
    """Another token; `None` is none."""
    before = os.environ.pop("REDIVIS_API_TOKEN")
    if value is not None:
        os.environ["REDIVIS_API_TOKEN"] = value
    try:
        yield
    finally:
        os.environ["REDIVIS_API_TOKEN"] = before


def content(size, seed):
    """Bytes without a pattern, the same every time."""
    return random.Random(f"{seed} {size}").randbytes(size)


def call(method, path, body=None, bearer=BEARER):
    """A call of the native API, for what has no call in this client."""
    headers = {"Authorization": f"Bearer {bearer}", "Content-Type": "application/json"}
    request = urllib.request.Request(URL + path, data=json.dumps(body or {}).encode(), headers=headers, method=method)
    with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
        return json.loads(answer.read())


def sign(file, duration=60):
    """The vendor's documented call, which has no function."""
    payload = {"duration": duration}
    answer = redivis.make_api_request(method="POST", path=f"{file.uri}/signedUrl", payload=payload, parse_response=False)
    return answer.text


def fetch(url, **headers):
    """What anybody gets, without the client."""
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=PATIENCE_SECONDS) as answer:
        return answer.status, answer.read()


def fresh(name):
    """A table as a new program has it: the client keeps listings in memory by their address."""
    return redivis.table(name)


TABLE = "demo.files.docs"
FILES = {"a.txt": b"first line\nsecond line\nthird", "dir/b.bin": content(3_000_000, 1), "dir/deep/c é.csv": b"", "d": content(5 << 20, 2)}


def files_are_added_from_memory_and_from_disk(directory):
    path = directory / "d"
    path.write_bytes(FILES["d"])
    given = [{"name": name, "data": data} for name, data in FILES.items() if name != "d"]
    fresh(TABLE).add_files(files=[*given, str(path)], progress=False)


def files_are_listed(_):
    files = {str(file.path): file for file in fresh(TABLE).list_files()}
    equal(set(files), set(FILES))
    now = datetime.datetime.now(datetime.timezone.utc)
    for name, data in FILES.items():
        equal((files[name].size, files[name].hash), (len(data), hashlib.md5(data).digest()))
        assert abs((now - files[name].added_at).total_seconds()) < 600, files[name].added_at
    equal(len(fresh(TABLE).list_files(max_results=2)), 2)
    equal(len(fresh(TABLE).list_files(file_id_variable="file_id", file_name_variable="file_name")), len(FILES))


def a_table_has_one_listing_however_it_is_named(_):
    for table in (
        redivis.user("demo").dataset("files", version="next").table("docs"),
        redivis.organization("demo").dataset("files:ab12", version="1.0").table("docs:cd34"),
        redivis.table("Demo.Files:current.DOCS"),
    ):
        equal({str(file.path) for file in table.list_files()}, set(FILES))
    equal(redivis.table("demo.files.other").list_files(), [])


def a_file_is_found_by_its_name(_):
    table = fresh(TABLE)
    file = table.file("dir/deep/c é.csv")
    equal((file.name, file.size), ("c é.csv", 0))
    try:
        table.file("dir/none")
    except exceptions.NotFoundError:
        return
    raise AssertionError("a file was found that there is not")


def a_file_is_read(_):
    table = fresh(TABLE)
    for name, data in FILES.items():
        equal(table.file(name).read(), data)
    equal(table.file("a.txt").read(as_text=True), FILES["a.txt"].decode())
    data = FILES["dir/b.bin"]
    equal(table.file("dir/b.bin").read(start_byte=100, end_byte=199), data[100:200])
    equal(table.file("dir/b.bin").read(start_byte=len(data) - 10), data[-10:])


def a_file_is_streamed(_):
    table = fresh(TABLE)
    with table.file("a.txt").open() as lines:
        equal(list(lines), ["first line\n", "second line\n", "third"])
    data = FILES["d"]
    stream = table.file("d").open("rb")
    equal(stream.read(1000), data[:1000])
    stream.seek(2_000_000)
    equal(stream.read(1000), data[2_000_000:2_001_000])
    stream.seek(-5, os.SEEK_END)
    equal(stream.read(), data[-5:])
    equal(b"".join(table.file("d").open("rb")), data)
    equal(table.file("d").open("rb", start_byte=7, end_byte=9).read(), data[7:10])


def a_file_is_downloaded_with_a_progress_bar(directory):
    for name in ("d", "dir/deep/c é.csv"):
        path = fresh(TABLE).file(name).download(str(directory) + "/", progress=True)
        equal(pathlib.Path(path).read_bytes(), FILES[name])
    named = fresh(TABLE).file("d").download(str(directory / "sub" / "another"), progress=True)
    equal(pathlib.Path(named).read_bytes(), FILES["d"])


def a_file_is_downloaded_again(directory):
    file = fresh(TABLE).file("a.txt")
    path = directory / "a.txt"
    file.download(str(path), progress=False)
    before = path.stat().st_mtime_ns
    equal(file.download(str(path), progress=False), str(path))
    equal(path.stat().st_mtime_ns, before)
    # Without the listing's digest the answer's own is compared.
    bare = fresh(TABLE).file("a.txt")
    bare.size = bare.hash = None
    equal(bare.download(str(path), progress=False), str(path))
    path.write_bytes(b"something else")
    try:
        file.download(str(path), progress=False)
    except exceptions.ValueError:
        file.download(str(path), progress=False, overwrite=True)
        equal(path.read_bytes(), FILES["a.txt"])
        return
    raise AssertionError("another file was overwritten")


def a_directory_is_as_the_names_say(_):
    root = fresh(TABLE).to_directory()
    equal({child.name for child in root.list()}, {"a.txt", "d", "dir"})
    deep = root.get("dir/deep")
    equal([file.name for file in deep.list()], ["c é.csv"])
    equal(deep.get("../b.bin").size, len(FILES["dir/b.bin"]))


def a_directory_is_downloaded_at_once(directory):
    for _ in range(2):
        fresh(TABLE).to_directory().download(str(directory / "all"), progress=True)
        for name, data in FILES.items():
            equal((directory / "all" / name).read_bytes(), data)
    fresh(TABLE).to_directory().get("dir").download(str(directory / "dir"), progress=False, max_concurrency=2)
    equal((directory / "dir" / "b.bin").read_bytes(), FILES["dir/b.bin"])


def a_directory_is_added_at_once(directory):
    for name in ("x.txt", "sub/y.txt"):
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).write_text(name)
    table = redivis.table("demo.files.tree")
    table.add_files(directory=str(directory), progress=True)
    equal({str(file.path): file.read() for file in table.list_files()}, {"x.txt": b"x.txt", "sub/y.txt": b"sub/y.txt"})


def a_thousand_and_one_files_are_added_and_listed(_):
    table = redivis.table("demo.files.many")
    table.add_files(files=[{"name": f"{number:04}.txt", "data": str(number)} for number in range(MANY)], progress=False)
    files = table.list_files()
    equal([str(file.path) for file in files if file.size != len(str(int(file.path.stem)))], [])
    equal(sorted(str(file.path) for file in files), [f"{number:04}.txt" for number in range(MANY)])
    equal(table.file("1000.txt").read(), b"1000")


def a_large_file_is_uploaded_so_that_it_can_be_resumed(directory):
    # The client asks for it from 50 MB on.
    data = content(50_000_001, 3)
    path = directory / "large.bin"
    path.write_bytes(data)
    table = redivis.table("demo.files.large")
    table.add_files(files=[str(path)], progress=True)
    # With a progress bar this version of the client cannot send what is in memory.
    table.add_files(files=[{"name": "from memory.bin", "data": data}, {"name": "small", "data": "x"}], progress=False)
    files = {str(file.path): file for file in table.list_files()}
    equal(set(files), {"large.bin", "from memory.bin", "small"})
    for name in ("large.bin", "from memory.bin"):
        equal((files[name].size, files[name].hash), (len(data), hashlib.md5(data).digest()))
    fetched = pathlib.Path(files["large.bin"].download(str(directory / "fetched"), progress=True))
    equal(hashlib.sha256(fetched.read_bytes()).digest(), hashlib.sha256(data).digest())


def a_resumable_upload_goes_on_where_it_broke_off(_):
    # With the client's own function for what its uploader does after a broken connection.
    from redivis.common import retryable_upload

    data = content(1_000_000, 4)
    table = "/tables/demo.files.resumed"
    payload = {"tempUploads": [{"name": "a.bin", "size": len(data), "resumable": True}]}
    (upload,) = redivis.make_api_request(method="POST", path=f"{table}/tempUploads", payload=payload)["results"]
    headers = {"Authorization": f"Bearer {BEARER}"}
    url = retryable_upload.initiate_resumable_upload(len(data), upload["url"], headers)
    received = lambda: retryable_upload.retry_partial_upload(file_size=len(data), resumable_url=url, headers=headers)  # noqa: E731
    equal(received(), 0)
    break_off(url, data[:600_000], len(data))
    # What has reached the server by then is kept, which is not known here.
    begun = time.monotonic()
    while not (start := received()):
        assert time.monotonic() - begun < PATIENCE_SECONDS, "nothing of it was kept"
    assert start <= 600_000, start
    put = urllib.request.Request(url, data=data[start:], method="PUT")
    put.add_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
    with urllib.request.urlopen(put, timeout=PATIENCE_SECONDS) as answer:
        equal(answer.status, 200)
    equal(received(), len(data))
    files = {"files": [{"name": "a.bin", "tempUploadId": upload["id"]}]}
    redivis.make_api_request(method="POST", path=f"{table}/rawFiles", payload=files)
    equal(redivis.table("demo.files.resumed").file("a.bin").read(), data)


def break_off(url, sent, total):
    """A PUT of everything, of which this comes."""
    parts = urllib.parse.urlsplit(url)
    head = (
        f"PUT {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        f"Content-Length: {total}\r\nContent-Range: bytes 0-{total - 1}/{total}\r\n\r\n"
    )
    with socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE_SECONDS) as connection:
        connection.sendall(head.encode() + sent)


def a_file_of_the_same_name_takes_its_place(_):
    table = redivis.table("demo.files.again")
    for text in ("first", "second"):
        table.add_files(files=[{"name": "a.txt", "data": text}], progress=False)
        table.to_directory()
        equal(table.file("a.txt").read(as_text=True), text)


def a_listing_is_kept_until_something_changes(_):
    table = redivis.table("demo.files.kept")
    table.add_files(files=[{"name": "a.txt", "data": "x"}], progress=False)
    # It cannot be known to be unchanged before the second of the change is over.
    begun = time.monotonic()
    first = table.to_directory()
    while (again := table.to_directory()) is not first:
        first = again
        assert time.monotonic() - begun < PATIENCE_SECONDS, "the listing is never told to be unchanged"
    table.add_files(files=[{"name": "b.txt", "data": "y"}], progress=False)
    equal(len(table.list_files()), 2)


def a_file_is_signed(_):
    file = fresh(TABLE).file("d")
    url = sign(file, 3600)
    assert url.startswith(f"{URL}/api/v1{file.uri}?token="), url
    equal(fetch(url), (200, FILES["d"]))
    equal(fetch(url, Range="bytes=10-19"), (206, FILES["d"][10:20]))
    equal(fetch(sign(file, 0.5))[0], 200)


def a_signed_url_is_for_a_day_at_most(_):
    file = fresh(TABLE).file("d")
    sign(file, 86_400)
    for duration in (0, -1, 86_401, "60", None):
        with refused(exceptions.APIError, 400, "invalid_request"):
            sign(file, duration)


def what_is_not_there_is_not_found(_):
    path = f"/rawFiles/{'0' * 4}-{'0' * 9}.{'A' * 22}"
    for method in ("GET", "HEAD"):
        with refused(exceptions.NotFoundError, 404, "The file does not exist"):
            redivis.make_api_request(method=method, path=path, parse_response=False)
    with refused(exceptions.NotFoundError, 404):
        redivis.make_api_request(method="POST", path=f"{path}/signedUrl", payload={"duration": 60}, parse_response=False)
    for path in ("/tables/demo.files.docs/nothing", "/queries/1", "/workflows/demo.flow"):
        with refused(exceptions.NotFoundError, 404, "The requested resource does not exist"):
            redivis.make_api_request(path=path)


def what_lacks_a_scope_is_told_which(_):
    issue = lambda scope: call("POST", "/vk/v1/token", {"scope": scope})["access_token"]  # noqa: E731
    file = fresh(TABLE).file("a.txt")
    with token(issue("object:read")):
        equal(file.read(), FILES["a.txt"])
        with refused(exceptions.AuthorizationError, 403, "data.edit"):
            fresh(TABLE).add_files(files=[{"name": "a", "data": "x"}], progress=False)
    with token(issue("bucket:read")):
        equal(redivis.make_api_request(method="HEAD", path=file.uri, parse_response=False).headers["X-Redivis-Filename"], "a.txt")
        with refused(exceptions.AuthorizationError, 403, "data.data"):
            file.read()
        with refused(exceptions.AuthorizationError, 403, "data.data"):
            redivis.table("demo.files.unlisted").list_files()


def a_wrong_token_is_refused(_):
    file = fresh(TABLE).file("a.txt")
    with token("wrong"):
        with refused(exceptions.APIError, 401, "invalid_token"):
            file.read()
        with refused(exceptions.APIError, 401, "invalid_token"):
            redivis.make_api_request(method="HEAD", path=file.uri)


def another_tenant_sees_nothing(_):
    file = fresh(TABLE).file("a.txt")
    with token(os.environ["VALETKEY_OTHER_BEARER"]):
        equal(redivis.table("demo.files:v1_0.docs").list_files(), [])
        with refused(exceptions.NotFoundError, 404):
            file.read()
        with refused(exceptions.NotFoundError, 404):
            sign(file)


def anybody_reads_a_public_table(directory):
    call("POST", "/vk/v1/buckets", {"name": "demo.open.leaflets", "public": True})
    redivis.table("demo.open.leaflets").add_files(files=[{"name": "a.txt", "data": "for all"}], progress=False)
    with token(None):
        file = redivis.table("demo.open:current.leaflets").file("a.txt")
        equal(file.read(), b"for all")
        equal(pathlib.Path(file.download(str(directory / "a"), progress=False)).read_bytes(), b"for all")
    with token(os.environ["VALETKEY_OTHER_BEARER"]):
        equal(fetch(sign(file))[1], b"for all")


def tables_and_datasets_are_there_when_they_are_named(_):
    equal(redivis.current_user().name, os.environ["VALETKEY_TENANT"])
    dataset = redivis.dataset("demo.files")
    assert dataset.exists() and dataset.get()["kind"] == "dataset"
    table = dataset.table("docs")
    assert table.exists()
    equal((table.get().qualified_reference, table["name"]), (TABLE, "docs"))
    made = redivis.user("demo").dataset("files").table("new files").create(description="x", is_file_index=False)
    made.add_files(files=[{"name": "a.txt", "data": "x"}], progress=False)
    equal(len(redivis.table("demo.files.new_files").list_files()), 1)
    by_name = redivis.table(TABLE).get()
    equal([file.name for file in by_name.list_files(max_results=1)], ["a.txt"])


def what_is_not_uploaded_is_no_file(_):
    payload = {"tempUploads": [{"name": "a.txt", "size": 3, "resumable": False}]}
    (upload,) = redivis.make_api_request(method="POST", path="/tables/demo.files.none/tempUploads", payload=payload)["results"]
    with refused(exceptions.APIError, 400, "has not been uploaded yet"):
        files = {"files": [{"name": "a.txt", "tempUploadId": upload["id"]}]}
        redivis.make_api_request(method="POST", path="/tables/demo.files.none/rawFiles", payload=files)
    with refused(exceptions.NotFoundError, 404):
        redivis.make_api_request(path=f"/rawFiles/{upload['id']}", parse_response=False)
    equal(redivis.table("demo.files.none").list_files(), [])


def main():
    print(f"version {importlib.metadata.version('redivis')}")
    # Progress bars are drawn for nobody.
    with contextlib.redirect_stderr(sys.stderr if os.environ.get("VERBOSE") else io.StringIO()):
        for body in (
            files_are_added_from_memory_and_from_disk,
            files_are_listed,
            a_table_has_one_listing_however_it_is_named,
            a_file_is_found_by_its_name,
            a_file_is_read,
            a_file_is_streamed,
            a_file_is_downloaded_with_a_progress_bar,
            a_file_is_downloaded_again,
            a_directory_is_as_the_names_say,
            a_directory_is_downloaded_at_once,
            a_directory_is_added_at_once,
            a_thousand_and_one_files_are_added_and_listed,
            a_large_file_is_uploaded_so_that_it_can_be_resumed,
            a_resumable_upload_goes_on_where_it_broke_off,
            a_file_of_the_same_name_takes_its_place,
            a_listing_is_kept_until_something_changes,
            a_file_is_signed,
            a_signed_url_is_for_a_day_at_most,
            what_is_not_there_is_not_found,
            what_lacks_a_scope_is_told_which,
            a_wrong_token_is_refused,
            another_tenant_sees_nothing,
            anybody_reads_a_public_table,
            tables_and_datasets_are_there_when_they_are_named,
            what_is_not_uploaded_is_no_file,
        ):
            check(body)
    sys.exit(1 if n_failed else 0)


if __name__ == "__main__":
    main()
