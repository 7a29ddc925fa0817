"""Is what came of a call understood, bounded, and told to who has to know?"""

import gzip
import itertools
import time
import tracemalloc
from types import SimpleNamespace

import pytest

from bridge.outbound import calls, http
from bridge.outbound.errors import AnswerTooLarge, CallCancelled, TransportError
from bridge.outbound.http import MAX_ANSWER_BYTES, Caller, Peer, Request
from tests.harness.waiting import until
from tests.outbound.web_server import ANSWER, PATIENCE

all_framings = pytest.mark.parametrize("framing", ["length", "chunked", "close"])


def ask(caller, server, check=lambda answer: None, call=None, **about):
    request = Request(method="GET", url=server.url, resource="Some/Thing", **about)
    return caller.ask(request, check=check, call=call)


def refuse(answer):
    """Take an answer's status for what it says."""
    if answer.status >= 300:
        raise PermissionError(answer.body.decode())


# How it is sent


def test_a_call_may_have_headers_of_its_own(caller, server):
    ask(caller, server)
    ask(caller, server, headers={"Accept": "text/plain", "X-Key": "1"})
    assert [seen.headers["Accept"] for seen in server.seen] == [
        "application/json",
        "text/plain",
    ]
    assert [seen.headers["X-Key"] for seen in server.seen] == [None, "1"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(caller, server, status):
    server.status, server.headers = status, {"Location": f"{server.url}/elsewhere"}
    assert ask(caller, server).status == status
    assert server.methods == ["GET"]


def test_every_call_is_over_in_time(caller, server, pool, monkeypatch):
    def trickling():
        while True:
            yield b" "
            server.release.wait(0.01)

    now = [time.monotonic()]
    monkeypatch.setattr(calls, "time", SimpleNamespace(monotonic=lambda: now[0]))
    server.framing, server.body = "chunked", trickling()
    waiting = pool.submit(ask, caller, server, timeout=PATIENCE)
    until(lambda: server.written, "it trickles")
    now[0] += PATIENCE
    calls.cut_overdue()
    assert not waiting.done()
    now[0] += http.CONNECT_TIMEOUT_SECONDS + 0.1
    calls.cut_overdue()
    with pytest.raises(CallCancelled):
        waiting.result(PATIENCE)


# What is told of it


def test_an_answer_is_told_of(caller, server, outcomes, noted, caplog):
    with caplog.at_level("DEBUG", "bridge.outbound"):
        ask(caller, server)
        server.status, server.body = 204, b""
        ask(caller, server)
        ask(caller, server, is_read=True)
    assert [(what, came, read) for what, came, _, read in outcomes] == [
        ("Some/Thing", "200", False),
        ("Some/Thing", "204", False),
        ("Some/Thing", "204", True),
    ]
    assert noted == ["200", "204", "204"]
    lines = [(line.levelname, line.message) for line in caplog.records]
    assert lines == [
        ("INFO", "call answered"),
        ("INFO", "call answered"),
        ("DEBUG", "call answered"),  # a read that brought nothing
    ]


def test_what_its_status_means_is_told_of(caller, server, outcomes, caplog):
    server.status, server.body = 403, b"the reason"
    with pytest.raises(PermissionError, match="the reason"):
        ask(caller, server, check=refuse)
    assert [came for _, came, _, _ in outcomes] == ["403"]
    [line] = caplog.records
    assert (line.levelname, line.message) == ("WARNING", "call failed")
    assert (line.status, line.error) == (403, "PermissionError")


@pytest.mark.parametrize(
    ("is_read", "was_away", "level"),
    [
        (False, False, "WARNING"),
        (False, True, "WARNING"),
        (True, False, "WARNING"),
        (True, True, "DEBUG"),
    ],
)
def test_an_outage_is_told_once_for_all_reads(
    session, server, caplog, is_read, was_away, level
):
    peer = Peer("Salesforce", lambda *_: None, lambda outcome: was_away)
    server.drops = True
    with caplog.at_level("DEBUG", "bridge.outbound"), pytest.raises(TransportError):
        ask(Caller(session, peer), server, is_read=is_read)
    assert [line.levelname for line in caplog.records] == [level]


def test_an_error_names_the_peer(session, server):
    bot = Caller(session, Peer("the bot", lambda *_: None, lambda outcome: False))
    server.drops = True
    with pytest.raises(TransportError, match="the connection to the bot broke"):
        ask(bot, server)


def test_a_request_does_not_print_its_secrets():
    request = Request(method="GET", url="https://x/SECRET", resource="Some/Thing")
    assert "SECRET" not in repr(request)


# How much is read


@all_framings
def test_an_answer_of_the_largest_size_is_read(caller, server, framing):
    server.framing, server.body = framing, b"x" * MAX_ANSWER_BYTES
    assert ask(caller, server).body == server.body
    server.body = ANSWER
    assert ask(caller, server).body == ANSWER
    assert server.connections == (2 if framing == "close" else 1)


@pytest.mark.parametrize("status", [200, 403, 500])
@all_framings
def test_a_larger_answer_is_a_fault_of_the_server(
    caller, server, outcomes, caplog, framing, status
):
    server.framing, server.status = framing, status
    server.body = b"x" * (MAX_ANSWER_BYTES + 2**20)
    with pytest.raises(AnswerTooLarge) as caught:
        ask(caller, server)
    assert isinstance(caught.value, TransportError)
    assert caught.value.may_hold  # it may be writing yet
    [(resource, outcome, _, is_read)] = outcomes
    assert (resource, outcome, is_read) == ("Some/Thing", "broken", False)
    [line] = caplog.records
    assert (line.levelname, line.message) == ("WARNING", "call failed")
    assert (line.error, line.status) == ("AnswerTooLarge", None)

    server.body = ANSWER
    assert ask(caller, server).body == ANSWER
    assert server.connections == 2  # nobody reads the rest


@all_framings
def test_one_byte_more_is_too_large(caller, plain, framing):
    plain.framing, plain.body = framing, b"x" * (MAX_ANSWER_BYTES + 1)
    with pytest.raises(AnswerTooLarge):
        ask(caller, plain)


@pytest.mark.parametrize("framing", ["chunked", "close"])
def test_an_answer_without_end_is_not_read_for_long(caller, server, framing):
    server.framing, server.body = framing, itertools.repeat(b"x" * 65536)
    with pytest.raises(AnswerTooLarge):
        ask(caller, server)
    assert server.written < 4 * MAX_ANSWER_BYTES  # the rest is in sockets


def test_an_answer_that_was_packed_small_is_no_way_around(caller, server):
    server.body = gzip.compress(bytes(16 * MAX_ANSWER_BYTES))
    server.headers = {"Content-Encoding": "gzip"}
    tracemalloc.start()
    try:
        with pytest.raises(AnswerTooLarge):
            ask(caller, server)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 * MAX_ANSWER_BYTES
