"""What does the service answer?

The views answer with these models, and `/openapi.json` is made from them. The
sentences are part of the contract: bots compare them. An optional key of which there
is nothing to say is left out.
"""

from http import HTTPStatus
from typing import Any

from django.http import HttpResponse
from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from bridge.chats.opening import FULL
from bridge.domain.states import Reason, State
from bridge.operations import readiness
from bridge.telemetry.process import REACHABLE, UNKNOWN, UNREACHABLE

REASONS = sorted(Reason)

Text = str | SkipJsonSchema[None]
Count = int | SkipJsonSchema[None]


# What a schema says of a value is not checked: to answer is not to fail.
def _said(description: str | None = None, **schema: Any) -> Any:
    return Field(description=description, json_schema_extra=schema)


def _const(value: str | None) -> Any:
    return Field(default=value, json_schema_extra={"const": value})


def _if_known(description: str | None = None, **schema: Any) -> Any:
    return Field(
        default=None,
        exclude_if=lambda value: value is None or value == "",
        description=description,
        json_schema_extra=schema,
    )


POSITION = _if_known("While waiting, if it is known.", minimum=0)
WAIT = _if_known("Seconds; the same.", minimum=0)


class Body(BaseModel):
    """What is in an answer."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)


class Said(Body):
    """What every answer to a bot has."""

    type: str | None
    message: str | None


class Connected(Said):
    """Salesforce has taken the request."""

    type: str = _const("ok")
    message: str = _const("接続しました。")
    state: Text = _if_known(enum=[State.ESTABLISHED, State.WAITING])
    queue_position: Count = POSITION
    estimated_wait: Count = WAIT


class NotConnected(Said):
    """There is no chat, and nothing stays open at Salesforce."""

    type: str = _const("fail")
    message: str = _const("ただいま接続できません。")
    reason: Text = _if_known(enum=sorted([*REASONS, FULL]))


class Message(Said):
    """A message of the agent."""

    type: str = _const("message")
    message: str = _said("What the agent said.")
    id: int = _said("Rises for a line_id, across chats.", minimum=1)
    agent: str = _said("The agent's name.")
    at: str = _said("When the service got it.", format="date-time")


class Nothing(Said):
    """No message came in the time that the call may wait."""

    type: None = _const(None)
    message: None = _const(None)
    state: Text = _if_known(enum=[State.ENDED, State.ESTABLISHED, State.WAITING])
    queue_position: Count = POSITION
    estimated_wait: Count = WAIT


class Ended(Said):
    """The chat is over, and every message of it was fetched."""

    type: str = _const("end")
    message: str = _const("接続が終了しました。")
    state: Text = _if_known(const=State.ENDED)
    reason: Text = _if_known(enum=REASONS)
    undelivered: Count = _if_known(
        "How many messages answered `send` the agent never got.", minimum=1
    )


class Closed(Ended):
    """The chat is over."""

    message: str = _const("deleted session")


class Sent(Said):
    """The agent has it, or it is kept until one joins."""

    type: str = _const("send")
    message: str = _const("send")


class Error(Body):
    """One thing that is wrong with a request."""

    field: str | None = _said("Which key, if it is one.")
    reason: str


class Bad(Said):
    """What every 4xx and 5xx says."""

    type: str = _const("bad")
    message: str = _const("bad request")
    errors: list[Error]


class Alive(Body):
    """The process lives."""

    status: str = _const("alive")


class Salesforce(Body):
    """How Salesforce stands; it is never a reason."""

    state: str = _said(
        "By the last call of this process.",
        enum=sorted([UNKNOWN, REACHABLE, UNREACHABLE]),
    )
    unanswered_chats: Count = _said("Of the whole deployment.", minimum=0)


class SalesforceUncounted(Salesforce):
    """The same; null where the database could not be asked."""

    unanswered_chats: int | None = _said("Of the whole deployment.", minimum=0)


class Ready(Body):
    """The process does its work."""

    status: str = _const("ready")
    reasons: tuple[str, ...] = Field(default=(), json_schema_extra={"maxItems": 0})
    salesforce: Salesforce


class NotReady(Body):
    """The process does not do its work."""

    status: str = _const("not ready")
    reasons: tuple[str, ...] = _said(
        minItems=1, items={"type": "string", "pattern": readiness.PATTERN}
    )
    salesforce: SalesforceUncounted


class Answer(HttpResponse):
    """An answer in JSON; its `type` is what the log calls it, None without one."""

    def __init__(self, body: Body, status: int = HTTPStatus.OK) -> None:
        super().__init__(
            body.model_dump_json(), status=status, content_type="application/json"
        )
        self.type = (body.type or "null") if isinstance(body, Said) else None
