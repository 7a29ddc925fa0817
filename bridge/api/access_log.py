"""What does the log say of a request?"""

import logging
import time
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from bridge.api import views
from bridge.api.answers import Answer
from bridge.api.probes import PROBES
from bridge.telemetry import logs

logger = logging.getLogger(__name__)

ENDPOINTS = frozenset(endpoint.path for endpoint in views.ENDPOINTS)
METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
SERVER_ERROR = 500


class AccessLog:
    """Give each request an id, and a log line when it is answered.

    The id is the caller's own `X-Request-ID`, as Heroku's router sets it, or a new
    one; the answer carries it back.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        started = time.monotonic()
        request_id = logs.begin_request(request.META.get("HTTP_X_REQUEST_ID", ""))
        response = self._get_response(request)
        response.headers["X-Request-ID"] = request_id
        _log(request, response, 1000 * (time.monotonic() - started))
        return response


def _log(request: HttpRequest, response: HttpResponse, ms: float) -> None:
    """Write a request's line.

    What is of no interest by default: that a bot was told that nothing came, which
    is said to each of them all the time, and whatever is no call of a bot.
    """
    is_call = request.path_info in ENDPOINTS
    type_ = response.type if isinstance(response, Answer) else None
    level = logging.INFO if is_call and type_ != "null" else logging.DEBUG
    if response.status_code >= SERVER_ERROR:
        level = logging.WARNING
    if not logger.isEnabledFor(level):
        return
    said = {
        "method": request.method if request.method in METHODS else None,
        "resource": _resource(request),
        "status": response.status_code,
        "type": type_,
        "ms": round(ms, 1),
    }
    logger.log(level, "request answered", extra=said)


def _resource(request: HttpRequest) -> str | None:
    """Return a path of ours; any other one would be the caller's words."""
    path = request.path_info
    is_known = path in ENDPOINTS or path in PROBES  # which have no route
    return path if is_known else logs.resource_of(request)
