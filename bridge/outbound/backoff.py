"""How long to wait before trying again?"""

import random
import time


class Backoff:
    """Waits that grow with every failure, up to `longest` seconds."""

    def __init__(self, *, first: float = 0.1, longest: float = 5.0) -> None:
        self._first = first
        self._longest = longest
        self._next = first

    def __call__(self) -> None:
        """Wait a little; chats that fail together do not come back together."""
        time.sleep(self._next * random.uniform(0.7, 1.0))  # noqa: S311
        self._next = min(self._next * 2, self._longest)

    def reset(self) -> None:
        """Begin with the shortest wait again, after a success."""
        self._next = self._first
