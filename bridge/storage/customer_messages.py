"""How do a customer's messages get from the bot to Salesforce, in order and once?

A row for each, and what becomes of it. Messages that the bot sends a second time,
known by their `message_id` or because nobody was told what became of the first
attempt, are not kept twice. Whoever holds the send lease is given one after the other;
a number is committed before it is first used and stays until Salesforce has answered.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from bridge.domain.errors import NoOpenChat, TemporarilyUnavailable
from bridge.domain.links import LINK_COLUMNS, Link
from bridge.models import CustomerMessage, Session
from bridge.storage import leases, notifications
from bridge.storage.database import in_database, in_database_stepwise
from bridge.storage.digests import digest
from bridge.storage.sql import Script, Statement, columns, from_now

MAX_UNSENT = 200  # messages of one chat
NO_ROW = 0
AWAITED_SECONDS = 3  # how long a waiter counts as alive without a sign


class Delivery(StrEnum):
    """What became of a message, as its waiter sees it."""

    SENT = "sent"  # Salesforce has it, or it is kept until an agent joins
    PENDING = "pending"
    DROPPED = "dropped"  # the chat ended first, or Salesforce refuses it
    IN_PROGRESS_ELSEWHERE = "in progress elsewhere"  # another caller waits for it


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What the sender is to send next: a message, or with `ending` the end.

    `fresh` means that it was never sent under this number. `is_open` says that the
    chat goes on; `row_id` is 0 for an end.
    """

    row_id: int
    number: int
    fresh: bool
    upstream: str
    link: Link = field(repr=False)
    text: str = field(default="", repr=False)
    ending: str = ""
    is_open: bool = True


@dataclass(frozen=True, slots=True)
class Submission:
    """A row, and what has become of it so far.

    With `outgoing` the caller holds the send lease and is to send it.
    """

    session_id: int
    row_id: int
    delivery: Delivery
    outgoing: Outgoing | None = None


# --- from the bot -------------------------------------------------------------

SPEAK = """
    UPDATE bridge_session
       SET active_at = {now}, visitor_idle_at = NULL,
           bot_until = CASE WHEN bot_until < {now} THEN {now} ELSE bot_until END
     WHERE line_id = %(line_id)s AND state <> 'ended'
    """
# A message that is new. Where nobody is sending it gets its number at once.
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
INSERTED = """
    SELECT v.id, v.session_id, v.accepted, v.sequence, s.send_token = %(token)s,
           s.upstream, {link}
      FROM bridge_visitormessage v JOIN bridge_session s ON s.id = v.session_id
     WHERE v.request = %(request)s
    """
SUBMIT = Script(
    SPEAK,
    INSERT,
    leases.TAKE_SENDING_FOR_NEXT,
    INSERTED,
    most=str(MAX_UNSENT),
    link=columns(LINK_COLUMNS, of="s"),
)


def submit(
    line_id: str, text: str, *, message_id: str | None, request: int, token: int
) -> Submission:
    """Keep a message for the customer's open chat.

    `request` tells this request from all others, `token` is for the send lease,
    which is taken along where nobody else is sending.

    Raises NoOpenChat, or TemporarilyUnavailable when too much is unsent.
    """
    submission = _insert(line_id, text, message_id, request, token)
    return submission or _resume(line_id, text, message_id)


@in_database_stepwise
def _insert(
    line_id: str, text: str, message_id: str | None, request: int, token: int
) -> Submission | None:
    """Keep a message that is new; None where it is not, or nobody is to get it.

    The row lock of the first statement keeps the chat's end and others away.
    """
    row = SUBMIT(
        line_id=line_id,
        text=text,
        digest=digest(text),
        message_id=message_id,
        has_no_id=message_id is None,
        request=request,
        token=token,
        awaited=AWAITED_SECONDS,
        lease=leases.SENDING_SECONDS,
    ).row
    if row is None:
        return None
    row_id, session_id, kept, number, is_ours, upstream, *link = row
    if kept:
        return Submission(session_id, row_id, Delivery.SENT)
    if number is None or not is_ours:
        return Submission(session_id, row_id, Delivery.PENDING)
    outgoing = Outgoing(row_id, number, True, upstream, Link(*link), text)
    return Submission(session_id, row_id, Delivery.PENDING, outgoing)


@in_database
def _resume(line_id: str, text: str, message_id: str | None) -> Submission:
    """Go on with an earlier attempt at the same, or say why that is not to be."""
    chat = Session.objects.open().filter(line_id=line_id).first()
    rows = CustomerMessage.objects.filter(line_id=line_id)
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
    if unsent(chat.pk).count() >= MAX_UNSENT:
        raise TemporarilyUnavailable("too many messages are waiting to be sent")
    # What stood in the way has been settled meanwhile: once more.
    return Submission(chat.pk, NO_ROW, Delivery.IN_PROGRESS_ELSEWHERE)


def _adopt(row: CustomerMessage) -> Submission:
    """Continue an earlier attempt, unless its own waiter is still there."""
    if row.accepted:
        return Submission(row.session_id, row.pk, Delivery.SENT)
    row_now = CustomerMessage.objects.filter(pk=row.pk)
    if row.message_id is None:
        free = Q(refused=True) | Q(awaited_until__lt=Now())
        if not row_now.filter(free).exists():
            return Submission(row.session_id, row.pk, Delivery.IN_PROGRESS_ELSEWHERE)
    if row.sent_at is not None:
        row_now.update(accepted=True, refused=False, digest="")
        return Submission(row.session_id, row.pk, Delivery.SENT)
    row_now.update(refused=False, awaited_until=from_now(AWAITED_SECONDS))
    return Submission(row.session_id, row.pk, Delivery.PENDING)


