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
from bridge.api.requests import Payload
from bridge.domain.errors import BodyTooLarge, BridgeError, InvalidRequest, log_fault
from bridge.telemetry import logs

logger = logging.getLogger(__name__)

LARGEST_BODY = 256 * 1024  # bytes
LARGEST_DISCARDED = 64 * 1024 * 1024  # bytes read and thrown away for a clean answer
CHUNK = 64 * 1024
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


def bad(status: int, errors: list[dict[str, str | None]]) -> HttpResponse:
    """Return the one shape of every 4xx and 5xx."""
    response: HttpResponse = answer({**BAD, "errors": errors}, status)
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
                refusal = bad(exc.status, exc.errors)
                return without_body(refusal) if request.method == "HEAD" else refusal
            except ValidationError as exc:
                return bad(HTTPStatus.BAD_REQUEST, _errors(exc))
            except Exception as exc:
                log_fault(logger, exc, "%s failed", view.__name__)
                return bad(HTTPStatus.INTERNAL_SERVER_ERROR, [])

        return checked

    return decorate


def _read(request: HttpRequest, payload: type[P]) -> P:
    if request.method != "POST":
        raise _MethodNotAllowed("use POST")
    body = _body(request)
    auth.authorize(request)
    if (request.content_type or "").lower() != "application/json":
        raise InvalidRequest("is not application/json", field="Content-Type")
    return payload.model_validate(_parse(body))


class _MethodNotAllowed(BridgeError):
    status = HTTPStatus.METHOD_NOT_ALLOWED


def _body(request: HttpRequest) -> bytes:
    """Read the body, also one that is sent in chunks.

    What is too large is read to its end all the same and thrown away: a connection
    closed on a sender who still sends loses him the answer.
    """
    chunked = "chunked" in request.headers.get("Transfer-Encoding", "").lower()
    stream = request.META["wsgi.input"] if chunked else request
    try:
        body = stream.read(LARGEST_BODY + 1)
        if len(body) <= LARGEST_BODY:
            return _whole(bytes(body), 0 if chunked else _length(request))
        discarded = 0
        while discarded < LARGEST_DISCARDED and (chunk := stream.read(CHUNK)):
            discarded += len(chunk)
    except Exception:  # each server has errors of its own for a body cut short
        raise _cut_short() from None
    raise BodyTooLarge(f"the body is over {LARGEST_BODY} bytes")


def _length(request: HttpRequest) -> int:
    """Return the length that the caller has named, in bytes."""
    given = request.META.get("CONTENT_LENGTH") or ""
    return int(given) if given.isdecimal() else 0


def _whole(body: bytes, length: int) -> bytes:
    """Return a body, unless its sender has gone before its end."""
    if len(body) < length:
        raise _cut_short()
    return body


def _cut_short() -> InvalidRequest:
    return InvalidRequest("the body cannot be read")


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
