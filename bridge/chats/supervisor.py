"""Who sees to it that every open chat is looked after?

One supervisor in each server process: it takes up chats that nobody polls, so that
a restart goes on by itself, ends the chats whose time is up, restarts senders whose
process died, and publishes again what may have been lost.
"""

import functools
import logging
import threading
import time
from collections.abc import Callable

from django.conf import settings
from django.db import DatabaseError
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now

from bridge.chats import reader, sender, shutdown
from bridge.domain.errors import DatabaseUnavailable, log_fault
from bridge.models import AgentMessage, Session, VisitorMessage
from bridge.outbound import calls
from bridge.storage import agent_messages, ending, notifications
from bridge.storage.database import in_database
from bridge.storage.marks import from_now
from bridge.storage.notifications import Broadcast
from bridge.telemetry import heartbeats
from bridge.upstreams.liveagent.events import Reason, State

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
CUT_SECONDS = 0.5
SAFETY_NET_SECONDS = 5.0
JUST_ENDED_SECONDS = 30.0
MOST_AT_ONCE = 200  # chats taken up in one look; others leave some to us


@functools.cache
def start() -> None:
    """Begin to look after chats in this process; a second call changes nothing."""
    handle_broadcasts()
    for loop, seconds in (
        (look_after_chats, LOOK_SECONDS),
        (calls.cut_overdue, CUT_SECONDS),
        (republish_lost, SAFETY_NET_SECONDS),
    ):
        threading.Thread(target=_every, args=(seconds, loop), daemon=True).start()
    threading.Thread(target=notifications.follow_other_processes, daemon=True).start()


def handle_broadcasts() -> None:
    """Do in this process what is broadcast about chats."""
    notifications.on_broadcast(Broadcast.SEND, sender.kick)
    notifications.on_broadcast(Broadcast.LOOK, reader.interrupt)


def _every(seconds: float, work: Callable[[], None]) -> None:
    heartbeats.beat(work.__name__)
    while True:
        time.sleep(seconds)
        try:
            work()
            heartbeats.beat(work.__name__)
        except (DatabaseUnavailable, DatabaseError) as exc:
            # An unmigrated database is one of these; it is said, and tried again.
            logger.warning("the supervisor waits: %s", type(exc).__name__)
        except Exception as exc:
            log_fault(logger, exc, "the supervisor goes on after a failure")


def look_after_chats() -> None:
    """Do once what has to be done for chats that nobody is working on."""
    if shutdown.is_stopping():
        return
    for session_id in _unpolled():
        reader.take_up(session_id)
    for reason, up in _clocks().items():
        for session_id in _whose_time_is(up):
            ending.finish(session_id, reason, only=up)
    for session_id in _unsent():
        sender.kick(session_id)


def republish_lost() -> None:
    """Notify those who still wait here although there is something for them."""
    for line_id in _awaited_in_vain():
        notifications.publish_here(notifications.messages_for(line_id))


@in_database
def _unpolled() -> list[int]:
    free = Q(poll_until=None) | Q(poll_until__lt=Now())
    chats_without = Session.objects.open().filter(free).order_by("poll_until")
    return list(chats_without.values_list("pk", flat=True)[:MOST_AT_ONCE])


def _clocks() -> dict[str, Q]:
    """Return for which reason a chat's time is up, and when."""
    bot_gone = from_now(
        -settings.BOT_IDLE_SECONDS - agent_messages.bot_absence_margin()
    )
    return {
        Reason.VISITOR_IDLE: Q(visitor_idle_at__lt=Now()),
        Reason.BOT_IDLE: Q(bot_until__lt=bot_gone),
    }


@in_database
def _whose_time_is(up: Q) -> list[int]:
    """Return the chats whose customer or whose bot has been silent for too long."""
    found = Session.objects.open().exclude(state=State.OPENING).filter(up)
    return list(found.values_list("pk", flat=True)[:MOST_AT_ONCE])


@in_database
def _unsent() -> list[int]:
    """Return the chats with something to send that no sender is at."""
    rows = VisitorMessage.objects.filter(
        session=OuterRef("pk"), sent_at=None, refused=False
    )
    waits = Exists(rows) & Q(state=State.ESTABLISHED, reconnecting=False)
    nobody = Q(send_until=None) | Q(send_until__lt=Now())
    idle = Session.objects.filter(nobody).filter(waits | ~Q(farewell=""))
    return list(idle.values_list("pk", flat=True)[:MOST_AT_ONCE])


@in_database
def _awaited_in_vain() -> set[str]:
    """Return the customers awaited here who have messages or whose chat has ended."""
    awaited = notifications.awaited_line_ids()
    if not awaited:
        return set()
    unclaimed = Q(claimed_until=None) | Q(claimed_until__lt=Now())
    messages = AgentMessage.objects.filter(unclaimed, line_id__in=awaited)
    ended = Session.objects.filter(
        line_id__in=awaited, ended_at__gt=from_now(-JUST_ENDED_SECONDS)
    )
    return {
        *messages.values_list("line_id", flat=True).distinct(),
        *ended.values_list("line_id", flat=True),
    }
