"""What do the resources answer that need no session?"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from simulator.answers import Answer, bad_request, json_answer, text_answer
from simulator.liveagent.events import event
from simulator.liveagent.switches import LiveAgentSwitches


def answer(name: str, query: Mapping[str, str], switches: LiveAgentSwitches) -> Answer:
    """Answer a Visitor resource."""
    if name == "Breadcrumb":
        return text_answer(switches.post_success_status, "OK")
    for parameter in ("org_id", "deployment_id"):
        if not query.get(parameter):
            raise bad_request(f"{parameter} is required")
    if switches.switch_server_url is not None:
        return switch_server(switches.switch_server_url)
    if name == "Availability":
        results = _buttons(query.get("Availability.ids", ""), switches)
        return _messages(event(name, results=results))
    if name == "Settings":
        buttons = _buttons(query.get("Settings.buttonIds", ""), switches)
        settings = event(name, pingRate=50000, contentServerUrl="", buttons=buttons)
        return _messages(settings)
    return _messages(event(name, sessionId=str(uuid.uuid4())))


def switch_server(url: str) -> Answer:
    """Tell the client that its org lives elsewhere."""
    return _messages(event("SwitchServer", newUrl=url))


def _messages(message: dict[str, Any]) -> Answer:
    return json_answer({"messages": [message]})


def _buttons(ids: str, switches: LiveAgentSwitches) -> list[dict[str, Any]]:
    names = [name for name in ids.strip("[]").split(",") if name]
    state: dict[str, Any] = {"estimatedWaitTime": switches.estimated_wait_seconds}
    if switches.agents_available:  # left out, it means false
        state["isAvailable"] = True
    return [{"id": name, **state} for name in names]
