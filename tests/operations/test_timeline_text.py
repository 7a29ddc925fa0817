"""Is there a sentence for whatever can be noted of a chat, in both languages?"""

from datetime import UTC, datetime, timedelta

import django
import pytest
from django.utils import translation

django.setup()

from bridge.domain.errors import UpstreamError  # noqa: E402
from bridge.domain.timeline import EndedBy, Kind  # noqa: E402
from bridge.models import Session, TimelineEvent  # noqa: E402
from bridge.operations import timeline_text  # noqa: E402  (models need the set-up above)
from bridge.outbound.errors import (  # noqa: E402
    AnswerTooLarge,
    CallCancelled,
    NoAnswerInTime,
    TransportError,
    Unreachable,
)
from bridge.storage import timeline  # noqa: E402  (models need the set-up above)
from bridge.upstreams.liveagent.errors import (  # noqa: E402
    MalformedAnswer,
    ServerFault,
    ServerSwitched,
)
from bridge.upstreams.liveagent.events import Reason  # noqa: E402

OPENED = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
KINDS = [value for name, value in vars(Kind).items() if name.isupper()]
REASONS = [value for name, value in vars(Reason).items() if name.isupper()]


def told(kind, after=0, **facts):
    at = OPENED + timedelta(seconds=after)
    event = TimelineEvent(kind=kind, facts=facts, at=at)
    (line,) = timeline_text.lines(Session(opened_at=OPENED), [event])
    return line


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_sentence_in_both_languages(kind):
    sentences = set()
    for language in ("en", "ja"):
        with translation.override(language):
            sentences.add(told(kind, reason="agent", position=3).sentence)
    assert len(sentences) == 2
    assert kind not in sentences


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_of_an_end_has_a_sentence(reason):
    with translation.override("en"):
        sentence = told(Kind.ENDED, reason=reason).sentence
    assert sentence not in REASONS
    assert sentence.strip()


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        (
            {"reason": "client", "by": EndedBy.BOT},
            "The customer ended the chat (/close)",
        ),
        (
            {"reason": "client", "by": EndedBy.ADMIN},
            "The chat was ended here in the admin",
        ),
        (
            {"reason": "lost", "resource": "System/Messages", "status": 409},
            "Salesforce took a poll for a duplicate and ended the chat",
        ),
        (
            {"reason": "lost", "resource": "System/Messages", "status": 403},
            "Salesforce does not know the chat any more",
        ),
        (
            {"reason": "error", "event": "ChatRequestFail", "said": "Blocked"},
            "Salesforce refused the request for a chat",
        ),
    ],
)
def test_an_end_is_told_as_well_as_it_is_known(facts, sentence):
    with translation.override("en"):
        assert told(Kind.ENDED, **facts).sentence == sentence


@pytest.mark.parametrize(
    "exc",
    [
        TransportError(),
        Unreachable(),
        NoAnswerInTime(),
        CallCancelled(),
        AnswerTooLarge(),
        MalformedAnswer(),
        ServerSwitched("https://example.org"),
    ],
)
def test_a_call_without_an_answer_is_told_in_words(exc: UpstreamError):
    with translation.override("ja"):
        (detail,) = told(Kind.UNREACHABLE, **exc.facts).details
    assert not detail.isascii()


def test_a_status_is_told_with_its_resource():
    facts = ServerFault("System/Messages", 500).facts
    assert told(Kind.UNREACHABLE, **facts).details == ("System/Messages: 500",)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(-1, "0:00"), (0, "0:00"), (42.9, "0:42"), (60, "1:00"), (90061, "25:01:01")],
)
def test_the_time_since_the_opening(seconds, shown):
    assert told(Kind.STAYED, after=seconds).elapsed == shown


def test_a_timeline_that_was_cut_says_where():
    kinds = [Kind.TRANSFERRED] * timeline.MAX_EVENTS + [Kind.ENDED]
    events = [TimelineEvent(kind=kind, facts={}, at=OPENED) for kind in kinds]
    lines = list(timeline_text.lines(Session(opened_at=OPENED), events))
    assert [line.at for line in lines].index(None) == timeline.MAX_EVENTS
    assert len(lines) == len(events) + 1
