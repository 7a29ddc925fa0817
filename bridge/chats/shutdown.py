"""Is this process about to end, and what may it still finish?

Heroku sends SIGTERM, starts the successor at once and kills after 30 seconds. From
the signal on nothing new begins here: waiting bots are answered, no poll is started
and no chat taken up. Polls under way may run to their end, since an abandoned one
would keep its chat unpolled until its lease is over.
"""

import _thread
import logging
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

from bridge.storage import notifications

logger = logging.getLogger(__name__)

POLLS_MAY_LAST_SECONDS = 25.0
LOOK_SECONDS = 0.1

_event = threading.Event()
_begun_at: list[float] = []


def is_stopping() -> bool:
    """Whether nothing new is to be begun."""
    return _event.is_set()


def begin() -> None:
    """Begin to stop: everybody who waits here looks up."""
    _begun_at.append(time.monotonic())
    _event.set()
    notifications.notify_all_here()


def on_sigterm() -> None:
    """Begin to stop at SIGTERM, and leave the rest to the handler there was."""
    before: Any = signal.getsignal(signal.SIGTERM)

    def handle(number: int, frame: FrameType | None) -> None:
        # A signal handler must not wait, and starting a `Thread` would.
        _thread.start_new_thread(begin, ())
        if callable(before):
            before(number, frame)

    signal.signal(signal.SIGTERM, handle)


def finish(is_done: Callable[[], bool]) -> None:
    """Wait until `is_done`, for as long as a process told to stop may."""
    begun = _begun_at[0] if _begun_at else time.monotonic()
    if not is_done():
        logger.info(
            "stopping: polls under way may take another %d s", POLLS_MAY_LAST_SECONDS
        )
    while not is_done() and time.monotonic() < begun + POLLS_MAY_LAST_SECONDS:
        time.sleep(LOOK_SECONDS)
