"""What was put in comes out, byte for byte, under its name."""

import hashlib
import re
import subprocess
import urllib.parse

import pytest

from conftest import SEED, SOAK
from harness.content import Content
from harness.http import Connection, exchange, target_of

MIB = 1 << 20
GIB = 1 << 30

NAMES = {
    "plain": "q3.pdf",
    "folders": "2026/11/q3 (final).pdf",
    "spaces": "the report of  the year.txt",
    "plus": "a+b=c.txt",
    "percent": "100%.txt",
    "percent-2f": "not%2Fa%2Ffolder.txt",
    "question": "what?.txt",
    "hash": "no#fragment.txt",
    "ampersand": "a&b;c,d.txt",
    "quotes": "\"double\" and 'single'.txt",
    "backslash": "back\\slash.txt",
    "arabic": "تقرير نهائي.pdf",
    "emoji": "👩‍👩‍👧 family 🎉.jpg",
    "decomposed": "Cafe\u0301.txt",
    "composed": "Café.txt",
    "255-bytes": "ä" * 125 + "x.txt",
    "dots": "...hidden..name...",
    "tilde": "~user/.profile",
}


def digest_by_get(port, target, fields=()):
    """The answer to a GET, and the digest and length of its body, which is not kept."""
    digest, n_bytes = hashlib.sha256(), 0

    def take(piece):
        nonlocal n_bytes
        digest.update(piece)
        n_bytes += len(piece)

    with Connection(port) as connection:
        connection.request("GET", target, fields)
        answer = connection.receive_head()
        connection.receive_exactly(int(answer["content-length"]), take)
    return answer, digest.hexdigest(), n_bytes


def name_said(answer):
    """The file name by `Content-Disposition`, as a browser reads it (RFC 6266, RFC 8187)."""
    field = answer["content-disposition"]
    if extended := re.search(r"filename\*=UTF-8''([^;]+)", field):
        return urllib.parse.unquote(extended[1], errors="strict")
    return re.search(r'filename="([^"\\]*)"', field)[1]


def name_expected(key):
    """The last segment of a key, without what no file system or browser has in a name."""
    return key.rsplit("/", 1)[-1].replace("\\", "_")


@pytest.mark.parametrize("form", ["token", "link"])
@pytest.mark.parametrize("size", [0, 1, 16 << 10, (16 << 10) + 1, 5 * MIB], ids=lambda size: f"{size}-bytes")
def test_any_size_comes_back(shared, size, form):
    content = Content(f"{SEED} {form}", size)
    key = f"sizes/{form}/{size}"
    shared.put_new(key, content)
    issued = shared.issue(key, form=form)
    answer, digest, n_bytes = digest_by_get(shared.server.port, target_of(issued["url"]))
    assert answer.status == 200
    assert (n_bytes, digest) == (size, content.sha256)


@pytest.mark.parametrize("name", NAMES)
def test_any_name_comes_back(shared, name):
    key, content = NAMES[name], Content(f"{SEED} {name}", 1000)
    assert len(key.rsplit("/", 1)[-1].encode()) <= 255
    shared.put_new(key, content, fields={"Content-Type": "application/pdf"})
    assert shared.objects(prefix=key)[0]["key"] == key
    for form in ("token", "link"):
        answer, digest, _ = digest_by_get(shared.server.port, shared.target(key, form=form))
        assert (answer.status, digest) == (200, content.sha256)
        assert answer["content-disposition"].startswith("attachment;")
        assert name_said(answer) == name_expected(key)


def test_names_that_look_alike_are_different_objects(shared):
    """`%2F` in a key is three characters, `+` is no space, and Unicode is not normalised."""
    pairs = [("x%2Fy", "x/y"), ("x+y", "x y"), ("x%20y", "x y"), (NAMES["decomposed"], NAMES["composed"]), ("X", "x")]
    for first, second in pairs:
        contents = {key: Content(f"{SEED} {key}", 100) for key in (f"pairs/{first}", f"pairs/{second}")}
        for key, content in contents.items():
            assert shared.put(key, content, fields={"Content-Type": "text/plain"}).status in (200, 201)
        for key, content in contents.items():
            _, digest, _ = digest_by_get(shared.server.port, shared.target(key))
            assert digest == content.sha256, key


def test_a_name_and_type_can_be_chosen_when_signing(shared):
    content = Content(SEED, 10)
    shared.put_new("chosen", content, content_type="text/plain")
    target = shared.target("chosen", filename='Größe "M".csv', content_type="text/csv", disposition="attachment")
    answer, _, _ = digest_by_get(shared.server.port, target)
    assert name_said(answer) == 'Größe "M".csv'
    assert answer["content-type"].startswith("text/csv")


def test_head_says_what_get_says(shared):
    shared.put_new("head", Content(SEED, 3000), content_type="image/png")
    for form in ("token", "link"):
        target = shared.target("head", form=form)
        head, get = (exchange(shared.server.port, method, target) for method in ("HEAD", "GET"))
        for answer in (head, get):
            del answer.fields["date"]
        assert (head.status, head.fields) == (get.status, get.fields)
        assert len(get.body) == 3000


