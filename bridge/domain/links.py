"""Where does a chat live at its upstream, and how far has it been read?

The fields are columns of `Session` by the same names, and the names are the wire's.
An upstream reads and writes those that it needs; for everybody else a `Link` and a
`Cursor` are handed on as they are.
"""

from dataclasses import dataclass, field, fields

MAX_SECRET_LENGTH = 255  # characters of a session key, an affinity token
DEFAULT_HOLD_SECONDS = 40
FIRST_ACK = -1


@dataclass(frozen=True, slots=True, repr=False)
class Link:
    """What opens and addresses a chat; never printed, since the key opens it.

    `client_poll_timeout` is how many seconds Salesforce may hold a read, also one
    that was abandoned.
    """

    host: str = ""
    key: str = ""
    affinity_token: str = ""
    client_poll_timeout: int = DEFAULT_HOLD_SECONDS


@dataclass(frozen=True, slots=True)
class Cursor:
    """Up to where a chat has been read and stored.

    `memory` is what an upstream remembers of what it read last, to know it again.
    """

    ack: int = FIRST_ACK
    offset: int | None = None
    memory: str = field(default="", repr=False)


LINK_COLUMNS = tuple(each.name for each in fields(Link))
CURSOR_COLUMNS = tuple(each.name for each in fields(Cursor))
