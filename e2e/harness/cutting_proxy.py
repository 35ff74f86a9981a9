"""A connection that breaks: passes one request on, and so many bytes of the answer's body back."""

import contextlib
import socket
import threading


class CuttingProxy:
    """Listens on a port of its own for one connection, and cuts it after `n_body_bytes` of the answer's body."""

    def __init__(self, upstream_port, n_body_bytes):
        self._upstream_port = upstream_port
        self._left = n_body_bytes
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._listener.close()
        self._thread.join()

    def _serve(self):
        with contextlib.suppress(OSError):
            client, _ = self._listener.accept()
            with client, socket.create_connection(("127.0.0.1", self._upstream_port)) as server:
                self._pass_on(client, server)

    def _pass_on(self, client, server):
        request = b""
        while b"\r\n\r\n" not in request:
            request += client.recv(65536)
        server.sendall(request)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += server.recv(65536)
        head, _, body = answer.partition(b"\r\n\r\n")
        client.sendall(head + b"\r\n\r\n")
        while body:
            body = body[: self._left]
            client.sendall(body)
            self._left -= len(body)
            body = server.recv(min(256 << 10, self._left)) if self._left else b""
