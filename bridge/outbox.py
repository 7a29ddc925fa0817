"""How do a customer's words get from the bot into the outbox, once?

A row for each thing he says, and what becomes of it. Words the bot sends a second
time, known by their `message_id` or because nobody was told what became of the
first attempt, are not put in twice.
"""

from dataclasses import dataclass

from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from bridge import parcels, wakeups
from bridge.database import in_database
from bridge.events import State
from bridge.exceptions import NoOpenChat, TemporarilyUnavailable
from bridge.marks import digest, from_now
from bridge.models import Session, VisitorMessage
from bridge.parcels import Parcel
from bridge.protocol import Credentials
from bridge.sql import Statement

MOST_UNSENT = 200  # words of one chat
AWAITED_SECONDS = 3  # how long a waiter counts as alive without a sign
NO_CHAT = 0

SPEAK = Statement(
    """
    UPDATE bridge_session
       SET active_at = {now}, visitor_idle_at = NULL,
           bot_until = CASE WHEN bot_until < {now} THEN {now} ELSE bot_until END
     WHERE line_id = %s AND state <> 'ended'
    RETURNING id, state, sequence, host, key, affinity_token,
              reconnecting = {false} AND (send_until IS NULL OR send_until < {now})
    """
)
ALREADY = Statement(
    """
    SELECT (SELECT id FROM bridge_visitormessage WHERE request = %s),
           (SELECT id FROM bridge_visitormessage
             WHERE line_id = %s AND message_id = %s),
           (SELECT min(id) FROM bridge_visitormessage
             WHERE session_id = %s AND digest = %s AND accepted = {false}
               AND message_id IS NULL AND %s),
           (SELECT count(*) FROM bridge_visitormessage
             WHERE session_id = %s AND sent_at IS NULL)
    """
)
PUT = Statement(
    """
    INSERT INTO bridge_visitormessage
           (session_id, line_id, request, message_id, text, digest, sequence,
            accepted, refused, at, awaited_until)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, {false}, {now}, {soon})
    RETURNING id
    """
)


class Fate:
    """What became of words, as their waiter sees it."""

    SENT = "sent"  # Salesforce has them, or they are kept until an agent joins
    PENDING = "pending"
    GONE = "gone"  # the chat ended first, or Salesforce refuses them
    ANOTHERS = "another's"  # the same words are being waited for by somebody else


@dataclass(frozen=True, slots=True)
class Ticket:
    """A row of the outbox and its fate so far.

    With a `parcel` the caller holds the send lease and is to POST it himself.
    """

    session_id: int
    row_id: int
    fate: str
    parcel: Parcel | None = None


@dataclass(frozen=True, slots=True)
class _Chat:
    """The open chat that words are for, as it was when they came."""

    id: int
    state: str
    sequence: int
    credentials: Credentials
    nobody_sends: bool


@in_database
def put(
    line_id: str, text: str, *, message_id: str | None, request: int, token: int
) -> Ticket:
    """Put words into the outbox of the customer's open chat.

    `request` tells this request from all others, `token` is for the send lease,
    which is taken along where nobody else is sending.

    Raises NoOpenChat, or TemporarilyUnavailable when too much is unsent.
    """
    # From here on the row lock keeps the chat's end and other words away.
    chat = _speak(line_id)
    session_id = chat.id if chat else NO_CHAT
    by_text = message_id is None
    mark = digest(text)
    *known, unsent = ALREADY(
        request, line_id, message_id, session_id, mark, by_text, session_id
    ).rows[0]
    for row_id in known:
        if row_id is not None:
            return _adopt(VisitorMessage.objects.get(pk=row_id))
    if chat is None:
        raise NoOpenChat("there is no open chat", field="line_id")
    if unsent >= MOST_UNSENT:
        raise TemporarilyUnavailable("too many messages are waiting to be sent")
    kept = chat.state != State.ESTABLISHED
    at_once = chat.nobody_sends and not unsent and not kept
    sequence = chat.sequence + 1 if at_once else None
    put_in = PUT(
        *(chat.id, line_id, request, message_id, text, "" if kept else mark),
        *(sequence, kept, AWAITED_SECONDS),
    )
    row_id = put_in.rows[0][0]
    if kept:
        return Ticket(chat.id, row_id, Fate.SENT)
    if sequence is None:
        return Ticket(chat.id, row_id, Fate.PENDING)
    parcels.start(chat.id, token, sequence)
    parcel = Parcel(row_id, sequence, True, chat.credentials, text)
    return Ticket(chat.id, row_id, Fate.PENDING, parcel)


