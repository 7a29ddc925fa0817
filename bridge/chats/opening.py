"""How is a chat begun?

At most once for a customer: whoever claims the row opens the chat, all others wait
for the same outcome. What opens it at Salesforce is committed before Salesforce is
asked to route it, so that a process killed at any moment leaves nothing behind that
could not be ended.
"""

import logging
import time

from bridge.chats import reader, sender
from bridge.domain.errors import UpstreamError
from bridge.domain.links import Link
from bridge.domain.states import Reason, State
from bridge.domain.timeline import EndedBy
from bridge.storage import claims, ending, leases, notifications
from bridge.storage.claims import Claim
from bridge.storage.leases import new_token
from bridge.storage.notifications import LOOK_AGAIN_SECONDS
from bridge.storage.summary import ChatSummary
from bridge.telemetry import logs
from bridge.upstreams.base import Customer
from bridge.upstreams.registry import for_new_chats

logger = logging.getLogger(__name__)

OPEN_SECONDS = 18.0  # how long /init waits for Salesforce to take the request
FAIL_FAST_SECONDS = 10.0  # of them, kept for that answer
LAST_MOMENT_SECONDS = 5.0  # and how long a failed /init waits to end what it began

FULL = "full"


def open_chat(customer: Customer) -> ChatSummary | None:
    """Return the customer's chat, opened now unless one is open; None: no room."""
    deadline = time.monotonic() + OPEN_SECONDS
    chat = None
    while time.monotonic() < deadline:
        token, upstream = new_token(), for_new_chats()
        claim = claims.claim(
            customer.line_id, customer.display_name, token, upstream.name
        )
        if claim is None:
            return None
        logs.note_chat(claim.session_id)
        if claim.is_ours:
            _open_upstream(
                claim.session_id, token, customer, deadline=deadline - FAIL_FAST_SECONDS
            )
        chat = _outcome(claim, deadline)
        if claim.is_ours or chat is None or not _is_another_due(claim, chat):
            break
    return chat


def _is_another_due(claim: Claim, chat: ChatSummary) -> bool:
    """Whether the chat that was there is over, and not by this opening of it.

    It was open for long and has just ended, or the process that was opening it died.
    """
    return not chat.is_open and (claim.is_begun or chat.reason == Reason.LOST)


def _open_upstream(
    session_id: int, token: int, customer: Customer, *, deadline: float
) -> None:
    """Open a claimed chat and begin to read it; ends it where that fails."""
    link, lease = Link(), None

    def keep(new: Link, number: int) -> bool:
        nonlocal link
        link = new
        return claims.keep_link(session_id, token, new, number)

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
        lease = leases.hand_over(session_id, token, link)
        if lease is not None:
            reader.start(lease, started)
    finally:
        # Until now nobody could end the chat while it was being opened.
        if lease is None:
            leases.release_sending(session_id, token)


def _outcome(claim: Claim, deadline: float) -> ChatSummary | None:
    """Wait until Salesforce has said yes or no, or has had its time."""
    session_id = claim.session_id
    chat = notifications.wait_until(
        lambda chat: chat is None or chat.state != State.OPENING,
        lambda: ending.look(session_id),
        notifications.chat(session_id),
        deadline=deadline,
        every=LOOK_AGAIN_SECONDS,
    )
    if chat is not None and chat.is_begun:
        return chat
    if chat is not None and chat.is_open and claim.is_ours:
        ending.finish(session_id, Reason.ERROR, facts={"by": EndedBy.DEADLINE})
    sender.wait_for_notice(session_id, deadline=deadline + LAST_MOMENT_SECONDS)
    return ending.look(session_id)
