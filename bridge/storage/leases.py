"""Who may read a chat, who may send for it, and until when?

Two leases a chat, each until a moment on the database's clock. Every write of a
holder is conditional on its token, so that a stalled one cannot overwrite its
successor, and starts the lease afresh.
"""

import secrets
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.db.models import Q
from django.db.models.functions import Now

from bridge.domain.links import CURSOR_COLUMNS, LINK_COLUMNS, Cursor, Link
from bridge.domain.states import Standing
from bridge.domain.timeline import Kind
from bridge.models import Session
from bridge.storage import timeline
from bridge.storage.database import in_database, in_database_stepwise
from bridge.storage.sql import Statement, columns, from_now

# How much longer than Salesforce may hold a read its lease lasts. A read's own
# deadline lies in between, so that no read outlives the lease it began under.
MARGIN_SECONDS = 3
# A lease that has waited so long for its read is started afresh first.
STALE_SECONDS = 1.5
# Longer than one call. Where a holder is slower all the same, the next one repeats
# its number, which Salesforce does not take twice.
SENDING_SECONDS = 7

STANDING_COLUMNS = (
    "state",
    "reason",
    "agent",
    "queue_position",
    "estimated_wait",
    "visitor_idle_timeout",
)


def new_token() -> int:
    """Return a number that nobody else has drawn."""
    return secrets.randbits(62) + 1


# --- the right to read --------------------------------------------------------

LEASE_COLUMNS = columns(
    (
        *("id", "line_id", "poll_token", "upstream", "batch", "reconnecting"),
        *(*LINK_COLUMNS, *CURSOR_COLUMNS, *STANDING_COLUMNS),
    )
)
OWN = "WHERE id = %(id)s AND poll_token = %(token)s AND state <> 'ended'"
RENEW = Statement(
    """
    UPDATE bridge_session SET poll_until = {in[lease]} {own} RETURNING {columns}
    """,
    own=OWN,
    columns=LEASE_COLUMNS,
)
LOOK = Statement(
    "SELECT {columns} FROM bridge_session {own}", own=OWN, columns=LEASE_COLUMNS
)
RENEW_QUIETLY = Statement(
    """
    UPDATE bridge_session SET poll_until = {in[lease]}, answered_at = {now}
     {own} AND reconnecting = {false}
    """,
    own=OWN,
)
# Who has opened a chat reads it, and lets others send for it.
HAND_OVER = Statement(
    """
    UPDATE bridge_session SET poll_until = {in[lease]}, send_until = NULL {own}
    RETURNING {columns}
    """,
    own=OWN,
    columns=LEASE_COLUMNS,
)


@dataclass(frozen=True, slots=True, repr=False)
class Lease:
    """The right to read one chat, with what reading needs.

    `commit` names what was stored last; the next to be stored follows on that alone.
    """

    session_id: int
    line_id: str
    token: int
    upstream: str
    commit: int
    needs_recovery: bool
    link: Link
    cursor: Cursor
    standing: Standing

    @property
    def seconds(self) -> int:
        """How long it lasts, counted from before the next read."""
        return self.link.client_poll_timeout + MARGIN_SECONDS


@in_database
def take(session_id: int, token: int) -> Lease | None:
    """Take the lease of a chat that nobody reads; None when it is not to be had."""
    free = Q(poll_until=None) | Q(poll_until__lt=Now()) | Q(poll_token=token)
    session = Session.objects.open().filter(free, pk=session_id).first()
    if session is None:
        return None
    until = from_now(session.client_poll_timeout + MARGIN_SECONDS)
    # Where a recovery was under way, this owner's first read will say so again.
    taken = Session.objects.open().filter(free, pk=session_id)
    if not taken.update(poll_token=token, poll_until=until, reconnecting=False):
        return None
    if session.poll_token != token:
        timeline.record(session_id, Kind.TAKEN_UP, process=timeline.process())
    return look(session_id, token)


@in_database_stepwise
def renew(lease: Lease) -> Lease | None:
    """Start the lease afresh for one more read; None when it is lost or over."""
    return _lease(
        RENEW(id=lease.session_id, token=lease.token, lease=lease.seconds).row
    )


@in_database_stepwise
def renew_quietly(lease: Lease) -> Lease | None:
    """Start the lease afresh after a read that brought nothing: one statement.

    The row is looked at only where there is something to see.
    """
    if RENEW_QUIETLY(id=lease.session_id, token=lease.token, lease=lease.seconds).count:
        return lease
    return renew(lease)


@in_database_stepwise
def look(session_id: int, token: int) -> Lease | None:
    """Return the lease as it stands; None when it is lost or the chat is over."""
    return _lease(LOOK(id=session_id, token=token).row)


