"""What do the four endpoints have in common, and what those that may only be read?

Method, token, content type, body, and the JSON in which every error goes out.
"""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar, Generic, TypeVar

from django.http import HttpRequest, HttpResponse
from pydantic import ValidationError

from bridge.api import auth
from bridge.api.answers import Body
from bridge.api.connection import body_of
from bridge.api.errors import Fault, Refusal, not_allowed
from bridge.api.requests import Payload
from bridge.domain.errors import BridgeError, InvalidRequest
from bridge.storage.database import patience
from bridge.telemetry.logs import log_fault

logger = logging.getLogger(__name__)

READ = ("GET", "HEAD")
# Every answer is out within 25 s, of which /messages waits for up to 24 anyway.
ANSWER_SECONDS = 24.5

P = TypeVar("P", bound=Payload)


@dataclass(eq=False)
class Endpoint(Generic[P]):
    """A function of a checked payload as a view, with what is to be said about it.

    `answers` are what a 200 may bring, `example` is a body.
    """

    function: Callable[[HttpRequest, P], HttpResponse]
    path: str
    payload: type[P]
    answers: tuple[type[Body], ...]
    example: dict[str, Any]
    csrf_exempt: ClassVar = True  # no cookie is looked at

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer a request, whatever is in it."""
        try:
            if request.method != "POST":
                return not_allowed(request, "POST")
            # The token first: a stranger's body is of no interest.
            auth.authorize(request)
            if (request.content_type or "").lower() != "application/json":
                raise InvalidRequest("is not application/json", field="Content-Type")
            try:
                payload = self.payload.model_validate(_parse(body_of(request)))
            except ValidationError as exc:
                return Refusal(request, HTTPStatus.BAD_REQUEST, _errors(exc))
            with patience(ANSWER_SECONDS):
                return self.function(request, payload)
        except BridgeError as exc:
            return Refusal(request, exc.status, exc.errors)
        except Exception as exc:  # the last resort: a bot is to be answered in any case
            log_fault(logger, exc, "%s failed", self.function.__name__)
            return Refusal(request, HTTPStatus.INTERNAL_SERVER_ERROR)


def endpoint(
    path: str, payload: type[P], *answers: type[Body], example: dict[str, Any]
) -> Callable[[Callable[[HttpRequest, P], HttpResponse]], Endpoint[P]]:
    """Make an `Endpoint` of a function."""
    return lambda function: Endpoint(function, path, payload, answers, example)


@dataclass(eq=False)
class ReadOnly:
    """A function as a view that answers GET and HEAD, and never from a cache."""

    function: Callable[[HttpRequest], HttpResponse]
    path: str
    csrf_exempt: ClassVar = True  # whatever else is sent is told that it may only read

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer a request."""
        if request.method not in READ:
            return not_allowed(request, *READ)
        response = self.function(request)
        response["Cache-Control"] = "no-store"
        response["Content-Length"] = str(len(response.content))
        return response


def read_only(path: str) -> Callable[[Callable[[HttpRequest], HttpResponse]], ReadOnly]:
    """Make a `ReadOnly` of a function."""
    return lambda function: ReadOnly(function, path)


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


def _errors(exc: ValidationError) -> list[Fault]:
    """Say which key is wrong and why, without repeating what was in it."""
    details = exc.errors(include_url=False, include_context=False, include_input=False)
    return [
        {
            "field": str(detail["loc"][0]),
            "reason": detail["msg"].removeprefix("Value error, "),
        }
        for detail in details
    ]
