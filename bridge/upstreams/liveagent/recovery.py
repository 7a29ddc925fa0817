"""How does a chat survive a change of affinity?

Salesforce answers 503 when a session has moved to another server: ReconnectSession,
then poll until `ChasitorSessionData` comes, then ChasitorResyncState. Nothing is
sent before that event (guide, "ReconnectSession"), and nothing of it is kept before
the end: whoever takes the chat up after a crash begins anew.

Source: Chat REST API Developer Guide, status code 503 and "ReconnectSession".
"""

import logging
import time
from collections.abc import Callable
from dataclasses import replace

from bridge.domain.errors import Gone, Moved, Refused, UpstreamError
from bridge.domain.events import Arrived, Event, Present, Said
from bridge.domain.links import Cursor, Link
from bridge.domain.readings import Known, Reading
from bridge.outbound.calls import Call
from bridge.telemetry import metrics
from bridge.upstreams.base import READ_WITHIN_SECONDS
from bridge.upstreams.liveagent import protocol, transcript
from bridge.upstreams.liveagent.client import PATIENCE_SECONDS, LiveAgentClient
from bridge.upstreams.liveagent.errors import MethodRefused
from bridge.upstreams.liveagent.events import translate
from bridge.upstreams.liveagent.overlap import read_on

logger = logging.getLogger(__name__)


class LiveAgentRecovery:
    """One change of affinity of one chat."""

    def __init__(
        self,
        client: LiveAgentClient,
        org: protocol.Organization,
        link: Link,
        cursor: Cursor,
    ) -> None:
        self._client = client
        self._org = org
        self._link = link
        self._cursor = cursor
        self._answer: protocol.Reconnection | None = None

    def is_needed(self) -> bool:
        """GET ReconnectSession; 405 says that the session has not moved."""
        if self._answer is None:
            try:
                self._answer = self._client.reconnect_session(
                    self._link, offset=self._cursor.offset
                )
            except MethodRefused:
                return False
        return True

    def carry_out(
        self,
        *,
        hold: Callable[[], bool],
        known: Callable[[], Known],
        failed: Callable[[UpstreamError], None],
    ) -> Reading | None:
        """Poll the new server until it has told the conversation so far."""
        self._hold, self._known, self._failed = hold, known, failed
        answer, self._answer = self._answer, None
        assert answer is not None, "is_needed comes first"
        metrics.reconnecting()
        link = replace(self._link, affinity_token=answer.affinity_token)
        # Whether a reset concerns `ack` as well is not documented: -1 loses nothing.
        cursor = self._cursor
        if answer.reset_sequence:  # how the server counts is known all the same
            cursor = Cursor(memory=cursor.memory)
        events: tuple[protocol.Event, ...] = ()
        while hold():
            try:
                batch = self._poll(link, cursor.ack)
            except Gone:
                if not events:
                    raise
                # What was handed over is stored first; the next poll says it again.
                return self._reading(link, cursor, answer, events)
            except Moved:
                raise
            except UpstreamError as exc:
                failed(exc)
                continue
            if batch is None:
                continue
            new, cursor = read_on(batch, cursor, secret=self._org.secret)
            events += new
            for event in batch.events:
                if event.type == "ChasitorSessionData":
                    lines = protocol.read_transcript(event.message)
                    if not self._resync(link):
                        return None
                    return self._reading(link, cursor, answer, events, lines)
        return None

    def _poll(self, link: Link, ack: int) -> protocol.Batch | None:
        hold, now = link.client_poll_timeout + PATIENCE_SECONDS, time.monotonic()
        call = Call(now + hold, begin_by=now + READ_WITHIN_SECONDS)
        return self._client.messages(link, ack=ack, hold=hold, call=call)

    def _resync(self, link: Link) -> bool:
        """POST ChasitorResyncState; False when the leases were lost meanwhile."""
        org_id = self._org.organization_id
        while True:
            try:
                self._client.resync_state(link, organization_id=org_id)
                return True
            except Moved:
                raise
            except (Refused, Gone) as exc:
                # Also when the chat has ended meanwhile: what the poll has brought
                # is stored first, and the next poll says that it is gone.
                logger.warning("resync refused: %s", exc)
                return True
            except UpstreamError as exc:
                self._failed(exc)
                if not self._hold():
                    return False

    def _reading(
        self,
        link: Link,
        cursor: Cursor,
        answer: protocol.Reconnection,
        events: tuple[protocol.Event, ...],
        entries: tuple[protocol.TranscriptEntry, ...] = (),
    ) -> Reading:
        """Put together what has happened while there was no server."""
        ours = self._known()
        happened = translate(events)
        said = tuple(event for event in happened if isinstance(event, Said))
        new: list[Event] = [each for each in happened if not isinstance(each, Said)]
        if (speaker := transcript.last_speaker(entries)) is not None:
            new.append(Present(speaker))
        new += transcript.new_messages(entries, said, ours.agent_messages)
        if ours.doubt is not None:
            number, text = ours.doubt
            if transcript.has_arrived(entries, text, ours.customer_messages):
                new.append(Arrived(number))
        return Reading(tuple(new), cursor, link, renumber=answer.reset_sequence)
