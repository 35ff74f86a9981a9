"""Clients of a limited URL: what they receive, what they are told, and how they go on."""

import hashlib
import itertools
import threading

from harness.http import Broken, Connection


class Client:
    """One downloader of one object, with an address and a user agent. Keeps what it received as intervals; compares every byte
    with what it should be."""

    def __init__(self, server, target, content, source="127.0.0.1", agent="curl/8"):
        self.server = server
        self.target = target
        self.content = content
        self.source = source
        self.agent = agent
        self.secret = None
        self.n_sessions = 0
        self.received_bytes = 0
        self.statuses = []
        self.codes = []
        self._have = []

    @property
    def is_complete(self):
        """Whether it has every byte. An empty object takes an answer."""
        if self.content.size == 0:
            return 200 in self.statuses
        return self._have == [(0, self.content.size)]

    @property
    def contiguous_bytes(self):
        """How many bytes it has from the beginning on."""
        return self._have[0][1] if self._have and self._have[0][0] == 0 else 0

    def get(self, start=None, end=None, with_secret=True, stop_after=None, on_bytes=None, receive_buffer=None):
        """One GET of a range, or of all; gives the status, None if there was no answer. It stops reading after so many bytes."""
        fields = {"User-Agent": self.agent}
        if start is not None:
            fields["Range"] = f"bytes={start}-{'' if end is None else end - 1}"
        if with_secret and self.secret:
            fields["Valetkey-Session"] = self.secret
        try:
            with Connection(self.server.port, self.source, receive_buffer=receive_buffer) as connection:
                connection.request("GET", self.target, fields)
                answer = connection.receive_head()
                if secret := answer.get("valetkey-session"):
                    self.secret = secret
                    self.n_sessions += 1
                self.statuses.append(answer.status)
                if answer.status not in (200, 206):
                    answer.body = connection.receive_body(answer)
                    self.codes.append(answer.code)
                    return answer.status
                first = start or 0
                length = int(answer["content-length"])
                if answer.status == 200:
                    first, length = 0, self.content.size
                self._receive(connection, first, length if stop_after is None else min(length, stop_after), on_bytes)
                return answer.status
        except (Broken, OSError):
            return None

    def _receive(self, connection, position, n_bytes, on_bytes):
        end = position + n_bytes
        while position < end:
            piece = connection.receive_some(min(end - position, 256 << 10))
            if not piece:
                return
            assert piece == self.content.part(position, position + len(piece)), f"wrong bytes at {position}"
            self._note(position, position + len(piece))
            position += len(piece)
            self.received_bytes += len(piece)
            if on_bytes:
                on_bytes(len(piece))

    def _note(self, start, end):
        """Adds an interval and joins what touches."""
        joined = []
        for have in sorted([*self._have, (start, end)]):
            if joined and have[0] <= joined[-1][1]:
                joined[-1] = (joined[-1][0], max(joined[-1][1], have[1]))
            else:
                joined.append(have)
        self._have = joined


class Trigger:
    """Does something once, in the thread of whoever counts past a threshold."""

    def __init__(self, threshold, action):
        self._threshold = threshold
        self._action = action
        self._counted = 0
        self._done = False
        self._lock = threading.Lock()

    def count(self, n):
        """Counts, and acts if it is time."""
        with self._lock:
            self._counted += n
            if self._done or self._counted < self._threshold:
                return
            self._done = True
        self._action()


def together(clients, action):
    """Does something for every client at the same time, each in a thread; raises what any of them raised."""
    barrier, failures = threading.Barrier(len(clients)), []

    def run(client):
        try:
            barrier.wait()
            action(client)
        except BaseException as failure:  # noqa: BLE001  (raised again below)
            failures.append(failure)

    threading.stack_size(256 << 10)
    threads = [threading.Thread(target=run, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    threading.stack_size(0)
    if failures:
        raise failures[0]


def addresses():
    """Addresses of 127.0.0.0/16, all different."""
    return (f"127.0.{high}.{low}" for high, low in itertools.product(range(256), range(1, 255)))


def sha256_of(path):
    """The digest of a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()
