"""How is the API described, for people and for programs?

One OpenAPI 3.1 document. What goes in comes from the models that check it, what
comes out is written here, beside the sentences that the views answer with. The
platform's probes and the metrics are in it as well.
"""

import functools
from typing import Any

from django.conf import settings
from pydantic.json_schema import GenerateJsonSchema

from bridge.api import views
from bridge.api.connection import LARGEST_BODY
from bridge.api.endpoint import BAD, READ
from bridge.api.requests import (
    DEEPEST_ENTITY,
    NO_NUL,
    Close,
    Init,
    Messages,
    Payload,
    Send,
)
from bridge.chats.opening import FULL
from bridge.domain.states import Reason, State
from bridge.operations import readiness
from bridge.telemetry.process import REACHABLE, UNKNOWN, UNREACHABLE

Json = dict[str, Any]

VERSION = "1.0.0"  # of what the endpoints promise; bots are written against that
TITLE = "Liveagent API"
DESCRIPTION = f"""\
A bridge between LINE bots and Salesforce Live Agent chats.

Bodies are UTF-8, at most {LARGEST_BODY // 1024} KiB. Unknown keys are ignored; an
optional key that is `null` counts as absent. Text may hold neither NUL nor a lone
surrogate, numbers neither NaN nor Infinity. Lengths are in characters. Every answer
is out within 25 seconds. Answers may get further keys.

Where https is asked for, http is answered with a redirect; the two probes do without.
An unknown path is 404, with the same body as the other refusals. What is there for
`GET` answers `HEAD` as well.
"""

BEARER = "bearer"


@functools.cache
def document() -> Json:
    """Return the document; it is built when it is asked for first."""
    return {
        "openapi": "3.1.0",
        "info": {"title": TITLE, "version": VERSION, "description": DESCRIPTION},
        "servers": [{"url": "/"}],
        "paths": _paths(),
        "security": _security(),
        "components": {
            "schemas": _schemas(),
            "responses": _refusals(),
            "securitySchemes": {BEARER: {"type": "http", "scheme": "bearer"}},
        },
    }


def _security() -> list[Json]:
    needed: Json = {BEARER: []}
    return [needed] if settings.BRIDGE_TOKENS else [needed, {}]


# --- paths --------------------------------------------------------------------


def _paths() -> Json:
    return {
        "/init": _endpoint(
            Init,
            "Open a chat.",
            ("Connected", "NotConnected"),
            {"line_id": "U1", "display_name": "花子"},
        ),
        "/messages": _endpoint(
            Messages,
            "Fetch the agent's next words; waits for them.",
            ("Words", "Ended", "Nothing"),
            {"line_id": "U1", "ack": 0},
        ),
        "/send": _endpoint(
            Send,
            "Say something to the agent.",
            ("Sent",),
            {"line_id": "U1", "message": "こんにちは", "message_id": "100001"},
        ),
        "/close": _endpoint(Close, "End the chat.", ("Closed",), {"line_id": "U1"}),
        "/openapi.json": _public(
            "openapi",
            "Describe the API.",
            {
                "200": _json_answer("This document.", {"type": "object"}),
                "400": _wrong_host(),
            },
        ),
        "/healthz": _public(
            "healthz",
            "Say that the process lives.",
            {"200": _json_answer("It does.", _ref("schemas", "Alive"))},
        ),
        "/readyz": _public(
            "readyz",
            "Say whether the process does its work.",
            {
                "200": _json_answer("It does.", _ref("schemas", "Ready")),
                "503": _json_answer("It does not.", _ref("schemas", "NotReady")),
            },
        ),
        "/metrics": _to_read(
            "metrics",
            "Say what was counted, for Prometheus.",
            {
                "200": _metrics(),
                "400": _wrong_host(),
                "401": _ref("responses", "401"),
            },
        ),
    }


def _public(name: str, summary: str, responses: Json) -> Json:
    """Return a path that is there to be read, and asks for no token."""
    path = _to_read(name, summary, responses)
    path["get"]["security"] = []
    return path


