"""What do Live Agent's events mean?

Pure translation into the events of `domain`; what these make of a chat is not
decided here. Any field may be missing or of the wrong type.

Source: Chat REST API Developer Guide, "Messages" response body; event types and
reasons beyond it as live servers send them.
"""

from collections.abc import Callable, Iterable, Iterator

from bridge.domain.events import (
    Ended,
    Event,
    IdleClock,
    Joined,
    Left,
    Queued,
    Said,
    Unknown,
)
from bridge.domain.states import MAX_NAME_LENGTH, Reason
from bridge.domain.timeline import short_name
from bridge.upstreams.liveagent import protocol
from bridge.upstreams.liveagent.protocol import Json, clean, whole_number

CHAT_ENDED_REASONS = {
    "agent": Reason.AGENT,
    "client": Reason.CLIENT,
    "clientIdleTimeout": Reason.VISITOR_IDLE,
    "agentsUnavailable": Reason.UNAVAILABLE,
    "agentPushTimeout": Reason.UNAVAILABLE,
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
        "ChasitorSessionData",  # read by the recovery
        "CustomEvent",
        "FileTransfer",
        "NewVisitorBreadcrumb",
        "ReconnectSession",
        "RichMessage",
        "SensitiveDataRules",
        "TransferToButtonInitiated",
    }
)


def translate(events: Iterable[protocol.Event]) -> tuple[Event, ...]:
    """Return what Live Agent's events say, in their order."""
    return tuple(said for event in events for said in _translate(event))


def _translate(event: protocol.Event) -> Iterable[Event]:
    if event.type in TRANSLATIONS:
        return TRANSLATIONS[event.type](event)
    if event.type in IGNORED:
        return ()
    return (Unknown(clean(event.type)[:MAX_NAME_LENGTH]),)


def _chat_message(event: protocol.Event) -> Iterator[Event]:
    text = event.message.get("text")
    if isinstance(text, str):
        yield Said(clean(text), _name(event.message))


def _queued(event: protocol.Event, position: str) -> Queued:
    place, wait = event.message.get(position), event.message.get("estimatedWaitTime")
    return Queued(_count(place), _count(wait))


def _chat_request_fail(event: protocol.Event) -> Iterator[Event]:
    unavailable = event.message.get("reason") == "Unavailable"
    yield _ended(event, Reason.UNAVAILABLE if unavailable else Reason.ERROR)


def _chat_established(event: protocol.Event) -> Iterator[Event]:
    yield Joined(_name(event.message), is_transfer=event.type == "ChatTransferred")
    # It is the client that keeps the idle clock. The guide spells its name in one
    # way, servers in another; a transfer that does not mention it leaves it as it was.
    message = event.message
    clock = message.get("chasitorIdleTimeout", message.get("chasitorIdletimeout"))
    if isinstance(clock, dict):
        seconds = whole_number(clock.get("timeout"))
        runs = clock.get("isEnabled") is True and seconds is not None and seconds > 0
        yield IdleClock(min(seconds or 0, 2**31 - 1) if runs else None)


def _chat_ended(event: protocol.Event) -> Iterator[Event]:
    reason = event.message.get("reason")
    known = CHAT_ENDED_REASONS if isinstance(reason, str) else {}
    yield _ended(event, known.get(str(reason), Reason.ERROR))


def _async_result(event: protocol.Event) -> Iterator[Event]:
    """An asynchronous POST was carried out, or it failed and the chat with it."""
    if event.message.get("isSuccess") is False or event.message.get("error"):
        yield _ended(event, Reason.ERROR, needs_notice=True)


def _ended(
    event: protocol.Event, reason: Reason, *, needs_notice: bool = False
) -> Ended:
    """Return the end, by what it came and how Salesforce names the reason."""
    said = event.message.get("reason", event.message.get("error"))
    facts = {"event": event.type, "said": short_name(said)}
    return Ended(reason, facts, needs_notice)


def _name(message: Json) -> str:
    return clean(message.get("name"))[:MAX_NAME_LENGTH]


def _count(value: object) -> int | None:
    """Return a position or seconds; negative means unknown."""
    number = whole_number(value)
    return number if number is not None and 0 <= number < 2**31 else None


TRANSLATIONS: dict[str, Callable[[protocol.Event], Iterable[Event]]] = {
    "ChatMessage": _chat_message,
    "ChatRequestSuccess": lambda event: [_queued(event, "queuePosition")],
    "QueueUpdate": lambda event: [_queued(event, "position")],
    "ChatRequestFail": _chat_request_fail,
    "ChatEstablished": _chat_established,
    "ChatTransferred": _chat_established,
    # No end: the session lives on, and another agent may take over.
    "AgentDisconnect": lambda event: [Left()],
    "ChatEnded": _chat_ended,
    "AsyncResult": _async_result,
    # This host does not serve the organisation: the next chat begins elsewhere.
    "SwitchServer": lambda event: [_ended(event, Reason.ERROR, needs_notice=True)],
}
