"""Who waits for something to change, and who reads along?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from simulator.answers import dumps

Watched = TypeVar("Watched")


class Watchers(Generic[Watched]):
    """Those who wait until what has this name, or one of them, fulfils a condition."""

    def __init__(self) -> None:
        self._waiting: dict[
            str, list[tuple[Callable[[Watched], bool], asyncio.Future[Watched]]]
        ] = {}

    def look(self, changed: Watched, *names: str | None) -> None:
        """Wake whoever waited, under one of these names, for what has changed."""
        for name in names:
            for condition, found in self._waiting.get(name or "", ()):
                if not found.done() and condition(changed):
                    found.set_result(changed)

    async def wait(
        self, name: str, condition: Callable[[Watched], bool], seconds: float
    ) -> bool:
        """Wait for what has this name; False when the time ran out."""
        found: asyncio.Future[Watched] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault(name, [])
        waiting.append((condition, found))
        try:
            await asyncio.wait_for(found, seconds)
        except TimeoutError:
            return False
        finally:
            waiting.remove((condition, found))
            if not waiting:
                self._waiting.pop(name, None)
        return True


class Stream:
    """Those who read along what happens, line by line."""

    def __init__(self) -> None:
        self._readers: set[asyncio.Queue[bytes]] = set()

    def open(self) -> asyncio.Queue[bytes]:
        """Return a queue that gets every line from now on."""
        reader: asyncio.Queue[bytes] = asyncio.Queue()
        self._readers.add(reader)
        return reader

    def close(self, reader: asyncio.Queue[bytes]) -> None:
        """Stop filling this queue."""
        self._readers.discard(reader)

    def write(self, happening: dict[str, Any]) -> None:
        """Tell all readers; nothing is made if there is none."""
        if not self._readers:
            return
        line = dumps({"at": time.time(), **happening}) + b"\n"
        for reader in self._readers:
            reader.put_nowait(line)
