"""What do the four endpoints have in common?

Method, token, content type, body, and the JSON in which every answer and every
error goes out. What may only be read is simpler, and here as well.
"""

import functools
import json
import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, TypeVar

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from pydantic import ValidationError

from bridge.api import auth
from bridge.api.connection import (
    LITTLE_DRAINED,
    MOST_DRAINED,
    EarlyAnswer,
    body_of,
)
from bridge.api.requests import Payload
from bridge.domain.errors import BodyTooLarge, BridgeError, InvalidRequest
from bridge.telemetry import logs

logger = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 2

READ = ("GET", "HEAD")

BAD = {"type": "bad", "message": "bad request"}

P = TypeVar("P", bound=Payload)
View = Callable[[HttpRequest, P], HttpResponse]


def answer(
    body: Mapping[str, Any], status: int = HTTPStatus.OK, cls: Any = HttpResponse
) -> Any:
    """Return a JSON answer in which Japanese stays readable."""
    if "type" in body:
        logs.note_type(body["type"])
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return cls(text, status=status, content_type="application/json")


def bad(
    status: int, errors: list[dict[str, str | None]], cls: Any = HttpResponse
) -> HttpResponse:
    """Return the one shape of every 4xx and 5xx."""
    response: HttpResponse = answer({**BAD, "errors": errors}, status, cls)
    if status == HTTPStatus.UNAUTHORIZED:
        response["WWW-Authenticate"] = auth.CHALLENGE
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        response["Retry-After"] = str(RETRY_AFTER_SECONDS)
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        response["Allow"] = "POST"
    return response


def without_body(response: HttpResponse) -> HttpResponse:
    """Return the answer to a HEAD: its headers alone, the body's length among them."""
    response["Content-Length"] = str(len(response.content))
    response.content = b""
    return response


def reading(view: Callable[[HttpRequest], HttpResponse]) -> Callable[..., HttpResponse]:
    """Make a view answer GET and HEAD, and never from a cache."""

    @csrf_exempt  # whatever else is sent is told that it may only read
    @functools.wraps(view)
    def checked(request: HttpRequest) -> HttpResponse:
        if request.method not in READ:
            refusal = bad(
                HTTPStatus.METHOD_NOT_ALLOWED, [{"field": None, "reason": "use GET"}]
            )
            refusal["Allow"] = ", ".join(READ)
            return refusal
        response = view(request)
        response["Cache-Control"] = "no-store"
        response["Content-Length"] = str(len(response.content))
        return without_body(response) if request.method == "HEAD" else response

    return checked


def endpoint(payload: type[P]) -> Callable[[View[P]], Callable[..., HttpResponse]]:
    """Make a view of a function that takes a checked `payload`."""

    def decorate(view: View[P]) -> Callable[..., HttpResponse]:
        @csrf_exempt
        @functools.wraps(view)
        def checked(request: HttpRequest) -> HttpResponse:
            try:
                return view(request, _read(request, payload))
            except BridgeError as exc:
                most = MOST_DRAINED if isinstance(exc, BodyTooLarge) else LITTLE_DRAINED
                early = functools.partial(EarlyAnswer, request=request, most=most)
                refusal = bad(exc.status, exc.errors, early)
                return without_body(refusal) if request.method == "HEAD" else refusal
            except ValidationError as exc:
                return bad(HTTPStatus.BAD_REQUEST, _errors(exc))
            except Exception as exc:
                logs.log_fault(logger, exc, "%s failed", view.__name__)
                return bad(HTTPStatus.INTERNAL_SERVER_ERROR, [])

        return checked

    return decorate


def _read(request: HttpRequest, payload: type[P]) -> P:
    if request.method != "POST":
        raise _MethodNotAllowed("use POST")
    auth.authorize(request)
    if (request.content_type or "").lower() != "application/json":
        raise InvalidRequest("is not application/json", field="Content-Type")
    return payload.model_validate(_parse(body_of(request)))


class _MethodNotAllowed(BridgeError):
    status = HTTPStatus.METHOD_NOT_ALLOWED


def _parse(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise InvalidRequest("the body is not JSON") from None
    if not isinstance(value, dict):
        raise InvalidRequest("the body is not a JSON object")
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _errors(exc: ValidationError) -> list[dict[str, str | None]]:
    """Say which key is wrong and why, without repeating what was in it."""
    details = exc.errors(include_url=False, include_context=False, include_input=False)
    return [
        {
            "field": str(detail["loc"][0]),
            "reason": detail["msg"].removeprefix("Value error, "),
        }
        for detail in details
    ]
