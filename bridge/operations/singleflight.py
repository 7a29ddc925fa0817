"""How do many ask the database the same thing, and none of them too long?

Probes and scrapes come from outside, as often as somebody likes, and want an answer
also when the database gives none. So they share one look at it.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

R = TypeVar("R")

FRESH_SECONDS = 1.0


class SharedLook(Generic[R]):
    """A look that all share who ask while it lasts, and for a second after."""

    def __init__(self, look: Callable[[], R]) -> None:
        self._look = look
        self._lock = threading.Lock()
        self._future: Future[R] | None = None
        self._done_at = 0.0

    def within(self, seconds: float) -> R:
        """Return what there is to see; raises what the look raises, or TimeoutError.

        A look that is given up goes on, and nobody begins a second one beside it.
        """
        with self._lock:
            future = self._future
            if future is None or self._is_stale(future):
                future = self._future = Future()
                threading.Thread(target=self._run, args=(future,), daemon=True).start()
        return future.result(seconds)

    def _is_stale(self, future: Future[R]) -> bool:
        return future.done() and time.monotonic() > self._done_at + FRESH_SECONDS

    def _run(self, future: Future[R]) -> None:
        try:
            seen = self._look()
        except Exception as exc:
            self._done_at = time.monotonic()
            future.set_exception(exc)
        else:
            self._done_at = time.monotonic()
            future.set_result(seen)
