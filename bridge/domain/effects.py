"""What do events make of a chat?

Pure: a standing and events in, the new standing, the agent's messages and what is
worth a line in the timeline out. Nothing here reads a clock, a database or a socket.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from bridge.domain.events import (
    Arrived,
    Ended,
    Event,
    IdleClock,
    Joined,
    Left,
    Present,
    Queued,
    Said,
    Unknown,
)
from bridge.domain.states import Standing, State
from bridge.domain.timeline import Facts, Kind, Note

MAX_NOTES = 20  # of one reading: to store it stays a small matter


@dataclass(frozen=True, slots=True)
class Effect:
    """What a reading led to.

    `unknown` are the types of events that were passed over, `arrived` the numbers of
    customers' messages that turned out to be there. `notes` are for the timeline;
    where the chat has ended, `end` is what is to be known of that.
    """

    standing: Standing
    messages: tuple[Said, ...] = ()
    unknown: tuple[str, ...] = ()
    arrived: tuple[int, ...] = ()
    notes: tuple[Note, ...] = ()
    end: Facts = field(default_factory=dict)


def apply(standing: Standing, events: Iterable[Event]) -> Effect:
    """Apply events in their order; once ended, a chat stays ended.

    What was said counts all the same: it may stand behind the end in one answer.
    """
    messages: list[Said] = []
    unknown: list[str] = []
    arrived: list[int] = []
    notes: list[Note] = []
    end: Facts = {}
    for event in events:
        match event:
            case Said():
                messages.append(replace(event, agent=event.agent or standing.agent))
            case Unknown():
                unknown.append(event.type)
            case Arrived():
                arrived.append(event.number)
            case _ if standing.state != State.ENDED:
                before, standing = standing, _after(standing, event)
                for note in _notes(before, standing, event):
                    # Of places in the queue that follow each other only the last.
                    if notes and notes[-1].kind == note.kind == Kind.QUEUE_MOVED:
                        notes.pop()
                    notes.append(note)
                end = event.facts if isinstance(event, Ended) else end
    kept = tuple(notes[:MAX_NOTES])
    return Effect(standing, tuple(messages), tuple(unknown), tuple(arrived), kept, end)


def _after(standing: Standing, event: Event) -> Standing:
    """Return how the chat stands after an event that changes that."""
    match event:
        case Queued() if standing.state != State.ESTABLISHED:
            return replace(
                standing,
                state=State.WAITING,
                queue_position=event.position,
                estimated_wait=event.wait,
            )
        case Present() if standing.state == State.ESTABLISHED:
            return standing
        case Joined() | Present():
            return replace(
                standing,
                state=State.ESTABLISHED,
                agent=event.agent or standing.agent,
                queue_position=None,
                estimated_wait=None,
            )
        case Left():
            return replace(standing, agent="")
        case IdleClock():
            return replace(standing, visitor_idle_timeout=event.seconds)
        case Ended():
            return replace(
                standing,
                state=State.ENDED,
                reason=event.reason,
                queue_position=None,
                estimated_wait=None,
                needs_notice=event.needs_notice,
            )
    return standing


def _notes(before: Standing, after: Standing, event: Event) -> list[Note]:
    """Return what an event changed, where that is worth a line in the timeline."""
    match event:
        case Left():
            return [Note(Kind.AGENT_LEFT, {"agent": before.agent})]
        case Queued() if after.state == State.WAITING:
            taken = before.state == State.OPENING
            if not taken and event.position in (None, before.queue_position):
                return []
            kind = Kind.TAKEN if taken else Kind.QUEUE_MOVED
            return [Note(kind, {"position": event.position, "wait": event.wait})]
        case Joined(is_transfer=True):
            return [Note(Kind.TRANSFERRED, {"agent": after.agent})]
        case Joined() | Present():
            if (before.state, before.agent) != (after.state, after.agent):
                return [Note(Kind.AGENT_JOINED, {"agent": after.agent})]
    return []
