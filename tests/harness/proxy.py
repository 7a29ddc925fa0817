"""A way to a server on which everything can be held up."""

import socket
import threading
from contextlib import suppress


class Proxy:
    """Pass bytes on to a port of this machine and back, while `open` is set."""

    def __init__(self, host: str, port: int) -> None:
        self.open = threading.Event()
        self.open.set()
        self._to = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Let nobody in any more; what is held up goes on."""
        self._listener.close()
        self.open.set()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._to)
                for ends in ((near, far), (far, near)):
                    threading.Thread(target=self._pass, args=ends, daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with source, suppress(OSError):
            while data := source.recv(65536):
                self.open.wait()
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)
