"""Which events does the next poll get, and which have been acknowledged?"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from simulator.answers import JSON, Answer, json_answer
from simulator.liveagent.events import Event
from simulator.liveagent.transcript import Line


@dataclass(frozen=True)
class Queued:
    """An event on its way, with the line of the transcript that it carries."""

    event: Any
    line: Line | None = None


@dataclass(frozen=True)
class Batch:
    """The events of one answer."""

    sequence: int
    offset: int
    events: tuple[Queued, ...]

    def answer(self) -> Answer:
        """Return the batch as a poll brings it."""
        messages = [queued.event for queued in self.events]
        return json_answer(
            {"messages": messages, "sequence": self.sequence, "offset": self.offset}
        )


class Batches:
    """The events of a session: queued, and sent but not acknowledged."""

    def __init__(self, first_sequence: int) -> None:
        self.next_sequence = first_sequence
        self.offset = random.randrange(10**9, 2 * 10**9)  # noqa: S311
        self.has_sent = False
        self.raw: deque[str] = deque()
        self._queued: list[Queued] = []
        self._unacknowledged: deque[Batch] = deque()

    def put(self, events: Iterable[Queued]) -> None:
        """Queue events; all that are queued go out as one batch."""
        self._queued.extend(events)

    def take(self, ack: int | None) -> Answer | None:
        """Return what a poll with this ack gets now, if there is anything.

        Without an ack nobody can ask again, so nothing is kept for that.
        """
        if self.raw:
            return Answer(200, self.raw.popleft().encode(), JSON)
        self._acknowledge(ack)
        if self._unacknowledged:
            return self._unacknowledged[0].answer()
        return self._next(keep=ack is not None) if self._queued else None

    def restart(self, first_sequence: int, first: Event, *, resend: bool) -> None:
        """Begin again after a hand-over, with the event ``first``.

        Its chatMessages hold what has been said, so queued words are dropped;
        queued events of other types have never been sent and still follow.
        """
        before = [queued for batch in self._unacknowledged for queued in batch.events]
        rest = [queued for queued in self._queued if resend or queued.line is None]
        follow = [*before, *rest] if resend else rest
        # A client that reconnects twice still gets ``first`` only once.
        follow = [queued for queued in follow if not _is_like(queued.event, first)]
        self._queued = [Queued(first), *follow]
        self._unacknowledged.clear()
        self.next_sequence = first_sequence

    def _acknowledge(self, ack: int | None) -> None:
        kept = self._unacknowledged
        while kept and (ack is None or kept[0].sequence <= ack):
            kept.popleft()

    def _next(self, *, keep: bool) -> Answer:
        batch = Batch(self.next_sequence, self._next_offset(), tuple(self._queued))
        for queued in self._queued:
            if queued.line is not None and queued.line.sequence is None:
                queued.line.sequence = batch.sequence
        self._queued = []
        self.next_sequence += 1
        self.has_sent = True
        if keep:
            self._unacknowledged.append(batch)
        return batch.answer()

    def _next_offset(self) -> int:
        self.offset += 1 + len(self._queued)
        return self.offset


def _is_like(event: Any, first: Event) -> bool:
    return isinstance(event, dict) and event.get("type") == first["type"]
