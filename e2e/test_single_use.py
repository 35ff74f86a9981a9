"""A URL with a number of uses is never completed more often, whoever asks, however, and whatever crashes meanwhile; and whoever
began can finish."""

import itertools
import subprocess
import time

import pytest

from conftest import SEED, SOAK
from harness.api import Api
from harness.content import Content
from harness.cutting_proxy import CuttingProxy
from harness.downloads import Client, Trigger, addresses, sha256_of, together
from harness.http import exchange, target_of
from harness.waiting import until

MIB = 1 << 20
N_CLIENTS = 1000 if SOAK else 200
# What the kernel may have swallowed counts as handed out: the owner's loss is bounded by twice the object and this.
SLACK_BYTES = 40 * MIB
# What one response reserves at a time; what a crash can leave uncertain.
WINDOW_BYTES = 64 * MIB


def clients_of(server, target, content, kind, n_clients=N_CLIENTS):
    """As many clients, alike or all different."""
    if kind == "alike":
        return [Client(server, target, content) for _ in range(n_clients)]
    return [Client(server, target, content, source, f"agent-{source}") for source, _ in zip(addresses(), range(n_clients))]


def assert_never_more_than_one(clients, content):
    """At most one client has the whole object, and all of them together did not get more than the budget."""
    complete = [client for client in clients if client.is_complete]
    assert len(complete) <= 1, f"{len(complete)} clients completed a single use"
    server = clients[0].server
    received = sum(client.received_bytes for client in clients)
    in_flight = server.n_kills * min(content.size, WINDOW_BYTES)
    assert received <= 2 * content.size + SLACK_BYTES + in_flight, f"{received} bytes of {content.size}"
    return complete


@pytest.mark.parametrize("size", [0, 1, 5000, 6 * MIB], ids=lambda size: f"{size}-bytes")
@pytest.mark.parametrize("form", ["token", "link"])
@pytest.mark.parametrize("kind", ["alike", "different"])
def test_one_of_many_clients_completes(shared, kind, form, size):
    content = Content(f"{SEED} {kind} {form}", size)
    key = f"raced/{kind}/{form}/{size}"
    shared.put_new(key, content)
    clients = clients_of(shared.server, shared.target(key, form=form, uses=1), content, kind)
    together(clients, lambda client: client.get())
    assert len(assert_never_more_than_one(clients, content)) == 1
    refused = {status for client in clients for status in client.statuses} - {200}
    assert refused <= {409, 410}
    assert {code for client in clients for code in client.codes} <= {"in_use", "used_up"}
    assert sum(client.statuses.count(200) for client in clients) == 1, "nobody broke off, so only one was begun"
    last = Client(shared.server, clients[0].target, content, "127.1.0.1", "late")
    assert (last.get(), last.codes) == (410, ["used_up"])


@pytest.mark.parametrize("uses", [2, 5])
def test_n_uses_are_n(shared, uses):
    content = Content(f"{SEED} {uses}", 300_000)
    shared.put_new(f"uses/{uses}", content)
    clients = clients_of(shared.server, shared.target(f"uses/{uses}", uses=uses), content, "different", 60)
    together(clients, lambda client: client.get())
    for client in clients:
        if not client.is_complete and client.codes == ["in_use"]:
            client.get()
    assert sum(client.is_complete for client in clients) == uses


def test_one_of_many_clients_with_ranges_completes(shared, rng):
    """Everybody asks for the object in pieces of his own, in any order, with the secret he was given."""
    content = Content(f"{SEED} ranges", 9 * MIB)
    shared.put_new("raced/ranges", content)
    clients = clients_of(shared.server, shared.target("raced/ranges", uses=1), content, "different")
    plans = {client: plan(rng, content.size) for client in clients}

    def run(client):
        for start, end in plans[client]:
            client.get(start, end)

    together(clients, run)
    complete = assert_never_more_than_one(clients, content)
    assert len(complete) == 1, "the one who opened the session has its secret and asked for everything"


def plan(rng, size):
    """The whole of an object as ranges in any order."""
    cuts = sorted({0, size, *(rng.randrange(1, size) for _ in range(rng.randint(1, 5)))})
    ranges = list(zip(cuts, cuts[1:]))
    rng.shuffle(ranges)
    return ranges


