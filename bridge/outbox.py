"""How do a customer's words get from the bot into the outbox, and out of it?

`put` and `fate` are the bot's side: a row, and what became of it. `next_parcel`
and the functions after it are the sender's, who holds the send lease: rows leave
in order, each with a sequence number that is committed before the first POST and
stays until Salesforce has answered.
"""

from dataclasses import dataclass, field

from django.db.models import Case, F, Q, QuerySet, Value, When
from django.db.models.functions import Greatest, Now

from bridge import wakeups
from bridge.database import in_database
from bridge.events import State
from bridge.exceptions import NoOpenChat, TemporarilyUnavailable
from bridge.marks import digest, from_now
from bridge.models import Session, VisitorMessage
from bridge.protocol import Credentials

MOST_UNSENT = 200  # words of one chat
AWAITED_SECONDS = 3  # how long a waiter counts as alive without a sign
LEASE_SECONDS = 7  # longer than one POST may take


class Fate:
    """What became of words, as their waiter sees it."""

    SENT = "sent"  # Salesforce has them, or they are kept until an agent joins
    PENDING = "pending"
    GONE = "gone"  # the chat ended first, or Salesforce refuses them
    ANOTHERS = "another's"  # the same words are being waited for by somebody else


@dataclass(frozen=True, slots=True)
class Ticket:
    """A row of the outbox and its fate so far."""

    session_id: int
    row_id: int
    fate: str


@dataclass(frozen=True, slots=True)
class Parcel:
    """What the sender is to POST next.

    Words, or with `farewell` the end of the chat (`row_id` is 0 then). `fresh`
    means that this number was never posted before.
    """

    row_id: int
    sequence: int
    fresh: bool
    credentials: Credentials = field(repr=False)
    text: str = field(default="", repr=False)
    farewell: str = ""


def unsent(session_id: int) -> QuerySet[VisitorMessage]:
    """Return what Salesforce does not have yet, in order."""
    rows = VisitorMessage.objects.filter(session_id=session_id, sent_at=None)
    return rows.order_by("id")


# --- the bot's side -----------------------------------------------------------


@in_database
def put(line_id: str, text: str, *, message_id: str | None, request: int) -> Ticket:
    """Put words into the outbox of the customer's open chat.

    `request` tells this request from all others. Words known by their `message_id`
    or, where an earlier request was not told `send`, by their text are not put in
    twice: the ticket is then the earlier row's.

    Raises NoOpenChat, or TemporarilyUnavailable when too much is unsent.
    """
    known = VisitorMessage.objects.filter(request=request)
    if message_id is not None:
        known = VisitorMessage.objects.filter(
            Q(request=request) | Q(line_id=line_id, message_id=message_id)
        )
    # From here on the row lock keeps the chat's end and other words away.
    chat = Session.objects.open().filter(line_id=line_id)
    is_open = chat.update(
        active_at=Now(),
        bot_until=Greatest(F("bot_until"), Now()),
        visitor_idle_at=None,
    )
    if row := known.first():
        return _adopt(row)
    if not is_open:
        raise NoOpenChat("there is no open chat", field="line_id")
    session = Session.objects.open().get(line_id=line_id)
    if message_id is None and (row := _in_doubt(session, text)):
        return _adopt(row)
    return _insert(session, text, message_id, request)


def _in_doubt(session: Session, text: str) -> VisitorMessage | None:
    doubtful = VisitorMessage.objects.filter(
        session=session, digest=digest(text), accepted=False, message_id=None
    )
    return doubtful.order_by("id").first()


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


def _insert(
    session: Session, text: str, message_id: str | None, request: int
) -> Ticket:
    if unsent(session.pk).count() >= MOST_UNSENT:
        raise TemporarilyUnavailable("too many messages are waiting to be sent")
    kept = session.state != State.ESTABLISHED
    row = VisitorMessage.objects.create(
        session=session,
        line_id=session.line_id,
        request=request,
        message_id=message_id,
        text=text,
        digest="" if kept else digest(text),
        accepted=kept,
        awaited_until=from_now(AWAITED_SECONDS),
    )
    return Ticket(session.pk, row.pk, Fate.SENT if kept else Fate.PENDING)


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


# --- the sender's side --------------------------------------------------------