def test_ranges_are_parts_of_the_whole(shared, rng):
    content = Content(SEED, 3 * MIB + 17)
    shared.put_new("ranges", content)
    target = shared.target("ranges")
    size = content.size
    cases = [(0, 1), (0, size), (size - 1, size), (MIB - 1, MIB + 1)]
    cases += [tuple(sorted(rng.sample(range(size + 1), 2))) for _ in range(20)]
    for start, end in cases:
        answer = exchange(shared.server.port, "GET", target, {"Range": f"bytes={start}-{end - 1}"})
        assert (answer.status, answer["content-range"]) == (206, f"bytes {start}-{end - 1}/{size}")
        assert answer.body == content.part(start, end)
    clamped = exchange(shared.server.port, "GET", target, {"Range": f"bytes={size - 5}-{size + 1000}"})
    assert (clamped.status, clamped.body) == (206, content.part(size - 5, size))
    suffix = exchange(shared.server.port, "GET", target, {"Range": "bytes=-7"})
    assert (suffix.status, suffix.body) == (206, content.part(size - 7, size))
    beyond = exchange(shared.server.port, "GET", target, {"Range": f"bytes={size}-"})
    assert (beyond.status, beyond["content-range"]) == (416, f"bytes */{size}")


def test_several_ranges_come_as_parts(shared):
    content = Content(SEED, 100_000)
    shared.put_new("several", content, content_type="text/plain")
    ranges = [(10, 20), (50_000, 50_001), (99_990, 100_000)]
    field = "bytes=" + ",".join(f"{start}-{end - 1}" for start, end in ranges)
    answer = exchange(shared.server.port, "GET", shared.target("several"), {"Range": field})
    assert answer.status == 206
    boundary = re.fullmatch(r"multipart/byteranges; boundary=\"?([\w'()+,./:=?-]+)\"?", answer["content-type"])[1]
    expected = b""
    for start, end in ranges:
        head = f"--{boundary}\r\nContent-Type: text/plain\r\nContent-Range: bytes {start}-{end - 1}/{content.size}\r\n\r\n"
        expected += head.encode() + content.part(start, end) + b"\r\n"
    expected += f"--{boundary}--\r\n".encode()
    lower = lambda body: re.sub(rb"(?m)^(content-(?:type|range)):", lambda name: name[0].lower(), body, flags=re.I)
    assert lower(answer.body).strip() == lower(expected).strip()


def test_an_upload_url_takes_what_curl_sends(shared, work):
    """The other way round: a URL to write, and plain curl."""
    content = Content(SEED, 2 * MIB + 3)
    source, got = work / "source", work / "got"
    source.write_bytes(content.bytes())
    issued = shared.issue("by-curl.bin", "write")
    curl = ["curl", "--silent", "--show-error", "--fail-with-body"]
    headers = [part for name, value in issued["required_headers"].items() for part in ("-H", f"{name}: {value}")]
    subprocess.run([*curl, *headers, "-T", source, issued["url"]], check=True, timeout=60)
    subprocess.run([*curl, "-o", got, shared.issue("by-curl.bin")["url"]], check=True, timeout=60)
    assert hashlib.sha256(got.read_bytes()).hexdigest() == content.sha256
    again = subprocess.run(
        [*curl, "-T", source, issued["url"], "-o", "/dev/null", "-w", "%{http_code}"], capture_output=True, timeout=60
    )
    assert again.stdout == b"410", "a write grant is used up by its upload"


def test_curl_saves_under_the_right_name(shared, work):
    content = Content(SEED, 500)
    shared.put_new('folder/it\'s a "name" with +.txt', content)
    url = shared.issue('folder/it\'s a "name" with +.txt', form="link")["url"]
    subprocess.run(["curl", "--silent", "--fail", "-OJ", url], check=True, timeout=60, cwd=work)
    # curl knows no `filename*` and takes the fallback, in which quotes are replaced.
    assert [path.name for path in work.iterdir()] == ["it's a _name_ with +.txt"]
    assert next(work.iterdir()).read_bytes() == content.bytes()


@pytest.mark.parametrize("upload", ["api", "write-url"])
def test_a_large_file_comes_back(api, upload):
    """5 GiB in the soak: more than any count of 32 bits."""
    content = Content(f"{SEED} large", 5 * GIB if SOAK else GIB)
    if upload == "api":
        api.put_new("large", content)
    else:
        with Connection(api.server.port) as connection:
            fields = {"Content-Length": str(content.size)}
            connection.request("PUT", api.target("large", "write"), fields, content.pieces())
            answer = connection.receive_head()
            answer.body = connection.receive_body(answer)
        assert (answer.status, answer.json["sha256"]) == (201, content.sha256)
    answer, digest, n_bytes = digest_by_get(api.server.port, api.target("large", uses=1))
    assert (answer.status, n_bytes, digest) == (200, content.size, content.sha256)
    tail = exchange(api.server.port, "GET", api.target("large"), {"Range": "bytes=-100"})
    assert tail.body == content.part(content.size - 100, content.size)
