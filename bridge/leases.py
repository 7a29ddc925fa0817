"""Who polls a chat, and how does what the poll brought get into the database?

A lease says that one follower may poll one chat until a moment on the database's
clock. Every write of a follower is conditional on its token, so that a stalled one
cannot overwrite its successor, and starts the lease afresh for the next poll.
"""

import functools
from dataclasses import dataclass, replace
from typing import Any

from django.db.models import Q
from django.db.models.functions import Now

from bridge import chats, outbox, wakeups
from bridge.database import in_database, in_database_stepwise
from bridge.events import Outcome, Reason, Standing, State
from bridge.marks import digest, from_now, new_token
from bridge.models import Session
from bridge.protocol import Batch, Credentials
from bridge.sql import Script, Statement

# How much longer than `clientPollTimeout` a lease lasts. A poll's own deadline
# lies in between, so that no poll outlives the lease it began under.
MARGIN_SECONDS = 3


ADVANCE = """
    UPDATE bridge_session
       SET ack = %s, "offset" = %s, active_at = {now}, poll_until = {soon},
           agent_words = agent_words + %s, batch = %s,
           visitor_idle_at = CASE WHEN %s THEN NULL
                                  ELSE COALESCE({soon}, visitor_idle_at) END,
           state = %s, agent = %s, queue_position = %s, estimated_wait = %s,
           visitor_idle_timeout = %s,
           established_at = COALESCE(established_at, CASE WHEN %s THEN {now} END)
     WHERE id = %s AND poll_token = %s AND ack = %s AND state <> 'ended'
    """
ADD_WORDS = """
    INSERT INTO bridge_agentmessage (session_id, line_id, text, agent, at, claim)
    SELECT id, line_id, %s, %s, {now}, 0 FROM bridge_session
     WHERE id = %s AND batch = %s
    """
NOTE_LAST_WORD = """
    UPDATE bridge_session
       SET last_word_id =
           (SELECT max(id) FROM bridge_agentmessage WHERE line_id = %s)
     WHERE id = %s AND batch = %s
    """
WAS_RECORDED = """
    SELECT batch = %s FROM bridge_session
     WHERE id = %s AND poll_token = %s AND ack = %s AND state <> 'ended'
    """
# What a lease is made of, in the order in which `_lease` reads it.
COLUMNS = """id, line_id, poll_token, host, key, affinity_token, client_poll_timeout,
             ack, "offset", reconnecting,
             state, reason, agent, queue_position, estimated_wait,
             visitor_idle_timeout"""
