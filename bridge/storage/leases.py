"""Who polls a chat?

A lease says that one follower may poll one chat until a moment on the database's
clock. Every write of a follower is conditional on its token, so that a stalled one
cannot overwrite its successor, and starts the lease afresh for the next poll.
"""

from dataclasses import dataclass
from typing import Any

from django.db.models import Q
from django.db.models.functions import Now

from bridge.domain.timeline import EndedBy, Kind
from bridge.models import Session
from bridge.storage import ending, notifications, timeline
from bridge.storage.database import in_database, in_database_stepwise
from bridge.storage.marks import from_now
from bridge.storage.notifications import Broadcast
from bridge.storage.sql import Statement
from bridge.upstreams.liveagent.events import Reason, Standing, State
from bridge.upstreams.liveagent.protocol import Credentials

# How much longer than `clientPollTimeout` a lease lasts. A poll's own deadline
# lies in between, so that no poll outlives the lease it began under.
MARGIN_SECONDS = 3


# What a lease is made of, in the order in which `_lease` reads it.
COLUMNS = """id, line_id, poll_token, host, key, affinity_token, client_poll_timeout,
             ack, "offset", reconnecting,
             state, reason, agent, queue_position, estimated_wait,
             visitor_idle_timeout"""
OWN = "WHERE id = %(id)s AND poll_token = %(token)s AND state <> 'ended'"
KEEP = Statement(
    "UPDATE bridge_session SET poll_until = {in[lease]} {own} RETURNING {columns}",
    own=OWN,
    columns=COLUMNS,
)
LOOK = Statement("SELECT {columns} FROM bridge_session {own}", own=OWN, columns=COLUMNS)
EXTEND = Statement(
    """
    UPDATE bridge_session SET poll_until = {in[lease]}, answered_at = {now}
    {own} AND reconnecting = {false}
    """,
    own=OWN,
)


@dataclass(frozen=True, slots=True, repr=False)
class Lease:
    """The right to poll one chat, with what polling needs."""

    session_id: int
    line_id: str
    token: int
    credentials: Credentials
    client_poll_timeout: int  # seconds
    ack: int
    offset: int | None
    standing: Standing
    reconnecting: bool


@in_database
def take(session_id: int, token: int) -> Lease | None:
    """Take the lease of a chat that nobody polls; None when it is not to be had."""
    free = Q(poll_until=None) | Q(poll_until__lt=Now()) | Q(poll_token=token)
    session = Session.objects.open().filter(free, pk=session_id).first()
    if session is None:
        return None
    taken = Session.objects.open().filter(free, pk=session_id)
    # Where a reconnection was under way, this owner's first poll will say so again.
    if not taken.update(poll_token=token, poll_until=_end(session), reconnecting=False):
        return None
    if session.state == State.OPENING:
        # Its opener is dead, and what it had begun is unknown: end it.
        ending.finish(session_id, Reason.LOST, facts={"by": EndedBy.OPENER_DIED})
        return None
    if session.poll_token != token:
        timeline.note(session_id, Kind.TAKEN_UP, process=timeline.process())
    return look(session_id, token)


@in_database_stepwise
def keep(session_id: int, token: int, client_poll_timeout: int) -> Lease | None:
    """Start the lease afresh for one more poll; None when it is lost or over."""
    seconds = client_poll_timeout + MARGIN_SECONDS
    row = KEEP(id=session_id, token=token, lease=seconds).row
    return _lease(row) if row else None


@in_database_stepwise
def extend(lease: Lease) -> Lease | None:
    """Start the lease afresh after a poll that brought nothing: one statement.

    The row is looked at only where there is something to see.
    """
    seconds = lease.client_poll_timeout + MARGIN_SECONDS
    if EXTEND(id=lease.session_id, token=lease.token, lease=seconds).count:
        return lease
    return keep(lease.session_id, lease.token, lease.client_poll_timeout)


@in_database_stepwise
def look(session_id: int, token: int) -> Lease | None:
    """Return the lease as it stands; None when it is lost or the chat is over."""
    row = LOOK(id=session_id, token=token).row
    return _lease(row) if row else None


@in_database
def release(session_id: int, token: int) -> None:
    """Give the lease up: no poll of ours is open, another process may begin."""
    Session.objects.filter(pk=session_id, poll_token=token).update(poll_until=Now())


def _end(session: Session) -> Any:
    return from_now(session.client_poll_timeout + MARGIN_SECONDS)


def _lease(row: tuple[Any, ...]) -> Lease:
    session_id, line_id, token, host, key, affinity_token, timeout, *rest = row
    ack, offset, reconnecting, *standing = rest
    return Lease(
        session_id=session_id,
        line_id=line_id,
        token=token,
        credentials=Credentials(host, key, affinity_token),
        client_poll_timeout=timeout,
        ack=ack,
        offset=offset,
        standing=Standing(*standing),
        reconnecting=bool(reconnecting),
    )


# --- change of affinity -------------------------------------------------------


@in_database
def want_reconnection(session_id: int, affinity_token: str) -> bool:
    """Note a 503 and tell the poll's owner; False when the chat has no owner.

    A reconnection that has come in between is not asked for again.
    """
    session = Session.objects.open().filter(pk=session_id)
    here = session.filter(affinity_token=affinity_token)
    if here.filter(reconnecting=False).update(reconnecting=True):
        timeline.note(session_id, Kind.RECONNECTING, resource="Chasitor/ChatMessage")
    if here.exists():
        notifications.broadcast(Broadcast.LOOK, session_id)
    return session.exists()


@in_database
def wants_reconnection(lease: Lease) -> bool:
    """Whether a 503 still waits for its reconnection, and it is for us to do."""
    own = Session.objects.open().filter(pk=lease.session_id, poll_token=lease.token)
    return own.filter(reconnecting=True).exists()


@in_database
def begin_reconnection(lease: Lease) -> None:
    """Note that the poll's owner reconnects; nothing is sent meanwhile."""
    own = Session.objects.open().filter(pk=lease.session_id, poll_token=lease.token)
    if own.filter(reconnecting=False).update(reconnecting=True):
        timeline.note(lease.session_id, Kind.RECONNECTING, resource="System/Messages")


@in_database
def end_reconnection(lease: Lease) -> None:
    """Go on with the affinity there is: Salesforce knows of no change."""
    own = Session.objects.filter(pk=lease.session_id, poll_token=lease.token)
    if own.filter(reconnecting=True).exists():
        timeline.note(lease.session_id, Kind.STAYED)
    own.update(reconnecting=False, send_until=None)
    notifications.broadcast(Broadcast.SEND, lease.session_id)
