"""What does Live Agent look like on the wire?

Paths, headers, bodies and answers of the Chat REST API as plain values. No I/O
and no Django: bytes in, values out.

Source: Chat REST API Developer Guide, version 66.0 (Spring '26),
https://developer.salesforce.com/docs/service/chat-rest/guide/
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bridge.domain.links import DEFAULT_HOLD_SECONDS, MAX_SECRET_LENGTH
from bridge.upstreams.base import Customer
from bridge.upstreams.liveagent.errors import MalformedAnswer, ServerSwitched

BASE_PATH = "/chat/rest/"
MESSAGES = "System/Messages"  # the long poll
MAX_POLL_TIMEOUT_SECONDS = 600
SOUND_SECRET = re.compile(rf"[!-~]{{1,{MAX_SECRET_LENGTH}}}")
CONTACT_LABEL = "ContactLineId"

# Before there is an affinity token its header holds these four letters.
NO_AFFINITY = "null"

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Organization:
    """Where chats are opened, and for whom: an endpoint and Salesforce's ids.

    `secret` keeps what is remembered of events from being guessed.
    """

    host: str
    organization_id: str
    deployment_id: str
    button_id: str
    user_agent: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True, repr=False)
class NewSession:
    """The answer of `System/SessionId`. `client_poll_timeout` is in seconds."""

    id: str
    key: str
    affinity_token: str
    client_poll_timeout: int


@dataclass(frozen=True, slots=True, repr=False)
class Event:
    """One element of a batch: its type and what it carries."""

    type: str
    message: Json


@dataclass(frozen=True, slots=True, repr=False)
class Batch:
    """One answer of `System/Messages`.

    `size` is how many elements it had, readable or not. `sequence` is what the next
    poll acknowledges, None where the answer has none; `offset` is what a reconnection
    asks for.
    """

    events: tuple[Event, ...]
    size: int
    sequence: int | None
    offset: int | None


@dataclass(frozen=True, slots=True, repr=False)
class Reconnection:
    """The answer of `System/ReconnectSession`."""

    affinity_token: str
    reset_sequence: bool


@dataclass(frozen=True, slots=True, repr=False)
class TranscriptEntry:
    """One entry of the transcript that `ChasitorSessionData` brings."""

    by_agent: bool
    name: str
    text: str


def headers(
    api_version: str,
    *,
    affinity_token: str | None = None,
    key: str | None = None,
    sequence: int | None = None,
) -> dict[str, str]:
    """Return the request headers; what is None stays out."""
    given = {
        "X-LIVEAGENT-API-VERSION": api_version,
        "X-LIVEAGENT-AFFINITY": affinity_token,
        "X-LIVEAGENT-SESSION-KEY": key,
        "X-LIVEAGENT-SEQUENCE": None if sequence is None else str(sequence),
    }
    return {name: value for name, value in given.items() if value is not None}


def chasitor_init(
    org: Organization, customer: Customer, session_id: str
) -> dict[str, Any]:
    """Return the body of `Chasitor/ChasitorInit`.

    The `ContactLineId` detail is what the bot's `prechatEntities` join to by
    label, so that Salesforce finds the customer's Contact.
    """
    return {
        "organizationId": org.organization_id,
        "deploymentId": org.deployment_id,
        "buttonId": org.button_id,
        "sessionId": session_id,
        "userAgent": org.user_agent,
        "language": "ja",
        "screenResolution": "N/A",
        "visitorName": customer.display_name,
        "prechatDetails": [
            {
                "label": CONTACT_LABEL,
                "value": customer.line_id,
                "entityMaps": [],
                "transcriptFields": [],
                "displayToAgent": True,
            }
        ],
        "prechatEntities": list(customer.prechat_entities),
        "buttonOverrides": [],
        "receiveQueueUpdates": True,
        "isPost": True,
    }


def read_session(body: bytes) -> NewSession:
    """Read the answer of `System/SessionId`.

    Raises MalformedAnswer, or ServerSwitched where the organisation has moved.
    """
    answer = _object(body)
    for event in _events(answer):
        if event.type == "SwitchServer":
            raise ServerSwitched(str(event.message.get("newUrl")))
    return NewSession(
        id=_text(answer, "id"),
        key=_text(answer, "key"),
        affinity_token=_text(answer, "affinityToken"),
        client_poll_timeout=_poll_timeout(answer.get("clientPollTimeout")),
    )


def read_batch(body: bytes) -> Batch:
    """Read a 200 of `System/Messages`; raises MalformedAnswer."""
    answer = _object(body)
    if not isinstance(answer.get("messages"), list):
        raise MalformedAnswer("a poll's answer has no list of messages")
    return Batch(
        events=_events(answer),
        size=len(answer["messages"]),
        sequence=whole_number(answer.get("sequence")),
        offset=whole_number(answer.get("offset")),
    )


def read_reconnection(body: bytes) -> Reconnection:
    """Read the answer of `System/ReconnectSession`; raises MalformedAnswer.

    `resetSequence` is described as always true, yet may be missing.
    """
    for event in _events(_object(body)):
        if event.type == "ReconnectSession":
            return Reconnection(
                affinity_token=_text(event.message, "affinityToken"),
                reset_sequence=event.message.get("resetSequence") is not False,
            )
    raise MalformedAnswer("the answer holds no ReconnectSession")


def read_availability(body: bytes) -> dict[str, bool]:
    """Read the answer of `Visitor/Availability`: is each id available?

    A missing `isAvailable` means that it is not.
    """
    for event in _events(_object(body)):
        results = event.message.get("results")
        if event.type == "Availability" and isinstance(results, list):
            return {
                str(result.get("id")): result.get("isAvailable") is True
                for result in results
                if isinstance(result, dict)
            }
    raise MalformedAnswer("the answer holds no Availability")


def read_transcript(message: Json) -> tuple[TranscriptEntry, ...]:
    """Read the transcript in a `ChasitorSessionData` event, oldest first."""
    entries = message.get("chatMessages")
    if not isinstance(entries, list):
        return ()
    return tuple(
        TranscriptEntry(
            by_agent=entry["type"] == "Agent",
            name=clean(entry.get("name")),
            text=clean(entry.get("content")),
        )
        for entry in entries
        if isinstance(entry, dict) and entry.get("type") in {"Agent", "Chasitor"}
    )


def out_of_sync_actual(body: str) -> int | None:
    """Return M of `Out of sync Ack. Expected N. Actual M`, None if not there."""
    found = re.search(r"Actual:?\s*(-?[0-9]{1,9})\b", body)
    return int(found[1]) if found else None


def clean(value: object) -> str:
    """Return a text that every database keeps and every encoder takes.

    NUL and lone surrogates become U+FFFD; anything but a text becomes "".
    """
    if not isinstance(value, str):
        return ""
    if "\0" not in value and value.isascii():
        return value
    paired = value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return paired.replace("\0", "\ufffd")


def whole_number(value: object) -> int | None:
    """Return a number that fits a database's 64 bits, from an int or its digits."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,19}", value):
        value = int(value)
    return value if isinstance(value, int) and abs(value) < 2**63 else None


