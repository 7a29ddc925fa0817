"""What can a stranger, who has no token and no password, do to the service?"""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from tests.harness.service import Service

OwnService = Callable[..., Service]

TOKEN = "a-token-of-the-tests"
MEBIBYTE = 1024 * 1024


def connect(service: Service, patience: float = 8) -> socket.socket:
    """Return a connection on which nothing may take longer than that, in seconds."""
    return socket.create_connection(("127.0.0.1", service.port), timeout=patience)


def head(path: str, length: int, *more: str) -> bytes:
    """Return what comes before a body of `length` bytes."""
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: test",
        "Content-Type: application/json",
        f"Content-Length: {length}",
        *more,
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def status(sock: socket.socket) -> int:
    """Return the status of the answer that comes."""
    return int(sock.makefile("rb").readline().split()[1])


# --- without a token ----------------------------------------------------------


@pytest.fixture(scope="module")
def guarded(databases, simulator, run_directory) -> Iterator[Service]:
    """Run a service that asks for a token."""
    database = databases.fresh()
    service = Service(
        database=database,
        log=run_directory / "guarded.log",
        LIVEAGENT_HOST=simulator.url,
        BRIDGE_TOKEN=TOKEN,
    )
    try:
        service.start()
        yield service
    finally:
        service.kill()
        database.drop()


def test_a_stranger_is_refused_before_the_body_has_come(guarded: Service):
    with closing(connect(guarded)) as sock:
        sock.sendall(head("/send", MEBIBYTE))

        assert status(sock) == 401


def test_a_stranger_who_sends_first_gets_the_answer(guarded: Service):
    body = b"x" * (MEBIBYTE // 2)
    with closing(connect(guarded)) as sock:
        sock.sendall(head("/send", len(body), "Connection: close") + body)

        assert status(sock) == 401


def test_little_of_a_strangers_body_is_read(guarded: Service):
    with closing(connect(guarded)) as sock:
        sock.sendall(head("/send", 64 * MEBIBYTE))
        with pytest.raises(ConnectionError):
            for _ in range(64):
                sock.sendall(b"x" * MEBIBYTE)


def test_who_has_a_token_may_send_too_much_and_gets_the_answer(guarded: Service):
    body = json.dumps({"line_id": "x" * 8 * MEBIBYTE}).encode()
    token = f"Authorization: Bearer {TOKEN}"
    with closing(connect(guarded)) as sock:
        sock.sendall(head("/send", len(body), token, "Connection: close") + body)

        assert status(sock) == 413


# --- with a body that does not come ---------------------------------------------


def test_a_body_is_not_waited_for_without_end(service: Service):
    with closing(connect(service, 15)) as sock:
        sock.sendall(head("/send", 100) + b'{"line_id":')

        assert status(sock) == 400