def _speak(line_id: str) -> _Chat | None:
    row = SPEAK(line_id).row
    if row is None:
        return None
    session_id, state, sequence, host, key, affinity_token, nobody_sends = row
    credentials = Credentials(host, key, affinity_token)
    return _Chat(session_id, state, sequence, credentials, bool(nobody_sends))


def _adopt(row: VisitorMessage) -> Ticket:
    """Continue an earlier attempt, unless its own waiter is still there."""
    if row.accepted:
        return Ticket(row.session_id, row.pk, Fate.SENT)
    row_now = VisitorMessage.objects.filter(pk=row.pk)
    if row.message_id is None:
        free = Q(refused=True) | Q(awaited_until__lt=Now())
        if not row_now.filter(free).exists():
            return Ticket(row.session_id, row.pk, Fate.ANOTHERS)
    if row.sent_at is not None:
        row_now.update(accepted=True, refused=False, digest="")
        return Ticket(row.session_id, row.pk, Fate.SENT)
    row_now.update(refused=False, awaited_until=from_now(AWAITED_SECONDS))
    return Ticket(row.session_id, row.pk, Fate.PENDING)


@in_database
def fate(row_id: int) -> str:
    """Return what became of a row; while that is open, note that somebody waits."""
    waiting = VisitorMessage.objects.filter(pk=row_id, sent_at=None)
    if waiting.update(awaited_until=from_now(AWAITED_SECONDS)):
        return Fate.PENDING
    row = VisitorMessage.objects.filter(pk=row_id).first()
    if row is None:
        return Fate.GONE
    if not row.accepted:
        VisitorMessage.objects.filter(pk=row_id).update(accepted=True, digest="")
    return Fate.SENT


@in_database
def give_up(row_id: int) -> str:
    """Stop waiting: words never posted are withdrawn, the others stay in doubt."""
    rows = VisitorMessage.objects.filter(pk=row_id, sent_at=None)
    withdrawn, _ = rows.filter(sequence=None).delete()
    if withdrawn or rows.update(refused=True):
        return Fate.PENDING
    return fate(row_id)


# --- words that nobody will read ----------------------------------------------


def unsent(session_id: int) -> QuerySet[VisitorMessage]:
    """Return what Salesforce does not have yet, in order."""
    rows = VisitorMessage.objects.filter(session_id=session_id, sent_at=None)
    return rows.order_by("id")


@in_database
def drop_unsent(session_id: int) -> None:
    """Drop what is unsent, and count what the bot was promised."""
    drop(session_id, unsent(session_id))


def drop(session_id: int, rows: QuerySet[VisitorMessage]) -> None:
    """Drop rows, count those the bot was promised, and tell who waits."""
    promised = rows.filter(accepted=True).count()
    rows.delete()
    Session.objects.filter(pk=session_id).update(
        undelivered=F("undelivered") + promised
    )
    wakeups.ring(wakeups.chat(session_id))


@in_database
def reject(session_id: int, token: int, parcel: Parcel) -> None:
    """Drop words that Salesforce will not take, and take their number back."""
    parcels.take_number_back(session_id, token, parcel)
    drop(session_id, VisitorMessage.objects.filter(pk=parcel.row_id))


def forget_numbers(session_id: int) -> None:
    """Count from one again: whatever is unsent is numbered when it is posted."""
    unsent(session_id).update(sequence=None)
