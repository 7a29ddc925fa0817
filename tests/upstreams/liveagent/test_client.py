"""Is each call made as the guide says, is its answer read, and nothing told of it?"""

import re

import pytest
import requests

from bridge.domain.errors import UpstreamError
from bridge.upstreams.liveagent.errors import (
    MalformedAnswer,
    ServerFault,
    ServerSwitched,
)
from bridge.upstreams.liveagent.protocol import Reconnection
from tests.samples import sample
from tests.upstreams.liveagent.client_calls import (  # noqa: F401 (fixtures are found by their names)
    AFFINITY,
    BASE,
    CALLS,
    GETS,
    HOST,
    OF_SESSION,
    SEQUENCE,
    VERSION,
    all_calls,
    available,
    client_fixture,
    end,
    init,
    live_agent_headers,
    poll,
    reconnect,
    resync,
    say,
    sent,
    wire_fixture,
)

# What is sent


@pytest.mark.parametrize(
    ("resource", "call", "sequence", "body"),
    [
        (
            "Chasitor/ChasitorInit",
            init,
            "1",
            '{"visitorName": "花子", "prechatEntities": []}',
        ),
        ("Chasitor/ChatMessage", say, "2", '{"text": "内緒"}'),
        ("Chasitor/ChatEnd", end, "3", '{"reason": "clientIdleTimeout"}'),
        (
            "Chasitor/ChasitorResyncState",
            resync,
            None,
            '{"organizationId": "00D000000000001"}',
        ),
    ],
)
def test_posts(wire, client, resource, call, sequence, body):
    wire.post(BASE + resource, body="OK")
    assert call(client) is None
    request = sent(wire)
    numbered = {} if sequence is None else {SEQUENCE: sequence}
    assert live_agent_headers(request) == {**OF_SESSION, **numbered}
    assert request.headers["Content-Type"] == "application/json; charset=utf-8"
    assert request.body == body.encode()


@pytest.mark.parametrize(
    ("method", "resource", "call", "answer", "query", "headers"),
    [
        (
            *("GET", "System/SessionId", GETS["System/SessionId"]),
            *("SessionId/200_live", "", {VERSION: "52", AFFINITY: "null"}),
        ),
        (
            *("GET", "System/Messages", poll),
            *("Messages/200_queued", "?ack=-1", OF_SESSION),
        ),
        (
            *("GET", "System/ReconnectSession", reconnect),
            "ReconnectSession/200_reset",
            "?ReconnectSession.offset=1122334455",
            {**OF_SESSION, AFFINITY: "null"},
        ),
        (
            *("GET", "Visitor/Availability", available),
            "Availability/200_available",
            "?org_id=00D000000000001&deployment_id=572000000000001"
            "&Availability.ids=573XX0000000001",
            {VERSION: "52"},
        ),
        (*CALLS[-1], "ChatMessage/200_ok.txt", "", OF_SESSION),
    ],
)
def test_other_calls(wire, client, method, resource, call, answer, query, headers):
    wire.add(method, BASE + resource, body=sample(answer))
    call(client)
    request = sent(wire)
    assert request.url == BASE + resource + query
    assert live_agent_headers(request) == headers
    assert request.body is None
    assert "Content-Type" not in request.headers


def test_reconnection_without_an_offset_asks_for_all(wire, client):
    body = sample("ReconnectSession/200_reset")
    wire.get(f"{BASE}System/ReconnectSession", body=body)
    assert reconnect(client, offset=None) == Reconnection("1c22be70", True)
    assert sent(wire).url.endswith("?ReconnectSession.offset=0")


@all_calls
def test_no_call_waits_for_ever(wire, client, method, resource, call):
    wire.add(method, BASE + resource, status=500)
    with pytest.raises(ServerFault):
        call(client)
    answer_seconds = 40.0 if call is poll else 4.0
    assert sent(wire).req_kwargs["timeout"] == (2.0, answer_seconds)


def test_a_poll_waits_as_long_as_salesforce_may_hold_it(wire, client):
    wire.get(f"{BASE}System/Messages", status=204)
    poll(client, ack=7, hold=31.5)
    assert sent(wire).req_kwargs["timeout"] == (2.0, 31.5)
    assert sent(wire).url.endswith("?ack=7")


# What an answer holds


def test_a_new_session(wire, client):
    wire.get(f"{BASE}System/SessionId", body=sample("SessionId/200_live"))
    assert client.create_session(HOST).affinity_token == "9ac01f2e"


def test_another_host_is_named(wire, client):
    wire.get(f"{BASE}System/SessionId", body=sample("SessionId/200_switch_server"))
    with pytest.raises(ServerSwitched) as caught:
        client.create_session(HOST)
    assert caught.value.url == "https://d.la2-c2-xxx.salesforceliveagent.com/chat"


@pytest.mark.parametrize(
    ("button", "yes"),
    [
        ("573XX0000000001", True),
        ("573XX0000000001AAA", True),  # the same id, written with 18 letters
        ("573XX0000000002", False),
        ("573XX0000000003", False),
    ],
)
def test_availability(wire, client, button, yes):
    wire.get(f"{BASE}Visitor/Availability", body=sample("Availability/200_available"))
    assert available(client, button) is yes
    assert sent(wire).url.endswith(f"Availability.ids={button[:15]}")


@pytest.mark.parametrize("call", [*GETS.values(), poll], ids=[*GETS, "Messages"])
@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b"\xff"])
def test_garbage_is_malformed(wire, client, call, body):
    wire.get(re.compile(re.escape(BASE)), body=body)
    with pytest.raises(MalformedAnswer):
        call(client)


# What is told of it


@all_calls
@pytest.mark.parametrize("status", [200, 302, 403, 409, 500, 503, None])
def test_no_failure_tells_a_secret(wire, client, method, resource, call, status):
    secrets = ("the!secret", "the%21secret", "9ac01f2e", "内緒", "花子", "SECRET")
    broken = requests.ConnectionError(f"{resource} 9ac01f2e 内緒 SECRET")
    body = b"SECRET" if status else broken
    wire.add(method, BASE + resource, status=status or 200, body=body)
    try:
        call(client)
    except UpstreamError as failure:
        told = f"{failure} {failure!r} {failure.args}"
    else:
        told = ""
    assert [secret for secret in secrets if secret in told] == []
    assert told or status == 200
