"""Is a caller still there, and how long may they take to send a body?

A request takes nothing that others need before all of it is there: whoever sends
slowly, or never, holds up nobody. gunicorn gives us the socket; where there is none, as
under runserver, callers are taken to be there, and may take as long as they like.
"""

import functools
import logging
import select
import socket
import threading
import time
from _socket import socket as plain_socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any, TypeVar

from django.http import HttpRequest, HttpResponse
from gevent.monkey import get_original

from bridge.domain.errors import BodyTooLarge, InvalidRequest
from bridge.telemetry.logs import log_fault

logger = logging.getLogger(__name__)

MAX_BODY = 256 * 1024  # bytes
BODY_SECONDS = 10.0  # for all of it
# Bytes read and thrown away for a clean answer: of who may call, and of others.
MAX_DRAINED = 64 * 1024 * 1024
MAX_DRAINED_OF_STRANGERS = 1024 * 1024
CHUNK = 64 * 1024
LOOK_SECONDS = 1.0
HUNG_UP = getattr(select, "POLLRDHUP", select.POLLHUP)  # not everywhere

T = TypeVar("T")

# By socket: until when a body may come, and whom to tell that the caller has gone.
_receiving: dict[Any, float] = {}
_waiting: dict[Any, Callable[[], None]] = {}

# gevent's own would need a watcher for each socket.
_new_poll = get_original("select", "poll")


def body_of(request: HttpRequest) -> bytes:
    """Return the body, also one that is sent in chunks, which Django knows nothing of.

    Raises BodyTooLarge, and InvalidRequest where it does not come in time.
    """
    given = request.META.get("CONTENT_LENGTH") or ""
    length = int(given) if given.isdecimal() else 0
    if length > MAX_BODY or len(body := _received(request)) > MAX_BODY:
        raise BodyTooLarge(f"the body is over {MAX_BODY} bytes")
    if len(body) < length:
        raise InvalidRequest("the body cannot be read")
    return body


def _received(request: HttpRequest) -> bytes:
    try:
        with _listed(request, _receiving, time.monotonic() + BODY_SECONDS):
            if "chunked" in request.META.get("HTTP_TRANSFER_ENCODING", "").lower():
                return bytes(request.META["wsgi.input"].read(MAX_BODY + 1))
            return request.body
    except Exception:  # each server has errors of its own for a body cut short
        raise InvalidRequest("the body cannot be read") from None


def waiting(
    request: HttpRequest, when_gone: Callable[[], None]
) -> AbstractContextManager[None]:
    """Once the caller has hung up, call `when_gone` each second while in here."""
    return _listed(request, _waiting, when_gone)


@contextmanager
def _listed(request: HttpRequest, among: dict[Any, T], value: T) -> Iterator[None]:
    sock = request.META.get("gunicorn.socket")
    if sock is None:
        yield
        return
    _watch()
    among[sock] = value
    try:
        yield
    finally:
        del among[sock]


def is_open(request: HttpRequest) -> bool:
    """Look for an end of the stream without reading anything off it, or waiting."""
    sock = request.META.get("gunicorn.socket")
    if sock is None:
        return True
    try:
        # gevent's own would wait for something to come.
        peek = plain_socket(fileno=sock.fileno())
    except OSError:
        return False
    try:
        return bool(peek.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        peek.detach()  # the connection stays open, and gunicorn's


class EarlyAnswer(HttpResponse):
    """An answer to a caller who may still be sending.

    What they send is read and thrown away, up to `most` bytes: a connection closed on a
    sender who still sends loses them the answer.
    """

    def __init__(
        self, *args: Any, request: HttpRequest, most: int, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        # Else it would be in chunks, of which the last comes when all is read.
        self["Content-Length"] = str(len(self.content))
        self._request, self._most = request, most

    def __iter__(self) -> Iterator[bytes]:
        """Give the server the answer; it comes back for more once that is written."""
        yield self.content
        with suppress(Exception):  # whatever becomes of it, they have their answer
            self._drain()

    def _drain(self) -> None:
        stream, left = self._request.META["wsgi.input"], self._most
        with _listed(self._request, _receiving, time.monotonic() + BODY_SECONDS):
            while left > 0 and (chunk := stream.read(CHUNK)):
                left -= len(chunk)
        if left <= 0:
            self._request.META["gunicorn.socket"].shutdown(socket.SHUT_RDWR)


@functools.cache
def _watch() -> None:
    threading.Thread(target=_look_after_callers, daemon=True).start()


def _look_after_callers() -> None:
    while True:
        time.sleep(LOOK_SECONDS)
        try:
            _cut_overdue()
            for when_gone in _gone():
                when_gone()
        except Exception as exc:  # without this loop a body may take for ever
            log_fault(logger, exc, "looking after callers failed")


def _cut_overdue() -> None:
    now = time.monotonic()
    for sock, until in list(_receiving.items()):
        if until < now:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RD)  # it can still be answered


def _gone() -> list[Callable[[], None]]:
    """Ask for all at once: half a millisecond for 2,000 who wait."""
    waiting = {sock.fileno(): when_gone for sock, when_gone in list(_waiting.items())}
    poll = _new_poll()
    for fd in waiting.keys() - {-1}:
        poll.register(fd, HUNG_UP)
    return [waiting[fd] for fd, _ in poll.poll(0)]