@in_database_stepwise
def hand_over(session_id: int, token: int, link: Link) -> Lease | None:
    """Return the lease to read a chat to whoever has opened it; others may send.

    None when the chat is over.
    """
    seconds = link.client_poll_timeout + MARGIN_SECONDS
    return _lease(HAND_OVER(id=session_id, token=token, lease=seconds).row)


@in_database
def release(session_id: int, token: int) -> None:
    """Give the lease up: no read of ours is open, another process may begin."""
    Session.objects.filter(pk=session_id, poll_token=token).update(poll_until=Now())


def _lease(row: tuple[Any, ...] | None) -> Lease | None:
    if row is None:
        return None
    values = iter(row)
    session_id, line_id, token, upstream, commit, reconnecting = islice(values, 6)
    return Lease(
        session_id,
        line_id,
        token,
        upstream,
        commit,
        bool(reconnecting),
        Link(*islice(values, len(LINK_COLUMNS))),
        Cursor(*islice(values, len(CURSOR_COLUMNS))),
        Standing(*values),
    )


# --- the right to send --------------------------------------------------------

FREE = "(send_until IS NULL OR send_until < {now} OR send_token = %(token)s)"
TAKE_SENDING = Statement(
    """
    UPDATE bridge_session SET send_token = %(token)s, send_until = {in[lease]}
     WHERE id = %(id)s AND {free}
       AND (farewell <> '' OR state = 'established' AND reconnecting = {false})
    RETURNING sequence, farewell, state <> 'ended', upstream, {link}
    """,
    free=FREE,
    link=columns(LINK_COLUMNS),
)
BLOCK_SENDERS = Statement(
    """
    UPDATE bridge_session SET send_token = %(token)s, send_until = {in[lease]}
     WHERE id = %(id)s AND {free}
    """,
    free=FREE,
)
RELEASE_SENDING = Statement(
    """
    UPDATE bridge_session SET send_until = NULL
     WHERE id = %(id)s AND send_token = %(token)s
    """
)
RENEW_SENDING = Statement(
    """
    UPDATE bridge_session SET sequence = %(number)s, send_until = {in[lease]}
     WHERE id = %(id)s AND send_token = %(token)s
    """
)
# As part of a script: taken by whose message has just been given the next number.
TAKE_SENDING_FOR_NEXT = """
    UPDATE bridge_session
       SET sequence = sequence + 1, send_token = %(token)s, send_until = {in[lease]}
     WHERE line_id = %(line_id)s AND state <> 'ended'
       AND EXISTS (SELECT 1 FROM bridge_visitormessage v
                    WHERE v.request = %(request)s AND v.session_id = bridge_session.id
                      AND v.sequence = bridge_session.sequence + 1)
    """
# As part of a script: given back where there is no use for it any more.
RELEASE_SENDING_IF_DONE = """
    UPDATE bridge_session
       SET send_until = CASE
               WHEN farewell <> '' OR EXISTS
                    (SELECT 1 FROM bridge_visitormessage
                      WHERE session_id = %(id)s AND sent_at IS NULL)
               THEN send_until ELSE NULL END
     WHERE id = %(id)s AND send_token = %(token)s
    RETURNING send_until IS NULL
    """


@dataclass(frozen=True, slots=True, repr=False)
class Sending:
    """The right to send for one chat.

    `number` is the last one used, `ending` how Salesforce is still to hear of the
    end, "" where there is nothing to hear.
    """

    number: int
    ending: str
    is_open: bool
    upstream: str
    link: Link


@in_database
def take_sending(session_id: int, token: int) -> Sending | None:
    """Take the lease, or start it afresh; None when another one is sending.

    None as well where nothing may be sent: before an agent has joined, while the
    chat is being recovered, or after its end.
    """
    row = TAKE_SENDING(id=session_id, token=token, lease=SENDING_SECONDS).row
    if row is None:
        return None
    number, ending, is_open, upstream, *link = row
    return Sending(number, ending, bool(is_open), upstream, Link(*link))


@in_database_stepwise
def renew_sending(session_id: int, token: int, number: int) -> bool:
    """Start the lease afresh with the number that is used next; False when lost."""
    renewed = RENEW_SENDING(
        id=session_id, token=token, number=number, lease=SENDING_SECONDS
    )
    return bool(renewed.count)


@in_database_stepwise
def release_sending(session_id: int, token: int) -> None:
    """Give the lease back."""
    RELEASE_SENDING(id=session_id, token=token)


@in_database_stepwise
def block_senders(session_id: int, token: int, seconds: float) -> bool:
    """Keep senders away from a chat for so long; False while one is at work."""
    return bool(BLOCK_SENDERS(id=session_id, token=token, lease=seconds).count)
