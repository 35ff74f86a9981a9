"""HTTP/1.1 on a plain socket: what is sent and read is exactly what a test says, and a request can be cut at any byte."""

import json
import socket
import urllib.parse

TIMEOUT_SECONDS = 60


class Broken(Exception):
    """The connection ended before the answer did."""


class Answer:
    """A status, header fields (lower-case names; fields sent twice joined by a comma), and the body if it was read."""

    def __init__(self, status, fields):
        self.status = status
        self.fields = fields
        self.body = b""

    def __repr__(self):
        return f"<{self.status} {self.fields} {self.body[:200]!r}>"

    def __getitem__(self, name):
        return self.fields[name.lower()]

    def get(self, name):
        """A header field, or None."""
        return self.fields.get(name.lower())

    @property
    def json(self):
        """The body, which is JSON."""
        return json.loads(self.body)

    @property
    def code(self):
        """The code of a problem, None if it is not one."""
        if not (self.get("content-type") or "").startswith("application/problem+json"):
            return None
        return self.json["code"]


class Connection:
    """One connection, from a source address of choice."""

    def __init__(self, port, source="127.0.0.1", receive_buffer=None, timeout=TIMEOUT_SECONDS):
        self.socket = socket.socket()
        self.socket.settimeout(timeout)
        self._unread = b""
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        try:
            if source != "127.0.0.1":
                self.socket.bind((source, 0))
            self.socket.connect(("127.0.0.1", port))
        except OSError:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Ends it."""
        self.socket.close()

    def send(self, *parts):
        """Sends bytes as they are."""
        for part in parts:
            self.socket.sendall(part)

    def request(self, method, target, fields=(), body=None):
        """Sends a request; a body that is not bytes is an iterable of pieces, whose length `fields` must give."""
        fields = list(fields.items() if isinstance(fields, dict) else fields)
        if isinstance(body, bytes):
            fields.append(("Content-Length", str(len(body))))
        elif body is None and method in ("POST", "PUT"):
            fields.append(("Content-Length", "0"))
        if not any(name.lower() == "host" for name, _ in fields):
            fields.insert(0, ("Host", "localhost"))
        head = f"{method} {target} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields) + "\r\n"
        self.send(head.encode("utf-8"))
        if body is not None:
            self.send(*([body] if isinstance(body, bytes) else body))

    def receive_head(self):
        """The next answer's head; interim answers (1xx) are passed over."""
        while True:
            while b"\r\n\r\n" not in self._unread:
                self._unread += self._receive(64 << 10)
            head, _, self._unread = self._unread.partition(b"\r\n\r\n")
            status_line, *lines = head.decode("latin-1").split("\r\n")
            fields = {}
            for line in lines:
                name, _, value = line.partition(":")
                name, value = name.lower(), value.strip()
                fields[name] = f"{fields[name]}, {value}" if name in fields else value
            status = int(status_line.split(" ")[1])
            if status >= 200:
                return Answer(status, fields)

    def receive_some(self, most=256 << 10):
        """The next bytes of the body, at most so many; empty at the end of the connection."""
        if self._unread:
            some, self._unread = self._unread[:most], self._unread[most:]
            return some
        try:
            return self.socket.recv(most)
        except ConnectionError:
            return b""

    def receive_exactly(self, n_bytes, into=None):
        """So many bytes of the body; `into` is called with each piece, and then nothing is given back.

        Raises Broken, which knows nothing of what came: `into` does.
        """
        pieces = []
        take = into or pieces.append
        left = n_bytes
        while left:
            some = self.receive_some(min(left, 1 << 20))
            if not some:
                raise Broken(f"{left} of {n_bytes} bytes are missing")
            take(some)
            left -= len(some)
        return b"".join(pieces)

    def receive_body(self, answer, method="GET"):
        """The whole body of an answer, by its framing."""
        if method == "HEAD" or answer.status in (204, 304):
            return b""
        if (answer.get("transfer-encoding") or "").lower() == "chunked":
            return self._receive_chunks()
        if answer.get("content-length") is not None:
            return self.receive_exactly(int(answer["content-length"]))
        pieces = []
        while some := self.receive_some():
            pieces.append(some)
        return b"".join(pieces)

    def exchange(self, method, target, fields=(), body=None):
        """A request and its whole answer."""
        self.request(method, target, fields, body)
        answer = self.receive_head()
        answer.body = self.receive_body(answer, method)
        return answer

    def is_ended_by_peer(self):
        """Waits until the server closes the connection; False if it sends something or the time is up."""
        try:
            return self._unread == b"" and self.socket.recv(1) == b""
        except ConnectionError:
            return True
        except TimeoutError:
            return False

    def _receive(self, most):
        try:
            some = self.socket.recv(most)
        except ConnectionError as error:
            raise Broken(str(error)) from error
        if not some:
            raise Broken("the connection ended within a head")
        return some

    def _receive_chunks(self):
        pieces = []
        while True:
            while b"\r\n" not in self._unread:
                self._unread += self._receive(64 << 10)
            line, _, self._unread = self._unread.partition(b"\r\n")
            n_bytes = int(line.split(b";")[0], 16)
            pieces.append(self.receive_exactly(n_bytes))
            if n_bytes == 0:
                while b"\r\n" not in self._unread:
                    self._unread += self._receive(64 << 10)
                self._unread = self._unread.partition(b"\r\n")[2]
                return b"".join(pieces)
            assert self.receive_exactly(2) == b"\r\n"


def target_of(url):
    """Path and query of a URL, as they are sent."""
    parts = urllib.parse.urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def exchange(port, method, target, fields=(), body=None, source="127.0.0.1"):
    """One request on a connection of its own."""
    with Connection(port, source) as connection:
        return connection.exchange(method, target, fields, body)
