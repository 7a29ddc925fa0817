"""How is the API described, for people and for programs?

One OpenAPI 3.1 document, made from the models that check what comes in and of which the
answers are made. The platform's probes and the metrics are in it as well.
"""

import functools
import json
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from bridge.api import answers, probes, views
from bridge.api.connection import MAX_BODY
from bridge.api.endpoint import READ, Endpoint, ReadOnly, read_only
from bridge.api.requests import MAX_ENTITY_DEPTH, NO_NUL

Json = dict[str, Any]

VERSION = "1.0.0"  # of what the endpoints promise; bots are written against that
TITLE = "Liveagent API"
DESCRIPTION = f"""\
A bridge between LINE bots and Salesforce Live Agent chats.

Bodies are UTF-8, at most {MAX_BODY // 1024} KiB. Unknown keys are ignored; an
optional key that is `null` counts as absent. Text may hold neither NUL nor a lone
surrogate, numbers neither NaN nor Infinity. Lengths are in characters. Every answer
is out within 25 seconds. Answers may get further keys.

Where https is asked for, http is answered with a redirect; the two probes do without.
An unknown path is 404, with the same body as the other refusals. What is there for
`GET` answers `HEAD` as well.
"""

BEARER = "bearer"
SCHEMA = "#/components/schemas/{model}"
TEXT: Json = {"type": "string"}

REFUSALS = {
    400: "The body, a key in it or the content type is not as described; `/send` "
    "without an open chat; an `ack` that is too high. No chat was touched.",
    401: "A token is needed, and is missing or wrong.",
    405: "`Allow` says with which method to come.",
    413: f"The body is over {MAX_BODY} bytes.",
    500: "A fault of the service's own.",
    503: "Salesforce or the database did not do it in time: try again.",
}
# The headers that a refusal comes with.
HEADERS: dict[int, tuple[str, Json]] = {
    401: ("WWW-Authenticate", TEXT),
    405: ("Allow", {"const": "POST"}),
    503: ("Retry-After", {**TEXT, "pattern": "^[0-9]+$"}),
}


@read_only("/openapi.json")
def description(request: HttpRequest) -> HttpResponse:
    """Describe the API."""
    text = json.dumps(document(), ensure_ascii=False, separators=(",", ":"))
    return HttpResponse(text, content_type="application/json")


@functools.cache
def document() -> Json:
    """Return the document; it is built when it is asked for first."""
    needed: Json = {BEARER: []}
    return {
        "openapi": "3.1.0",
        "info": {"title": TITLE, "version": VERSION, "description": DESCRIPTION},
        "servers": [{"url": "/"}],
        "paths": _paths(),
        "security": [needed] if settings.BRIDGE_TOKENS else [needed, {}],
        "components": {
            "schemas": _schemas(),
            "responses": {
                str(status): _refusal(status, HEADERS.get(status))
                for status in REFUSALS
            },
            "securitySchemes": {BEARER: {"type": "http", "scheme": "bearer"}},
        },
    }


# --- paths --------------------------------------------------------------------


def _paths() -> Json:
    wrong_host = _answer("The host is not one of `HOST`.", answers.Bad)
    this = {"description": "This document.", "content": _json({"type": "object"})}
    counts = {
        "description": "In Prometheus's text format.",
        "content": {"text/plain": {"schema": TEXT}},
    }
    refused = {"$ref": "#/components/responses/401"}
    alive = _answer("It does.", answers.Alive)
    ready = _answer("It does.", answers.Ready)
    not_ready = _answer("It does not.", answers.NotReady)
    return {
        **{view.path: {"post": _endpoint(view)} for view in views.ENDPOINTS},
        **_to_read(description, {"200": this, "400": wrong_host}),
        **_to_read(probes.healthz, {"200": alive}),
        **_to_read(probes.readyz, {"200": ready, "503": not_ready}),
        **_to_read(
            probes.prometheus,
            {"200": counts, "400": wrong_host, "401": refused},
            is_public=False,
        ),
    }


def _endpoint(view: Endpoint[Any]) -> Json:
    either = [_ref(model) for model in view.answers]
    return {
        "operationId": view.path.removeprefix("/"),
        "summary": view.function.__doc__,
        "requestBody": {
            "required": True,
            "content": _json(_ref(view.payload), example=view.example),
        },
        "responses": {
            "200": {
                "description": "It went well, or as it may.",
                "content": _json(either[0] if len(either) == 1 else {"oneOf": either}),
            },
            **{
                str(status): {"$ref": f"#/components/responses/{status}"}
                for status in REFUSALS
            },
        },
    }


def _to_read(view: ReadOnly, responses: Json, *, is_public: bool = True) -> Json:
    """Return a path that is there to be read; a public one asks for no token."""
    allow = ("Allow", {"const": ", ".join(READ)})
    return {
        view.path: {
            "get": {
                "operationId": view.path.removeprefix("/").removesuffix(".json"),
                "summary": view.function.__doc__,
                "responses": {**responses, "405": _refusal(405, allow)},
                **({"security": []} if is_public else {}),
            }
        }
    }


def _refusal(status: int, header: tuple[str, Json] | None) -> Json:
    refusal = _answer(REFUSALS[status], answers.Bad)
    if header is not None:
        name, schema = header
        refusal["headers"] = {name: {"required": True, "schema": schema}}
    return refusal


def _answer(description: str, model: type[BaseModel]) -> Json:
    return {"description": description, "content": _json(_ref(model))}


def _json(schema: Json, **more: Json) -> Json:
    return {"application/json": {"schema": schema, **more}}


def _ref(model: type[BaseModel]) -> Json:
    return {"$ref": SCHEMA.format(model=model.__name__)}


# --- schemas ------------------------------------------------------------------


class _Untitled(GenerateJsonSchema):
    """JSON Schema without a title at each key: the keys are clear."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def default_schema(self, schema: Any) -> Json:
        if self.mode == "serialization":  # a key that is not there has no value
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)


def _schemas() -> Json:
    payloads = [view.payload for view in views.ENDPOINTS]
    bodies = [model for view in views.ENDPOINTS for model in view.answers]
    bodies += [answers.Bad, answers.Alive, answers.Ready, answers.NotReady]
    _, found = models_json_schema(
        [
            *((model, "validation") for model in payloads),
            *((model, "serialization") for model in bodies),
        ],
        ref_template=SCHEMA,
        schema_generator=_Untitled,
    )
    return {
        **found["$defs"],
        "PrechatEntity": {
            "type": "object",
            "description": f"Nested at most {MAX_ENTITY_DEPTH} levels deep.",
            "propertyNames": {"pattern": NO_NUL},
            "additionalProperties": {"$ref": SCHEMA.format(model="PrechatValue")},
        },
        "PrechatValue": {
            "anyOf": [
                {"type": ["null", "boolean", "number"]},
                {**TEXT, "pattern": NO_NUL},
                {
                    "type": "array",
                    "items": {"$ref": SCHEMA.format(model="PrechatValue")},
                },
                {"$ref": SCHEMA.format(model="PrechatEntity")},
            ]
        },
    }
