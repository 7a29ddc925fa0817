"""What can a stranger, who has no token and no password, do to the service?"""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest
import requests
from requests import Response

from tests.conftest import new_line_id
from tests.harness.bot import CONNECTED, SENT, Bot
from tests.harness.salesforce import Chat
from tests.harness.service import Service
from tests.harness.waiting import until

OwnService = Callable[..., Service]

TOKEN = "a-token-of-the-tests"
MEBIBYTE = 1024 * 1024


def connect(service: Service, patience: float = 8) -> socket.socket:
    """Return a connection on which nothing may take longer than that, in seconds."""
    return socket.create_connection(("127.0.0.1", service.port), timeout=patience)


def head(
    path: str, length: int | None, *more: str, type: str = "application/json"
) -> bytes:
    """Return what comes before a body of `length` bytes; None: before one in chunks."""
    coded = "Transfer-Encoding: chunked"
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: test",
        f"Content-Type: {type}",
        coded if length is None else f"Content-Length: {length}",
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


@pytest.mark.parametrize("length", [100, None])
def test_a_body_is_not_waited_for_without_end(service: Service, length: int | None):
    with closing(connect(service, 15)) as sock:
        sock.sendall(head("/send", length) + b'{"line_id":')

        assert status(sock) == 400


def test_nor_is_one_that_trickles_in(service: Service):
    with closing(connect(service, 0.3)) as sock:
        sock.sendall(head("/send", 1000))

        def answer() -> bytes:
            try:
                return sock.recv(100)
            except TimeoutError:
                sock.sendall(b"[")
                return b""

        assert until(answer, "an answer").startswith(b"HTTP/1.1 400 ")


LOGIN = "/admin/login/"
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=b"
INVENTED = "Cookie: csrftoken=" + 32 * "a"


@pytest.mark.parametrize(
    ("form", "length", "begun"),
    [
        (FORM, 100, b""),
        (FORM, 100, b"username="),
        (MULTIPART, 100, b""),
        (MULTIPART, 100, b"--b"),
        (FORM, None, b"9\r\nusername="),
    ],
)
def test_logins_whose_bodies_do_not_come_hold_up_nobody(
    bot: Bot, chat: Chat, service: Service, form: str, length: int | None, begun: bytes
):
    with ExitStack() as stack:
        for _ in range(8):
            sock = stack.enter_context(closing(connect(service)))
            sock.sendall(head(LOGIN, length, INVENTED, type=form) + begun)
        service.settle()

        assert bot.send("はい").outcome == SENT
        assert Bot(service, new_line_id()).init().outcome == CONNECTED

    assert chat.heard == ["はい"]


def test_a_page_does_not_wait_for_a_body_without_end(service: Service):
    with closing(connect(service, 15)) as sock:
        sock.sendall(head(LOGIN, 100, INVENTED, type=FORM) + b"username=")

        assert status(sock) == 400


def test_a_page_takes_no_large_body(service: Service):
    with closing(connect(service)) as sock:
        sock.sendall(head(LOGIN, 64 * MEBIBYTE, INVENTED, type=FORM))

        assert status(sock) == 413


# --- with many passwords ----------------------------------------------------------


def log_in(service: Service, address: str, password: str = "wrong") -> Response:
    """Try a password, with an invented cookie as a stranger has one."""
    return requests.post(
        f"{service.url}{LOGIN}",
        data={"csrfmiddlewaretoken": 32 * "a", "username": "a", "password": password},
        headers={"Cookie": f"csrftoken={32 * 'a'}", "X-Forwarded-For": address},
        timeout=30,
    )


def test_an_address_may_try_few_passwords(own_service: OwnService):
    service = own_service()

    tried = [log_in(service, "10.0.0.1").status_code for _ in range(6)]
    refusal = log_in(service, "10.0.0.1, 10.0.0.1")

    assert tried == [200, 200, 200, 200, 200, 429]
    assert refusal.status_code == 429
    assert 0 < int(refusal.headers["Retry-After"]) <= 60
    assert log_in(service, "10.0.0.1, 10.0.0.2").status_code == 200


def test_all_together_may_try_few_passwords(own_service: OwnService):
    service = own_service()

    tried = [log_in(service, f"10.0.0.{n}").status_code for n in range(21)]

    assert tried == [*20 * [200], 429]
