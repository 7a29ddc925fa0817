"""Does a call end when told to, and none that is another's?"""

import socket
import ssl
import threading
import time

import pytest
from urllib3.connectionpool import HTTPConnectionPool

from bridge.outbound import calls, http
from bridge.outbound.calls import Call
from bridge.outbound.errors import CallCancelled, NoAnswerInTime, Unreachable
from bridge.outbound.http import Request
from tests.harness.waiting import until
from tests.outbound.web_server import ANSWER, PATIENCE


def poll(caller, server, call, hold=60.0):
    request = Request(
        method="GET",
        url=server.url,
        resource="Some/Thing",
        timeout=hold,
        is_read=True,
    )
    return caller.ask(request, check=lambda answer: None, call=call).body


def test_a_call_that_waits_can_be_cut_short(caller, server, pool):
    server.holds = True
    call = Call()
    waiting = pool.submit(poll, caller, server, call)
    server.arrived.get(timeout=PATIENCE)
    assert not waiting.done()
    call.cancel()
    with pytest.raises(CallCancelled):
        waiting.result(PATIENCE)
    assert len(server.seen) == 1


def test_a_call_on_a_kept_connection_can_be_cut_short(caller, server, pool):
    assert poll(caller, server, Call()) == ANSWER
    server.holds = True
    call = Call()
    waiting = pool.submit(poll, caller, server, call)
    for _ in range(2):
        server.arrived.get(timeout=PATIENCE)
    call.cancel()
    with pytest.raises(CallCancelled):
        waiting.result(PATIENCE)
    server.holds = False
    assert poll(caller, server, Call()) == ANSWER


def test_a_call_cut_short_before_it_began_is_not_made(caller, server):
    call = Call()
    call.cancel()
    with pytest.raises(CallCancelled):
        poll(caller, server, call)
    assert server.seen == []
    assert poll(caller, server, Call()) == ANSWER


def test_a_call_that_is_over_cuts_nobody_elses_short(caller, server, pool):
    over = Call()
    poll(caller, server, over)
    server.holds = True
    waiting = pool.submit(poll, caller, server, Call())
    for _ in range(2):
        server.arrived.get(timeout=PATIENCE)
    over.cancel()
    server.release.set()
    assert waiting.result(PATIENCE) == ANSWER
    assert server.connections == 1  # it was the very same one


def test_a_time_out_is_told_from_a_call_cut_short(caller, server):
    server.holds = True
    with pytest.raises(NoAnswerInTime):
        poll(caller, server, Call(), hold=0.1)


def test_cutting_short_twice_is_harmless(caller, server, pool):
    server.holds = True
    call = Call()
    waiting = pool.submit(poll, caller, server, call)
    server.arrived.get(timeout=PATIENCE)
    call.cancel()
    call.cancel()
    with pytest.raises(CallCancelled):
        waiting.result(PATIENCE)
    call.cancel()


def test_a_call_whose_connection_is_another_s_by_now_cuts_nothing(
    caller, server, pool, monkeypatch
):
    put_back = HTTPConnectionPool._put_conn
    is_back, go_on = threading.Event(), threading.Event()

    def put_back_and_linger(self, connection):
        put_back(self, connection)
        if not is_back.is_set():
            is_back.set()
            go_on.wait(PATIENCE)

    monkeypatch.setattr(HTTPConnectionPool, "_put_conn", put_back_and_linger)
    call = Call()
    lingering = pool.submit(poll, caller, server, call)
    assert is_back.wait(PATIENCE)
    server.holds = True
    waiting = pool.submit(poll, caller, server, Call())
    for _ in range(2):
        server.arrived.get(timeout=PATIENCE)

    call.cancel()

    server.release.set()
    assert waiting.result(PATIENCE) == ANSWER
    assert server.connections == 1  # it was the very same one
    go_on.set()
    with pytest.raises(CallCancelled):
        lingering.result(PATIENCE)


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
def test_a_call_can_be_cut_short_in_the_middle_of_its_answer(
    caller, server, pool, framing
):
    def half():
        yield b'{"messages": '
        server.release.wait(60)

    server.framing, server.length, server.body = framing, 31, half()
    call = Call()
    waiting = pool.submit(poll, caller, server, call)
    until(lambda: server.written, "half of it is out")
    call.cancel()
    with pytest.raises(CallCancelled):
        waiting.result(PATIENCE)


# Connecting


@pytest.fixture
def nobody():
    """Listen, but never accept: a connection comes about, and no TLS."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        yield listener


@pytest.fixture
def busy(nobody):
    """Have no room left for another connection, so that asking for one hangs."""
    with socket.create_connection(nobody.getsockname()):
        yield nobody


def ask(caller, listener, call=None):
    host = f"https://127.0.0.1:{listener.getsockname()[1]}"
    request = Request(method="GET", url=host, resource="Some/Thing", timeout=60.0)
    return caller.ask(request, check=lambda answer: None, call=call)


@pytest.mark.parametrize("state", ["busy", "nobody"])
def test_a_call_can_be_cut_short_while_it_connects(
    caller, pool, monkeypatch, request, state
):
    listener = request.getfixturevalue(state)
    monkeypatch.setattr(http, "CONNECT_TIMEOUT_SECONDS", 60.0)
    connecting = watched(monkeypatch, state)
    call = Call()
    waiting = pool.submit(ask, caller, listener, call)
    assert connecting.wait(PATIENCE)
    call.cancel()
    with pytest.raises(CallCancelled):
        waiting.result(PATIENCE)


def watched(monkeypatch, state):
    """Return what is set once the connection, or TLS over it, is being made."""
    reached = threading.Event()
    owner, name = {
        "busy": (socket.socket, "connect"),
        "nobody": (ssl.SSLContext, "wrap_socket"),
    }[state]
    sound = getattr(owner, name)

    def told(*args, **kwargs):
        reached.set()
        return sound(*args, **kwargs)

    monkeypatch.setattr(owner, name, told)
    return reached


@pytest.mark.parametrize("state", ["busy", "nobody"])
def test_a_server_that_does_not_connect_in_time_is_unreachable(
    caller, monkeypatch, request, state
):
    monkeypatch.setattr(http, "CONNECT_TIMEOUT_SECONDS", 0.1)
    with pytest.raises(Unreachable):
        ask(caller, request.getfixturevalue(state))


def test_a_call_that_is_overdue_is_cut_short(caller, server, pool):
    server.holds = True
    overdue, in_time = Call(time.monotonic() - 1), Call(time.monotonic() + 60)
    waiting = [pool.submit(poll, caller, server, call) for call in (overdue, in_time)]
    for _ in waiting:
        server.arrived.get(timeout=PATIENCE)
    calls.cut_overdue()
    with pytest.raises(CallCancelled):
        waiting[0].result(PATIENCE)
    server.release.set()
    assert waiting[1].result(PATIENCE) == ANSWER
