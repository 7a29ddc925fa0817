"""What does each Live Agent event do to a chat?

Pure: a standing and a batch's events in, the new standing, the agent's words and
what is worth a note out. Nothing here reads a clock, a database or a socket.

Source: Chat REST API Developer Guide, "Messages" response body; event types and
reasons beyond it as live servers send them.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from itertools import islice

from bridge.domain.timeline import Facts, Kind, Note, short_name
from bridge.upstreams.liveagent.protocol import Event, Json, clean, whole_number

LONGEST_NAME = 255
MOST_NOTES = 20  # of one batch


class State:
    """How far a chat has come, as the contract names it."""

    OPENING = "opening"  # nobody has been told of it yet
    WAITING = "waiting"
    ESTABLISHED = "established"
    ENDED = "ended"


class Reason:
    """Why a chat is over, as the contract names it."""

    AGENT = "agent"
    CLIENT = "client"
    UNAVAILABLE = "unavailable"
    VISITOR_IDLE = "visitor_idle"
    BOT_IDLE = "bot_idle"
    LOST = "lost"
    ERROR = "error"


CHAT_ENDED_REASONS = {
    "agent": Reason.AGENT,
    "client": Reason.CLIENT,
    "clientIdleTimeout": Reason.VISITOR_IDLE,
    "agentsUnavailable": Reason.UNAVAILABLE,
    "agentPushTimeout": Reason.UNAVAILABLE,
}


@dataclass(frozen=True, slots=True)
class Standing:
    """What the events of a chat have made of it so far.

    `estimated_wait` and `visitor_idle_timeout` are in seconds. `needs_farewell`
    says that the chat is over for us while Salesforce may still hold it open.
    """

    state: str
    reason: str = ""
    agent: str = field(default="", repr=False)
    queue_position: int | None = None
    estimated_wait: int | None = None
    visitor_idle_timeout: int | None = None
    needs_farewell: bool = False


@dataclass(frozen=True, slots=True)
class Words:
    """One thing an agent said."""

    text: str = field(repr=False)
    agent: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a batch led to.

    `unknown` are event types that were passed over. `notes` are for the chat's
    trail; where the batch ended the chat, `end` is what is to be known of that.
    """

    standing: Standing
    words: tuple[Words, ...]
    unknown: tuple[str, ...]
    notes: tuple[Note, ...] = ()
    end: Facts = field(default_factory=dict)


def absorb(standing: Standing, events: Iterable[Event]) -> Outcome:
    """Apply a batch's events in order; once ended, a chat stays ended."""
    words: list[Words] = []
    unknown: list[str] = []
    notes: list[Note] = []
    end: Facts = {}
    for event in events:
        if event.type == "ChatMessage":
            words += _words(standing, event.message)
        elif event.type in HANDLERS:
            if standing.state != State.ENDED:
                before = standing
                standing = HANDLERS[event.type](standing, event.message)
                notes += _notes(before, standing, event)
                end = _end(standing, event)
        elif event.type not in IGNORED:
            unknown.append(clean(event.type)[:LONGEST_NAME])
    return Outcome(standing, tuple(words), tuple(unknown), _latest(notes), end)


def _notes(before: Standing, after: Standing, event: Event) -> list[Note]:
    """Return what an event changed, where that is worth a note."""
    if event.type == "AgentDisconnect":
        return [Note(Kind.AGENT_LEFT, {"agent": before.agent})]
    if after.state == State.WAITING:
        return _queue_notes(before, after)
    if after.state != State.ESTABLISHED:
        return []
    if event.type == "ChatTransferred":
        return [Note(Kind.TRANSFERRED, {"agent": after.agent})]
    return joining_notes(before, after)


def _queue_notes(before: Standing, after: Standing) -> list[Note]:
    kind = Kind.TAKEN if before.state == State.OPENING else Kind.QUEUE_MOVED
    position, wait = after.queue_position, after.estimated_wait
    if kind == Kind.QUEUE_MOVED and position in (None, before.queue_position):
        return []
    return [Note(kind, {"position": position, "wait": wait})]


def joining_notes(before: Standing, after: Standing) -> list[Note]:
    """Return the note of an agent who is there now and was not before."""
    were, are = (
        (standing.state == State.ESTABLISHED, standing.agent)
        for standing in (before, after)
    )
    if were == are or after.state != State.ESTABLISHED:
        return []
    return [Note(Kind.AGENT_JOINED, {"agent": after.agent})]


def _end(standing: Standing, event: Event) -> Facts:
    """Return by what a chat has ended, and how Salesforce names the reason."""
    if standing.state != State.ENDED:
        return {}
    said = event.message.get("reason", event.message.get("error"))
    return {"event": event.type, "said": short_name(said)}