def _to_read(name: str, summary: str, responses: Json) -> Json:
    """Return a path that is there to be read; `responses` by status, as text."""
    refusal = _refusal(405, {"const": ", ".join(READ)})
    return {
        "get": {
            "operationId": name,
            "summary": summary,
            "responses": {**responses, "405": refusal},
        }
    }


def _endpoint(
    payload: type[Payload], summary: str, answers: tuple[str, ...], example: Json
) -> Json:
    """Return the path of one of the four endpoints.

    `answers` are the schemas of a 200, `example` is a body.
    """
    name = payload.__name__
    schema = _ref("schemas", name)
    either = [_ref("schemas", answer) for answer in answers]
    return {
        "post": {
            "operationId": name.lower(),
            "summary": summary,
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": schema, "example": example}},
            },
            "responses": {
                "200": _json_answer(
                    "It went well, or as it may.",
                    either[0] if len(either) == 1 else {"oneOf": either},
                ),
                **{str(status): _ref("responses", f"{status}") for status in REFUSALS},
            },
        }
    }


def _json_answer(description: str, schema: Json) -> Json:
    return {
        "description": description,
        "content": {"application/json": {"schema": schema}},
    }


def _metrics() -> Json:
    content = {"text/plain": {"schema": TEXT}}
    return {"description": "In Prometheus's text format.", "content": content}


def _wrong_host() -> Json:
    return _json_answer("The host is not one of `HOST`.", _ref("schemas", "Bad"))


def _ref(kind: str, name: str) -> Json:
    return {"$ref": f"#/components/{kind}/{name}"}


# --- refusals -----------------------------------------------------------------

REFUSALS = {
    400: "The body, a key in it or the content type is not as described; `/send` "
    "without an open chat; an `ack` that is too high. No chat was touched.",
    401: "A token is needed, and is missing or wrong.",
    405: "`Allow` says with which method to come.",
    413: f"The body is over {LARGEST_BODY} bytes.",
    500: "A fault of the service's own.",
    503: "Salesforce or the database did not do it in time: try again.",
}
HEADERS = {401: "WWW-Authenticate", 405: "Allow", 503: "Retry-After"}


def _refusals() -> Json:
    schemas: dict[int, Json] = {
        401: TEXT,
        405: {"const": "POST"},
        503: {**TEXT, "pattern": "^[0-9]+$"},
    }
    return {str(status): _refusal(status, schemas.get(status)) for status in REFUSALS}


def _refusal(status: int, header: Json | None) -> Json:
    """Return a refusal; `header` is the schema of the header that it comes with."""
    refusal = _json_answer(REFUSALS[status], _ref("schemas", "Bad"))
    if header is not None:
        refusal["headers"] = {HEADERS[status]: {"required": True, "schema": header}}
    return refusal


# --- schemas ------------------------------------------------------------------

TEXT: Json = {"type": "string"}
COUNT: Json = {"type": "integer", "minimum": 0}
COUNTED = ["integer", "null"]  # null without a database
QUEUE = {
    "queue_position": {**COUNT, "description": "While waiting, if it is known."},
    "estimated_wait": {**COUNT, "description": "Seconds; the same."},
}


def _schemas() -> Json:
    return {
        **{model.__name__: _body(model) for model in (Init, Messages, Send, Close)},
        "PrechatEntity": _entity(),
        "PrechatValue": _value(),
        "Connected": _answer(
            "ok",
            views.CONNECTED,
            state=_one_of(State.WAITING, State.ESTABLISHED),
            **QUEUE,
        ),
        "NotConnected": _answer(
            "fail", views.NOT_CONNECTED, reason=_one_of(*_values(Reason), FULL)
        ),
        "Words": _words(),
        "Nothing": _answer(
            None,
            None,
            state=_one_of(State.WAITING, State.ESTABLISHED, State.ENDED),
            **QUEUE,
        ),
        "Ended": _answer("end", views.ENDED, **_end()),
        "Sent": _answer("send", "send"),
        "Closed": _answer("end", views.CLOSED, **_end()),
        "Alive": _object({"status": {"const": "alive"}}, {}),
        "Ready": _readiness("ready", {"type": "array", "maxItems": 0}, COUNT),
        "NotReady": _readiness("not ready", _reasons(), {**COUNT, "type": COUNTED}),
        "Bad": _bad(),
    }


