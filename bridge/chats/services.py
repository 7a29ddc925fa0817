"""What happens when a bot opens a chat, asks for words, sends some, or closes?

The four verbs behind the endpoints, free of HTTP. Each returns plain values and
answers within 25 seconds, since a Heroku router cuts after thirty.
"""

import logging
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bridge.chats import opening, sender, shutdown
from bridge.domain.errors import InvalidRequest, NoOpenChat, TemporarilyUnavailable
from bridge.domain.timeline import EndedBy
from bridge.storage import agent_messages, customer_messages, ending, notifications
from bridge.storage import opening as claims
from bridge.storage.agent_messages import Fetch
from bridge.storage.customer_messages import Fate, Ticket
from bridge.storage.marks import new_token
from bridge.storage.opening import Reservation
from bridge.storage.summary import ChatSummary
from bridge.telemetry import logs, metrics
from bridge.upstreams.liveagent.events import Reason, State
from bridge.upstreams.liveagent.protocol import Json

logger = logging.getLogger(__name__)

# How long /messages waits for words. Calls that began together, as after a restart,
# are not to come back together for ever.
HOLD_SECONDS = (20.0, 24.0)
OPEN_SECONDS = 18.0  # how long /init waits for Salesforce to take the request
FAIL_FAST_SECONDS = 10.0  # of them, kept for that answer
LAST_MOMENT_SECONDS = 5.0  # and how long a failed /init waits to end what it began
SEND_SECONDS = 10.0
CLOSE_SECONDS = 10.0
ANOTHERS_SECONDS = 0.1  # before the same words are tried again
LOOK_AGAIN_SECONDS = 1.0  # should a wake-up be lost

FULL = "full"


@dataclass(frozen=True, slots=True)
class Opened:
    """How opening a chat went; `chat` is None where there was no room for it."""

    chat: ChatSummary | None

    @property
    def ok(self) -> bool:
        """Whether Salesforce has taken the request."""
        return self.chat is not None and self.chat.is_open and not self.is_pending

    @property
    def is_pending(self) -> bool:
        """Whether Salesforce has not said yet."""
        return self.chat is not None and self.chat.state == State.OPENING

    @property
    def reason(self) -> str:
        """Why it failed."""
        if self.chat is None:
            return FULL
        return self.chat.reason or Reason.ERROR


def open_chat(
    *, line_id: str, display_name: str, prechat_entities: Sequence[Json]
) -> Opened:
    """Return the customer's open chat, opened now unless it is open already.

    Whoever comes while it is being opened waits for the same outcome.
    """
    deadline = time.monotonic() + OPEN_SECONDS
    opened = Opened(None)
    while time.monotonic() < deadline:
        token = new_token()
        reservation = claims.reserve(line_id, display_name, token)
        if reservation is None:
            return Opened(None)
        logs.note_chat(reservation.session_id)
        if reservation.mine:
            opening.open_at_salesforce(
                reservation.session_id,
                token,
                line_id,
                display_name,
                prechat_entities,
                deadline=deadline - FAIL_FAST_SECONDS,
            )
        opened = _outcome(reservation, deadline)
        if reservation.mine or not _died_with_its_opener(opened):
            break
    return opened


def _outcome(reservation: Reservation, deadline: float) -> Opened:
    """Wait until Salesforce has said yes or no, or has had its time."""
    session_id = reservation.session_id
    opened = notifications.wait_until(
        lambda opened: not opened.is_pending,
        lambda: Opened(ending.look(session_id)),
        notifications.chat(session_id),
        deadline=deadline,
        every=LOOK_AGAIN_SECONDS,
    )
    if opened.ok:
        return opened
    if opened.is_pending and reservation.mine:
        ending.finish(session_id, Reason.ERROR, facts={"by": EndedBy.DEADLINE})
    _wait_for_farewell(session_id, until=deadline + LAST_MOMENT_SECONDS)
    return Opened(ending.look(session_id))


def _died_with_its_opener(opened: Opened) -> bool:
    """Whether the process that was opening this chat was killed doing so."""
    return opened.chat is not None and opened.chat.reason == Reason.LOST


