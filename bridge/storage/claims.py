"""Who opens a customer's chat?

Whoever's row it is: there is at most one open chat a customer, which the database
sees to. All others wait for the outcome.
"""

from dataclasses import asdict, dataclass

from django.conf import settings
from django.db import connection

from bridge.domain.errors import TemporarilyUnavailable
from bridge.domain.links import DEFAULT_HOLD_SECONDS, FIRST_ACK, LINK_COLUMNS, Link
from bridge.models import Session
from bridge.storage.database import in_database, in_database_stepwise
from bridge.storage.sql import Script, Statement, assignments

LEASE_SECONDS = 15
MAX_TRIES = 3

# An acknowledgement that a bot had for older chats is good for the new one, also where
# these have been removed: see `agent_messages.IS_KNOWN`.
INSERT = """
    INSERT INTO bridge_session
           (line_id, display_name, state,
            poll_token, poll_until, send_token, send_until,
            last_word_id, opened_at, active_at, bot_until, client_poll_timeout, ack,
            sequence, batch, agent_words, undelivered, reconnecting, reason, agent,
            host, key, affinity_token, farewell, upstream)
    SELECT %(line_id)s, %(display_name)s, 'opening',
           %(token)s, {in[lease]}, %(token)s, {in[lease]},
           COALESCE((SELECT last_word_id FROM bridge_session
                      WHERE line_id = %(line_id)s ORDER BY id DESC LIMIT 1),
                    {last_message_id}),
           {now}, {now}, {now}, {poll_timeout}, {first_ack},
           0, 0, 0, 0, {false}, '', '', '', '', '', '', %(upstream)s
     WHERE NOT EXISTS (SELECT 1 FROM bridge_session
                        WHERE line_id = %(line_id)s AND state <> 'ended')
        ON CONFLICT DO NOTHING
    """
SEEN = """
    UPDATE bridge_session SET bot_until = {now}
     WHERE line_id = %(line_id)s AND state <> 'ended' AND bot_until < {now}
    """
FIND = """
    SELECT id, poll_token = %(token)s AND key = '', state <> 'opening'
      FROM bridge_session
     WHERE line_id = %(line_id)s AND state <> 'ended'
    """
CLAIM = Script(
    INSERT,
    SEEN,
    FIND,
    poll_timeout=str(DEFAULT_HOLD_SECONDS),
    first_ack=str(FIRST_ACK),
)
KEEP_LINK = Statement(
    """
    UPDATE bridge_session
       SET {link}, sequence = %(number)s,
           poll_until = {in[lease]}, send_until = {in[lease]}
     WHERE id = %(id)s AND poll_token = %(token)s AND state <> 'ended'
    """,
    link=assignments(LINK_COLUMNS),
)
# Held until the end of the transaction; the number only has to be our own.
ADMIT_ONE = Statement("SELECT pg_advisory_xact_lock(%(lock)s)")
ADMISSION_LOCK = 0x4C495645


@dataclass(frozen=True, slots=True)
class Claim:
    """The open chat of a customer, and whether the caller is to open it.

    `is_begun`: a bot was told of it already.
    """

    session_id: int
    is_ours: bool
    is_begun: bool


def claim(line_id: str, display_name: str, token: int, upstream: str) -> Claim | None:
    """Return the customer's open chat, a new one if there is none.

    A new one belongs to `token`: both leases are taken, so that nobody polls or
    ends it before its opener is done. None when MAX_OPEN_CHATS is reached. Raises
    TemporarilyUnavailable when chats end as soon as they are found.
    """
    if settings.MAX_OPEN_CHATS is None:
        return _claim(line_id, display_name, token, upstream)
    most = settings.MAX_OPEN_CHATS
    return _claim_if_room(line_id, display_name, token, upstream, most)


@in_database_stepwise
def _claim(line_id: str, display_name: str, token: int, upstream: str) -> Claim:
    for _ in range(MAX_TRIES):
        row = CLAIM(
            line_id=line_id,
            display_name=display_name,
            token=token,
            upstream=upstream,
            lease=LEASE_SECONDS,
        ).row
        if row is not None:  # else the one that was open has just ended
            session_id, is_ours, is_begun = row
            return Claim(session_id, bool(is_ours), bool(is_begun))
    raise TemporarilyUnavailable("the customer's chats keep ending; try again")


@in_database
def _claim_if_room(
    line_id: str, display_name: str, token: int, upstream: str, most: int
) -> Claim | None:
    """Let chats in one by one, so that there are never more than the limit."""
    if connection.vendor == "postgresql":
        ADMIT_ONE(lock=ADMISSION_LOCK)
    chats = Session.objects.open()
    is_full = chats.count() >= most
    if is_full and not chats.filter(line_id=line_id).exists():
        return None
    return _claim(line_id, display_name, token, upstream)


@in_database_stepwise
def keep_link(session_id: int, token: int, link: Link, number: int) -> bool:
    """Keep what opens the chat at Salesforce, before it is asked to route it.

    `number` is the last one used. False when the chat is not ours any more: closed,
    or taken for dead.
    """
    kept = KEEP_LINK(
        id=session_id, token=token, number=number, lease=LEASE_SECONDS, **asdict(link)
    )
    return bool(kept.count)
