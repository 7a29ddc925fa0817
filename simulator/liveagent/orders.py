"""What can be ordered to happen to a chat, and with which words?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from simulator.liveagent.chat import CREATED, ENDED, Chat
from simulator.liveagent.org import Org
from simulator.liveagent.switches import LiveAgentSwitches

Body = dict[str, Any]
Order = Callable[[Chat, Body, LiveAgentSwitches], None]

MOST_SHOWN = 200


def accept(chat: Chat, body: Body, switches: LiveAgentSwitches) -> None:
    """An agent takes the chat."""
    idle_timeout = _seconds(body, "idle_timeout_seconds")
    idle_warning = _seconds(body, "idle_warning_seconds")
    chat.accept(_text(body, "agent", "Riley"), idle_timeout, idle_warning)


def say(chat: Chat, body: Body, switches: LiveAgentSwitches) -> None:
    """The agent says one text, or several in one batch."""
    texts = _texts(body, "texts") or [_text(body, "text")]
    chat.say(texts)


def end(chat: Chat, body: Body, switches: LiveAgentSwitches) -> None:
    """The agent ends the chat, perhaps with last words."""
    chat.end(_text(body, "reason", "agent"), _texts(body, "last_words"))


def fail(chat: Chat, body: Body, switches: LiveAgentSwitches) -> None:
    """The request fails."""
    chat.fail(_text(body, "reason", "Unavailable"))


def events(chat: Chat, body: Body, switches: LiveAgentSwitches) -> None:
    """Send any batch as it is, or any text as the next poll's answer."""
    batch = body.get("events")
    if isinstance(batch, list):
        chat.put_events(batch)
    if "raw" in body:
        chat.put_raw(_text(body, "raw"))
    elif not isinstance(batch, list):
        raise ValueError("events or raw is required")


def handover(chat: Chat, body: Body, switches: LiveAgentSwitches) -> None:
    """The session moves to another server."""
    chat.hand_over(hold_poll=switches.handover_held_poll == "hold")


def forget(chat: Chat, body: Body, switches: LiveAgentSwitches) -> None:
    """Salesforce forgets the session."""
    chat.forget("forgotten")


def disconnect_agent(chat: Chat, body: Body, switches: LiveAgentSwitches) -> None:
    """The agent drops out."""
    chat.disconnect_agent()


def skip_numbers(chat: Chat, body: Body, switches: LiveAgentSwitches) -> None:
    """So many numbers of events, or of POSTs, are never used."""
    chat.batches.next_sequence += _count(body, "events")
    chat.sequences.skip(_count(body, "posts"))


ORDERS: dict[str, Order] = {
    order.__name__: order
    for order in (
        accept,
        say,
        end,
        fail,
        events,
        handover,
        forget,
        disconnect_agent,
        skip_numbers,
    )
}


def overview(org: Org) -> list[Body]:
    """Return the newest chats that are not over, in the few words a list needs."""
    alive = [chat for chat in org.chats() if chat.state not in (CREATED, ENDED)]
    return [_summary(chat) for chat in reversed(alive[-MOST_SHOWN:])]


def _summary(chat: Chat) -> Body:
    last = chat.transcript[-1].as_json() if chat.transcript else None
    return {
        "id": chat.id,
        "visitor_name": chat.visitor_name,
        "state": chat.state,
        "agent": chat.agent,
        "texts": len(chat.transcript),
        "last": last,
    }


def _text(body: Body, name: str, default: str | None = None) -> str:
    value = body.get(name, default)
    if not isinstance(value, str):
        raise ValueError(f"{name}: not a string")
    return value


def _texts(body: Body, name: str) -> list[str]:
    value = body.get(name) or []
    if not isinstance(value, list) or not all(isinstance(it, str) for it in value):
        raise ValueError(f"{name}: not a list of strings")
    return value


def _count(body: Body, name: str) -> int:
    value = body.get(name, 0)
    if not isinstance(value, int):
        raise ValueError(f"{name}: not a whole number")
    return value


def _seconds(body: Body, name: str) -> int | None:
    value = body.get(name)
    if value is not None and not isinstance(value, int):
        raise ValueError(f"{name}: not a whole number of seconds")
    return value
