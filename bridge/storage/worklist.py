"""Which chats are waiting for somebody to see to them?"""

from collections.abc import Collection
from dataclasses import dataclass

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from bridge.domain.states import Reason, State
from bridge.models import AgentMessage, CustomerMessage, Session
from bridge.storage.agent_messages import bot_absence_margin
from bridge.storage.database import in_database_stepwise
from bridge.storage.sql import from_now

MAX_AT_ONCE = 200  # chats of one look; other processes leave some to us
JUST_ENDED_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Clock:
    """One that ends a chat: for which reason, and when it has run out."""

    reason: str
    has_run_out: Q


@in_database_stepwise
def unpolled() -> list[int]:
    """Return open chats whose poll is nobody's."""
    free = Q(poll_until=None) | Q(poll_until__lt=Now())
    return _some(Session.objects.open().filter(free).order_by("poll_until"))


@in_database_stepwise
def unsent() -> list[int]:
    """Return chats with something to send that no sender is at."""
    messages = CustomerMessage.objects.filter(
        session=OuterRef("pk"), sent_at=None, refused=False
    )
    waits = Exists(messages) & Q(state=State.ESTABLISHED, reconnecting=False)
    nobody = Q(send_until=None) | Q(send_until__lt=Now())
    return _some(Session.objects.filter(nobody).filter(waits | ~Q(farewell="")))


def clocks() -> tuple[Clock, ...]:
    """Return what ends the chat of a silent customer, and of a silent bot."""
    bot_gone = from_now(-settings.BOT_IDLE_SECONDS - bot_absence_margin())
    return (
        Clock(Reason.VISITOR_IDLE, Q(visitor_idle_at__lt=Now())),
        Clock(Reason.BOT_IDLE, Q(bot_until__lt=bot_gone)),
    )


@in_database_stepwise
def silent(clock: Clock) -> list[int]:
    """Return the chats for which a clock has run out."""
    chats = Session.objects.open().exclude(state=State.OPENING)
    return _some(chats.filter(clock.has_run_out))


@in_database_stepwise
def awaited_in_vain(line_ids: Collection[str]) -> set[str]:
    """Return those of these customers who have messages, or whose chat just ended."""
    free = Q(claimed_until=None) | Q(claimed_until__lt=Now())
    messages = AgentMessage.objects.filter(free, line_id__in=line_ids)
    ended = Session.objects.filter(
        line_id__in=line_ids, ended_at__gt=from_now(-JUST_ENDED_SECONDS)
    )
    return {
        *messages.values_list("line_id", flat=True).distinct(),
        *ended.values_list("line_id", flat=True),
    }


def _some(chats: QuerySet[Session]) -> list[int]:
    return list(chats.values_list("pk", flat=True)[:MAX_AT_ONCE])