@in_database
def delivery_of(row_id: int) -> Delivery:
    """Return what became of a row; while that is open, note that somebody waits."""
    waiting = CustomerMessage.objects.filter(pk=row_id, sent_at=None)
    if waiting.update(awaited_until=from_now(AWAITED_SECONDS)):
        return Delivery.PENDING
    row = CustomerMessage.objects.filter(pk=row_id).first()
    if row is None:
        return Delivery.DROPPED
    if not row.accepted:
        CustomerMessage.objects.filter(pk=row_id).update(accepted=True, digest="")
    return Delivery.SENT


@in_database
def withdraw(row_id: int) -> Delivery:
    """Stop waiting: what was never sent is withdrawn, the rest stays in doubt."""
    rows = CustomerMessage.objects.filter(pk=row_id, sent_at=None)
    withdrawn, _ = rows.filter(sequence=None).delete()
    if withdrawn or rows.update(refused=True):
        return Delivery.PENDING
    return delivery_of(row_id)


# --- to Salesforce ------------------------------------------------------------

NEXT = Statement(
    """
    SELECT id, sequence, text, refused FROM bridge_visitormessage
     WHERE session_id = %(id)s AND sent_at IS NULL ORDER BY id LIMIT 2
    """
)
NUMBER_ROW = Statement(
    """
    UPDATE bridge_visitormessage SET sequence = %(number)s
     WHERE id = %(row_id)s AND sent_at IS NULL
    """
)
# The chat's row is locked before its messages' rows, as everywhere; and what is put
# in meanwhile is seen.
LOCK = "UPDATE bridge_session SET active_at = active_at WHERE id = %(id)s"
SENT = """
    UPDATE bridge_visitormessage
       SET sent_at = {now}, text = '',
           accepted = CASE WHEN %(told)s OR awaited_until > {now} AND refused = {false}
                           THEN {true} ELSE accepted END
     WHERE id = %(row_id)s AND sent_at IS NULL
    """
NOTE_SENT = Script(LOCK, SENT, leases.RELEASE_SENDING_IF_DONE)


@in_database
def next_outgoing(session_id: int, token: int) -> Outgoing | None:
    """Take the send lease or keep it, and return what to send next.

    None when somebody else is sending, or when there is nothing to send: then the
    lease is given back.
    """
    lease = leases.take_sending(session_id, token)
    if lease is None:
        # A chat that is being recovered waits for whoever was about to try again.
        leases.release_sending(session_id, token)
        return None
    rows = NEXT(id=session_id).rows
    if len(rows) == 1 and rows[0][3] and not lease.ending:
        rows = []  # refused to the bot, which may ask again
    number, ending = lease.number + 1, ""
    if rows:
        row_id, numbered, text, _ = rows[0]
        if numbered is None:
            if not NUMBER_ROW(number=number, row_id=row_id).count:
                return next_outgoing(session_id, token)  # withdrawn this very moment
            leases.renew_sending(session_id, token, number)
    elif lease.ending:
        row_id, numbered, text, ending = NO_ROW, None, "", lease.ending
    else:
        leases.release_sending(session_id, token)
        return None
    return Outgoing(
        row_id,
        numbered or number,
        fresh=numbered is None,
        upstream=lease.upstream,
        link=lease.link,
        text=text,
        ending=ending,
        is_open=lease.is_open,
    )


@in_database_stepwise
def sent(
    session_id: int, token: int, row_id: int, *, told: bool = False
) -> Outgoing | None:
    """Note that Salesforce has a message, and return what to send next.

    The text is forgotten. A waiter who is still there will tell the bot `send`, so
    that counts as told; `told` says that the caller is that waiter.
    """
    done = NOTE_SENT(id=session_id, token=token, row_id=row_id, told=told).row
    notifications.publish(notifications.chat(session_id))
    if done is None or done[0]:
        return None
    return next_outgoing(session_id, token)


@in_database
def renumber(session_id: int, token: int, row_id: int, number: int) -> bool:
    """Give a message another number, which Salesforce has asked for."""
    if not leases.renew_sending(session_id, token, number):
        return False
    return bool(NUMBER_ROW(number=number, row_id=row_id).count)


@in_database
def reject(session_id: int, token: int, outgoing: Outgoing) -> None:
    """Drop a message that Salesforce will not take; the next one gets its number."""
    own = Session.objects.filter(pk=session_id, send_token=token)
    own.filter(sequence=outgoing.number).update(sequence=outgoing.number - 1)
    drop(session_id, CustomerMessage.objects.filter(pk=outgoing.row_id))


def note_arrival(session_id: int, number: int) -> None:
    """Note that a message in doubt has turned out to be with Salesforce."""
    row = unsent(session_id).filter(sequence=number).first()
    if row is not None:
        Statement(SENT)(row_id=row.pk, told=False)
        notifications.publish(notifications.chat(session_id))


def forget_numbers(session_id: int) -> None:
    """Count from one again: whatever is unsent is numbered when it is sent."""
    unsent(session_id).update(sequence=None)


# --- what nobody will read ----------------------------------------------------


def unsent(session_id: int) -> QuerySet[CustomerMessage]:
    """Return what Salesforce does not have yet, in order."""
    rows = CustomerMessage.objects.filter(session_id=session_id, sent_at=None)
    return rows.order_by("id")


@in_database
def drop_unsent(session_id: int) -> None:
    """Drop what is unsent, and count what the bot was promised."""
    drop(session_id, unsent(session_id))


def drop(session_id: int, rows: QuerySet[CustomerMessage]) -> None:
    """Drop rows, count those the bot was promised, and tell who waits."""
    promised = rows.filter(accepted=True).count()
    rows.delete()
    Session.objects.filter(pk=session_id).update(
        undelivered=F("undelivered") + promised
    )
    notifications.publish(notifications.chat(session_id))
