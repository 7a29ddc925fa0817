"""Which events does the next poll get, and which have been acknowledged?

``sequence`` numbers events: an answer's is that of its last event, and what is not
acknowledged comes again together with what is new. By the switch ``sequence_counts``
it numbers answers instead; then one comes again as it was, and the next follows.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from simulator.answers import JSON, Answer, json_answer
from simulator.liveagent.events import Event
from simulator.liveagent.switches import LiveAgentSwitches
from simulator.liveagent.transcript import Line


@dataclass(frozen=True)
class Queued:
    """An event on its way, with the line of the transcript that it carries."""

    event: Any
    line: Line | None = None


@dataclass(frozen=True)
class Batch:
    """What has one number: an event, or by the switch all those of one answer."""

    sequence: int
    offset: int
    events: tuple[Queued, ...]


class Batches:
    """The events of a session: queued, sent, and acknowledged."""

    def __init__(self, switches: LiveAgentSwitches) -> None:
        self._switches = switches
        self.next_sequence = switches.first_sequence
        self.offset = random.randrange(10**9, 2 * 10**9)  # noqa: S311
        self.has_sent = False
        self.raw: deque[str] = deque()
        self._queued: list[Queued] = []
        self._unacknowledged: deque[Batch] = deque()
        self._acknowledged: list[Batch] = []
        self._last_answer: Answer | None = None

    def put(self, events: Iterable[Queued]) -> None:
        """Queue events; all that are queued go out in one answer."""
        self._queued.extend(events)

    def take(self, ack: int | None) -> Answer | None:
        """Return what a poll with this ack gets now, if there is anything.

        Without an ack nobody can ask again, so nothing is kept for that. An ack that
        is too high costs nobody what has not been sent yet.
        """
        if self.raw:
            return Answer(200, self.raw.popleft().encode(), JSON)
        if self._switches.repeat_answers and self._last_answer is not None:
            return self._last_answer
        self._acknowledge(ack)
        counts_events = self._switches.sequence_counts == "events"
        if self._queued and (counts_events or not self._unacknowledged):
            self._number(counts_events=counts_events)
        if not self._unacknowledged:
            return None
        sent = list(self._unacknowledged)
        answer = _answer(self._read_again() + sent if counts_events else sent[:1])
        if ack is None:
            self._acknowledge(None)
        self.has_sent, self._last_answer = True, answer
        return answer

    def empty_answer(self) -> Answer:
        """Return an answer without events."""
        last = {"sequence": self.next_sequence - 1, "offset": self.offset}
        return json_answer({"messages": [], **last})

    def restart(self, first: Event, *, resend: bool) -> None:
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
        self._acknowledged.clear()
        self.next_sequence = self._switches.first_sequence

    def _acknowledge(self, ack: int | None) -> None:
        kept = self._unacknowledged
        while kept and (ack is None or kept[0].sequence <= ack):
            self._acknowledged.append(kept.popleft())

    def _number(self, *, counts_events: bool) -> None:
        """Give what is queued its numbers, and have it sent until acknowledged."""
        queued, self._queued = self._queued, []
        self.offset += 1 + len(queued)
        for events in [[it] for it in queued] if counts_events else [queued]:
            batch = Batch(self.next_sequence, self.offset, tuple(events))
            self._unacknowledged.append(batch)
            self.next_sequence += 1
            for event in events:
                if event.line is not None and event.line.sequence is None:
                    event.line.sequence = batch.sequence

    def _read_again(self) -> list[Batch]:
        """Return the last of what was read, if answers are to overlap with it."""
        overlap = self._switches.overlap_events
        return self._acknowledged[-overlap:] if overlap else []


def _answer(batches: list[Batch]) -> Answer:
    """Return these as one poll brings them."""
    return json_answer(
        {
            "messages": [queued.event for it in batches for queued in it.events],
            "sequence": batches[-1].sequence,
            "offset": batches[-1].offset,
        }
    )


def _is_like(event: Any, first: Event) -> bool:
    return isinstance(event, dict) and event.get("type") == first["type"]
