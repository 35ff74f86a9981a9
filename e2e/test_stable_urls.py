"""URLs that stay the same throughout a window, so that browsers and caches know what they have."""

import concurrent.futures
import os
import subprocess
import time

from harness import server as provisioned
from harness.api import Api
from harness.content import Content
from harness.http import exchange, target_of
from harness.server import BINARY

DAY = 86_400


def far_from_midnight():
    """Waits out the last seconds of a window of a day: what follows belongs into one."""
    left = DAY - time.time() % DAY
    if left < 30:
        time.sleep(left + 1)


def test_the_same_bytes_for_all_who_ask_and_after_a_kill(serve):
    far_from_midnight()
    server = serve()
    api = Api(server)
    api.put_new("logo.png", Content("logo", 5000), content_type="image/png")
    for form in ("token", "link"):
        asked = {"form": form, "stable_window_seconds": DAY, "expires_in_seconds": 600}
        first = api.issue("logo.png", **asked)
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            others = list(pool.map(lambda _: api.issue("logo.png", **asked), range(64)))
        assert all(other == first for other in others)
        assert Api(server, provisioned.ADMIN_BEARER).issue("logo.png", **asked)["url"] != first["url"]
        server.kill()
        server.start()
        assert api.issue("logo.png", **asked) == first
        answer = exchange(server.port, "GET", target_of(first["url"]))
        assert answer.status == 200 and len(answer.body) == 5000
        max_age = int(answer["cache-control"].removeprefix("private, max-age="))
        assert 600 <= max_age <= DAY, answer
        again = exchange(server.port, "GET", target_of(first["url"]), {"If-None-Match": answer["etag"]})
        assert again.status == 304


def test_one_that_was_taken_back_is_replaced(shared):
    far_from_midnight()
    shared.put_new("taken.txt", Content("taken", 10))
    for form in ("token", "link"):
        asked = {"form": form, "stable_window_seconds": DAY}
        first = shared.issue("taken.txt", **asked)
        shared.revoke(first["link_id"])
        second = shared.issue("taken.txt", **asked)
        assert second["url"] != first["url"] and shared.issue("taken.txt", **asked) == second
        assert exchange(shared.server.port, "GET", target_of(first["url"])).code == "revoked"
        assert exchange(shared.server.port, "GET", target_of(second["url"])).status == 200


def test_limited_ones_are_refused(shared):
    shared.put_new("limited.txt", Content("limited", 10))
    asked = {"bucket": provisioned.BUCKET, "key": "limited.txt", "permission": "read", "stable_window_seconds": 3600}
    for more in ({"uses": 1}, {"permission": "write"}, {"stable_window_seconds": 59}, {"stable_window_seconds": DAY + 1}):
        answer = shared.call("POST", "/vk/v1/signed-urls", {**asked, **more})
        assert (answer.status, answer.code, answer.json["field"]) == (400, "invalid", "stable_window_seconds"), answer


def test_at_the_command_line(shared):
    far_from_midnight()
    shared.put_new("cli.txt", Content("cli", 10))
    environment = {**os.environ, "VALETKEY_URL": shared.server.url, "VALETKEY_API_KEY": provisioned.BEARER}

    def sign(*arguments):
        command = [str(BINARY), "sign", f"{provisioned.BUCKET}/cli.txt", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)

    first, second = sign("--stable-window", "1d"), sign("--stable-window", "1d")
    assert first.returncode == 0 and first.stdout == second.stdout and first.stdout.startswith("http"), first
    assert sign().stdout != sign().stdout
    assert sign("--stable-window", "1d", "--uses", "1").returncode == 2
