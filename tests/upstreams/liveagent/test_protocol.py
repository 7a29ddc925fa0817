"""Are the bytes of Live Agent read and written as its guide says?"""

import json

import pytest

from bridge.upstreams.base import Customer
from bridge.upstreams.liveagent import protocol
from bridge.upstreams.liveagent.errors import MalformedAnswer, ServerSwitched
from bridge.upstreams.liveagent.protocol import Batch, Event, NewSession, Reconnection
from tests.samples import sample

NOT_AN_OBJECT = [
    b"",
    b"OK",
    b"[]",
    b"null",
    b'"id"',
    b'{"id": ',
    b"\xff\xfe\x00",
    b"[" * 100_000,
    b'{"sequence": ' + b"1" * 5_000 + b"}",
]
READERS = [
    protocol.read_session,
    protocol.read_batch,
    protocol.read_reconnection,
    protocol.read_availability,
]


def with_changes(name, **changes):
    """Return a sample with these keys changed; None leaves a key out."""
    answer = {**json.loads(sample(name)), **changes}
    kept = {key: value for key, value in answer.items() if value is not None}
    return json.dumps(kept).encode()


def messages(*events, **more):
    return json.dumps({"messages": events, **more}).encode()


# Requests


def test_headers_that_are_none_stay_out():
    assert protocol.headers("52") == {"X-LIVEAGENT-API-VERSION": "52"}


def test_all_headers_are_texts():
    assert protocol.headers("52", affinity_token="a", key="k", sequence=0) == {
        "X-LIVEAGENT-API-VERSION": "52",
        "X-LIVEAGENT-AFFINITY": "a",
        "X-LIVEAGENT-SESSION-KEY": "k",
        "X-LIVEAGENT-SEQUENCE": "0",
    }


@pytest.mark.parametrize("entities", [[], [{"entityName": "Contact", "x": [None]}]])
def test_chasitor_init(entities):
    org = protocol.Organization(
        host="https://example.org",
        organization_id="00D000000000001",
        deployment_id="572000000000001",
        button_id="573000000000001",
        user_agent="Liveagent API",
        secret="",
    )
    body = protocol.chasitor_init(org, Customer("U1", "花子", entities), "3f1f0c5e")
    assert body == {
        "organizationId": "00D000000000001",
        "deploymentId": "572000000000001",
        "buttonId": "573000000000001",
        "sessionId": "3f1f0c5e",
        "userAgent": "Liveagent API",
        "language": "ja",
        "screenResolution": "N/A",
        "visitorName": "花子",
        "prechatDetails": [
            {
                "label": "ContactLineId",
                "value": "U1",
                "entityMaps": [],
                "transcriptFields": [],
                "displayToAgent": True,
            }
        ],
        "prechatEntities": entities,
        "buttonOverrides": [],
        "receiveQueueUpdates": True,
        "isPost": True,
    }


# SessionId


def test_session():
    assert protocol.read_session(sample("SessionId/200_live")) == NewSession(
        id="3f1f0c5e-6a55-4d7b-9a52-0d6b8c0f9b11",
        key="3f1f0c5e-6a55-4d7b-9a52-0d6b8c0f9b11!1716200000123!"
        "aB3dEfGhIjKlMnOpQrStUvWxYz0=",
        affinity_token="9ac01f2e",
        client_poll_timeout=40,
    )


def test_poll_timeout_may_be_a_text():
    session = protocol.read_session(sample("SessionId/200_timeout_as_text"))
    assert session.client_poll_timeout == 30


@pytest.mark.parametrize("given", [None, 0, -5, "soon", "", True, 1.5, [], {}, 10**30])
def test_poll_timeout_that_is_none_becomes_the_usual_one(given):
    body = with_changes("SessionId/200_live", clientPollTimeout=given)
    assert protocol.read_session(body).client_poll_timeout == 40


def test_poll_timeout_has_a_limit():
    body = with_changes("SessionId/200_live", clientPollTimeout=10**9)
    assert protocol.read_session(body).client_poll_timeout == 600


@pytest.mark.parametrize("name", ["id", "key", "affinityToken"])
@pytest.mark.parametrize(
    "value", [None, "", 7, [], "a b", "a\r\nX: y", "鍵", "a\0", "k" * 256]
)
def test_session_without_a_usable_secret_is_malformed(name, value):
    with pytest.raises(MalformedAnswer) as caught:
        protocol.read_session(with_changes("SessionId/200_live", **{name: value}))
    assert str(caught.value) == f"the answer has no usable {name}"


def test_longest_secret_is_taken():
    body = with_changes("SessionId/200_live", key="k" * 255)
    assert protocol.read_session(body).key == "k" * 255


def test_switch_server():
    with pytest.raises(ServerSwitched) as caught:
        protocol.read_session(sample("SessionId/200_switch_server"))
    assert caught.value.url == "https://d.la2-c2-xxx.salesforceliveagent.com/chat"


# Messages


