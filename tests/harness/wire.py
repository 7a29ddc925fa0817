"""The network between a service and its PostgreSQL, which a test may break."""

import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit, urlunsplit


class Wire:
    """Passes on what is said, until it is cut or hushed."""

    def __init__(self, url: str) -> None:
        """Stand before the server of `url`; a client is given `self.url` instead."""
        parts = urlsplit(url)
        self._server = (parts.hostname or "127.0.0.1", parts.port or 5432)
        self._listener = socket.create_server(("127.0.0.1", 0))
        user = f"{parts.username}@" if parts.username else ""
        own = f"{user}127.0.0.1:{self._listener.getsockname()[1]}"
        self.url = urlunsplit(parts._replace(netloc=own))
        self.is_cut = threading.Event()
        self._flows = threading.Event()
        self._flows.set()
        self._cut_at = b""
        self._sockets: list[socket.socket] = []
        self._start(self._listen)

    def cut(self) -> None:
        """End all connections, and let no new one last."""
        self.is_cut.set()
        self._end_connections()

    def cut_at(self, statement: bytes) -> None:
        """Cut it once a client has said this, before the server hears of it."""
        self._cut_at = statement

    def hush(self) -> None:
        """Let nothing through any more, and say nothing of it."""
        self._flows.clear()

    def strand(self) -> None:
        """Never let anything through any more on the connections that there are."""
        self._flows.clear()
        self._flows = threading.Event()
        self._flows.set()

    def mend(self) -> None:
        """Pass everything on again."""
        self._cut_at = b""
        self.is_cut.clear()
        self._flows.set()

    def close(self) -> None:
        """Be gone."""
        self._listener.close()
        self.mend()
        self._end_connections()

    def _end_connections(self) -> None:
        while self._sockets:
            with suppress(OSError):
                self._sockets.pop().shutdown(socket.SHUT_RDWR)

    def _listen(self) -> None:
        while True:
            client, _ = self._listener.accept()
            if self.is_cut.is_set():
                client.close()
                continue
            server = socket.create_connection(self._server)
            self._sockets += [client, server]
            self._start(self._pass_on, client, server, self._flows, True)
            self._start(self._pass_on, server, client, self._flows, False)

    def _pass_on(
        self,
        source: socket.socket,
        target: socket.socket,
        flows: threading.Event,
        from_client: bool,
    ) -> None:
        with source:
            while data := source.recv(65536):
                if from_client and self._cut_at and self._cut_at in data:
                    return self.cut()
                flows.wait()
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def _start(self, work: object, *args: object) -> None:
        def run() -> None:
            with suppress(OSError):
                work(*args)  # type: ignore[operator]

        threading.Thread(target=run, daemon=True).start()
