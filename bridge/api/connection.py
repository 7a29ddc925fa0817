"""What comes over a caller's connection, and how long is it waited for?

A request takes nothing that others need before all of it is there: whoever sends
slowly, or never, holds up nobody. gunicorn gives us the socket; where there is none, as
under runserver, a caller may take as long as they like.
"""

import functools
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from django.http import HttpRequest, HttpResponse

from bridge.domain.errors import BodyTooLarge, InvalidRequest

LARGEST_BODY = 256 * 1024  # bytes
BODY_SECONDS = 10.0  # for all of it
LOOK_SECONDS = 1.0
# Bytes read and thrown away for a clean answer: of who may call, and of others.
MOST_DRAINED = 64 * 1024 * 1024
LITTLE_DRAINED = 1024 * 1024
CHUNK = 64 * 1024

_receiving: dict[Any, float] = {}  # sockets, and until when


def body_of(request: HttpRequest) -> bytes:
    """Return the body, also one that is sent in chunks, which Django knows nothing of.

    Raises BodyTooLarge, and InvalidRequest where it does not come in time.
    """
    given = request.META.get("CONTENT_LENGTH") or ""
    length = int(given) if given.isdecimal() else 0
    if length > LARGEST_BODY:
        raise _too_large()
    try:
        with receiving(request):
            if "chunked" in request.META.get("HTTP_TRANSFER_ENCODING", "").lower():
                body = request.META["wsgi.input"].read(LARGEST_BODY + 1)
            else:
                body = request.body
    except Exception:  # each server has errors of its own for a body cut short
        raise _cut_short() from None
    if len(body) > LARGEST_BODY:
        raise _too_large()
    if len(body) < length:
        raise _cut_short()
    return bytes(body)


@contextmanager
def receiving(request: HttpRequest) -> Iterator[None]:
    """Let what is read in here end after BODY_SECONDS, as if no more came."""
    sock = request.META.get("gunicorn.socket")
    if sock is None:
        yield
        return
    _watch()
    _receiving[sock] = time.monotonic() + BODY_SECONDS
    try:
        yield
    finally:
        del _receiving[sock]


class EarlyAnswer(HttpResponse):
    """An answer to a caller who may still be sending.

    What they send is read and thrown away, up to `most` bytes: a connection closed on a
    sender who still sends loses them the answer.
    """

    def __init__(
        self, *args: Any, request: HttpRequest, most: int, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._request, self._most = request, most

    def __iter__(self) -> Iterator[bytes]:
        """Give the server the answer; it comes back for more once that is written."""
        yield self.content
        with suppress(Exception):
            self._drain()

    def _drain(self) -> None:
        stream, left = self._request.META["wsgi.input"], self._most
        with receiving(self._request):
            while left > 0 and (chunk := stream.read(CHUNK)):
                left -= len(chunk)
        if left <= 0:
            self._request.META["gunicorn.socket"].shutdown(socket.SHUT_RDWR)


def _too_large() -> BodyTooLarge:
    return BodyTooLarge(f"the body is over {LARGEST_BODY} bytes")


def _cut_short() -> InvalidRequest:
    return InvalidRequest("the body cannot be read")


@functools.cache
def _watch() -> None:
    threading.Thread(target=_look_after_callers, daemon=True).start()


def _look_after_callers() -> None:
    while True:
        time.sleep(LOOK_SECONDS)
        now = time.monotonic()
        for sock, until in list(_receiving.items()):
            if until < now:
                with suppress(OSError):
                    sock.shutdown(socket.SHUT_RD)  # it can still be answered