@in_database
def take_lease(session_id: int, token: int, seconds: float = LEASE_SECONDS) -> bool:
    """Take the right to POST for a chat; False when somebody else has it."""
    free = Q(send_until=None) | Q(send_until__lt=Now()) | Q(send_token=token)
    sessions = Session.objects.filter(free, pk=session_id)
    return bool(sessions.update(send_token=token, send_until=from_now(seconds)))


@in_database
def release_lease(session_id: int, token: int) -> bool:
    """Give the right back; returns whether there is something to send after all."""
    own = Session.objects.filter(pk=session_id, send_token=token)
    own.update(send_until=None)
    session = Session.objects.filter(pk=session_id).first()
    return session is not None and _next(session) is not None


@in_database
def next_parcel(session_id: int, token: int) -> Parcel | None:
    """Return what to POST next, with its number committed; None when nothing."""
    own = Session.objects.filter(pk=session_id, send_token=token)
    if not own.update(send_until=from_now(LEASE_SECONDS)):
        return None
    session = own.get()
    following = _next(session)
    if following is None:
        return None
    if isinstance(following, str):
        return Parcel(0, session.sequence + 1, True, session.credentials, "", following)
    fresh = following.sequence is None
    sequence = (
        session.sequence + 1 if following.sequence is None else following.sequence
    )
    if fresh:
        numbered = VisitorMessage.objects.filter(pk=following.pk)
        if not numbered.update(sequence=sequence):  # withdrawn this very moment
            return next_parcel(session_id, token)
        own.update(sequence=sequence)
    return Parcel(following.pk, sequence, fresh, session.credentials, following.text)


def _next(session: Session) -> VisitorMessage | str | None:
    """Return the row or the farewell that is to go next, as things stand."""
    may_send = session.state == State.ESTABLISHED and not session.reconnecting
    if not may_send and not session.farewell:
        return None
    rows = list(unsent(session.pk)[:2])
    if not rows:
        return session.farewell or None
    if rows[0].refused and len(rows) == 1 and not session.farewell:
        return None  # in doubt, and nobody asks: it waits, with its number
    return rows[0]


@in_database
def sent(session_id: int, row_id: int) -> None:
    """Note that Salesforce has the words; the text is forgotten.

    A waiter who is still there will tell the bot `send`, so that counts as told.
    """
    row = VisitorMessage.objects.filter(pk=row_id, sent_at=None)
    awaited = Q(awaited_until__gt=Now(), refused=False)
    accepted = Case(When(awaited, then=Value(True)), default=F("accepted"))
    if row.update(sent_at=Now(), text="", accepted=accepted):
        spoken = Session.objects.filter(pk=session_id)
        spoken.update(visitor_words=F("visitor_words") + 1)
    wakeups.ring(wakeups.chat(session_id))


@in_database
def renumber(session_id: int, token: int, parcel: Parcel, sequence: int) -> bool:
    """Give words another number, which Salesforce has asked for."""
    own = Session.objects.filter(pk=session_id, send_token=token)
    if not own.update(sequence=sequence):
        return False
    row = VisitorMessage.objects.filter(pk=parcel.row_id, sent_at=None)
    return bool(row.update(sequence=sequence))


@in_database
def reject(session_id: int, token: int, parcel: Parcel) -> None:
    """Drop words that Salesforce will not take, and take their number back."""
    own = Session.objects.filter(pk=session_id, send_token=token)
    own.filter(sequence=parcel.sequence).update(sequence=parcel.sequence - 1)
    _drop(session_id, VisitorMessage.objects.filter(pk=parcel.row_id))
    wakeups.ring(wakeups.chat(session_id))


@in_database
def drop_unsent(session_id: int) -> None:
    """Drop what nobody will read any more, and count what the bot was promised."""
    _drop(session_id, unsent(session_id))
    wakeups.ring(wakeups.chat(session_id))


def _drop(session_id: int, rows: QuerySet[VisitorMessage]) -> None:
    promised = rows.filter(accepted=True).count()
    rows.delete()
    Session.objects.filter(pk=session_id).update(
        undelivered=F("undelivered") + promised
    )


def forget_numbers(session_id: int) -> None:
    """Count from one again: whatever is unsent is numbered when it is posted."""
    unsent(session_id).update(sequence=None)
