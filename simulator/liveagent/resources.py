"""Which resources does the Chat REST API have, and what does each demand?"""

from __future__ import annotations

from dataclasses import dataclass

from simulator.answers import Refusal, text_answer

VERSION = "X-LIVEAGENT-API-VERSION"
AFFINITY = "X-LIVEAGENT-AFFINITY"
KEY = "X-LIVEAGENT-SESSION-KEY"
SEQUENCE = "X-LIVEAGENT-SEQUENCE"

DELETE_PATH = "System/SessionId/"


@dataclass(frozen=True)
class Resource:
    """One resource: its method and the headers it cannot do without."""

    name: str
    method: str
    headers: tuple[str, ...] = (VERSION, AFFINITY, KEY)


def _post(name: str) -> Resource:
    return Resource(name, "POST")


def _visitor(name: str, method: str = "GET") -> Resource:
    return Resource(name, method, (VERSION,))


SESSION_ID = Resource("SessionId", "GET", (VERSION, AFFINITY))
DELETE_SESSION = Resource("DeleteSession", "DELETE", (VERSION, AFFINITY))
MESSAGES = Resource("Messages", "GET")
RECONNECT_SESSION = Resource("ReconnectSession", "GET")
MULTI_NOUN = _post("MultiNoun")

POSTS = {
    noun: _post(noun)
    for noun in (
        "ChasitorInit",
        "ChatMessage",
        "ChasitorTyping",
        "ChasitorNotTyping",
        "ChasitorSneakPeek",
        "CustomEvent",
        "ChasitorIdleTimeoutWarningEvent",
        "SensitiveDataRuleTriggered",
        "ChasitorResyncState",
        "ChatEnd",
    )
}
_PATHS = {
    "System/SessionId": SESSION_ID,
    "System/Messages": MESSAGES,
    "System/ReconnectSession": RECONNECT_SESSION,
    "System/MultiNoun": MULTI_NOUN,
    "Visitor/Availability": _visitor("Availability"),
    "Visitor/Settings": _visitor("Settings"),
    "Visitor/VisitorId": _visitor("VisitorId"),
    "Visitor/Breadcrumb": _visitor("Breadcrumb", "POST"),
    **{f"Chasitor/{noun}": resource for noun, resource in POSTS.items()},
}


NAMES = (DELETE_SESSION.name, *(resource.name for resource in _PATHS.values()))


def find(method: str, path: str) -> Resource:
    """Return the resource at this path below ``/chat/rest/``, or refuse."""
    resource = _PATHS.get(path)
    if resource is None and path.startswith(DELETE_PATH):
        resource = DELETE_SESSION
    if resource is None:
        raise Refusal(text_answer(404, "Not Found"), "unknown_path")
    if resource.method != method:
        raise Refusal(text_answer(405, "Method Not Allowed"), "wrong_method")
    return resource