def _answer(type: str | None, message: str | None, **extras: Json) -> Json:
    """Return an answer with this sentence, and optional keys."""
    said = {"type": {"const": type}, "message": {"const": message}}
    return _object(said, extras)


def _object(required: Json, optional: Json) -> Json:
    return {
        "type": "object",
        "properties": {**required, **optional},
        "required": list(required),
    }


def _words() -> Json:
    at = {**TEXT, "format": "date-time", "description": "When the service got them."}
    return _object(
        {
            "type": {"const": "message"},
            "message": {**TEXT, "description": "What the agent said."},
            "id": {
                "type": "integer",
                "minimum": 1,
                "description": "Rises for a line_id, across chats.",
            },
            "agent": {**TEXT, "description": "The agent's name."},
            "at": at,
        },
        {},
    )


def _end() -> Json:
    return {
        "state": {"const": State.ENDED},
        "reason": _one_of(*_values(Reason)),
        "undelivered": {
            "type": "integer",
            "minimum": 1,
            "description": "How many words answered `send` the agent never got.",
        },
    }


def _readiness(status: str, reasons: Json, unanswered: Json) -> Json:
    """Return what `/readyz` answers; Salesforce is never among the reasons."""
    counted = {**unanswered, "description": "Of the whole deployment."}
    state = {
        **_one_of(UNKNOWN, REACHABLE, UNREACHABLE),
        "description": "By the last call of this process.",
    }
    salesforce = _object({"state": state, "unanswered_chats": counted}, {})
    said = {"status": {"const": status}, "reasons": reasons, "salesforce": salesforce}
    return _object(said, {})


def _reasons() -> Json:
    known = _one_of(readiness.STOPPING, readiness.UNREACHABLE, readiness.UNMIGRATED)
    silent = {**TEXT, "pattern": f"^{readiness.STANDS_STILL}: "}
    return {"type": "array", "minItems": 1, "items": {"anyOf": [known, silent]}}


def _bad() -> Json:
    said = {key: {"const": value} for key, value in BAD.items()}
    field = {"type": ["string", "null"], "description": "Which key, if it is one."}
    error = _object({"field": field, "reason": TEXT}, {})
    return _object({**said, "errors": {"type": "array", "items": error}}, {})


def _one_of(*values: str) -> Json:
    return {"enum": sorted(values)}


def _values(names: type) -> list[str]:
    return [value for name, value in vars(names).items() if name.isupper()]


class _Untitled(GenerateJsonSchema):
    """JSON Schema without a title at each key: the keys are clear."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def _body(model: type[Payload]) -> Json:
    schema = model.model_json_schema(schema_generator=_Untitled)
    entities = schema["properties"].get("prechatEntities")
    if entities is not None:
        # What a validator of ours looks at, the schema cannot know.
        entities["type"] = [entities["type"], "null"]
        entities["items"] = _ref("schemas", "PrechatEntity")
    return schema


def _entity() -> Json:
    return {
        "type": "object",
        "description": f"Nested at most {DEEPEST_ENTITY} levels deep.",
        "propertyNames": {"pattern": NO_NUL},
        "additionalProperties": _ref("schemas", "PrechatValue"),
    }


def _value() -> Json:
    return {
        "anyOf": [
            {"type": ["null", "boolean", "number"]},
            {**TEXT, "pattern": NO_NUL},
            {"type": "array", "items": _ref("schemas", "PrechatValue")},
            _ref("schemas", "PrechatEntity"),
        ]
    }
