"""How is a chat begun?

At most once for a customer: whoever claims the row opens the chat, all others wait
for the same outcome. What opens it at Salesforce is committed before Salesforce is
asked to route it, so that a process killed at any moment leaves nothing behind that
could not be ended.
"""

import logging
import time
from dataclasses import dataclass
from functools import partial

from bridge.chats import reader
from bridge.chats.waiting import LOOK_AGAIN_SECONDS, wait_until_told
from bridge.domain.errors import UpstreamError
from bridge.domain.states import Reason, State
from bridge.domain.timeline import EndedBy
from bridge.storage import claims, ending, leases, notifications
from bridge.storage.claims import Claim
from bridge.storage.leases import new_token
from bridge.storage.summary import ChatSummary
from bridge.telemetry import logs
from bridge.upstreams.base import Customer
from bridge.upstreams.registry import for_new_chats

logger = logging.getLogger(__name__)

OPEN_SECONDS = 18.0  # how long /init waits for Salesforce to take the request
FAIL_FAST_SECONDS = 10.0  # of them, kept for that answer
LAST_MOMENT_SECONDS = 5.0  # and how long a failed /init waits to end what it began

FULL = "full"


@dataclass(frozen=True, slots=True)
class Opened:
    """How opening a chat went; `chat` is None where there was no room for it."""

    chat: ChatSummary | None

    @property
    def ok(self) -> bool:
        """Whether Salesforce has taken the request."""
        return self.chat is not None and self.chat.is_open and not self.is_pending

    @property
    def is_pending(self) -> bool:
        """Whether Salesforce has not said yet."""
        return self.chat is not None and self.chat.state == State.OPENING

    @property
    def reason(self) -> str:
        """Why it failed."""
        if self.chat is None:
            return FULL
        return self.chat.reason or Reason.ERROR


def open_chat(customer: Customer) -> Opened:
    """Return the customer's open chat, opened now unless it is open already."""
    deadline = time.monotonic() + OPEN_SECONDS
    opened = Opened(None)
    while time.monotonic() < deadline:
        token, upstream = new_token(), for_new_chats()
        claim = claims.claim(
            customer.line_id, customer.display_name, token, upstream.name
        )
        if claim is None:
            return Opened(None)
        logs.note_chat(claim.session_id)
        if claim.is_ours:
            _open_upstream(
                claim.session_id, token, customer, deadline=deadline - FAIL_FAST_SECONDS
            )
        opened = _outcome(claim, deadline)
        if claim.is_ours or not _died_with_its_opener(opened):
            break
    return opened


def _open_upstream(
    session_id: int, token: int, customer: Customer, *, deadline: float
) -> None:
    """Open a claimed chat and begin to read it; ends it where that fails."""
    keep = partial(claims.keep_link, session_id, token)
    try:
        for_new_chats().open(customer, keep=keep, deadline=deadline)
    except UpstreamError as exc:
        logger.warning("chat %s could not be opened: %s", session_id, exc)
        ending.finish(session_id, Reason.ERROR, facts=exc.facts)
    except Exception:
        ending.finish(session_id, Reason.ERROR)
        raise
    else:
        started = time.monotonic()
        lease = leases.take(session_id, token)
        if lease is not None:
            reader.start(lease, started)
    finally:
        # Until now nobody could end the chat while it was being opened.
        leases.release_sending(session_id, token)


def _outcome(claim: Claim, deadline: float) -> Opened:
    """Wait until Salesforce has said yes or no, or has had its time."""
    session_id = claim.session_id
    opened = notifications.wait_until(
        lambda opened: not opened.is_pending,
        lambda: Opened(ending.look(session_id)),
        notifications.chat(session_id),
        deadline=deadline,
        every=LOOK_AGAIN_SECONDS,
    )
    if opened.ok:
        return opened
    if opened.is_pending and claim.is_ours:
        ending.finish(session_id, Reason.ERROR, facts={"by": EndedBy.DEADLINE})
    wait_until_told(session_id, deadline=deadline + LAST_MOMENT_SECONDS)
    return Opened(ending.look(session_id))


def _died_with_its_opener(opened: Opened) -> bool:
    """Whether the process that was opening this chat was killed doing so."""
    return opened.chat is not None and opened.chat.reason == Reason.LOST
