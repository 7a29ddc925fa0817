"""Does a call end when told to, and none that is another's?"""

import pytest

from bridge.domain.links import Link
from bridge.outbound.calls import Call
from bridge.outbound.errors import CallCancelled, NoAnswerInTime
from bridge.upstreams.liveagent.client import LiveAgentClient
from tests.outbound.web_server import PATIENCE


@pytest.fixture
def client(session):
    return LiveAgentClient(session, api_version="52")


def poll(client, server, call, hold=60.0):
    credentials = Link(server.url, "key", "affinity")
    return client.messages(credentials, ack=-1, hold=hold, call=call)


def test_a_call_that_waits_can_be_cut_short(client, server, pool):
    server.holds = True
    call = Call()
    waiting = pool.submit(poll, client, server, call)
    server.arrived.get(timeout=PATIENCE)
    assert not waiting.done()
    call.cancel()
    with pytest.raises(CallCancelled):
        waiting.result(PATIENCE)
    assert len(server.seen) == 1


def test_a_call_on_a_kept_connection_can_be_cut_short(client, server, pool):
    assert poll(client, server, Call()).sequence == 3
    server.holds = True
    call = Call()
    waiting = pool.submit(poll, client, server, call)
    for _ in range(2):
        server.arrived.get(timeout=PATIENCE)
    call.cancel()
    with pytest.raises(CallCancelled):
        waiting.result(PATIENCE)
    server.holds = False
    assert poll(client, server, Call()).sequence == 3


def test_a_call_cut_short_before_it_began_is_not_made(client, server):
    call = Call()
    call.cancel()
    with pytest.raises(CallCancelled):
        poll(client, server, call)
    assert server.seen == []
    assert poll(client, server, Call()).sequence == 3


def test_a_call_that_is_over_cuts_nobody_elses_short(client, server, pool):
    over = Call()
    poll(client, server, over)
    server.holds = True
    waiting = pool.submit(poll, client, server, Call())
    for _ in range(2):
        server.arrived.get(timeout=PATIENCE)
    over.cancel()
    server.release.set()
    assert waiting.result(PATIENCE).sequence == 3
    assert server.connections == 1  # it was the very same one


def test_a_time_out_is_told_from_a_call_cut_short(client, server):
    server.holds = True
    with pytest.raises(NoAnswerInTime):
        poll(client, server, Call(), hold=0.1)


def test_cutting_short_twice_is_harmless(client, server, pool):
    server.holds = True
    call = Call()
    waiting = pool.submit(poll, client, server, call)
    server.arrived.get(timeout=PATIENCE)
    call.cancel()
    call.cancel()
    with pytest.raises(CallCancelled):
        waiting.result(PATIENCE)
    call.cancel()
