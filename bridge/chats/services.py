"""What happens when a bot asks for messages, sends one, or closes a chat?

With `opening` the four verbs behind the endpoints, free of HTTP. Each returns plain
values and answers within 25 seconds, since a Heroku router cuts after thirty.
"""

import random
import time
from collections.abc import Callable

from bridge.chats import sender, shutdown
from bridge.domain.errors import InvalidRequest, NoOpenChat, TemporarilyUnavailable
from bridge.storage import agent_messages, customer_messages, ending, notifications
from bridge.storage.agent_messages import Fetch
from bridge.storage.customer_messages import Delivery, Submission
from bridge.storage.leases import new_token
from bridge.storage.notifications import LOOK_AGAIN_SECONDS
from bridge.storage.summary import ChatSummary
from bridge.telemetry import logs, metrics

# How long /messages waits for words. Calls that began together, as after a restart,
# are not to come back together for ever.
HOLD_SECONDS = (20.0, 24.0)
SEND_SECONDS = 10.0
CLOSE_SECONDS = 10.0
ELSEWHERE_SECONDS = 0.1  # before the same message is tried again


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


def send_message(*, line_id: str, text: str, message_id: str | None) -> None:
    """Return once the agent has the message, or it is kept until one joins.

    Raises NoOpenChat, or TemporarilyUnavailable when it did not work out in time;
    then the same sent again continues this attempt.
    """
    deadline = time.monotonic() + SEND_SECONDS
    request, token = new_token(), new_token()
    while True:
        submission = customer_messages.submit(
            line_id, text, message_id=message_id, request=request, token=token
        )
        session_id, outgoing = submission.session_id, submission.outgoing
        logs.note_chat(session_id)
        if (
            outgoing
            and time.monotonic() < deadline  # else it waits for a sender's thread
            and sender.send_inline(session_id, token, outgoing, deadline)
        ):
            return
        delivery = _delivery(submission, deadline)
        if delivery == Delivery.SENT:
            return
        if delivery == Delivery.DROPPED:
            _raise_for_dropped(session_id)
        if time.monotonic() >= deadline:
            raise TemporarilyUnavailable("Salesforce has not taken it; send it again")


def _delivery(submission: Submission, deadline: float) -> Delivery:
    """Wait for what becomes of a message; PENDING when the time is over."""
    topic = notifications.chat(submission.session_id)
    if submission.delivery == Delivery.SENT:
        return submission.delivery
    if submission.delivery == Delivery.IN_PROGRESS_ELSEWHERE:
        with notifications.subscribe(topic) as changes:
            changes.wait(ELSEWHERE_SECONDS)
        return Delivery.PENDING

    def look() -> Delivery:
        sender.wake(submission.session_id)
        return customer_messages.delivery_of(submission.row_id)

    delivery = notifications.wait_until(
        lambda delivery: delivery != Delivery.PENDING,
        look,
        topic,
        deadline=deadline,
        every=LOOK_AGAIN_SECONDS,
    )
    if delivery == Delivery.PENDING:
        return customer_messages.withdraw(submission.row_id)
    return delivery


def _raise_for_dropped(session_id: int) -> None:
    chat = ending.look(session_id)
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
    sender.wait_for_notice(session_id, deadline=time.monotonic() + CLOSE_SECONDS)
    return ending.look(session_id)
