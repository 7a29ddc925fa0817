"""Is it known whether the other end may still be at a read that has failed?"""

import errno
import http.client
import os
import socket
import ssl
import struct
import time
from types import SimpleNamespace

import pytest

from bridge.outbound import calls
from bridge.outbound.calls import Call
from bridge.outbound.errors import TransportError, Unreachable
from bridge.outbound.http import Request
from tests.outbound.web_server import ANSWER, PATIENCE, Handler

in_the_middle = pytest.mark.parametrize("framing", ["length", "chunked"])


def read(caller, server, call=None, **about):
    request = Request(
        method="GET",
        url=server.url,
        resource="Some/Thing",
        **{"is_read": True, "timeout": PATIENCE, **about},
    )
    return caller.ask(request, check=lambda answer: None, call=call).body


def failure(caller, server, call=None, **about):
    """Return how a read fails."""
    with pytest.raises(TransportError) as caught:
        read(caller, server, call, **about)
    return caught.value


def half():
    """Begin an answer and break off."""
    yield b'{"messages": '
    raise BrokenPipeError


def reset(handler, *_):
    """Let the kernel refuse all that comes."""
    at_once = struct.pack("ii", 1, 0)
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
    os.close(handler.connection.detach())
    raise BrokenPipeError


def raising(error):
    def fail(*_, **__):
        raise error

    return fail


# Who closes the connection has let go


@pytest.mark.parametrize("is_kept", [False, True])
def test_who_closes_before_an_answer_has_let_go(caller, server, is_kept):
    if is_kept:
        read(caller, server)
    server.drops = True
    assert not failure(caller, server).may_hold


@in_the_middle
def test_who_closes_in_the_middle_of_an_answer_has_let_go(caller, server, framing):
    server.framing, server.length, server.body = framing, 31, half()
    assert not failure(caller, server).may_hold


@pytest.mark.parametrize("where", ["send_response", "write_body"])
def test_who_resets_the_connection_has_let_go(caller, server, monkeypatch, where):
    monkeypatch.setattr(Handler, where, reset)
    assert not failure(caller, server).may_hold


# Whatever else breaks may break for us alone


@pytest.mark.parametrize("is_kept", [False, True])
def test_who_is_hung_up_on_may_not_know_it(caller, server, pool, is_kept):
    if is_kept:
        read(caller, server)
    server.holds = True
    call = Call()
    waiting = pool.submit(failure, caller, server, call)
    for _ in range(1 + is_kept):
        server.arrived.get(timeout=PATIENCE)
    call.cancel()
    assert waiting.result(PATIENCE).may_hold  # though what we see is an end


BREAKS = [
    OSError(errno.ETIMEDOUT, "Connection timed out"),
    OSError(errno.EHOSTUNREACH, "No route to host"),
    OSError(errno.ENETUNREACH, "Network is unreachable"),
    ConnectionAbortedError(errno.ECONNABORTED, "Software caused connection abort"),
    ssl.SSLError(1, "decryption failed or bad record mac"),
]


@pytest.mark.parametrize("where", ["_read_status", "read"])
@pytest.mark.parametrize("error", BREAKS, ids=lambda error: str(error)[-12:])
def test_a_break_of_the_network_may_not_be_known_there(
    caller, server, monkeypatch, where, error
):
    monkeypatch.setattr(http.client.HTTPResponse, where, raising(error))
    assert failure(caller, server).may_hold
    assert not failure(caller, server, is_read=False).may_hold


def test_who_says_what_is_no_http_may_go_on(caller, server, monkeypatch):
    monkeypatch.setattr(Handler, "responses", {200: ("", "")})
    monkeypatch.setattr(Handler, "protocol_version", "nonsense")
    assert failure(caller, server).may_hold


def test_who_says_what_is_no_chunk_may_go_on(caller, server, monkeypatch):
    def write(handler, _):
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.write(b"nonsense\r\n")
        server.release.wait(60)

    monkeypatch.setattr(Handler, "write_body", write)
    assert failure(caller, server).may_hold


# What was not written is not held


def test_who_is_not_trusted_is_asked_nothing(caller, tls, outcomes):
    url = tls.url.replace("127.0.0.1", "localhost")
    assert not failure(caller, SimpleNamespace(url=url)).may_hold
    assert tls.seen == []
    assert [outcome for _, outcome, _, _ in outcomes] == ["broken"]


@pytest.mark.parametrize("is_kept", [False, True])
def test_what_is_late_is_not_written(caller, server, is_kept):
    if is_kept:
        read(caller, server)
    late = failure(caller, server, Call(begin_by=time.monotonic() - 0.1))
    assert type(late) is Unreachable
    assert not late.may_hold
    assert len(server.seen) == is_kept
    assert read(caller, server, Call(begin_by=time.monotonic() + PATIENCE)) == ANSWER


def test_what_is_late_by_connecting_is_not_written(caller, server, monkeypatch):
    now = [time.monotonic()]
    monkeypatch.setattr(calls, "time", SimpleNamespace(monotonic=lambda: now[0]))
    connect = socket.socket.connect

    def slowly(*args):
        connect(*args)
        now[0] += 2

    monkeypatch.setattr(socket.socket, "connect", slowly)
    assert type(failure(caller, server, Call(begin_by=now[0] + 1))) is Unreachable
    assert server.seen == []
    assert read(caller, server, Call(begin_by=now[0] + 3)) == ANSWER