def _latest(notes: list[Note]) -> tuple[Note, ...]:
    """Leave out places in the queue that are history within the same batch.

    However many events a batch holds, storing it stays a small matter.
    """
    latest = (
        note
        for place, note in enumerate(notes)
        if [each.kind for each in notes[place : place + 2]] != [Kind.QUEUE_MOVED] * 2
    )
    return tuple(islice(latest, MOST_NOTES))


def _words(standing: Standing, message: Json) -> list[Words]:
    if not isinstance(message.get("text"), str):
        return []
    agent = clean(message.get("name"))[:LONGEST_NAME] or standing.agent
    return [Words(text=clean(message["text"]), agent=agent)]


def _chat_request_success(standing: Standing, message: Json) -> Standing:
    return _queued(standing, message.get("queuePosition"), message)


def _queue_update(standing: Standing, message: Json) -> Standing:
    return _queued(standing, message.get("position"), message)


def _queued(standing: Standing, position: object, message: Json) -> Standing:
    if standing.state == State.ESTABLISHED:
        return standing
    return replace(
        standing,
        state=State.WAITING,
        queue_position=_count(position),
        estimated_wait=_count(message.get("estimatedWaitTime")),
    )


def _chat_request_fail(standing: Standing, message: Json) -> Standing:
    unavailable = message.get("reason") == "Unavailable"
    return _ended(standing, Reason.UNAVAILABLE if unavailable else Reason.ERROR)


def _chat_established(standing: Standing, message: Json) -> Standing:
    return replace(
        standing,
        state=State.ESTABLISHED,
        agent=clean(message.get("name"))[:LONGEST_NAME] or standing.agent,
        queue_position=None,
        estimated_wait=None,
        visitor_idle_timeout=_idle_timeout(standing, message),
    )


def _idle_timeout(standing: Standing, message: Json) -> int | None:
    """Return the seconds of the idle clock; it is the client that keeps it.

    A transfer that does not mention the clock leaves it as it was.
    """
    clock = message.get("chasitorIdleTimeout", message.get("chasitorIdletimeout"))
    if not isinstance(clock, dict):
        return standing.visitor_idle_timeout
    seconds = whole_number(clock.get("timeout"))
    running = clock.get("isEnabled") is True and seconds is not None and seconds > 0
    return min(seconds or 0, 2**31 - 1) if running else None


def _agent_disconnect(standing: Standing, message: Json) -> Standing:
    """Not an end: the session lives on, and another agent may take over."""
    return replace(standing, agent="")


def _chat_ended(standing: Standing, message: Json) -> Standing:
    reason = message.get("reason")
    known = CHAT_ENDED_REASONS if isinstance(reason, str) else {}
    return _ended(standing, known.get(str(reason), Reason.ERROR))


def _async_result(standing: Standing, message: Json) -> Standing:
    """An asynchronous POST was carried out, or it failed and the chat with it."""
    failed = message.get("isSuccess") is False or bool(message.get("error"))
    return _given_up(standing) if failed else standing


def _switch_server(standing: Standing, message: Json) -> Standing:
    """This host does not serve the organisation: the next chat begins elsewhere."""
    return _given_up(standing)


def _given_up(standing: Standing) -> Standing:
    return replace(_ended(standing, Reason.ERROR), needs_farewell=True)


def _ended(standing: Standing, reason: str) -> Standing:
    return replace(
        standing,
        state=State.ENDED,
        reason=reason,
        queue_position=None,
        estimated_wait=None,
    )


def _count(value: object) -> int | None:
    """Return a position or seconds; negative means unknown."""
    number = whole_number(value)
    return number if number is not None and 0 <= number < 2**31 else None


HANDLERS: dict[str, Callable[[Standing, Json], Standing]] = {
    "ChatRequestSuccess": _chat_request_success,
    "QueueUpdate": _queue_update,
    "ChatRequestFail": _chat_request_fail,
    "ChatEstablished": _chat_established,
    "ChatTransferred": _chat_established,
    "AgentDisconnect": _agent_disconnect,
    "ChatEnded": _chat_ended,
    "AsyncResult": _async_result,
    "SwitchServer": _switch_server,
}

# Known, and of no consequence for a customer on LINE.
IGNORED = frozenset(
    {
        "AgentTyping",
        "AgentNotTyping",
        "AgentJoinedConference",
        "AgentLeftConference",
        "Availability",
        "ChasitorIdleTimeoutWarningEvent",
        "ChasitorSessionData",  # read by the reconnection
        "CustomEvent",
        "FileTransfer",
        "NewVisitorBreadcrumb",
        "ReconnectSession",
        "RichMessage",
        "SensitiveDataRules",
        "TransferToButtonInitiated",
    }
)
