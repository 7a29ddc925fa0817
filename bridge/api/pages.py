"""Which middleware does a request pass through?

The four endpoints have no session, no user and no language. What Django's admin needs
is for its pages alone: on every request it would cost a third of its time, and leave
cycles of objects behind that only a slow look through all of memory removes.
"""

import math
from collections.abc import Callable
from contextvars import copy_context
from http import HTTPStatus
from typing import Any

from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.middleware.locale import LocaleMiddleware

from bridge.api import logins
from bridge.api.connection import MAX_DRAINED_OF_STRANGERS, EarlyAnswer, body_of
from bridge.domain.errors import BridgeError
from bridge.storage.database import run_on_database_thread

ADMIN = "/admin/"
LOGIN = "/admin/login/"
TOO_MANY_LOGINS = """\
パスワードの試行が多すぎます。{0} 秒後にもう一度お試しください。
Too many passwords were tried. Try again in {0} seconds.
"""


def is_page(request: HttpRequest) -> bool:
    """Whether a person looks at this, in a browser."""
    return request.path_info.startswith(ADMIN)


class PagesOnDatabaseThreads:
    """Run the admin's pages, with all middleware below, on a database thread.

    So they share the process's few connections with the chats instead of opening
    their own. The four endpoints stay outside: they hold no connection while they
    wait. Nor does a page while its body comes, or while a password is to be tried.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not is_page(request):
            return self._get_response(request)
        try:
            body_of(request)
        except BridgeError as exc:
            return _refusal(request, exc.status, exc.status.phrase)
        if _has_nul(request):
            raise BadRequest("NUL")
        if request.path_info == LOGIN and request.method == "POST":
            return self._log_in(request)
        return self._on_database_thread(request)

    def _log_in(self, request: HttpRequest) -> HttpResponse:
        seconds = logins.begin(request)
        if seconds:
            retry_after = math.ceil(seconds)
            text = TOO_MANY_LOGINS.format(retry_after)
            refusal = _refusal(request, HTTPStatus.TOO_MANY_REQUESTS, text)
            refusal["Retry-After"] = str(retry_after)
            return refusal
        with logins.one_at_a_time:
            response = self._on_database_thread(request)
        if response.status_code == HTTPStatus.FOUND:
            logins.succeeded(request)
        return response

    def _on_database_thread(self, request: HttpRequest) -> HttpResponse:
        # What is logged there is to carry this request's id.
        here = copy_context()
        return run_on_database_thread(here.run, self._get_response, request)


def _refusal(request: HttpRequest, status: HTTPStatus, text: str) -> HttpResponse:
    return EarlyAnswer(
        *(text, "text/plain; charset=utf-8", status),
        request=request,
        most=MAX_DRAINED_OF_STRANGERS,
    )


def _has_nul(request: HttpRequest) -> bool:
    """Whether NUL is in it, for which PostgreSQL can be asked no question."""
    # A cookie may write it \000, which is read before anything looks at it.
    return any(
        "%00" in form.urlencode() for form in (request.GET, request.POST)
    ) or "\0" in "".join(request.COOKIES.values())


class _ForPages:
    """Leaves everything but pages alone."""

    get_response: Any

    def __call__(self, request: HttpRequest) -> Any:
        if is_page(request):
            return super().__call__(request)  # type: ignore[misc]
        return self.get_response(request)


class PageSession(_ForPages, SessionMiddleware):
    """Who is logged in, by cookie."""


class PageLocale(_ForPages, LocaleMiddleware):
    """The browser's language."""


class PageAuthentication(_ForPages, AuthenticationMiddleware):
    """The user of the session."""


class PageMessages(_ForPages, MessageMiddleware):
    """What a page says about the last action."""
