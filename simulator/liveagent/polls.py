"""When does a held poll end?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from simulator.answers import NO_CONTENT, Answer


class Poll:
    """One GET of System/Messages, from its arrival until it is closed.

    It is answered once: with events, or when the hold is over. It stays open,
    and a second poll is a breach, until its answer has been written; if the
    client hangs up, for as long as a server that does not notice would hold it.
    """

    def __init__(
        self, ack: int | None, hold_seconds: float, closed: Callable[[Poll], None]
    ) -> None:
        loop = asyncio.get_running_loop()
        self.ack = ack
        self.answer_at_end = NO_CONTENT
        self.answered: asyncio.Future[Answer] = loop.create_future()
        self.is_open = True
        self._closed = closed
        self._is_abandoned = False
        self._hold_end = loop.time() + hold_seconds
        self._timer = loop.call_later(hold_seconds, self._end)

    def answer(self, answer: Answer) -> None:
        """Answer the poll, unless it has been answered."""
        if not self.answered.done():
            self.answered.set_result(answer)
        self._timer.cancel()
        if self._is_abandoned:
            self.close()

    def abandon(self, seconds: float | None) -> None:
        """The client hung up: close after ``seconds``, or when the hold is over."""
        loop = asyncio.get_running_loop()
        self._timer.cancel()
        self._is_abandoned = True
        end = self._hold_end if seconds is None else loop.time() + seconds
        if end <= loop.time():
            self.close()
        else:
            self._timer = loop.call_at(end, self._end)

    def close(self) -> None:
        """Make room for the next poll."""
        self._timer.cancel()
        if self.is_open:
            self.is_open = False
            self._closed(self)

    def _end(self) -> None:
        self.answer(self.answer_at_end)
