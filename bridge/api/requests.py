"""What does each endpoint accept?

Strict models: nothing is converted, unknown keys are ignored, an optional key that
is null counts as absent.
"""

import math
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from bridge.models import IDENTIFIER

MAX_MESSAGE = 10_000  # characters
MAX_ENTITY_DEPTH = 32  # levels of nesting
MAX_ID = 2**63 - 1  # that a database holds

# For the API's description. No pattern that all tools read tells a lone surrogate.
NO_NUL = "^[^\\u0000]*$"


def _plain_text(value: str) -> str:
    """Refuse what no database keeps and no encoder takes."""
    if "\0" in value:
        raise ValueError("holds a NUL character")
    if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
        raise ValueError("holds a lone surrogate")
    return value


def _sound(value: Any) -> Any:
    """Refuse what could not be passed on as JSON; looks at every level."""
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > MAX_ENTITY_DEPTH:
            raise ValueError("is nested too deeply")
        level = [part for each in level for part in _parts(each)]
    return value


def _parts(value: Any) -> list[Any]:
    if isinstance(value, str):
        _plain_text(value)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError("holds NaN or Infinity")
    elif isinstance(value, dict):
        return [*value.keys(), *value.values()]
    elif isinstance(value, list):
        return value
    return []


Text = Annotated[
    str,
    Field(min_length=1, json_schema_extra={"pattern": NO_NUL}),
    AfterValidator(_plain_text),
]
Identifier = Annotated[Text, Field(max_length=IDENTIFIER)]
Entities = Annotated[
    list[dict[str, Any]],
    AfterValidator(_sound),
    # What the validator looks at, and that null is absent, no type says.
    Field(
        json_schema_extra={
            "type": ["array", "null"],
            "items": {"$ref": "#/components/schemas/PrechatEntity"},
        }
    ),
]


class Payload(BaseModel):
    """What all four endpoints accept: whose chat it is about."""

    model_config = ConfigDict(strict=True, extra="ignore")

    line_id: Annotated[Identifier, Field(description="Whose chat it is.")]


class Init(Payload):
    """The body of `/init`."""

    display_name: Annotated[
        Identifier, Field(description="The customer's name on LINE.")
    ]
    prechatEntities: Annotated[  # the published spelling
        Entities, Field(description="Passed on to Salesforce as they are.")
    ] = []

    @field_validator("prechatEntities", mode="before")
    @classmethod
    def _null_is_absent(cls, value: Any) -> Any:
        return [] if value is None else value


class Messages(Payload):
    """The body of `/messages`."""

    ack: Annotated[
        Annotated[int, Field(ge=0, le=MAX_ID)] | None,
        Field(
            description="All ids up to this one have been dealt with; 0 at first. "
            "Written without a fraction. Above the highest id handed out: 400."
        ),
    ] = None


class Send(Payload):
    """The body of `/send`."""

    message: Annotated[
        Text,
        Field(max_length=MAX_MESSAGE, description="What the customer says."),
    ]
    message_id: Annotated[
        Identifier | None,
        Field(
            description="LINE's id of the message: one that was accepted before "
            "is answered `send` and not delivered again."
        ),
    ] = None


class Close(Payload):
    """The body of `/close`."""