@pytest.mark.parametrize("run", range(20 if SOAK else 3))
@pytest.mark.parametrize("kind", ["alike", "different", "ranges"])
def test_no_crash_gives_a_file_to_two(serve, rng, kind, run):
    """The server is killed at random instants and started again; whoever has a secret goes on with it."""
    server = serve()
    api = Api(server)
    content = Content(f"{SEED} {kind} {run}", 24 * MIB)
    api.put_new("raced", content)
    n_kills = rng.randint(1, 3)
    clients = clients_of(
        server, api.target("raced", uses=1), content, "alike" if kind == "alike" else "different", N_CLIENTS // 2
    )
    plans = {client: plan(rng, content.size) for client in clients}

    for _ in range(n_kills):
        instant = rng.randrange(1, content.size)
        crash = Trigger(instant, server.kill)

        def ask(client, crash=crash):
            if kind == "ranges":
                for start, end in plans[client]:
                    client.get(start, end, on_bytes=crash.count)
            else:
                client.get(client.contiguous_bytes if client.secret else None, on_bytes=crash.count)

        together(clients, ask)
        if server.pid is None:
            server.start()
        assert_never_more_than_one(clients, content)

    finish(clients)
    complete = assert_never_more_than_one(clients, content)
    assert len(complete) == 1, "whoever had the secret finished"


