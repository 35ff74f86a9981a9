"""Programs that people download with, each under a URL with a number of uses: what they need to come to their end, and no more."""

import re
import shutil
import subprocess
import time

import pytest

from conftest import SEED
from harness.api import Api
from harness.content import Content
from harness.cutting_proxy import CuttingProxy
from harness.downloads import Client, sha256_of
from harness.http import exchange, target_of
from harness.uses import assert_n_left

MIB = 1 << 20
SLACK_BYTES = 40 * MIB
NAVIGATION = {"Sec-Fetch-Mode": "navigate", "Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "User-Agent": "Mozilla/5.0"}


def run(*command, **more):
    """A program to its end."""
    assert shutil.which(command[0]), f"{command[0]} is not installed"
    return subprocess.run([str(part) for part in command], capture_output=True, timeout=300, stdin=subprocess.DEVNULL, **more)


@pytest.mark.parametrize("size", [1, 3 * MIB, 40 * MIB + 7, 300 * MIB], ids=lambda size: f"{size}-bytes")
@pytest.mark.parametrize("form", ["token", "link"])
def test_aria2_with_eight_connections_makes_one_use(shared, work, form, size):
    content = Content(f"{SEED} aria2", size)
    key = f"aria2/{form}/{size}"
    shared.put_new(key, content)
    url = shared.issue(key, form=form, uses=2)["url"]
    done = run("aria2c", "-x8", "-s8", "-k1M", "--file-allocation=none", "--no-conf", "-d", work, "-o", "file", url)
    assert done.returncode == 0, done.stdout[-2000:]
    assert sha256_of(work / "file") == content.sha256
    assert_n_left(shared.server, target_of(url), content, 1)


@pytest.mark.parametrize("form", ["token", "link"])
def test_a_shell_that_goes_on_with_curl_comes_to_its_end(shared, work, form):
    """20 MiB over a line that is cut every 3 MiB."""
    content = Content(f"{SEED} shell", 20 * MIB)
    shared.put_new(f"shell/{form}", content)
    url = shared.issue(f"shell/{form}", form=form, uses=2)["url"]
    loop = 'for i in 1 2 3 4 5 6 7 8 9 10; do curl --silent --show-error --fail -C - -o "$1" "$2" && exit 0; done; exit 1'
    with CuttingProxy(shared.server.port, 3 * MIB, every=True, receive_buffer=256 << 10) as proxy:
        done = run("sh", "-c", loop, "sh", work / "file", proxy.url(url))
    assert done.returncode == 0, done.stderr
    assert proxy.n_connections == 7
    assert sha256_of(work / "file") == content.sha256
    assert_n_left(shared.server, target_of(url), content, 1)


@pytest.mark.parametrize("cut_at", [MIB, 22 * MIB], ids=["early", "late"])
def test_curl_that_begins_again_is_done_or_clearly_refused(shared, work, cut_at):
    """`--retry-all-errors` begins at 0 each time: what came before is lost, and of that there may be half."""
    content = Content(f"{SEED} retry", 24 * MIB)
    shared.put_new(f"retry/{cut_at}", content)
    url = shared.issue(f"retry/{cut_at}", uses=1)["url"]
    retrying = ("curl", "--silent", "--show-error", "--fail", "--retry", "3", "--retry-all-errors", "--retry-delay", "1")
    with CuttingProxy(shared.server.port, cut_at, receive_buffer=256 << 10) as proxy:
        # The line is cut once: the proxy then passes on as much as there is.
        first = run("curl", "--silent", "--fail", "-o", work / "file", proxy.url(url))
    assert first.returncode == 18
    again = run(*retrying, "-o", work / "file", url)
    if cut_at == MIB:
        assert again.returncode == 0, again.stderr
        assert sha256_of(work / "file") == content.sha256
    else:
        assert again.returncode == 22 and re.search(rb"409", again.stderr), again.stderr
        on = run("curl", "--silent", "--show-error", "--fail", "-C", str(cut_at), "-o", work / "rest", url)
        assert on.returncode == 0, on.stderr
        assert (work / "rest").read_bytes() == content.part(cut_at, content.size)
    assert_n_left(shared.server, target_of(url), content, 0)


def test_curl_retries_through_cuts_within_the_budget(shared, work):
    """Cut each time at the same place: it never comes to its end, and is refused before it has cost too much."""
    content = Content(f"{SEED} hopeless", 24 * MIB)
    shared.put_new("hopeless", content)
    url = shared.issue("hopeless", uses=1)["url"]
    retrying = ("curl", "--silent", "--show-error", "--fail", "--retry", "8", "--retry-all-errors", "--retry-delay", "0")
    with CuttingProxy(shared.server.port, 3 * MIB, every=True, receive_buffer=256 << 10) as proxy:
        done = run(*retrying, "--retry-max-time", "20", "-o", work / "file", proxy.url(url))
    assert done.returncode in (18, 22), done.stderr
    # Whoever still has something to come is the one who began.
    late = Client(shared.server, target_of(url), content, "127.0.3.3", "late")
    assert late.get() in (409, 410) and late.received_bytes == 0


@pytest.mark.parametrize("form", ["token", "link"])
@pytest.mark.parametrize("count", ["completed", "started"])
def test_a_link_scanner_uses_nothing(shared, form, count):
    """It looks at the URL from its own address before the person does: HEAD, a navigation, a prefetch, a form of its own."""
    content = Content(f"{SEED} scanned", 100_000)
    key = f"scanned/{form}/{count}"
    shared.put_new(key, content)
    target = shared.target(key, form=form, uses=1, count=count)
    ask = lambda method, fields, body=None: exchange(
        shared.server.port, method, target, {**NAVIGATION, **fields}, body, source="127.0.8.8"
    )
    for _ in range(3):
        assert ask("HEAD", {}).status == 200
        page = ask("GET", {})
        assert page.status == 200 and page["content-type"] == "text/html; charset=utf-8"
        assert page.get("set-cookie") is None and page.get("valetkey-session") is None
        assert ask("GET", {"Sec-Purpose": "prefetch"}).status == 403
        form_of = {"Content-Type": "application/x-www-form-urlencoded"}
        for body in (b"", b"nonce=", b"nonce=1.x"):
            assert ask("POST", form_of, body).status == 403
    assert_n_left(shared.server, target, content, 1)


def test_a_person_presses_the_button(shared):
    """From wherever they read the page to wherever they press: a train changes its address on the way."""
    content = Content(f"{SEED} pressed", 100_000)
    shared.put_new("pressed", content)
    target = shared.target("pressed", form="link", uses=1)
    page = exchange(shared.server.port, "GET", target, NAVIGATION, source="127.0.5.1")
    nonce = re.search(rb'name="nonce" value="([^"]+)"', page.body)[1]
    form = {**NAVIGATION, "Content-Type": "application/x-www-form-urlencoded"}
    pressed = exchange(shared.server.port, "POST", target, form, b"nonce=" + nonce, source="127.0.5.2")
    assert (pressed.status, pressed["location"]) == (303, target)
    cookie = {"Cookie": pressed["set-cookie"].split(";")[0]}
    stranger = Client(shared.server, target, content, "127.0.5.9", "stranger")
    assert (stranger.get(), stranger.codes) == (409, ["in_use"])
    file = exchange(shared.server.port, "GET", target, {**NAVIGATION, **cookie}, source="127.0.5.3")
    assert (file.status, file.body) == (200, content.bytes())
    assert_n_left(shared.server, target, content, 0)


@pytest.mark.parametrize("uses", [1, 3])
@pytest.mark.parametrize("part", [0.4, 1.0], ids=["less-than-half", "all-but-one"])
def test_taking_and_lapsing_never_gives_more_than_the_budget(serve, uses, part):
    """One after the other takes so much of it, but never the last byte, and lets the session lapse."""
    server = serve(arguments=["--session-idle", "1s"])
    api = Api(server)
    content = Content(f"{SEED} lapsing", 2 * MIB)
    api.put_new("lapsing", content)
    target = api.target("lapsing", uses=uses)
    received, deadline = 0, time.monotonic() + 120
    for number in range(1, 100):
        client = Client(server, target, content, f"127.2.0.{number}", f"taker-{number}")
        while (status := client.get(0, int(content.size * part) - 1)) == 409:
            assert time.monotonic() < deadline, "a session does not lapse"
            time.sleep(0.05)
        received += client.received_bytes
        if status == 410:
            break
        assert status == 206
    assert client.codes[-1] == "used_up"
    assert received <= uses * (2 * content.size + SLACK_BYTES)
    assert received <= content.size * uses * 1.5 + content.size, "what was lost is at most half of each use, and then the last ones"


def test_the_owner_resets(shared):
    content = Content(f"{SEED} reset", 100_000)
    shared.put_new("reset", content)
    for form in ("token", "link"):
        issued = shared.issue("reset", form=form, uses=2)
        target = target_of(issued["url"])
        assert_n_left(shared.server, target, content, 2)
        answer = shared.call("POST", f"/vk/v1/signed-urls/{issued['link_id']}/reset", b"")
        assert answer.status == 204, answer
        assert_n_left(shared.server, target, content, 2)


def test_a_reset_is_remembered(serve):
    server = serve()
    api = Api(server)
    content = Content(SEED, 100_000)
    api.put_new("once", content)
    issued = api.issue("once", uses=1)
    target = target_of(issued["url"])
    assert_n_left(server, target, content, 1)
    assert api.call("POST", f"/vk/v1/signed-urls/{issued['link_id']}/reset", b"").status == 204
    server.kill()
    server.start()
    assert_n_left(server, target, content, 1)


@pytest.mark.parametrize("form", ["token", "link"])
def test_a_start_is_a_use_where_that_is_said(serve, form):
    """Also for the one whom a crash has cut off; who has the secret goes on."""
    server = serve()
    api = Api(server)
    content = Content(f"{SEED} started", 8 * MIB)
    api.put_new("started", content)
    target = api.target("started", form=form, uses=1, count="started")
    holder = Client(server, target, content)
    assert holder.get(stop_after=MIB, receive_buffer=64 << 10) == 200
    for end in (lambda: None, server.kill):
        end()
        if server.pid is None:
            server.start()
        for stranger in (Client(server, target, content, "127.0.0.2", "stranger"), Client(server, target, content)):
            assert (stranger.get(), stranger.codes) == (410, ["used_up"])
    assert holder.get(holder.contiguous_bytes) == 206 and holder.is_complete
