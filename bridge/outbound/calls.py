"""How does a call end before its answer does?

Another thread may cut it short, which is how a long poll ends before Salesforce
answers it; and one thread cuts those that have outlived their deadline.
"""

import math
import os
import socket
import threading
import time
from contextlib import suppress
from contextvars import ContextVar
from typing import Self

from bridge.outbound.errors import CallCancelled

current_call: ContextVar["Call | None"] = ContextVar("current_call", default=None)


class Call:
    """One exchange that another thread may cut short.

    `deadline` (monotonic seconds) is when the supervisor does so: a time-out counts
    from byte to byte, and an answer that trickles would never meet it. After
    `begin_by` a request that is not written yet is not written at all.
    """

    def __init__(
        self, deadline: float = math.inf, *, begin_by: float = math.inf
    ) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self.deadline = deadline
        self.begin_by = begin_by
        self.has_begun = False
        self.cancelled = False

    def __enter__(self) -> Self:
        with _under_way_lock:
            _under_way.add(self)
        return self

    def __exit__(self, *error: object) -> None:
        with _under_way_lock:
            _under_way.discard(self)
        self.detach()

    def attach(self, sock: socket.socket) -> None:
        """Remember the socket in use; raises CallCancelled if it is too late."""
        with self._lock:
            if self.cancelled:
                raise CallCancelled("the call was cut short")
            self._socket = sock

    def begin(self) -> bool:
        """Say whether the request may be written, which it is then."""
        self.has_begun = time.monotonic() <= self.begin_by
        return self.has_begun

    def detach(self) -> None:
        """Forget the socket. To be called before its connection goes to the pool."""
        with self._lock:
            self._socket = None

    def cancel(self) -> None:
        """Close the connection under the waiting thread, which then gets an error."""
        with self._lock:
            self.cancelled = True
            if self._socket is not None:
                _hang_up(self._socket)


_under_way: set[Call] = set()
_under_way_lock = threading.Lock()


def cut_overdue() -> None:
    """Cut the calls that have outlived their deadline."""
    now = time.monotonic()
    with _under_way_lock:
        overdue = [call for call in _under_way if call.deadline < now]
    for call in overdue:
        call.cancel()


def _hang_up(sock: socket.socket) -> None:
    """Shut the connection down by a second handle on it.

    The reader's own socket object, perhaps in the middle of TLS, is not touched.
    """
    with suppress(OSError):  # it was closed already
        number = sock.fileno()
        with socket.socket(fileno=os.dup(number)) as handle:
            if sock.fileno() == number:  # otherwise it may be another's by now
                handle.shutdown(socket.SHUT_RDWR)
