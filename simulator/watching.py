"""Who waits for a chat to change, and who reads along?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from simulator.answers import dumps
from simulator.chat import Chat

UNTOLD = ("poll_opened", "poll_closed")  # far too many, and nobody's news

Condition = Callable[[Chat], bool]


class Watchers:
    """Those who wait until a chat, or some chat of a customer, fulfils a condition."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[tuple[Condition, asyncio.Future[Chat]]]] = {}

    def look(self, chat: Chat) -> None:
        """Wake whoever waited for what this chat has become."""
        for name in (chat.id, chat.line_id):
            for condition, found in self._waiting.get(name or "", ()):
                if not found.done() and condition(chat):
                    found.set_result(chat)

    async def wait(self, name: str, condition: Condition, seconds: float) -> bool:
        """Wait for the chat or customer ``name``; False when the time ran out."""
        found: asyncio.Future[Chat] = asyncio.get_running_loop().create_future()
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

    def write(
        self, chat_id: str, line_id: str | None, what: str, details: dict[str, Any]
    ) -> None:
        """Tell all readers; nothing is made if there is none."""
        if not self._readers or what in UNTOLD:
            return
        happening = {"at": time.time(), "chat": chat_id, "line_id": line_id}
        line = dumps({**happening, "what": what, **details}) + b"\n"
        for reader in self._readers:
            reader.put_nowait(line)
