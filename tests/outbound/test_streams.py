"""Does a stream bring what is sent as it is sent, and end when told to?"""

import gzip
import time
from contextlib import closing
from queue import Queue

import pytest

from bridge.outbound.calls import Call
from bridge.outbound.errors import (
    AnswerTooLarge,
    CallCancelled,
    NoAnswerInTime,
    TransportError,
)
from bridge.outbound.http import MAX_ANSWER_BYTES, Request
from tests.outbound.test_http import all_framings, refuse
from tests.outbound.web_server import PATIENCE

END = None


@pytest.fixture
def feed(server):
    """Send what is put in here, piece by piece, until END."""
    feed = Queue()
    server.body, server.length = iter(feed.get, END), 6
    yield feed
    feed.put(END)


def stream(caller, server, call=None, check=refuse, timeout=PATIENCE):
    request = Request(
        method="GET",
        url=server.url,
        resource="Some/Stream",
        headers={"Accept": "text/event-stream"},
        timeout=timeout,
        is_read=True,
    )
    return caller.stream(request, check=check, call=call or Call())


@all_framings
def test_what_is_sent_comes_at_once(caller, server, feed, outcomes, framing):
    server.framing = framing
    chunks = stream(caller, server)
    for piece in (b"one", b"two"):
        feed.put(piece)
        assert next(chunks) == piece
    assert outcomes == []
    feed.put(END)
    assert list(chunks) == []
    assert server.seen[0].headers["Accept"] == "text/event-stream"

    server.body, server.length = b"three", None
    assert list(stream(caller, server)) == [b"three"]
    assert server.connections == (2 if framing == "close" else 1)


def test_a_stream_is_told_of_when_it_has_ended(caller, server, feed, outcomes, caplog):
    server.framing = "chunked"
    for piece in (b"one", END):
        feed.put(piece)
    started = time.monotonic()
    for _ in stream(caller, server):
        assert (outcomes, caplog.records) == ([], [])
    lasted = time.monotonic() - started
    [(resource, outcome, seconds, is_read)] = outcomes
    assert (resource, outcome, is_read) == ("Some/Stream", "200", True)
    assert 0 < seconds <= lasted
    [line] = caplog.records
    assert (line.levelname, line.message) == ("INFO", "call answered")
    assert (line.resource, line.status, line.error) == ("Some/Stream", 200, None)
    assert line.ms == round(1000 * seconds, 1)


def test_that_a_stream_has_begun_is_a_sign_of_life(caller, server, feed, noted):
    server.framing = "chunked"
    feed.put(b"one")
    with closing(stream(caller, server)) as chunks:
        next(chunks)
        assert noted == ["200"]


@all_framings
def test_a_stream_can_be_cut_short(
    caller, server, feed, pool, outcomes, caplog, framing
):
    server.framing = framing
    call = Call()
    chunks = stream(caller, server, call)
    feed.put(b"one")
    assert next(chunks) == b"one"
    waiting = pool.submit(next, chunks)
    call.cancel()
    with pytest.raises(CallCancelled):
        waiting.result(PATIENCE)
    [(_, outcome, _, _)] = outcomes
    assert outcome == "cancelled"
    [line] = caplog.records
    assert (line.levelname, line.message) == ("INFO", "call failed")
    assert (line.status, line.error) == (200, "CallCancelled")


def test_what_came_before_a_cut_is_not_brought_after_it(caller, server, feed):
    server.framing = "chunked"
    call = Call()
    chunks = stream(caller, server, call)
    for piece in (b"one", b"two"):
        feed.put(piece)
    next(chunks)
    call.cancel()
    with pytest.raises(CallCancelled):
        next(chunks)


@all_framings
def test_a_stream_that_falls_silent_is_given_up(
    caller, server, feed, outcomes, framing
):
    server.framing = framing
    chunks = stream(caller, server, timeout=0.2)
    feed.put(b"one")
    assert next(chunks) == b"one"
    with pytest.raises(NoAnswerInTime):
        next(chunks)
    assert [outcome for _, outcome, _, _ in outcomes] == ["timeout"]


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_stream_that_breaks_has_not_ended(caller, server, outcomes, caplog, framing):
    def broken():
        yield b"one"
        raise ConnectionError

    server.framing, server.body, server.length = framing, broken(), 6
    chunks = stream(caller, server)
    assert next(chunks) == b"one"
    with pytest.raises(TransportError) as caught:
        next(chunks)
    assert type(caught.value) is TransportError
    assert [outcome for _, outcome, _, _ in outcomes] == ["broken"]
    assert [line.levelname for line in caplog.records] == ["WARNING"]


def test_who_has_heard_enough_hangs_up(caller, server, feed, outcomes, caplog):
    server.framing = "chunked"
    feed.put(b"one")
    with closing(stream(caller, server)) as chunks:
        next(chunks)
    assert [outcome for _, outcome, _, _ in outcomes] == ["200"]
    assert [line.message for line in caplog.records] == ["call answered"]
    server.body = b"two"
    assert list(stream(caller, server)) == [b"two"]
    assert server.connections == 2


def test_a_stream_may_be_longer_than_any_answer(caller, plain):
    plain.framing = "chunked"
    plain.body = [bytes(2**20)] * (MAX_ANSWER_BYTES // 2**20 + 1)
    assert sum(map(len, stream(caller, plain))) > MAX_ANSWER_BYTES


def test_a_stream_that_was_packed_is_unpacked(caller, server):
    server.headers = {"Content-Encoding": "gzip"}
    server.framing, server.body = "chunked", gzip.compress(b"one" * 2**20)
    assert b"".join(stream(caller, server)) == b"one" * 2**20


def test_a_stream_that_is_refused_says_why(caller, server, outcomes, caplog):
    server.status, server.body = 401, b"the reason"
    with pytest.raises(PermissionError, match="the reason"):
        next(stream(caller, server))
    assert [outcome for _, outcome, _, _ in outcomes] == ["401"]
    [line] = caplog.records
    assert (line.levelname, line.error) == ("WARNING", "PermissionError")
    assert line.status == 401


def test_a_refusal_has_a_largest_size_too(caller, server):
    server.status, server.body = 500, bytes(MAX_ANSWER_BYTES + 1)
    with pytest.raises(AnswerTooLarge):
        next(stream(caller, server))


def test_a_stream_cut_short_before_it_began_is_not_opened(caller, server):
    call = Call()
    call.cancel()
    with pytest.raises(CallCancelled):
        next(stream(caller, server, call))
    assert server.seen == []
