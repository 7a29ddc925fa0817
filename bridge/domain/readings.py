"""What has been read of a chat, and what is known of it already?"""

from dataclasses import dataclass

from bridge.domain.events import Event
from bridge.domain.links import Cursor, Link


@dataclass(frozen=True, slots=True, repr=False)
class Reading:
    """What one answer brought: events in their order, and where to read on.

    After a recovery `link` is where the chat lives now, and `renumber` says that
    numbers are counted from one again.
    """

    events: tuple[Event, ...]
    cursor: Cursor
    link: Link | None = None
    renumber: bool = False


@dataclass(frozen=True, slots=True, repr=False)
class Known:
    """What is stored of a chat's conversation, for comparison with its transcript.

    How many messages of agents and of the customer, and the customer's message that
    is in doubt: its number and text.
    """

    agent_messages: int
    customer_messages: int
    doubt: tuple[int, str] | None = None
