"""What must an upstream be able to do?

An upstream is Salesforce by one of its APIs. `chats` speaks to it by the protocols
below and knows nothing of a wire; an upstream knows nothing of a database, of other
chats or of time that passes between two calls. What each promises the other:

=================  ===================================  ==============================
guarantee          the core promises                    an upstream promises
=================  ===================================  ==============================
one reader         `Feed.next` begins only under a      says truly, as
                   fresh lease that lasts longer than   `client_poll_timeout`, how long
                   Salesforce may hold a read           an abandoned read may be held
commit before      asks for the next reading only when  acknowledges nothing on the
acknowledge        the last one is committed            wire before
exactly once       stores a reading by compare-and-set  may bring the same again for
                   on a token drawn outside the         the same cursor, skips nothing
                   repeated transaction
resumption         hands the committed cursor to        needs no memory of its own
                   whoever reads next
idempotency        a number a message, rising,          a number sent again makes no
                   committed before the first send,     second message
                   another's only if this is refused
in doubt           keeps row and number and repeats     raises `NoAnswer` exactly when
                                                        it cannot know
moved, expired     stops sending, lets the reader       tells `Moved`, `Gone`,
                   recover under both leases, stores    `Refused`, `TryLater` and
                   the outcome in one transaction       `WrongNumber` apart
clocks             idle clock, limits of waiting,       only tells seconds
                   presence of the bot
=================  ===================================  ==============================

`tests/upstreams/contract.py` holds every upstream to the right column, and
`tests/chats/test_contract.py` the core to the left one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from bridge.domain.errors import UpstreamError
from bridge.domain.links import Cursor, Link
from bridge.domain.readings import Known, Reading
from bridge.domain.states import Ending
from bridge.outbound.calls import Call

Json = Mapping[str, Any]

# So soon after `hold` a read is written, or not at all: it is held from then on, and
# is to end within its lease.
READ_WITHIN_SECONDS = 1.0
# What a read brings sooner than this was not waited for.
TOO_SOON_SECONDS = 0.75


@dataclass(frozen=True, slots=True)
class Customer:
    """For whom a chat is opened; `prechat_entities` go out as they are."""

    line_id: str = field(repr=False)
    display_name: str = field(repr=False)
    prechat_entities: Sequence[Json] = field(default=(), repr=False)


class Feed(Protocol):
    """The reads of one chat under one link, one after the other."""

    def next(self, cursor: Cursor, call: Call) -> Reading | None:
        """Wait for what comes after `cursor`; None when nothing came.

        `call` lets another thread cut the read short and bounds it; one that `call`
        says is too late is not begun. Raises `Moved`, `Gone`, or `NoAnswer`, whose
        `may_hold` says whether Salesforce may still be holding this read.
        """

    def close(self) -> None:
        """Let go of what is kept open between two reads, if anything."""


class Recovery(Protocol):
    """Finding a chat that has moved, and taking up its conversation there."""

    def is_needed(self) -> bool:
        """Ask, after a `Moved`, where the chat is; False when it is where it was.

        Does no harm beside an open read. Raises `Gone` or another UpstreamError.
        """

    def carry_out(
        self,
        *,
        hold: Callable[[], bool],
        known: Callable[[], Known],
        failed: Callable[[UpstreamError], None],
    ) -> Reading | None:
        """Return all that has changed, to be stored in one transaction.

        `hold` starts both leases afresh, before each read, and says whether they are
        still ours; where not, None is returned. The read is written within
        `READ_WITHIN_SECONDS` of that. `failed` waits before another try.
        """


class Upstream(Protocol):
    """Salesforce, by one of its APIs. `name` is what `Session.upstream` keeps."""

    name: str

    def open(
        self, customer: Customer, *, keep: Callable[[Link, int], bool], deadline: float
    ) -> None:
        """Open a chat and ask for an agent.

        `keep` stores the link, and the last number that opening uses, before
        Salesforce is asked to route the chat: a process killed at any moment leaves
        nothing behind that cannot be ended. Where it says False, the chat is not
        wanted any more, and what was begun is ended. No call is repeated that might
        last beyond `deadline` (monotonic seconds). Raises an UpstreamError.
        """

    def listen(self, link: Link) -> Feed:
        """Return the reads of a chat; nothing is asked yet."""

    def send(self, link: Link, *, number: int, text: str, fresh: bool) -> None:
        """Send a customer's message; returns when Salesforce has it.

        `fresh`: it was never sent under this number. Raises `WrongNumber` with the
        candidates to try instead, or another UpstreamError.
        """

    def end(self, link: Link, ending: Ending, *, number: int) -> None:
        """Tell Salesforce that the chat is over; `number` is the next one."""

    def recovery(self, link: Link, cursor: Cursor) -> Recovery:
        """Begin to put right that a chat has moved; nothing is asked yet."""

    def is_available(self) -> bool:
        """Say whether an agent is to be had now; opens nothing."""