def next_message(
    *,
    line_id: str,
    ack: int | None,
    is_connected: Callable[[], bool] = lambda: True,
) -> Fetch:
    """Return the oldest message for the bot, the end, or nothing after a while.

    A caller that has gone (`is_connected`) is given nothing. Raises InvalidRequest for
    an `ack` that is too high.
    """
    deadline = time.monotonic() + random.uniform(*HOLD_SECONDS)  # noqa: S311
    claim = new_token() if ack is None else agent_messages.NO_CLAIM
    fetched: Fetch | None = None

    def fetch() -> Fetch:
        nonlocal fetched
        if fetched is None or (is_connected() and not shutdown.is_stopping()):
            fetched = agent_messages.fetch(
                line_id,
                claim=claim,
                hold_seconds=max(0.0, deadline - time.monotonic()),
                ack=ack if fetched is None else None,  # once is enough
            )
        return fetched

    def is_enough(fetched: Fetch) -> bool:
        found = fetched.message is not None or fetched.is_end
        return found or shutdown.is_stopping() or not is_connected()

    with metrics.messages_held.track_inprogress():
        found = notifications.wait_until(
            is_enough, fetch, notifications.messages_for(line_id), deadline=deadline
        )
    logs.note_chat(found.chat.id if found.chat else None)
    return found


def look_again(line_id: str) -> None:
    """Have this customer's waiting calls in this process see who is still there."""
    notifications.publish_here(notifications.messages_for(line_id))


def send_message(*, line_id: str, text: str, message_id: str | None) -> None:
    """Return once the agent has the words, or they are kept until one joins.

    Raises NoOpenChat, or TemporarilyUnavailable when it did not work out in time;
    then the same words sent again continue this attempt.
    """
    deadline = time.monotonic() + SEND_SECONDS
    request, token = new_token(), new_token()
    while True:
        ticket = customer_messages.put(
            line_id, text, message_id=message_id, request=request, token=token
        )
        logs.note_chat(ticket.session_id)
        if ticket.parcel and sender.send_now(ticket.session_id, token, ticket.parcel):
            return
        fate = _fate(ticket, deadline)
        if fate == Fate.SENT:
            return
        if fate == Fate.GONE:
            _raise_for_dropped(ticket)
        if time.monotonic() >= deadline:
            raise TemporarilyUnavailable("Salesforce has not taken it; send it again")


def _fate(ticket: Ticket, deadline: float) -> str:
    """Wait for a row's fate; PENDING when the time is over."""
    if ticket.fate == Fate.SENT:
        return ticket.fate
    if ticket.fate == Fate.ANOTHERS:
        with notifications.subscribe(notifications.chat(ticket.session_id)) as changes:
            changes.wait(ANOTHERS_SECONDS)
        return Fate.PENDING

    def look() -> str:
        sender.kick(ticket.session_id)
        return customer_messages.fate(ticket.row_id)

    fate = notifications.wait_until(
        lambda fate: fate != Fate.PENDING,
        look,
        notifications.chat(ticket.session_id),
        deadline=deadline,
        every=LOOK_AGAIN_SECONDS,
    )
    if fate == Fate.PENDING:
        return customer_messages.give_up(ticket.row_id)
    return fate


def _raise_for_dropped(ticket: Ticket) -> None:
    chat = ending.look(ticket.session_id)
    if chat is not None and chat.is_open:
        raise InvalidRequest("Salesforce does not take it", field="message")
    raise NoOpenChat("the chat has ended", field="line_id")


def close_chat(*, line_id: str) -> ChatSummary | None:
    """End the customer's chat; returns it, None where there never was one.

    Salesforce hears of it before this returns or, if it cannot be reached in time,
    in the background.
    """
    session_id = ending.close(line_id)
    if session_id is None:
        return None
    logs.note_chat(session_id)
    sender.kick(session_id)
    _wait_for_farewell(session_id, until=time.monotonic() + CLOSE_SECONDS)
    return ending.look(session_id)


def _wait_for_farewell(session_id: int, *, until: float) -> None:
    notifications.wait_until(
        lambda chat: chat is None or not chat.farewell,
        lambda: ending.look(session_id),
        notifications.chat(session_id),
        deadline=until,
        every=LOOK_AGAIN_SECONDS,
    )
