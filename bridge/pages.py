"""Which middleware does a request pass through?

The four endpoints have no session, no user and no language. What Django's admin needs
is for its pages alone: on every request it would cost a third of its time, and leave
cycles of objects behind that only a slow look through all of memory removes.
"""

from collections.abc import Callable
from contextvars import copy_context
from typing import Any

from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.middleware.locale import LocaleMiddleware

from bridge.operations import health
from bridge.storage.database import run_on_database_thread

Probe = Callable[[HttpRequest], HttpResponse]

ADMIN = "/admin/"
PROBES: dict[str, Probe] = {"/healthz": health.healthz, "/readyz": health.readyz}


class Probes:
    """Answer the platform's probes before anything else can refuse them.

    They come over plain http and name an address instead of a host, so neither the
    redirect to https nor HOST is for them.
    """

    def __init__(self, get_response: Probe) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return PROBES.get(request.path_info, self._get_response)(request)


def is_page(request: HttpRequest) -> bool:
    """Whether a person looks at this, in a browser."""
    return request.path_info.startswith(ADMIN)


class PagesOnDatabaseThreads:
    """Run the admin's pages, with all middleware below, on a database thread.

    So they share the process's few connections with the chats instead of opening
    their own. The four endpoints stay outside: they hold no connection while they
    wait.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if is_page(request):
            # What is logged there is to carry this request's id.
            here = copy_context()
            return run_on_database_thread(here.run, self._get_response, request)
        return self._get_response(request)


class PagesWithoutNul:
    """Refuse NUL, for which PostgreSQL can be asked no question."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if is_page(request) and _has_nul(request):
            raise BadRequest("NUL")
        return self._get_response(request)


def _has_nul(request: HttpRequest) -> bool:
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
