"""How is a chat begun at Salesforce?

SessionId, then the row, then ChasitorInit: what opens the session is committed
before Salesforce is asked to route it, so that a process killed at any moment leaves
nothing behind that could not be ended.
"""

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from django.conf import settings

from bridge.chats import reader
from bridge.domain.errors import UpstreamError
from bridge.outbound.backoff import Backoff
from bridge.outbound.errors import TransportError
from bridge.outbound.http import LONGEST_CALL_SECONDS
from bridge.storage import ending, leases, parcels
from bridge.storage import opening as claims
from bridge.upstreams.liveagent import protocol
from bridge.upstreams.liveagent.client import live_agent
from bridge.upstreams.liveagent.errors import ServerFault, ServerSwitched
from bridge.upstreams.liveagent.events import Reason
from bridge.upstreams.liveagent.hosts import may_follow
from bridge.upstreams.liveagent.protocol import Credentials, Json, NewSession

logger = logging.getLogger(__name__)

R = TypeVar("R")

MOST_SWITCHES = 3


def open_at_salesforce(
    session_id: int,
    token: int,
    line_id: str,
    display_name: str,
    prechat_entities: Sequence[Json],
    *,
    deadline: float,
) -> None:
    """Open a reserved chat and begin to poll it; ends it where that fails.

    No call is repeated that might last beyond `deadline` (monotonic seconds).
    """
    try:
        host, new = _create_session(deadline)
        credentials = Credentials(host, new.key, new.affinity_token)
        if not claims.begin(session_id, token, host, new):
            live_agent().delete_session(credentials)  # closed meanwhile
            return
        body = protocol.chasitor_init(
            organization_id=settings.LIVEAGENT_ORGANIZATION_ID,
            deployment_id=settings.LIVEAGENT_DEPLOYMENT_ID,
            button_id=settings.LIVEAGENT_BUTTON_ID,
            session_id=new.id,
            user_agent=settings.USER_AGENT,
            line_id=line_id,
            display_name=display_name,
            prechat_entities=prechat_entities,
        )
        _init(credentials, body, deadline)
    except UpstreamError as exc:
        logger.warning("chat %s could not be opened: %s", session_id, exc)
        ending.finish(session_id, Reason.ERROR, facts=exc.facts)
    except Exception:
        ending.finish(session_id, Reason.ERROR)
        raise
    else:
        lease = leases.keep(session_id, token, new.client_poll_timeout)
        if lease is not None:
            reader.follow(lease)
    finally:
        # Until now nobody could end the chat under ChasitorInit.
        parcels.release(session_id, token)


def _create_session(deadline: float) -> tuple[str, NewSession]:
    """Return a new session and its host, which Salesforce may name itself."""
    host = settings.LIVEAGENT_HOST
    for _ in range(MOST_SWITCHES):
        try:
            create = partial(live_agent().create_session, host)
            return host, _repeated(create, deadline)
        except ServerSwitched as exc:
            trusted = may_follow(host, exc.url)
            if trusted is None:
                raise
            host = trusted
    raise ServerSwitched("")


def _init(credentials: Credentials, body: Json, deadline: float) -> None:
    """POST ChasitorInit; the same number again is no second chat."""
    _repeated(
        lambda: live_agent().chasitor_init(
            credentials, sequence=claims.FIRST_SEQUENCE, body=body
        ),
        deadline,
    )


def _repeated(call: Callable[[], R], deadline: float) -> R:
    """Make a call until it works, while there is time for one more."""
    pause = Backoff()
    while True:
        try:
            return call()
        except (TransportError, ServerFault):
            if time.monotonic() + LONGEST_CALL_SECONDS > deadline:
                raise
            pause()
