"""How does each event look that a poll can bring?"""

from __future__ import annotations

from typing import Any

Event = dict[str, Any]

GEO_LOCATION = {"countryCode": "XX", "countryName": "Exampleland"}
AGENT_ID = "005XX0000000001"


def event(type_: str, **message: Any) -> Event:
    """Return an event of this type."""
    return {"type": type_, "message": message}


def chat_request_success(
    *, position: int, wait: int, connection_timeout: float, visitor_id: str
) -> Event:
    """Return the routing of a chat; ``wait`` and the time-out are in seconds."""
    return event(
        "ChatRequestSuccess",
        queuePosition=position,
        estimatedWaitTime=wait,
        connectionTimeout=int(connection_timeout * 1000),
        visitorId=visitor_id,
        url="",
        oref="",
        postChatUrl="",
        transcriptSaveEnabled=False,
        geoLocation=GEO_LOCATION,
        customDetails=[],
        sensitiveDataRules=[],
    )


def agent_joined(
    type_: str, name: str, idle_timeout: int | None, idle_warning: int | None
) -> Event:
    """Return a ChatEstablished or ChatTransferred; idle times in seconds."""
    idle: dict[str, Any] = {"isEnabled": False}
    if idle_timeout is not None:
        warning = idle_timeout if idle_warning is None else idle_warning
        idle = {"isEnabled": True, "warningTime": warning, "timeout": idle_timeout}
    return event(
        type_,
        name=name,
        userId=AGENT_ID,
        sneakPeekEnabled=False,
        chasitorIdleTimeout=idle,
    )


def chat_message(name: str, text: str) -> Event:
    """Return the agent's words."""
    schedule = {"responseDelayMilliseconds": 0.0}
    return event(
        "ChatMessage", name=name, agentId=AGENT_ID, text=text, schedule=schedule
    )


def session_data(position: int, chat_messages: list[dict[str, Any]]) -> Event:
    """Return the first event after a hand-over."""
    return event(
        "ChasitorSessionData",
        queuePosition=position,
        geoLocation=GEO_LOCATION,
        url="",
        oref="",
        postChatUrl="",
        sneakPeekEnabled=False,
        chatMessages=chat_messages,
    )