@pytest.mark.parametrize("run", range(100 if SOAK else 2))
@pytest.mark.parametrize("uses", [1, 7])
def test_of_many_clients_no_more_than_n_complete(serve, rng, uses, run):
    """The same race for one use and for seven, with sessions that lapse after two seconds: at no instant have more uses gone than there
    are, and nobody gets anything once they have."""
    server = serve(arguments=["--session-idle", "2s"])
    api = Api(server)
    content = Content(f"{SEED} {uses} {run}", 6 * MIB)
    api.put_new("raced", content)
    target = api.target("raced", form=rng.choice(["token", "link"]), uses=uses)
    clients = clients_of(server, target, content, "different", N_CLIENTS // 2)
    for _ in range(rng.randint(1, 3)):
        crash = Trigger(rng.randrange(1, uses * content.size), server.kill)
        together(clients, lambda client, crash=crash: client.get(on_bytes=crash.count))
        if server.pid is None:
            server.start()
        assert (n_whole := n_complete_at_once(clients)) <= uses, f"{n_whole} of {uses}"
    finish(clients)
    # Whoever began and was cut has finished, or has let the session lapse; what is left is for others, until nothing is.
    others = (Client(server, target, content, source, f"late-{source}") for source in itertools.islice(addresses(), 1000, 3000))
    deadline = time.monotonic() + 120
    late = []
    for client in others:
        late.append(client)
        if client.get() == 410:
            break
        if client.codes == ["in_use"]:
            assert time.monotonic() < deadline, "a session does not lapse"
            time.sleep(0.05)
    assert late[-1].codes == ["used_up"]
    everybody = clients + late
    assert n_complete_at_once(everybody) <= uses
    received = sum(client.received_bytes for client in everybody)
    in_flight = server.n_kills * uses * min(content.size, WINDOW_BYTES)
    assert received <= uses * (2 * content.size + SLACK_BYTES) + in_flight, f"{received} bytes of {uses} times {content.size}"


def n_complete_at_once(clients):
    """How many have everything by one session: who comes back after a lapse opens another, and may put both together."""
    return sum(client.is_complete and client.n_sessions == 1 for client in clients)


def finish(clients):
    """Everybody who has a secret asks for what he lacks; one after the other, until it is done or refused for good."""
    for client in clients:
        for _ in range(20):
            if client.is_complete or not client.secret:
                break
            if client.get(client.contiguous_bytes) not in (200, 206):
                break


@pytest.mark.parametrize("run", range(20 if SOAK else 3))
def test_a_crash_before_the_answer_gives_the_use_back_or_keeps_it(serve, rng, run):
    """Killed when the use is on record and nobody has its secret: whoever asked can ask again, and still only one completes."""
    server = serve()
    api = Api(server)
    content = Content(f"{SEED} {run}", 8 * MIB)
    api.put_new("raced", content)
    clients = clients_of(server, api.target("raced", uses=1), content, "different", 20)
    crash = Trigger(rng.randint(1, 20), server.kill)

    def ask(client):
        crash.count(1)
        client.get()

    together(clients, ask)
    if server.pid is None:
        server.start()
    for client in clients:
        if not client.is_complete:
            client.get(client.contiguous_bytes if client.secret else None)
    assert len(assert_never_more_than_one(clients, content)) == 1


def test_uses_are_remembered_across_restarts(serve):
    server = serve()
    api = Api(server)
    content = Content(SEED, 100_000)
    api.put_new("once", content)
    spent = [Client(server, api.target("once", form=form, uses=1), content) for form in ("token", "link")]
    for client in spent:
        assert client.get() == 200 and client.is_complete
    for end in (server.stop, server.kill):
        end()
        server.start()
        for client in spent:
            stranger = Client(server, client.target, content, "127.0.0.2", "stranger")
            assert (stranger.get(), stranger.codes) == (410, ["used_up"])


# --- going on after a cut


@pytest.fixture(scope="module")
def large(shared):
    """The API, and an object of 256 MiB."""
    content = Content(f"{SEED} large", 256 * MIB)
    shared.put_new("large", content)
    return shared, content


def curl(url, path, *more):
    """Plain curl."""
    command = ["curl", "--silent", "--show-error", "--fail", "--max-time", "120", "-o", str(path), *more, url]
    return subprocess.run(command, capture_output=True, timeout=180, stdin=subprocess.DEVNULL)


@pytest.mark.parametrize("run", range(40 if SOAK else 6))
def test_a_cut_download_goes_on_with_plain_curl(large, work, rng, run):
    """Cut at any byte before the last 48 MiB."""
    api, content = large
    latest = content.size - 48 * MIB - 1
    n_bytes = [0, 1, latest, rng.randrange(1 << 16), rng.randrange(latest)][run] if run < 5 else rng.randrange(latest)
    url, file = api.issue("large", uses=1)["url"], work / "file"
    with CuttingProxy(api.server.port, n_bytes) as proxy:
        cut = curl(url.replace(f":{api.server.port}/", f":{proxy.port}/"), file)
    assert cut.returncode == 18, f"curl says that the transfer was cut: {cut.stderr}"
    assert (file.stat().st_size if file.exists() else 0) == n_bytes
    again = curl(url, file, "-C", "-")
    assert again.returncode == 0, again.stderr
    assert sha256_of(file) == content.sha256
    assert curl(url, work / "other").returncode == 22, "the use is spent"


@pytest.mark.parametrize("run", range(40 if SOAK else 6))
def test_a_cut_download_goes_on_anywhere_with_its_secret(large, rng, run):
    """Cut at any byte at all, and asked for again from another address, by another program."""
    api, content = large
    latest = content.size - 1
    n_bytes = [1, latest, latest - MIB, rng.randrange(latest)][run] if run < 4 else rng.randrange(1, latest)
    client = Client(api.server, api.target("large", form="link", uses=1), content)
    assert client.get(stop_after=n_bytes) == 200
    client.source, client.agent = "127.0.7.7", "another program"
    assert client.get(n_bytes) == 206
    assert client.is_complete
    stranger = Client(api.server, client.target, content, "127.0.0.9", "stranger")
    assert (stranger.get(), stranger.codes) == (410, ["used_up"])


def test_the_session_cookie_is_as_good_as_the_header(shared):
    content = Content(SEED, 3 * MIB)
    shared.put_new("cookie", content)
    issued = shared.issue("cookie", uses=1)
    target = target_of(issued["url"])
    first = exchange(shared.server.port, "GET", target, {"Range": "bytes=0-99"})
    name, _, rest = first["set-cookie"].partition("=")
    secret, *attributes = rest.split("; ")
    assert name.startswith("vk_") and len(name) == 11
    assert secret == first["valetkey-session"]
    assert {"HttpOnly", "SameSite=Lax", f"Path={target.split('?')[0]}"} <= set(attributes)
    elsewhere = exchange(
        shared.server.port, "GET", target, {"Range": "bytes=100-", "Cookie": f"{name}={secret}"}, source="127.0.4.4"
    )
    assert (elsewhere.status, first.body + elsewhere.body) == (206, content.bytes())


def test_a_stranger_cannot_take_over_a_session(shared):
    """While a download is under way or has been cut, nobody else gets a byte of it: not without the secret, not with another."""
    content = Content(SEED, 4 * MIB)
    shared.put_new("held", content)
    target = shared.target("held", uses=1)
    holder = Client(shared.server, target, content, "127.0.0.1", "holder")
    assert holder.get(stop_after=MIB, receive_buffer=64 << 10) == 200
    for source, agent in (("127.0.0.2", "holder"), ("127.0.0.1", "stranger"), ("127.0.0.2", "stranger")):
        stranger = Client(shared.server, target, content, source, agent)
        for secret in (None, "AAAAAAAAAAAAAAAAAAAAAA", holder.secret[:-1]):
            stranger.secret = secret
            for start in (None, 1, MIB, content.size - 1):
                assert stranger.get(start) == 409, (source, agent, start)
        assert set(stranger.codes) == {"in_use"} and stranger.received_bytes == 0
    assert holder.get(holder.contiguous_bytes) == 206 and holder.is_complete


def test_the_secret_of_a_session_that_is_over_opens_nothing(shared):
    """Two programs with one address and agent: the second starts afresh, which ends the first one's session. The first knows
    from its secret that it is not the second, and must not be taken for it."""
    content = Content(SEED, 24 * MIB)
    shared.put_new("replaced", content)
    target = shared.target("replaced", uses=1)
    first, second = Client(shared.server, target, content), Client(shared.server, target, content)
    assert first.get(stop_after=MIB, receive_buffer=64 << 10) == 200
    # The server may not have noticed yet that the first one has gone.
    until(lambda: second.get(stop_after=12 * MIB, receive_buffer=64 << 10) == 200)
    assert first.get(first.contiguous_bytes) == 409
    assert second.get(second.contiguous_bytes) == 206 and second.is_complete
    assert first.get(first.contiguous_bytes) == 410 and not first.is_complete


def test_nothing_but_a_body_counts(shared):
    """HEAD, OPTIONS, 304, 412 and 416 neither open a session nor spend a use."""
    content = Content(SEED, 1000)
    shared.put_new("uncounted", content)
    target = shared.target("uncounted", uses=1)
    ask = lambda method, fields=(): exchange(shared.server.port, method, target, fields)
    etag = ask("HEAD")["etag"]
    assert ask("OPTIONS", {"Origin": "https://example.com", "Access-Control-Request-Method": "GET"}).status in (200, 204)
    assert ask("GET", {"If-None-Match": etag}).status == 304
    assert ask("GET", {"If-Match": '"another"'}).status == 412
    assert ask("GET", {"Range": "bytes=1000-"}).status == 416
    answer = ask("GET")
    assert (answer.status, answer.body) == (200, content.bytes())
    assert ask("GET").status == 410


def test_the_holder_may_fetch_again_what_the_network_lost(shared):
    """For a short grace after completion, with the secret; and never more than the budget."""
    content = Content(SEED, 8 * MIB)
    shared.put_new("lost", content)
    client = Client(shared.server, shared.target("lost", uses=1), content)
    assert client.get() == 200 and client.is_complete
    assert client.get(content.size - 1000) == 206
    assert Client(shared.server, client.target, content).get() == 410
    for _ in range(100):
        if client.get() not in (200, 206):
            break
    assert client.codes[-1] == "used_up"
    assert client.received_bytes <= 2 * content.size + SLACK_BYTES


def test_one_who_starts_again_and_again_stays_within_the_budget(shared, rng):
    """The same client, without its secret: whole GETs cut at random, and ranges above 0."""
    content = Content(SEED, 16 * MIB)
    shared.put_new("greedy", content)
    client = Client(shared.server, shared.target("greedy", uses=1), content)
    for _ in range(200):
        start = rng.choice([None, None, rng.randrange(1, content.size), max(1, client.contiguous_bytes - MIB)])
        status = client.get(start, with_secret=rng.random() < 0.5, stop_after=rng.randrange(1, content.size))
        if status == 410:
            break
    assert client.received_bytes <= 2 * content.size + SLACK_BYTES
    stranger = Client(shared.server, client.target, content, "127.0.0.3", "stranger")
    assert stranger.get() in (409, 410) and stranger.received_bytes == 0
