"""How may a chat stand, and why may it be over?"""

from dataclasses import dataclass, field
from enum import StrEnum

MAX_NAME_LENGTH = 255  # characters of an agent's name


class State(StrEnum):
    """How far a chat has come, as the contract names it."""

    OPENING = "opening"  # nobody has been told of it yet
    WAITING = "waiting"
    ESTABLISHED = "established"
    ENDED = "ended"


class Reason(StrEnum):
    """Why a chat is over, as the contract names it."""

    AGENT = "agent"
    CLIENT = "client"
    UNAVAILABLE = "unavailable"
    VISITOR_IDLE = "visitor_idle"
    BOT_IDLE = "bot_idle"
    LOST = "lost"
    ERROR = "error"


class Ending(StrEnum):
    """How Salesforce is to hear of an end that is ours; the values are stored."""

    CLIENT = "client"
    IDLE = "clientIdleTimeout"
    # It is not known whether Salesforce has been asked to route the chat.
    DISCARD = "delete session"


@dataclass(frozen=True, slots=True)
class Standing:
    """What the events of a chat have made of it so far.

    `estimated_wait` and `visitor_idle_timeout` are in seconds. `needs_notice`
    says that the chat is over for us while Salesforce may still hold it open.
    """

    state: str
    reason: str = ""
    agent: str = field(default="", repr=False)
    queue_position: int | None = None
    estimated_wait: int | None = None
    visitor_idle_timeout: int | None = None
    needs_notice: bool = False