OWN = "WHERE id = %s AND poll_token = %s AND state <> 'ended'"
KEEP = Statement(
    "UPDATE bridge_session SET poll_until = {soon} {own} RETURNING {columns}",
    own=OWN,
    columns=COLUMNS,
)
LOOK = Statement("SELECT {columns} FROM bridge_session {own}", own=OWN, columns=COLUMNS)
EXTEND = Statement(
    """
    UPDATE bridge_session SET poll_until = {soon}
     WHERE id = %s AND poll_token = %s AND state <> 'ended'
       AND reconnecting = {false}
    """
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
        chats.finish(session_id, Reason.LOST)
        return None
    return look(session_id, token)


@in_database_stepwise
def keep(session_id: int, token: int, client_poll_timeout: int) -> Lease | None:
    """Start the lease afresh for one more poll; None when it is lost or over."""
    row = KEEP(client_poll_timeout + MARGIN_SECONDS, session_id, token).row
    return _lease(row) if row else None


@in_database_stepwise
def extend(lease: Lease) -> Lease | None:
    """Start the lease afresh after a poll that brought nothing: one statement.

    The row is looked at only where there is something to see.
    """
    seconds = lease.client_poll_timeout + MARGIN_SECONDS
    if EXTEND(seconds, lease.session_id, lease.token).count:
        return lease
    return keep(lease.session_id, lease.token, lease.client_poll_timeout)


@in_database_stepwise
def look(session_id: int, token: int) -> Lease | None:
    """Return the lease as it stands; None when it is lost or the chat is over."""
    row = LOOK(session_id, token).row
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


# --- what a poll brought ------------------------------------------------------


def record(lease: Lease, batch: Batch, outcome: Outcome, **resync: Any) -> Lease | None:
    """Store a batch: words, standing and ack together, and the lease afresh.

    Returns the lease for the next poll. None when the chat is over or another
    process's by now: then nothing is stored, and what Salesforce did not see
    acknowledged it sends again. `resync` are the further columns that a
    reconnection sets.
    """
    at_once = not resync and outcome.standing.state != State.ENDED
    run = _record_at_once if at_once else _record
    return run(lease, batch, outcome, resync)


def _store(
    lease: Lease, batch: Batch, outcome: Outcome, resync: dict[str, Any]
) -> Lease | None:
    ack = lease.ack if batch.sequence is None else batch.sequence
    advanced = replace(
        lease,
        ack=ack,
        offset=lease.offset if batch.offset is None else batch.offset,
        standing=outcome.standing,
    )
    row = _advance(lease, advanced, outcome)
    if row is None:
        return None
    is_new = row[0]
    if not is_new:  # carried out before the connection broke
        return advanced
    if resync:
        Session.objects.filter(pk=lease.session_id).update(**resync)
    _ring(lease, outcome)
    return advanced


_record = in_database(_store)
_record_at_once = in_database_stepwise(_store)


def _advance(
    lease: Lease, advanced: Lease, outcome: Outcome
) -> tuple[object, ...] | None:
    """Store words and ack in one go; None when that is not ours to do any more."""
    session_id, batch = lease.session_id, new_token()
    idle = outcome.standing.visitor_idle_timeout if outcome.words else None
    seconds = lease.client_poll_timeout + MARGIN_SECONDS
    no_clock = outcome.standing.visitor_idle_timeout is None
    counts = (len(outcome.words), batch, no_clock, idle)
    parameters: list[object] = [advanced.ack, advanced.offset, seconds, *counts]
    parameters += [*_standing_columns(lease, outcome)]
    parameters += [session_id, lease.token, lease.ack]
    for words in outcome.words:
        parameters += [words.text, words.agent, session_id, batch]
    if outcome.words:
        parameters += [lease.line_id, session_id, batch]
    parameters += [batch, session_id, lease.token, advanced.ack]
    return _record_script(len(outcome.words))(*parameters).row


@functools.cache
def _record_script(words: int) -> Script:
    last_word = [NOTE_LAST_WORD] if words else []
    return Script(ADVANCE, *[ADD_WORDS] * words, *last_word, WAS_RECORDED)


def _standing_columns(lease: Lease, outcome: Outcome) -> tuple[object, ...]:
    """Return the parameters for a chat's standing; its end is written by `finish`."""
    ended = outcome.standing.state == State.ENDED
    now = lease.standing if ended else outcome.standing
    is_established = now.state == State.ESTABLISHED
    queue = (now.queue_position, now.estimated_wait)
    return now.state, now.agent, *queue, now.visitor_idle_timeout, is_established


def _ring(lease: Lease, outcome: Outcome) -> None:
    standing = outcome.standing
    if standing.state == State.ENDED:
        chats.finish(lease.session_id, standing.reason, tell=standing.needs_farewell)
    elif standing.state != lease.standing.state:
        wakeups.ring(wakeups.chat(lease.session_id))
        if standing.state == State.ESTABLISHED and outbox.unsent_exists(
            lease.session_id
        ):
            wakeups.tell("deliver", lease.session_id)  # what was said in the queue
    if outcome.words:
        wakeups.ring(wakeups.words(digest(lease.line_id)))


# --- change of affinity -------------------------------------------------------


@in_database
def want_reconnection(session_id: int, affinity_token: str) -> bool:
    """Note a 503 and tell the poll's owner; False when the chat has no owner.

    A reconnection that has come in between is not asked for again.
    """
    session = Session.objects.open().filter(pk=session_id)
    if session.filter(affinity_token=affinity_token).update(reconnecting=True):
        wakeups.tell("interrupt", session_id)
    return session.exists()


@in_database
def wants_reconnection(lease: Lease) -> bool:
    """Whether a 503 still waits for its reconnection, and it is for us to do."""
    own = Session.objects.open().filter(pk=lease.session_id, poll_token=lease.token)
    return own.filter(reconnecting=True).exists()


@in_database
def begin_reconnection(lease: Lease) -> bool:
    """Note that the poll's owner reconnects; nothing is sent meanwhile."""
    own = Session.objects.open().filter(pk=lease.session_id, poll_token=lease.token)
    return bool(own.update(reconnecting=True))


@in_database
def end_reconnection(lease: Lease) -> None:
    """Go on with the affinity there is: Salesforce knows of no change."""
    own = Session.objects.filter(pk=lease.session_id, poll_token=lease.token)
    own.update(reconnecting=False, send_until=None)
    wakeups.tell("deliver", lease.session_id)
