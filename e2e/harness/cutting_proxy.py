"""A connection that breaks: passes requests on, and so many bytes of each answer's body back."""

import contextlib
import socket
import threading


class CuttingProxy:
    """Listens on a port of its own, and cuts a connection after `n_body_bytes` of the answer's body: the first one and takes no
    other, or each one if `every`. Reads from the server with this receive buffer, the system's if there is none."""

    def __init__(self, upstream_port, n_body_bytes, every=False, receive_buffer=None):
        self._upstream_port = upstream_port
        self._n_body_bytes = n_body_bytes
        self._every = every
        self._receive_buffer = receive_buffer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.n_connections = 0
        self._server = None
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        # A connection that was not cut would be kept by the server for as long as it keeps any.
        for peer in filter(None, (self._listener, self._server)):
            with contextlib.suppress(OSError):
                peer.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def url(self, url):
        """A URL of the server's as it is to be asked for through here."""
        return url.replace(f":{self._upstream_port}/", f":{self.port}/")

    def _serve(self):
        with contextlib.suppress(OSError):
            while self.n_connections == 0 or self._every:
                client, _ = self._listener.accept()
                self.n_connections += 1
                with client, self._connected() as server, contextlib.suppress(OSError):
                    self._server = server
                    self._pass_on(client, server)

    def _connected(self):
        server = socket.socket()
        if self._receive_buffer:
            # Before the connection is made: the window's scale follows from it. The kernel doubles what it is told.
            server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_buffer // 2)
        server.connect(("127.0.0.1", self._upstream_port))
        return server

    def _pass_on(self, client, server):
        request = b""
        while b"\r\n\r\n" not in request:
            request += _some(client)
        server.sendall(request)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += _some(server)
        head, _, body = answer.partition(b"\r\n\r\n")
        client.sendall(head + b"\r\n\r\n")
        left = self._n_body_bytes
        while body:
            body = body[:left]
            client.sendall(body)
            left -= len(body)
            body = server.recv(min(256 << 10, left)) if left else b""


def _some(peer):
    some = peer.recv(65536)
    if not some:
        raise ConnectionError("it ended within a head")
    return some
