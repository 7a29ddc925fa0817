"""How does a chat stand, and how does it end?

Everything here is one transaction on the `Session` row.
"""

import logging
from functools import partial

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from bridge.domain.errors import UpstreamError
from bridge.domain.states import Ending, Reason, State
from bridge.domain.timeline import EndedBy, Facts, Kind
from bridge.models import AgentMessage, Session
from bridge.storage import customer_messages, notifications, timeline
from bridge.storage.database import in_database, in_database_stepwise
from bridge.storage.notifications import Broadcast
from bridge.storage.sql import Statement, from_now
from bridge.storage.summary import COLUMNS, ChatSummary
from bridge.telemetry import metrics

logger = logging.getLogger(__name__)

NOTICE_SECONDS = 300  # how long it is tried to tell Salesforce of an end

LOOK = Statement(
    "SELECT {columns} FROM bridge_session s WHERE s.id = %(id)s", columns=COLUMNS
)


@in_database
def finish(
    session_id: int,
    reason: str,
    *,
    tell: bool = True,
    only: Q | None = None,
    facts: Facts | None = None,
) -> bool:
    """End a chat for the bot; `tell` says that Salesforce is to hear of it.

    With `only` it is ended on that condition, which is looked at once more here.
    `facts` are what else the chat's trail is to say of the end.

    What the customer said to an agent goes before the end; what nobody will read is
    dropped and counted. False when the chat was over already.
    """
    open_chat = Session.objects.open().filter(only or Q(), pk=session_id)
    session = open_chat.select_for_update().first()
    if session is None:
        return False
    notice = _notice(session, reason) if tell and session.key else ""
    Session.objects.filter(pk=session_id).update(
        state=State.ENDED,
        reason=reason,
        ended_at=Now(),
        queue_position=None,
        estimated_wait=None,
        visitor_idle_at=None,
        reconnecting=False,
        farewell=notice,
        farewell_until=from_now(NOTICE_SECONDS) if notice else None,
    )
    timeline.record(session_id, Kind.ENDED, reason=reason, **(facts or {}))
    if notice:
        notifications.broadcast(Broadcast.SEND, session_id)
    else:
        erase(session_id)
    if not (notice and session.established_at):
        customer_messages.drop_unsent(session_id)
    notifications.publish(notifications.messages_for(session.line_id))
    notifications.publish(notifications.chat(session_id))
    transaction.on_commit(partial(metrics.chat_ended, reason))
    # This is a database thread, which works for one chat after the other.
    logger.info("chat %s ended: %s", session_id, reason, extra={"chat": session_id})
    return True


def _notice(session: Session, reason: str) -> Ending:
    """Return how Salesforce is to hear of an end that is ours."""
    if session.state == State.OPENING:
        return Ending.DISCARD
    return Ending.IDLE if reason == Reason.VISITOR_IDLE else Ending.CLIENT


def erase(session_id: int) -> None:
    """Forget what opens an ended chat; nothing is to be said to Salesforce now."""
    Session.objects.filter(pk=session_id).update(
        farewell="", farewell_until=None, key="", affinity_token=""
    )
    session = Session.objects.filter(pk=session_id).first()
    if session is None:  # the customer has been forgotten
        return
    notifications.broadcast(Broadcast.LOOK, session_id)
    notifications.publish(notifications.chat(session_id))
    notifications.publish(notifications.messages_for(session.line_id))


@in_database
def end_as_lost(session_id: int, exc: UpstreamError) -> None:
    """Note that Salesforce does not know the chat any more, ended here or not.

    `exc` is how it said so.
    """
    if not finish(session_id, Reason.LOST, tell=False, facts=exc.facts):
        settle_notice(session_id)


@in_database
def notice_is_overdue(session_id: int) -> bool:
    """Whether Salesforce could not be told for so long that it has given up itself."""
    overdue = Session.objects.filter(pk=session_id, farewell_until__lt=Now())
    return overdue.exists()


@in_database
def settle_notice(session_id: int, failure: UpstreamError | None = None) -> None:
    """Note that Salesforce knows of the end, or why it is not told any more.

    What opens the chat is forgotten.
    """
    customer_messages.drop_unsent(session_id)
    if Session.objects.filter(pk=session_id).exclude(farewell="").exists():
        kind = Kind.NOTICE_FAILED if failure else Kind.NOTICE_GIVEN
        timeline.record(session_id, kind, **(failure.facts if failure else {}))
    erase(session_id)


@in_database
def close(line_id: str) -> int | None:
    """End the customer's chat at their wish, and return its id if there was one.

    Words not yet fetched are dropped.
    """
    session = Session.objects.filter(line_id=line_id).order_by("-id").first()
    if session is None:
        return None
    finish(session.pk, Reason.CLIENT, facts={"by": EndedBy.BOT})
    AgentMessage.objects.filter(line_id=line_id).delete()
    return session.pk


@in_database_stepwise
def look(session_id: int) -> ChatSummary | None:
    """Return a chat as it stands."""
    row = LOOK(id=session_id).row
    return ChatSummary(*row) if row else None
