"""How does Live Agent do what an upstream must be able to do?

Which status means what for a chat is decided here and below: a 409 to a POST, a 503,
a 403. Source: Chat REST API Developer Guide; what it does not say, as live servers
do it.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TypeVar

from bridge.domain.errors import Gone, Moved, UpstreamError
from bridge.domain.links import Cursor, Link
from bridge.domain.readings import Reading
from bridge.domain.states import Ending
from bridge.outbound.backoff import Backoff
from bridge.outbound.calls import Call
from bridge.outbound.errors import TransportError
from bridge.outbound.http import MAX_CALL_SECONDS
from bridge.upstreams.base import TOO_SOON_SECONDS, Customer
from bridge.upstreams.liveagent import protocol
from bridge.upstreams.liveagent.client import PATIENCE_SECONDS, LiveAgentClient
from bridge.upstreams.liveagent.errors import OutOfSync, ServerFault, ServerSwitched
from bridge.upstreams.liveagent.events import translate
from bridge.upstreams.liveagent.hosts import may_follow
from bridge.upstreams.liveagent.overlap import read_on
from bridge.upstreams.liveagent.protocol import Batch, Event, NewSession, Organization
from bridge.upstreams.liveagent.recovery import LiveAgentRecovery

logger = logging.getLogger(__name__)

R = TypeVar("R")

MAX_SWITCHES = 3
FIRST_SEQUENCE = 1  # that of ChasitorInit


class LiveAgent:
    """The visitor's side of Salesforce Live Agent."""

    name = "liveagent"

    def __init__(self, client: LiveAgentClient, organization: Organization) -> None:
        self._client = client
        self._org = organization

    def open(
        self, customer: Customer, *, keep: Callable[[Link, int], bool], deadline: float
    ) -> None:
        """SessionId, then `keep`, then ChasitorInit."""
        host, new = self._create_session(deadline)
        link = Link(host, new.key, new.affinity_token, new.client_poll_timeout)
        if not keep(link, FIRST_SEQUENCE):
            return self._client.delete_session(link)
        body = protocol.chasitor_init(self._org, customer, new.id)
        # The same number again is no second chat; where a 409 says so, see `send`.
        init = partial(
            self._client.chasitor_init, link, sequence=FIRST_SEQUENCE, body=body
        )
        try:
            _repeated(init, deadline)
        except OutOfSync as exc:
            if exc.actual != FIRST_SEQUENCE:
                raise

    def _create_session(self, deadline: float) -> tuple[str, NewSession]:
        """Return a new session and its host, which Salesforce may name itself."""
        host = self._org.host
        for _ in range(MAX_SWITCHES):
            try:
                create = partial(self._client.create_session, host)
                return host, _repeated(create, deadline)
            except ServerSwitched as exc:
                trusted = may_follow(host, exc.url)
                if trusted is None:
                    raise
                host = trusted
        raise ServerSwitched("")

    def listen(self, link: Link) -> "LiveAgentFeed":
        """Return the long polls of a chat."""
        return LiveAgentFeed(self._client, link, self._org.secret)

    def send(self, link: Link, *, number: int, text: str, fresh: bool) -> None:
        """POST ChatMessage; a 409 may say that an earlier try has arrived."""
        try:
            self._client.chat_message(link, sequence=number, text=text)
        except OutOfSync as exc:
            # "Actual M" is the last number taken. Nothing higher than ours was ever
            # sent, so a higher one says that counting has gone wrong, not that this
            # message is there. To a server that names the next number it would say
            # just that; none is known, and there the message comes twice: a doubled
            # one is better than a lost one.
            if fresh or exc.actual != number:
                raise

    def end(self, link: Link, ending: Ending, *, number: int) -> None:
        """Say ChatEnd; where Salesforce will not hear it, delete the session.

        An ended chat has no reader that could follow it to another server, so that
        is done here.
        """
        try:
            self._end(link, ending, number)
        except Moved:
            new = self._client.reconnect_session(link, offset=None)
            self._client.delete_session(
                replace(link, affinity_token=new.affinity_token)
            )

    def _end(self, link: Link, ending: Ending, number: int) -> None:
        if ending == Ending.DISCARD:
            return self._client.delete_session(link)
        try:
            self._client.chat_end(link, sequence=number, reason=str(ending))
        except (Gone, Moved):
            raise
        except UpstreamError as exc:
            logger.info("deleting instead: %s", exc)
            self._client.delete_session(link)

    def recovery(self, link: Link, cursor: Cursor) -> LiveAgentRecovery:
        """Return what follows a chat to its new server."""
        return LiveAgentRecovery(self._client, self._org, link, cursor)

    def is_available(self) -> bool:
        """GET Visitor/Availability."""
        return self._client.availability(self._org)


class LiveAgentFeed:
    """The long polls of one chat.

    Source: Chat REST API Developer Guide, "Your Message Long Polling Loop".
    """

    def __init__(self, client: LiveAgentClient, link: Link, secret: str) -> None:
        self._client = client
        self._link = link
        self._secret = secret
        self._unnumbered: tuple[Event, ...] = ()

    def next(self, cursor: Cursor, call: Call) -> Reading | None:
        """Poll once, acknowledging what is stored."""
        asked_at = time.monotonic()
        batch = self._client.messages(
            self._link,
            ack=cursor.ack,
            hold=self._link.client_poll_timeout + PATIENCE_SECONDS,
            call=call,
        )
        if batch is None:
            return None
        if batch.sequence is not None and batch.sequence <= cursor.ack:
            logger.info("an answer came again")
            return None
        came_soon = time.monotonic() - asked_at < TOO_SOON_SECONDS
        batch = replace(batch, events=self._unsaid(batch, came_soon))
        if batch.sequence is None and not batch.events:
            return None
        new, cursor = read_on(batch, cursor, secret=self._secret)
        return Reading(translate(new), cursor)

    def _unsaid(self, batch: Batch, came_soon: bool) -> tuple[Event, ...]:
        """Return what an answer says that the one before has not said.

        Without `sequence` nothing can be acknowledged, so it comes again, and at once,
        perhaps with more behind it. An agent does not repeat themselves so quickly.
        """
        events, before = batch.events, self._unnumbered
        self._unnumbered = events if batch.sequence is None else ()
        is_again = came_soon and events[: len(before)] == before
        return events[len(before) :] if is_again else events

    def close(self) -> None:
        """Nothing is open between two polls."""


def _repeated(call: Callable[[], R], deadline: float) -> R:
    """Make a call until it works, while there is time for one more."""
    pause = Backoff()
    while True:
        try:
            return call()
        except (TransportError, ServerFault):
            if time.monotonic() + MAX_CALL_SECONDS > deadline:
                raise
            pause()
