"""How does a chat stand, and how does it end?

Everything here is one transaction on the `Session` row.
"""

import logging
from functools import partial

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from bridge.domain.errors import UpstreamError
from bridge.domain.timeline import EndedBy, Fact, Facts, Kind
from bridge.models import AgentMessage, Session
from bridge.storage import customer_messages, notifications, timeline
from bridge.storage.database import in_database, in_database_stepwise
from bridge.storage.marks import from_now
from bridge.storage.notifications import Broadcast
from bridge.storage.sql import Statement
from bridge.storage.summary import COLUMNS, ChatSummary
from bridge.telemetry import metrics
from bridge.upstreams.liveagent.events import Reason, State

logger = logging.getLogger(__name__)

FAREWELL_PATIENCE_SECONDS = 300

# What Salesforce is told of an end that is ours: the reason of ChatEnd, or that the
# session is to be deleted, since it is not known whether ChasitorInit has arrived.
FAREWELLS = {Reason.VISITOR_IDLE: "clientIdleTimeout"}
DEFAULT_FAREWELL = "client"
DELETE_SESSION = "delete session"

LOOK = Statement(
    "SELECT {columns} FROM bridge_session s WHERE s.id = %(id)s", columns=COLUMNS
)
SECRETS_ERASED = {"key": "", "affinity_token": "", "live_agent_id": ""}


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

    What the customer said to an agent goes before the farewell; what nobody will
    read is dropped and counted. False when the chat was over already.
    """
    before = Session.objects.open().filter(pk=session_id).first()
    ended = Session.objects.open().filter(only or Q(), pk=session_id)
    changed = ended.update(
        state=State.ENDED,
        reason=reason,
        ended_at=Now(),
        queue_position=None,
        estimated_wait=None,
        visitor_idle_at=None,
        reconnecting=False,
    )
    if not changed or before is None:
        return False
    timeline.note(session_id, Kind.ENDED, reason=reason, **(facts or {}))
    session = Session.objects.get(pk=session_id)
    if tell and session.key:
        session.farewell = FAREWELLS.get(reason, DEFAULT_FAREWELL)
        if before.state == State.OPENING:
            session.farewell = DELETE_SESSION
        Session.objects.filter(pk=session_id).update(
            farewell=session.farewell,
            farewell_until=from_now(FAREWELL_PATIENCE_SECONDS),
        )
        notifications.broadcast(Broadcast.SEND, session_id)
    else:
        erase(session_id)
    if not (session.farewell and session.established_at):
        customer_messages.drop_unsent(session_id)
    notifications.publish(notifications.messages_for(session.line_id))
    notifications.publish(notifications.chat(session_id))
    transaction.on_commit(partial(metrics.chat_ended, reason))
    # This is a database thread, which works for one chat after the other.
    logger.info("chat %s ended: %s", session_id, reason, extra={"chat": session_id})
    return True


def erase(session_id: int) -> None:
    """Forget what opens an ended chat; nothing is to be said to Salesforce now."""
    Session.objects.filter(pk=session_id).update(
        farewell="", farewell_until=None, **SECRETS_ERASED
    )
    session = Session.objects.filter(pk=session_id).first()
    if session is None:  # the customer has been forgotten
        return
    notifications.broadcast(Broadcast.LOOK, session_id)
    notifications.publish(notifications.chat(session_id))
    notifications.publish(notifications.messages_for(session.line_id))


@in_database
def lost(session_id: int, exc: UpstreamError) -> None:
    """Note that Salesforce does not know the chat any more, ended here or not.

    `exc` is how it said so.
    """
    if not finish(session_id, Reason.LOST, tell=False, facts=exc.facts):
        farewell_said(session_id)


@in_database
def farewell_is_overdue(session_id: int) -> bool:
    """Whether Salesforce could not be told for so long that it has given up itself."""
    overdue = Session.objects.filter(pk=session_id, farewell_until__lt=Now())
    return overdue.exists()


@in_database
def farewell_said(session_id: int) -> None:
    """Note that Salesforce knows of the end, and forget what opens the chat."""
    _nothing_to_say(session_id, Kind.FAREWELL_SAID)


@in_database
def farewell_failed(session_id: int, exc: UpstreamError) -> None:
    """Give up telling Salesforce of the end, and forget what opens the chat."""
    _nothing_to_say(session_id, Kind.FAREWELL_FAILED, **exc.facts)


def _nothing_to_say(session_id: int, kind: str, **facts: Fact) -> None:
    customer_messages.drop_unsent(session_id)
    if Session.objects.filter(pk=session_id).exclude(farewell="").exists():
        timeline.note(session_id, kind, **facts)
    erase(session_id)


@in_database
def close(line_id: str) -> int | None:
    """End the customer's chat at his wish, and return its id if there was one.

    Words not yet fetched are dropped.
    """
    session = Session.objects.newest(line_id)
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
