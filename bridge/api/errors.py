"""What is answered where something is wrong, outside the views as well?"""

from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse
from django.views import defaults

from bridge.api import auth
from bridge.api.answers import Answer, Bad
from bridge.api.connection import MAX_DRAINED, MAX_DRAINED_OF_STRANGERS, EarlyAnswer
from bridge.api.pages import is_page

Fault = dict[str, str | None]  # an `Error`, as the exceptions carry it

RETRY_AFTER_SECONDS = 2


class Refusal(EarlyAnswer, Answer):
    """The one shape of every 4xx and 5xx."""

    def __init__(
        self,
        request: HttpRequest,
        status: int,
        errors: Sequence[Fault] = (),
    ) -> None:
        # Who is told that their body is too large, may call.
        may_call = status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        super().__init__(
            *(Bad.model_validate({"errors": errors}), status),
            request=request,
            most=MAX_DRAINED if may_call else MAX_DRAINED_OF_STRANGERS,
        )
        if status == HTTPStatus.UNAUTHORIZED:
            self["WWW-Authenticate"] = auth.CHALLENGE
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            self["Retry-After"] = str(RETRY_AFTER_SECONDS)


def not_allowed(request: HttpRequest, *methods: str) -> Refusal:
    """Return the 405 that names the methods there are."""
    error: Fault = {"field": None, "reason": f"use {methods[0]}"}
    refusal = Refusal(request, HTTPStatus.METHOD_NOT_ALLOWED, [error])
    refusal["Allow"] = ", ".join(methods)
    return refusal


# --- outside the views ----------------------------------------------------------


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 400 outside the views: above all for a host that is not in `HOST`."""
    if is_page(request) and not isinstance(exception, DisallowedHost):
        return defaults.bad_request(request, exception)
    error: Fault = {"field": "Host", "reason": "is not one this service serves"}
    return Refusal(request, HTTPStatus.BAD_REQUEST, [error])


def _page_or_refusal(
    page: Callable[..., HttpResponse], status: int, *errors: Fault
) -> Callable[..., HttpResponse]:
    """Return what answers so; the admin's pages do it as pages."""

    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if is_page(request):
            return page(request, *args, **kwargs)
        return Refusal(request, status, errors)

    return answer


NOTHING_HERE: Fault = {"field": None, "reason": "there is nothing at this path"}
forbidden = _page_or_refusal(defaults.permission_denied, HTTPStatus.FORBIDDEN)
not_found = _page_or_refusal(
    defaults.page_not_found, HTTPStatus.NOT_FOUND, NOTHING_HERE
)
server_error = _page_or_refusal(defaults.server_error, HTTPStatus.INTERNAL_SERVER_ERROR)
