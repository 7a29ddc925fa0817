"""Which rows may be removed, and how, beside a service that goes on?"""

from dataclasses import dataclass

from django.db.models import QuerySet

from bridge.domain.states import State
from bridge.models import Session
from bridge.storage.database import in_database
from bridge.storage.sql import from_now

DAY_SECONDS = 24 * 60 * 60
BATCH = 200  # chats removed in one transaction


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How many of a customer's chats were removed, and how many had to stay."""

    removed: int
    remaining: int


@in_database
def count_ended_before(days: int) -> int:
    """Return how many chats ended over `days` ago."""
    return _ended_before(days).count()


@in_database
def remove_ended_before(days: int, *, after: int) -> list[int]:
    """Remove the next few of them whose ids are above `after`; returns their ids."""
    return _remove(_ended_before(days).filter(pk__gt=after)[:BATCH])


@in_database
def untold(line_id: str) -> list[int]:
    """Return a customer's chats of whose end Salesforce is still to be told."""
    chats = Session.objects.filter(line_id=line_id).exclude(farewell="")
    return list(chats.values_list("pk", flat=True))


@in_database
def remove_told(line_id: str) -> Forgotten:
    """Remove a customer's chats that are over, also at Salesforce."""
    chats = Session.objects.filter(line_id=line_id).order_by("pk")
    removed = _remove(chats.filter(state=State.ENDED, farewell=""))
    return Forgotten(len(removed), chats.count())


def _ended_before(days: int) -> QuerySet[Session]:
    ended = Session.objects.filter(state=State.ENDED)
    return ended.filter(ended_at__lt=from_now(-days * DAY_SECONDS)).order_by("pk")


def _remove(chats: QuerySet[Session]) -> list[int]:
    """Remove chats with all they have."""
    # The chats' rows are locked before those of their messages, as everywhere.
    ids = list(chats.select_for_update().values_list("pk", flat=True))
    Session.objects.filter(pk__in=ids).delete()
    return ids
