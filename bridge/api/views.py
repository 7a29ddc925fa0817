"""What does each of the four endpoints do?

It reads its fields, calls one service and words the outcome.
"""

from functools import partial
from typing import Any

from django.http import HttpRequest, HttpResponse

from bridge.api import answers, connection, delivery
from bridge.api.endpoint import endpoint
from bridge.api.requests import Close, Init, Messages, Send
from bridge.chats import opening, services
from bridge.domain.states import Reason, State
from bridge.storage import notifications
from bridge.storage.summary import ChatSummary
from bridge.upstreams.base import Customer


@endpoint(
    *("/init", Init, answers.Connected, answers.NotConnected),
    example={"line_id": "U1", "display_name": "花子"},
)
def init(request: HttpRequest, payload: Init) -> HttpResponse:
    """Open a chat."""
    chat = opening.open_chat(
        Customer(payload.line_id, payload.display_name, payload.prechatEntities)
    )
    if chat is None:
        return answers.Answer(answers.NotConnected(reason=opening.FULL))
    if not chat.is_begun:
        return answers.Answer(answers.NotConnected(reason=chat.reason or Reason.ERROR))
    return answers.Answer(answers.Connected(**_standing(chat)))


@endpoint(
    *("/messages", Messages, answers.Message, answers.Ended, answers.Nothing),
    example={"line_id": "U1", "ack": 0},
)
def messages(request: HttpRequest, payload: Messages) -> HttpResponse:
    """Fetch the agent's next words; waits for them."""
    is_connected = partial(connection.is_open, request)
    look_again = partial(
        notifications.publish_here, notifications.messages_for(payload.line_id)
    )
    with connection.waiting(request, look_again):
        found = services.next_message(
            line_id=payload.line_id, ack=payload.ack, is_connected=is_connected
        )
    if found.message is not None:
        return delivery.answer(found.message, is_connected)
    if found.is_end:
        return answers.Answer(answers.Ended(**_end(found.chat)))
    return answers.Answer(answers.Nothing(**_standing(found.chat)))


@endpoint(
    *("/send", Send, answers.Sent),
    example={"line_id": "U1", "message": "こんにちは", "message_id": "100001"},
)
def send(request: HttpRequest, payload: Send) -> HttpResponse:
    """Say something to the agent."""
    services.send_message(
        line_id=payload.line_id,
        text=payload.message,
        message_id=payload.message_id,
    )
    return answers.Answer(answers.Sent())


@endpoint("/close", Close, answers.Closed, example={"line_id": "U1"})
def close(request: HttpRequest, payload: Close) -> HttpResponse:
    """End the chat."""
    chat = services.close_chat(line_id=payload.line_id)
    return answers.Answer(answers.Closed(**_end(chat)))


ENDPOINTS = (init, messages, send, close)


def _standing(chat: ChatSummary | None) -> dict[str, Any]:
    if chat is None:
        return {}
    return {
        # For a bot a chat that is being opened is one that waits.
        "state": State.WAITING if chat.state == State.OPENING else chat.state,
        "queue_position": chat.queue_position,
        "estimated_wait": chat.estimated_wait,
    }


def _end(chat: ChatSummary | None) -> dict[str, Any]:
    if chat is None:
        return {"state": State.ENDED}
    return {
        "state": State.ENDED,
        "reason": chat.reason,
        "undelivered": chat.undelivered or None,
    }
