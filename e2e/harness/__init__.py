"""What the end-to-end tests stand on: the server as a process, its API, sockets, bodies and traces."""
