"""How do many ask the database the same thing, and none of them too long?

Probes and scrapes come from outside, as often as somebody likes, and want an answer
also when the database gives none. So they share one look at it.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

R = TypeVar("R")

FRESH_SECONDS = 1.0


class SingleFlight(Generic[R]):
    """A look that all share who ask while it lasts, and for a second after."""

    def __init__(self, look: Callable[[], R]) -> None:
        self._look = look
        self._lock = threading.Lock()
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._future: Future[R] | None = None
        self._fresh_until = 0.0

    def within(self, seconds: float) -> R:
        """Return what there is to see; raises what the look raises, or TimeoutError.

        A look that is given up goes on, and nobody begins a second one beside it.
        """
        with self._lock:
            future = self._future
            if future is None or (
                future.done() and time.monotonic() > self._fresh_until
            ):
                future = self._future = self._thread.submit(self._run)
        return future.result(seconds)

    def _run(self) -> R:
        try:
            return self._look()
        finally:
            self._fresh_until = time.monotonic() + FRESH_SECONDS