def test_batch():
    batch = protocol.read_batch(sample("Messages/200_queued"))
    assert [event.type for event in batch.events] == [
        "ChatRequestSuccess",
        "QueueUpdate",
    ]
    assert batch.events[1].message == {"position": 1, "estimatedWaitTime": 30}
    assert (batch.sequence, batch.offset) == (0, 1122334455)


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("7", 7),
        (7.0, 7),
        (-1, -1),
        (2**63 - 1, 2**63 - 1),
        (2**63, None),
        (1e300, None),
        (True, None),
        (0.5, None),
        ("7 ", None),
        ("", None),
        ("七", None),
        (None, None),
        ([7], None),
    ],
)
def test_numbers_of_a_batch(given, read):
    batch = protocol.read_batch(messages(sequence=given, offset=given))
    assert batch == Batch(events=(), size=0, sequence=read, offset=read)


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_none(constant):
    body = b'{"messages": [], "sequence": %s}' % constant.encode()
    assert protocol.read_batch(body).sequence is None


def test_what_cannot_be_read_in_a_batch_is_passed_over():
    good = {"type": "ChatMessage", "message": {"text": "はい"}}
    elements = [7, None, [], "x", {}, {"type": 1}, good, {"message": {}}]
    bare = [{"type": "A"}, {"type": "B", "message": None}, {"type": "C", "message": 1}]
    assert protocol.read_batch(messages(*elements, *bare)).events == (
        Event("ChatMessage", {"text": "はい"}),
        Event("A", {}),
        Event("B", {}),
        Event("C", {}),
    )


@pytest.mark.parametrize("body", [b"{}", b'{"messages": {}}', b'{"messages": null}'])
def test_batch_without_messages_is_malformed(body):
    with pytest.raises(MalformedAnswer):
        protocol.read_batch(body)


def test_bytes_that_are_no_utf8_do_not_cost_the_batch():
    body = b'{"messages": [{"type": "ChatMessage", "message": {"text": "a\xffb"}}]}'
    assert protocol.read_batch(body).events[0].message == {"text": "a\ufffdb"}


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("body", NOT_AN_OBJECT, ids=lambda body: str(body[:12]))
def test_answer_that_is_no_json_object_is_malformed(read, body):
    with pytest.raises(MalformedAnswer):
        read(body)


# ReconnectSession, Availability


def test_reconnection():
    answer = protocol.read_reconnection(sample("ReconnectSession/200_reset"))
    assert answer == Reconnection(affinity_token="1c22be70", reset_sequence=True)


@pytest.mark.parametrize(
    ("given", "reset"), [({}, True), ({"resetSequence": False}, False)]
)
def test_sequence_is_reset_unless_it_says_no(given, reset):
    message = {"affinityToken": "1c22be70", **given}
    body = messages({"type": "Other"}, {"type": "ReconnectSession", "message": message})
    assert protocol.read_reconnection(body).reset_sequence is reset


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        messages(),
        messages({"type": "ReconnectSession"}),
        messages({"type": "ReconnectSession", "message": {"affinityToken": ""}}),
    ],
)
def test_reconnection_without_token_is_malformed(body):
    with pytest.raises(MalformedAnswer):
        protocol.read_reconnection(body)


def test_availability_that_is_absent_is_none():
    assert protocol.read_availability(sample("Availability/200_available")) == {
        "573XX0000000001": True,
        "573XX0000000002": False,
    }


@pytest.mark.parametrize("message", [{}, {"results": {}}, {"results": None}])
def test_availability_without_results_is_malformed(message):
    with pytest.raises(MalformedAnswer):
        protocol.read_availability(
            messages({"type": "Availability", "message": message})
        )


# Small readers


@pytest.mark.parametrize(
    ("body", "actual"),
    [
        (sample("ChatMessage/409_out_of_sync.txt").decode(), 3),
        ("Out of sync Ack. Expected 1. Actual -1", -1),
        ("Out of sync Ack. Expected: 12. Actual: 10.", 10),
        ("Out of sync Ack. Expected 5", None),
        ("Out of sync Ack. Expected 5. Actual three", None),
        ("Out of sync Ack. Expected 5. Actual 12345678901", None),
        ("", None),
    ],
)
def test_actual_number_of_an_out_of_sync_answer(body, actual):
    assert protocol.out_of_sync_actual(body) == actual


@pytest.mark.parametrize(
    ("given", "clean"),
    [
        ("plain", "plain"),
        ("日本 😀 \r\n\t", "日本 😀 \r\n\t"),
        ("a\0b", "a\ufffdb"),
        ("a\ud800b", "a\ufffdb"),
        ("\udc00\ud800", "\ufffd\ufffd"),
        ("末\ud83d", "末\ufffd"),
        ("\ud83d\ude00", "😀"),
        (None, ""),
        (7, ""),
        (["x"], ""),
    ],
)
def test_clean(given, clean):
    assert protocol.clean(given) == clean
