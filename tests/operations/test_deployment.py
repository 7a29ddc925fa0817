"""Are chats and words counted as they stand in the database?"""

import uuid
from datetime import timedelta

import pytest
from django.db.models.functions import Now

from bridge.models import AgentMessage, CustomerMessage, Session
from bridge.operations import deployment
from bridge.operations.deployment import Chats
from bridge.storage import database

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _here(monkeypatch):
    """Take the test's own thread for a database thread."""
    monkeypatch.setattr(database, "is_database_thread", lambda: True)


def ago(seconds):
    return Now() - timedelta(seconds=seconds)


def chat(state="established", *, answered=1, until=-10, **more):
    """Make a chat: polled well so many seconds ago, its lease over so long ago."""
    return Session.objects.create(
        line_id=uuid.uuid4().hex,
        state=state,
        answered_at=None if answered is None else ago(answered),
        poll_until=None if until is None else ago(until),
        **more,
    )


def unanswered(**fields):
    chat(**fields)
    return deployment.open_chats()["established"].unanswered


def unpolled(**fields):
    chat(**fields)
    return deployment.open_chats()["established"].unpolled


def test_nothing_at_all():
    now = deployment.look()
    assert now.chats == now.unfetched == now.unsent == {}


def test_open_chats_are_counted_by_state():
    for state in ("opening", "waiting", "waiting", "established", "ended", "ended"):
        chat(state)
    assert deployment.open_chats() == {
        "opening": Chats(1),
        "waiting": Chats(2),
        "established": Chats(1),
    }


@pytest.mark.parametrize(
    ("timeout", "seconds", "is_unanswered"),
    [(40, 58, 0), (40, 62, 1), (100, 62, 0), (100, 122, 1), (3, 21, 0), (3, 25, 1)],
)
def test_a_chat_whose_poll_was_not_answered(timeout, seconds, is_unanswered):
    found = unanswered(answered=seconds, client_poll_timeout=timeout)
    assert found == is_unanswered


@pytest.mark.parametrize(("seconds", "is_unanswered"), [(10, 0), (100, 1)])
def test_a_chat_that_was_never_answered_counts_from_its_opening(seconds, is_unanswered):
    assert unanswered(answered=None, opened_at=ago(seconds)) == is_unanswered


@pytest.mark.parametrize(
    ("until", "opened", "is_unpolled"),
    [(-30, 100, 0), (13, 100, 0), (17, 100, 1), (None, 10, 0), (None, 20, 1)],
)
def test_a_chat_that_nobody_polls(until, opened, is_unpolled):
    assert unpolled(until=until, opened_at=ago(opened)) == is_unpolled


def test_words_are_counted_by_the_state_of_their_chat():
    talking, over, waiting = chat(), chat("ended"), chat("waiting")
    for of, seconds in ((talking, 5), (talking, 100), (over, 5000)):
        AgentMessage.objects.create(session=of, line_id=of.line_id, at=ago(seconds))
    for number, (of, seconds, sent) in enumerate(
        ((talking, 30, None), (talking, 99, ago(98)), (waiting, 200, None))
    ):
        CustomerMessage.objects.create(
            session=of, request=number, at=ago(seconds), sent_at=sent
        )

    now = deployment.look()

    assert {state: of.count for state, of in now.unfetched.items()} == {
        "established": 2,
        "ended": 1,
    }
    assert now.unfetched["established"].oldest == pytest.approx(100, abs=1)
    assert now.unfetched["ended"].oldest == pytest.approx(5000, abs=1)
    assert {state: of.count for state, of in now.unsent.items()} == {
        "established": 1,
        "waiting": 1,
    }
    assert now.unsent["established"].oldest == pytest.approx(30, abs=1)
