"""Is the body of a POST what its resource demands?"""

from __future__ import annotations

import json
from typing import Any, NoReturn

from simulator.answers import bad_request

Body = dict[str, Any]

LINE_ID_LABEL = "ContactLineId"
_MAY_BE_EMPTY = ("ChasitorTyping", "ChasitorNotTyping", "ChatEnd")
_STRINGS = {
    "ChasitorInit": ("organizationId", "deploymentId", "buttonId"),
    "ChatMessage": ("text",),
    "ChasitorSneakPeek": ("text",),
    "CustomEvent": ("type", "data"),
    "ChasitorResyncState": ("organizationId",),
}


def parse(content: bytes) -> Body:
    """Return the JSON object of a body; an empty body is an empty object."""
    if not content.strip():
        return {}
    try:
        body = json.loads(content, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:  # bad UTF-8 is a ValueError, too
        raise bad_request("Bad JSON") from error
    if not isinstance(body, dict):
        raise bad_request("Not a JSON object")
    return body


def check(noun: str, body: Body) -> None:
    """Refuse a body that lacks what its resource needs."""
    if not body and noun in _MAY_BE_EMPTY:
        return
    for name in _STRINGS.get(noun, ()):
        if not isinstance(body.get(name), str):
            raise bad_request(f"{name} is required")
    if noun == "ChasitorInit":
        _check_details(body)


def line_id(init: Body) -> str | None:
    """Return the customer's line_id, which ChasitorInit has among its details."""
    details = init.get("prechatDetails")
    for detail in details if isinstance(details, list) else ():
        if isinstance(detail, dict) and detail.get("label") == LINE_ID_LABEL:
            value = detail.get("value")
            return value if isinstance(value, str) else None
    return None


def nouns(body: Body) -> list[tuple[str, Body]]:
    """Return the nouns of a MultiNoun with their objects."""
    wrapped = body.get("nouns")
    if not isinstance(wrapped, list):
        raise bad_request("nouns is required")
    return [_noun(wrapper) for wrapper in wrapped]


def end_reason(body: Body) -> str:
    """Return the reason of a ChatEnd, in any of the shapes clients send."""
    inner = body.get("ChatEndReason")
    reason = (inner if isinstance(inner, dict) else body).get("reason")
    return reason if isinstance(reason, str) else "client"


def _noun(wrapper: Any) -> tuple[str, Body]:
    if not isinstance(wrapper, dict) or not isinstance(wrapper.get("noun"), str):
        raise bad_request("noun is required")
    body = wrapper.get("object") or {}
    if not isinstance(body, dict):
        raise bad_request("object is not an object")
    return wrapper["noun"], body


def _check_details(init: Body) -> None:
    details = init.get("prechatDetails")
    for detail in details or ():
        if not isinstance(detail, dict):
            raise bad_request("a prechat detail is not an object")
        if not all(isinstance(detail.get(name), str) for name in ("label", "value")):
            raise bad_request("a prechat detail needs a label and a value")
        if not isinstance(detail.get("transcriptFields"), list):
            raise bad_request("a prechat detail needs transcriptFields")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)  # NaN and Infinity are not JSON
