"""What do the four endpoints answer?

Each view reads its fields, calls one service and words the outcome. The sentences
are part of the contract: bots compare them.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse
from django.views import defaults

from bridge.api import connection
from bridge.api import requests as bodies
from bridge.api.delivery import DeliveringResponse
from bridge.api.endpoint import answer, bad, endpoint, reading, without_body
from bridge.api.pages import is_page
from bridge.chats import opening, services
from bridge.domain.states import State
from bridge.storage.agent_messages import ClaimedMessage
from bridge.storage.summary import ChatSummary
from bridge.telemetry import metrics
from bridge.upstreams.base import Customer

CONNECTED = "接続しました。"
NOT_CONNECTED = "ただいま接続できません。"
ENDED = "接続が終了しました。"
CLOSED = "deleted session"


@endpoint(bodies.Init)
def init(request: HttpRequest, payload: bodies.Init) -> HttpResponse:
    """Open a chat: `ok` once Salesforce has taken the request, else `fail`."""
    opened = opening.open_chat(
        Customer(payload.line_id, payload.display_name, payload.prechatEntities)
    )
    if not opened.ok or opened.chat is None:
        return _ok("fail", NOT_CONNECTED, reason=opened.reason)
    return _ok("ok", CONNECTED, **_standing(opened.chat))


@endpoint(bodies.Messages)
def messages(request: HttpRequest, payload: bodies.Messages) -> HttpResponse:
    """Bring the agent's next words, the end, or nulls after a while."""
    is_connected = partial(connection.is_open, request)
    with connection.waiting(request, partial(services.look_again, payload.line_id)):
        found = services.next_message(
            line_id=payload.line_id, ack=payload.ack, is_connected=is_connected
        )
    if found.message is not None:
        return _delivering(found.message, is_connected)
    if found.is_end:
        return _ok("end", ENDED, **_end(found.chat))
    return _ok(None, None, **_standing(found.chat))


@endpoint(bodies.Send)
def send(request: HttpRequest, payload: bodies.Send) -> HttpResponse:
    """Carry the customer's words to the agent."""
    services.send_message(
        line_id=payload.line_id,
        text=payload.message,
        message_id=payload.message_id,
    )
    return _ok("send", "send")


@endpoint(bodies.Close)
def close(request: HttpRequest, payload: bodies.Close) -> HttpResponse:
    """End the chat."""
    chat = services.close_chat(line_id=payload.line_id)
    return _ok("end", CLOSED, **_end(chat))


def _ok(type: str | None, message: str | None, **extras: Any) -> HttpResponse:
    """Return an answer with those extras that there is something to say of."""
    said = {name: value for name, value in extras.items() if value not in (None, "")}
    response: HttpResponse = answer({"type": type, "message": message, **said})
    return response


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
        return {"state": "ended"}
    return {
        "state": "ended",
        "reason": chat.reason,
        "undelivered": chat.undelivered or None,
    }


def _delivering(
    message: ClaimedMessage, is_connected: Callable[[], bool]
) -> HttpResponse:
    body = {
        "type": "message",
        "message": message.text,
        "id": message.id,
        "agent": message.agent,
        "at": message.at.isoformat(),
    }
    if not message.claim:
        metrics.words_delivered(message.at)
        acknowledged_later: HttpResponse = answer(body)
        return acknowledged_later
    response: DeliveringResponse = answer(body, cls=DeliveringResponse)
    response.message, response.is_connected = message, is_connected
    return response


# --- the description ----------------------------------------------------------


@reading
def description(request: HttpRequest) -> HttpResponse:
    """Answer with the OpenAPI document; it holds nothing secret."""
    # Most processes are never asked, and need not hold it.
    from bridge.api import openapi

    described: HttpResponse = answer(openapi.document())
    return described


# --- errors outside the views -------------------------------------------------


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 400 outside the views: above all for a host that is not in `HOST`."""
    if is_page(request) and not isinstance(exception, DisallowedHost):
        return defaults.bad_request(request, exception)
    reason = "is not one this service serves"
    return _refusal(request, 400, [{"field": "Host", "reason": reason}])


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 403; the admin's pages do it as pages."""
    if is_page(request):
        return defaults.permission_denied(request, exception)
    return _refusal(request, 403, [])


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 404; the admin's pages do it as pages."""
    if is_page(request):
        return defaults.page_not_found(request, exception)
    reason = "there is nothing at this path"
    return _refusal(request, 404, [{"field": None, "reason": reason}])


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer 500."""
    if is_page(request):
        return defaults.server_error(request)
    return _refusal(request, 500, [])


def _refusal(
    request: HttpRequest, status: int, errors: list[dict[str, str | None]]
) -> HttpResponse:
    refusal = bad(status, errors)
    return without_body(refusal) if request.method == "HEAD" else refusal
