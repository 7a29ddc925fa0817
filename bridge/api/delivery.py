"""When has an agent's word reached the bot?

When its answer was written to a connection that was still there. The words are
settled after that, and given back if it was not so.
"""

import logging
import socket
from _socket import socket as plain_socket
from collections.abc import Callable, Iterator
from typing import Any

from django.http import HttpRequest, HttpResponse

from bridge.domain.errors import DatabaseUnavailable
from bridge.storage import agent_messages
from bridge.storage.agent_messages import Handout
from bridge.telemetry import metrics

logger = logging.getLogger(__name__)


class DeliveringResponse(HttpResponse):
    """An answer with an agent's words, which knows whether it got out."""

    words: Handout
    is_there: Callable[[], bool]

    def __iter__(self) -> Iterator[bytes]:
        """Give the server the body; it comes back for more once that is written."""
        written = False
        try:
            if self.is_there():
                yield self.content
                written = True
        finally:
            self._settle(written)

    def _settle(self, written: bool) -> None:
        if written:
            metrics.words_delivered(self.words.at)
        try:
            (agent_messages.delivered if written else agent_messages.not_delivered)(
                self.words
            )
        except DatabaseUnavailable:
            # The claim runs out, and the bot may see these words a second time.
            logger.warning("words %s could not be settled", self.words.id)


def connection_of(request: HttpRequest) -> Callable[[], bool]:
    """Return a test whether the caller's connection is still open.

    gunicorn gives us the socket; elsewhere the caller is taken to be there.
    """
    sock = request.META.get("gunicorn.socket")
    return (lambda: _is_open(sock)) if sock is not None else (lambda: True)


def _is_open(sock: Any) -> bool:
    """Look for an end of the stream without reading anything off it, or waiting.

    The plain socket is used, since gevent's would wait for something to come.
    """
    try:
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
