"""What may be forgotten, and when?

The rows of ended chats are of use to the admin alone. `prune` removes those that
ended long ago, `forget` all there are of one customer. Both may run beside the
service: an open chat's row is never removed, nor, by `forget`, one whose end
Salesforce has not been told of, since nobody could tell it without the row.

The ids of agents' words rise for a customer also when nothing is left of him: see
`inbox.highest_id`.
"""

import time
from dataclasses import dataclass

from django.db.models import QuerySet

from bridge.chats import sender, supervisor
from bridge.models import Session
from bridge.storage import ending, notifications
from bridge.storage.database import in_database
from bridge.storage.marks import from_now
from bridge.upstreams.liveagent.events import State

DAY_SECONDS = 24 * 60 * 60
BATCH = 200  # chats removed in one transaction
PAUSE_SECONDS = 0.05  # between two, in which others may write
TOLD_WITHIN_SECONDS = 20.0  # longer than opening a chat keeps senders away from it
LOOK_AGAIN_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How many of a customer's chats were removed, and how many had to stay."""

    removed: int
    remaining: int


def prune(days: int) -> int:
    """Remove chats that ended over `days` ago, with all they have; returns how many.

    Words that nobody has fetched, and farewells that nobody has said, in so long a
    time are among it: Salesforce has ended such a chat itself long ago.
    """
    removed, last = 0, 0
    while ids := _prune_after(last, days):
        removed, last = removed + len(ids), ids[-1]
        time.sleep(PAUSE_SECONDS)
    return removed


@in_database
def count_prunable(days: int) -> int:
    """Return how many chats `prune` would remove now."""
    return _ended_before(days).count()


def _ended_before(days: int) -> QuerySet[Session]:
    ended = Session.objects.filter(state=State.ENDED)
    return ended.filter(ended_at__lt=from_now(-days * DAY_SECONDS))


@in_database
def _prune_after(last: int, days: int) -> list[int]:
    """Remove the next few chats whose ids are above `last`, and return their ids."""
    old = _ended_before(days).filter(pk__gt=last).order_by("pk")
    # The chats' rows are locked before those of their words, as everywhere.
    ids = list(old.select_for_update().values_list("pk", flat=True)[:BATCH])
    Session.objects.filter(pk__in=ids).delete()
    return ids


def forget(line_id: str) -> Forgotten:
    """End a customer's chat, see that Salesforce hears of it, and remove all of him.

    Whoever is first says the farewell, this process or the service: the send lease
    lets one of them do it. Chats that Salesforce could not be told of in time stay,
    so that it can be told later.
    """
    supervisor.handle_broadcasts()
    ending.close(line_id)

    def see_to_it() -> list[int]:
        untold = _untold(line_id)
        for session_id in untold:
            sender.kick(session_id)
        return untold

    notifications.wait_until(
        lambda untold: not untold,
        see_to_it,
        *map(notifications.chat, _untold(line_id)),
        deadline=time.monotonic() + TOLD_WITHIN_SECONDS,
        every=LOOK_AGAIN_SECONDS,
    )
    return _remove_told(line_id)


@in_database
def _untold(line_id: str) -> list[int]:
    """Return the customer's chats of whose end Salesforce is still to be told."""
    untold = Session.objects.filter(line_id=line_id).exclude(farewell="")
    return list(untold.values_list("pk", flat=True))


@in_database
def _remove_told(line_id: str) -> Forgotten:
    his = Session.objects.filter(line_id=line_id)
    told = his.filter(state=State.ENDED, farewell="")
    ids = list(told.select_for_update().order_by("pk").values_list("pk", flat=True))
    Session.objects.filter(pk__in=ids).delete()
    return Forgotten(len(ids), his.count())
