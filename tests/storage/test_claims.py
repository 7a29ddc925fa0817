"""Whose is it to open a chat, also when things happen at once?"""

import pytest

from bridge.domain.errors import TemporarilyUnavailable
from bridge.models import Session
from bridge.storage import claims
from bridge.storage.database import in_database
from bridge.storage.sql import Result

pytestmark = pytest.mark.django_db(transaction=True)


def claim(token=1):
    return claims.claim("U1", "", token, "liveagent")


def test_one_opens_and_all_others_wait():
    ours = claim(1)
    theirs = claim(2)
    assert ours.is_ours
    assert theirs == claims.Claim(ours.session_id, is_ours=False, is_begun=False)
    assert claim(1) == ours  # carried out twice, as after a broken connection


@pytest.mark.parametrize("limit", [None, 9])
@pytest.mark.parametrize("times", [2, 9])
def test_a_chat_that_ends_in_this_instant_is_not_waited_for_without_end(
    monkeypatch, settings, limit, times
):
    """The row that was in the way is gone when it is looked for."""
    settings.MAX_OPEN_CHATS = limit
    sound, calls = claims.CLAIM, []

    def ended_at_once(**parameters):
        calls.append(parameters)
        return Result([], 0) if len(calls) <= times else sound(**parameters)

    monkeypatch.setattr(claims, "CLAIM", ended_at_once)
    if times == 2:
        assert claim().is_ours
    else:
        with pytest.raises(TemporarilyUnavailable):
            claim()
    assert len(calls) == 3
    assert in_database(Session.objects.count)() == (1 if times == 2 else 0)
