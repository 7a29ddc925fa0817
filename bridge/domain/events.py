"""What can happen to a chat, whoever the upstream is?

An upstream translates what it reads into these and decides nothing; what they make
of a chat is the question of `effects`.
"""

from dataclasses import dataclass, field

from bridge.domain.states import Reason
from bridge.domain.timeline import Facts


@dataclass(frozen=True, slots=True)
class Queued:
    """The request was taken, or its place moved; `wait` is in seconds."""

    position: int | None = None
    wait: int | None = None


@dataclass(frozen=True, slots=True)
class Joined:
    """An agent is there; "" where nobody says who."""

    agent: str = field(default="", repr=False)
    is_transfer: bool = False


@dataclass(frozen=True, slots=True)
class Present:
    """An agent has spoken, so they are there, though no `Joined` has come."""

    agent: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Left:
    """The agent is gone; another one may take over."""


@dataclass(frozen=True, slots=True)
class IdleClock:
    """How many seconds the customer may be silent; None: as long as they like."""

    seconds: int | None


@dataclass(frozen=True, slots=True)
class Said:
    """An agent said something; "" for `agent` is whoever is there."""

    text: str = field(repr=False)
    agent: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Arrived:
    """The customer's message of this number, in doubt until now, is there."""

    number: int


@dataclass(frozen=True, slots=True)
class Ended:
    """The chat is over.

    `facts` are for the timeline. `needs_notice`: Salesforce may still hold it open.
    """

    reason: Reason
    facts: Facts = field(default_factory=dict)
    needs_notice: bool = False


@dataclass(frozen=True, slots=True)
class Unknown:
    """Something that nobody has heard of, by the upstream's own name for it."""

    type: str


Event = Queued | Joined | Present | Left | IdleClock | Said | Arrived | Ended | Unknown
