"""Does a call end in time though nobody says where its host is?"""

import socket
import threading

import pytest

from bridge.outbound import http
from bridge.outbound.errors import Unreachable
from tests.harness.waiting import until
from tests.outbound.test_http import ask
from tests.outbound.web_server import ANSWER, PATIENCE

REAL = "salesforce.example"


@pytest.fixture
def names(monkeypatch):
    """Know two hosts: one is here, the other is being looked for."""
    return Names(monkeypatch)


class Names:
    def __init__(self, monkeypatch):
        self.asked, self.found = [], threading.Event()
        self.addresses = ["127.0.0.1"]
        self._sound = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", self)

    def __call__(self, host, port, *args, **kwargs):
        if not host.endswith(".example"):
            return self._sound(host, port, *args, **kwargs)
        self.asked.append(host)
        if host.startswith("lost."):
            self.found.wait(60)
        return [
            found
            for address in self.addresses
            for found in self._sound(address, port, *args, **kwargs)
        ]


class At:
    """A server under another name."""

    def __init__(self, server, host):
        self.url = server.url.replace("127.0.0.1", host)


def test_a_host_is_found_by_its_name(caller, plain, names):
    assert ask(caller, At(plain, REAL)).body == ANSWER


def test_a_host_that_nobody_finds_is_unreachable_in_time(
    caller, plain, names, monkeypatch
):
    monkeypatch.setattr(http, "CONNECT_TIMEOUT_SECONDS", 0.1)
    with pytest.raises(Unreachable):
        ask(caller, At(plain, f"lost.{REAL}"))
    names.found.set()


def test_a_host_is_looked_for_once_for_all_who_wait(
    caller, plain, names, pool, monkeypatch
):
    monkeypatch.setattr(http, "CONNECT_TIMEOUT_SECONDS", 60)
    lost = At(plain, f"lost.{REAL}")
    waiting = [pool.submit(ask, caller, lost) for _ in range(7)]
    until(lambda: names.asked, "the host is looked for")
    assert ask(caller, At(plain, REAL)).body == ANSWER  # nobody else waits
    names.found.set()
    assert [each.result(PATIENCE).body for each in waiting] == [ANSWER] * 7
    assert len(names.asked) < 7

    before = len(names.asked)
    ask(caller, At(plain, f"lost.{REAL}"))
    assert len(names.asked) == before  # the connection was kept


def test_every_address_of_a_host_is_tried(caller, plain, names):
    names.addresses = ["127.0.0.2", "127.0.0.1"]  # the server is at the second alone
    assert ask(caller, At(plain, REAL)).body == ANSWER


@pytest.mark.parametrize(
    "host", ["nobody.invalid", "x" * 64 + ".invalid", "a..invalid", "-"]
)
def test_a_host_that_does_not_exist_is_unreachable(caller, plain, host):
    for _ in range(2):
        with pytest.raises(Unreachable):
            ask(caller, At(plain, host))
