"""How do a customer's words get from the bot into the outbox, once?

A row for each thing he says, and what becomes of it. Words the bot sends a second
time, known by their `message_id` or because nobody was told what became of the
first attempt, are not put in twice.
"""

from dataclasses import dataclass

from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from bridge.domain.errors import NoOpenChat, TemporarilyUnavailable
from bridge.models import Session, VisitorMessage
from bridge.storage import notifications, parcels
from bridge.storage.database import in_database, in_database_stepwise
from bridge.storage.marks import digest, from_now
from bridge.storage.parcels import Parcel
from bridge.storage.sql import Script, Statement
from bridge.upstreams.liveagent.protocol import Credentials

MOST_UNSENT = 200  # words of one chat
NO_ROW = 0
AWAITED_SECONDS = 3  # how long a waiter counts as alive without a sign

SPEAK = """
    UPDATE bridge_session
       SET active_at = {now}, visitor_idle_at = NULL,
           bot_until = CASE WHEN bot_until < {now} THEN {now} ELSE bot_until END
     WHERE line_id = %(line_id)s AND state <> 'ended'
    """
# Words that are new. Where nobody is sending they get their number at once.
INSERT = """
    INSERT INTO bridge_visitormessage
           (session_id, line_id, request, message_id, text, digest, sequence,
            accepted, refused, at, awaited_until)
    SELECT s.id, s.line_id, %(request)s, %(message_id)s, %(text)s,
           CASE WHEN s.state = 'established' THEN %(digest)s ELSE '' END,
           CASE WHEN s.state = 'established' AND s.reconnecting = {false}
                 AND (s.send_until IS NULL OR s.send_until < {now})
                 AND NOT EXISTS (SELECT 1 FROM bridge_visitormessage v
                                  WHERE v.session_id = s.id AND v.sent_at IS NULL)
                THEN s.sequence + 1 END,
           s.state <> 'established', {false}, {now}, {in[awaited]}
      FROM bridge_session s
     WHERE s.line_id = %(line_id)s AND s.state <> 'ended'
       AND NOT EXISTS (SELECT 1 FROM bridge_visitormessage WHERE request = %(request)s)
       AND NOT EXISTS (SELECT 1 FROM bridge_visitormessage v
                        WHERE v.line_id = s.line_id AND v.message_id = %(message_id)s)
       AND NOT EXISTS (SELECT 1 FROM bridge_visitormessage v
                        WHERE v.session_id = s.id AND v.digest = %(digest)s
                          AND v.accepted = {false} AND v.message_id IS NULL
                          AND %(has_no_id)s)
       AND {most} > (SELECT count(*) FROM bridge_visitormessage v
                  WHERE v.session_id = s.id AND v.sent_at IS NULL)
    """
TAKE_LEASE = """
    UPDATE bridge_session
       SET sequence = sequence + 1, send_token = %(token)s, send_until = {in[lease]}
     WHERE line_id = %(line_id)s AND state <> 'ended'
       AND EXISTS (SELECT 1 FROM bridge_visitormessage v
                    WHERE v.request = %(request)s AND v.session_id = bridge_session.id
                      AND v.sequence = bridge_session.sequence + 1)
    """
INSERTED = """
    SELECT v.id, v.session_id, v.accepted, v.sequence, s.send_token = %(token)s,
           s.host, s.key, s.affinity_token
      FROM bridge_visitormessage v JOIN bridge_session s ON s.id = v.session_id
     WHERE v.request = %(request)s
    """
UNSENT_EXISTS = Statement(
    """
    SELECT 1 FROM bridge_visitormessage
     WHERE session_id = %(id)s AND sent_at IS NULL LIMIT 1
    """
)
PUT = Script(SPEAK, INSERT, TAKE_LEASE, INSERTED, most=str(MOST_UNSENT))


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


def put(
    line_id: str, text: str, *, message_id: str | None, request: int, token: int
) -> Ticket:
    """Put words into the outbox of the customer's open chat.

    `request` tells this request from all others, `token` is for the send lease,
    which is taken along where nobody else is sending.

    Raises NoOpenChat, or TemporarilyUnavailable when too much is unsent.
    """
    ticket = _insert(line_id, text, message_id, request, token)
    return ticket or _continue(line_id, text, message_id)


@in_database_stepwise
def _insert(
    line_id: str, text: str, message_id: str | None, request: int, token: int
) -> Ticket | None:
    """Put in words that are new; None where they are not, or nobody is to get them.

    The row lock of the first statement keeps the chat's end and other words away.
    """
    row = PUT(
        line_id=line_id,
        text=text,
        message_id=message_id,
        has_no_id=message_id is None,
        digest=digest(text),
        request=request,
        token=token,
        awaited=AWAITED_SECONDS,
        lease=parcels.LEASE_SECONDS,
    ).row
    if row is None:
        return None
    row_id, session_id, kept, sequence, is_mine, *credentials = row
    if kept:
        return Ticket(session_id, row_id, Fate.SENT)
    if sequence is None or not is_mine:
        return Ticket(session_id, row_id, Fate.PENDING)
    parcel = Parcel(row_id, sequence, True, Credentials(*credentials), text)
    return Ticket(session_id, row_id, Fate.PENDING, parcel)


@in_database
def _continue(line_id: str, text: str, message_id: str | None) -> Ticket:
    """Go on with an earlier attempt at the same words, or say why that is not to be."""
    chat = Session.objects.open().filter(line_id=line_id).first()
    rows = VisitorMessage.objects.filter(line_id=line_id)
    if message_id is not None:
        rows = rows.filter(message_id=message_id)
    else:
        rows = rows.filter(
            session=chat, digest=digest(text), accepted=False, message_id=None
        )
    if row := rows.order_by("id").first():
        return _adopt(row)
    if chat is None:
        raise NoOpenChat("there is no open chat", field="line_id")
    if unsent(chat.pk).count() >= MOST_UNSENT:
        raise TemporarilyUnavailable("too many messages are waiting to be sent")
    # What stood in the way has been settled meanwhile: once more.
    return Ticket(chat.pk, NO_ROW, Fate.ANOTHERS)


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


def unsent_exists(session_id: int) -> bool:
    """Whether there is something for a sender to do."""
    return UNSENT_EXISTS(id=session_id).row is not None


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
    notifications.publish(notifications.chat(session_id))


@in_database
def reject(session_id: int, token: int, parcel: Parcel) -> None:
    """Drop words that Salesforce will not take, and take their number back."""
    parcels.take_number_back(session_id, token, parcel)
    drop(session_id, VisitorMessage.objects.filter(pk=parcel.row_id))


def forget_numbers(session_id: int) -> None:
    """Count from one again: whatever is unsent is numbered when it is posted."""
    unsent(session_id).update(sequence=None)
