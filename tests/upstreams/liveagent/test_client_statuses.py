"""Is each status of Salesforce, and each failure to answer, understood?"""

import pytest
import requests

from bridge.domain.errors import UpstreamError
from bridge.outbound.errors import NoAnswerInTime, TransportError, Unreachable
from bridge.telemetry import metrics
from bridge.upstreams.liveagent.errors import (
    AffinityChanged,
    DuplicatePoll,
    MethodRefused,
    OutOfSync,
    RequestRefused,
    ServerFault,
    SessionGone,
)
from tests.samples import sample
from tests.upstreams.liveagent.client_calls import (  # noqa: F401 (fixtures are found by their names)
    BASE,
    CALLS,
    POSTS,
    all_calls,
    client_fixture,
    poll,
    wire_fixture,
)

# The rows of the guide's "Status Codes and Error Responses", and what else may come.
REFUSALS = {
    302: ServerFault,
    400: RequestRefused,
    403: SessionGone,
    404: RequestRefused,
    405: MethodRefused,
    408: ServerFault,
    413: RequestRefused,
    429: ServerFault,
    500: ServerFault,
    502: ServerFault,
    503: AffinityChanged,
    504: ServerFault,
}
CONFLICTS = ("liveagent_conflicts_total", {"kind": "out_of_sync"})
NO_ANSWERS = {
    requests.ConnectTimeout: Unreachable,
    requests.ReadTimeout: NoAnswerInTime,
    requests.ConnectionError: TransportError,
    requests.exceptions.ChunkedEncodingError: TransportError,
}


@pytest.mark.parametrize("status", [200, 202])
def test_a_poll_that_brought_a_batch(wire, client, status):
    body = sample("Messages/200_last_words")
    wire.get(f"{BASE}System/Messages", status=status, body=body)
    batch = poll(client)
    assert (len(batch.events), batch.sequence, batch.offset) == (5, 2, 1122334457)


def test_a_poll_that_brought_nothing(wire, client):
    wire.get(f"{BASE}System/Messages", status=204)
    assert poll(client) is None


@pytest.mark.parametrize("call", POSTS.values(), ids=POSTS)
@pytest.mark.parametrize("status", [200, 202])
def test_a_post_that_succeeded(wire, client, call, status):
    wire.post(BASE + next(r for r in POSTS if POSTS[r] is call), status=status)
    assert call(client) is None


@all_calls
@pytest.mark.parametrize(("status", "expected"), REFUSALS.items())
def test_a_status_that_is_no_success(
    wire, client, method, resource, call, status, expected
):
    location = {"Location": "https://elsewhere.example/"}
    wire.add(
        method, BASE + resource, status=status, headers=location, body="the reason"
    )
    with pytest.raises(UpstreamError) as caught:
        call(client)
    assert type(caught.value) is expected
    assert caught.value.status == status
    assert len(wire.calls) == 1  # neither followed nor repeated


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("403_session_gone", SessionGone),
        ("409_duplicate_poll", DuplicatePoll),
        ("500_fault", ServerFault),
        ("503_affinity", AffinityChanged),
    ],
)
def test_a_poll_as_salesforce_refuses_it(wire, client, name, expected):
    status, body = int(name[:3]), sample(f"Messages/{name}.txt")
    wire.get(f"{BASE}System/Messages", status=status, body=body)
    with pytest.raises(UpstreamError) as caught:
        poll(client)
    assert type(caught.value) is expected


@pytest.mark.parametrize(
    ("body", "actual"),
    [
        (sample("ChatMessage/409_out_of_sync.txt"), 3),
        (b"Conflict", None),
        (b"", None),
        (b"\xff", None),
        (b"x" * 100_000 + b"Actual 3", None),
    ],
    ids=["as it comes", "another text", "empty", "no text", "far behind"],
)
@pytest.mark.parametrize("resource", POSTS)
def test_a_post_out_of_sequence(wire, client, resource, body, actual):
    wire.post(BASE + resource, status=409, body=body)
    with pytest.raises(OutOfSync) as caught:
        POSTS[resource](client)
    assert caught.value.actual == actual


@pytest.mark.parametrize(
    ("method", "resource", "call"),
    [each for each in CALLS if each[0] != "POST" and each[2] is not poll],
)
def test_a_conflict_of_what_has_no_sequence_is_a_refusal(
    wire, client, method, resource, call
):
    wire.add(method, BASE + resource, status=409, body="Actual 3")
    before = metrics.REGISTRY.get_sample_value(*CONFLICTS)
    with pytest.raises(RequestRefused):
        call(client)
    assert metrics.REGISTRY.get_sample_value(*CONFLICTS) == before


def test_a_duplicate_poll_is_one_whatever_its_text_says(wire, client):
    body = sample("ChatMessage/409_out_of_sync.txt")
    wire.get(f"{BASE}System/Messages", status=409, body=body)
    with pytest.raises(DuplicatePoll):
        poll(client)


@all_calls
@pytest.mark.parametrize(("failure", "expected"), NO_ANSWERS.items())
def test_no_answer(wire, client, method, resource, call, failure, expected):
    wire.add(method, BASE + resource, body=failure("no luck"))
    with pytest.raises(UpstreamError) as caught:
        call(client)
    assert type(caught.value) is expected
    assert caught.value.__cause__ is None  # its text may hold the key
    assert len(wire.calls) == 1
