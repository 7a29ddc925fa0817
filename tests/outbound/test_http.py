"""Is what came of a call understood, bounded, and told to who has to know?"""

import gzip
import itertools
import tracemalloc

import pytest

from bridge.outbound.errors import AnswerTooLarge, TransportError
from bridge.outbound.http import LARGEST_ANSWER_BYTES, Request
from tests.outbound.web_server import ANSWER

all_framings = pytest.mark.parametrize("framing", ["length", "chunked", "close"])


def ask(caller, server, check=lambda answer: None, call=None, **about):
    request = Request(method="GET", url=server.url, resource="Some/Thing", **about)
    return caller.ask(request, check=check, call=call)


# How much is read


@all_framings
def test_an_answer_of_the_largest_size_is_read(caller, server, framing):
    server.framing, server.body = framing, b"x" * LARGEST_ANSWER_BYTES
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
    server.body = b"x" * (LARGEST_ANSWER_BYTES + 2**20)
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
    plain.framing, plain.body = framing, b"x" * (LARGEST_ANSWER_BYTES + 1)
    with pytest.raises(AnswerTooLarge):
        ask(caller, plain)


@pytest.mark.parametrize("framing", ["chunked", "close"])
def test_an_answer_without_end_is_not_read_for_long(caller, server, framing):
    server.framing, server.body = framing, itertools.repeat(b"x" * 65536)
    with pytest.raises(AnswerTooLarge):
        ask(caller, server)
    assert server.written < 4 * LARGEST_ANSWER_BYTES  # the rest is in sockets


def test_an_answer_that_was_packed_small_is_no_way_around(caller, server):
    server.body = gzip.compress(bytes(16 * LARGEST_ANSWER_BYTES))
    server.headers = {"Content-Encoding": "gzip"}
    tracemalloc.start()
    try:
        with pytest.raises(AnswerTooLarge):
            ask(caller, server)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 * LARGEST_ANSWER_BYTES