def _poll_timeout(value: object) -> int:
    """The guide shows text, live servers a number; both are seconds."""
    seconds = whole_number(value)
    if seconds is None or seconds < 1:
        return DEFAULT_HOLD_SECONDS
    return min(seconds, MAX_POLL_TIMEOUT_SECONDS)


def _object(body: bytes) -> Json:
    try:
        answer = json.loads(body.decode(errors="replace"))
    except (ValueError, RecursionError) as exc:
        raise MalformedAnswer("the answer is not JSON") from exc
    if not isinstance(answer, dict):
        raise MalformedAnswer("the answer is not a JSON object")
    return answer


def _events(answer: Json) -> tuple[Event, ...]:
    """Return what can be read of `messages`; the rest is passed over."""
    elements = answer.get("messages")
    if not isinstance(elements, list):
        return ()
    return tuple(
        Event(type=element["type"], message=_message(element))
        for element in elements
        if isinstance(element, dict) and isinstance(element.get("type"), str)
    )


def _message(element: Json) -> Json:
    message = element.get("message")
    return message if isinstance(message, dict) else {}


def _text(answer: Json, name: str) -> str:
    """Return an id, key or token; it has to fit into a header and into the table."""
    value = answer.get(name)
    if isinstance(value, str) and SOUND_SECRET.fullmatch(value):
        return value
    raise MalformedAnswer(f"the answer has no usable {name}")
