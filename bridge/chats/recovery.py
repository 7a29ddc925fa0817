"""How does a chat survive a change of affinity?

Salesforce answers 503 when a session has moved to another server. The owner of the
poll alone puts that right, holding the send lease as well: ReconnectSession, then
poll until `ChasitorSessionData` comes, then ChasitorResyncState, and then all that
has changed in one transaction. Until then the row is as it was, so that whoever
takes the chat up after a crash begins anew.

Source: Chat REST API Developer Guide, status code 503 and "ReconnectSession".
"""

import logging
import time
from dataclasses import dataclass, replace

from django.conf import settings

from bridge.domain.errors import UpstreamError
from bridge.domain.timeline import Kind, Note
from bridge.models import Session
from bridge.outbound.backoff import Backoff
from bridge.outbound.errors import NoAnswerInTime
from bridge.storage import (
    customer_messages,
    leases,
    notifications,
    parcels,
    readings,
    timeline,
)
from bridge.storage.database import in_database
from bridge.storage.leases import MARGIN_SECONDS, Lease
from bridge.storage.marks import new_token
from bridge.storage.notifications import Broadcast
from bridge.telemetry import metrics
from bridge.upstreams.liveagent.client import live_agent
from bridge.upstreams.liveagent.errors import (
    AffinityChanged,
    DuplicatePoll,
    MethodRefused,
    RequestRefused,
    SessionGone,
)
from bridge.upstreams.liveagent.events import absorb, joining_notes
from bridge.upstreams.liveagent.protocol import (
    FIRST_ACK,
    Batch,
    Credentials,
    Event,
    Line,
    Reconnection,
    read_transcript,
)
from bridge.upstreams.liveagent.transcript import (
    has_arrived,
    new_words,
    with_agent_joined,
)

logger = logging.getLogger(__name__)

POLL_PATIENCE_SECONDS = 1.0
LEASE_WAIT_SECONDS = 0.2


@dataclass(frozen=True, slots=True, repr=False)
class _NewStart:
    """What the new server has told: how to go on, and what was said so far."""

    reconnection: Reconnection
    events: tuple[Event, ...]
    sequence: int
    offset: int | None
    transcript: tuple[Line, ...]


def ask(lease: Lease) -> Reconnection:
    """Ask Salesforce where the session is now; MethodRefused if where it was."""
    return live_agent().reconnect_session(lease.credentials, offset=lease.offset)


def reconnect(lease: Lease, new_home: Reconnection | None = None) -> Lease | None:
    """Bring the chat to its new server; None when it is over or another's.

    `new_home` is the answer of `ask`, where that was asked already. Raises
    SessionGone or DuplicatePoll when Salesforce has ended the chat meanwhile.
    """
    metrics.reconnecting()
    logger.info("chat %s: reconnecting", lease.session_id)
    return _Handover(lease, new_home).carry_out()


class _Handover:
    """One reconnection, under both leases of a chat."""

    def __init__(self, lease: Lease, new_home: Reconnection | None) -> None:
        self._lease = lease
        self._new_home = new_home
        self._send_token = new_token()
        self._pause = Backoff()
        self._outage = timeline.Outage(lease.session_id)

    def carry_out(self) -> Lease | None:
        while self._hold_both():
            try:
                new = self._new_start()
                if new is None:
                    return None
                return _store(self._lease, new)
            except MethodRefused:
                # No change is known: it was an outage, and it is over.
                leases.end_reconnection(self._lease)
                return replace(self._lease, reconnecting=False)
            except (SessionGone, DuplicatePoll):
                raise
            except UpstreamError as exc:
                self._after_failure(exc)
        return None

    def _after_failure(self, exc: UpstreamError) -> None:
        logger.debug(
            "chat %s: reconnecting again after: %s", self._lease.session_id, exc
        )
        self._outage.failed(exc)
        if isinstance(exc, NoAnswerInTime):
            time.sleep(MARGIN_SECONDS)  # an abandoned poll has to end first
        self._pause()

    def _hold_both(self) -> bool:
        """Start both leases afresh; waits until a sender under way is done."""
        seconds = self._lease.client_poll_timeout + MARGIN_SECONDS
        session_id = self._lease.session_id
        timeout = self._lease.client_poll_timeout
        while leases.keep(session_id, self._lease.token, timeout):
            if parcels.take_lease(session_id, self._send_token, seconds):
                return True
            time.sleep(LEASE_WAIT_SECONDS)
        return False

    def _new_start(self) -> _NewStart | None:
        answer, self._new_home = self._new_home or ask(self._lease), None
        credentials = replace(
            self._lease.credentials, affinity_token=answer.affinity_token
        )
        ack = FIRST_ACK if answer.reset_sequence else self._lease.ack
        events: tuple[Event, ...] = ()
        while self._hold_both():
            try:
                batch = self._poll(credentials, ack)
            except (SessionGone, DuplicatePoll):
                if not events:
                    raise
                # What was handed over is stored first; the next poll says it again.
                return _NewStart(answer, events, ack, None, ())
            except AffinityChanged:
                raise
            except UpstreamError as exc:
                self._after_failure(exc)
                continue
            if batch is None:
                continue
            events += batch.events
            ack = ack if batch.sequence is None else batch.sequence
            for event in batch.events:
                if event.type == "ChasitorSessionData":
                    self._resync(credentials)
                    transcript = read_transcript(event.message)
                    return _NewStart(answer, events, ack, batch.offset, transcript)
        return None

    def _poll(self, credentials: Credentials, ack: int) -> Batch | None:
        hold = self._lease.client_poll_timeout + POLL_PATIENCE_SECONDS
        return live_agent().messages(credentials, ack=ack, hold=hold)

    def _resync(self, credentials: Credentials) -> None:
        organization_id = settings.LIVEAGENT_ORGANIZATION_ID
        while True:
            try:
                return live_agent().resync_state(
                    credentials, organization_id=organization_id
                )
            except AffinityChanged:
                raise
            except (RequestRefused, SessionGone) as exc:
                # Also when the chat has ended meanwhile: what the poll has brought
                # is stored first, and the next poll says that it is gone.
                logger.warning("chat %s: %s", self._lease.session_id, exc)
                return None
            except UpstreamError:
                self._pause()
                if not self._hold_both():
                    raise


@in_database
def _store(lease: Lease, new: _NewStart) -> Lease | None:
    """Go over to the new server, with what was said while there was none."""
    session = Session.objects.filter(pk=lease.session_id).first()
    if session is None:  # the customer has been forgotten
        return None
    outcome = absorb(lease.standing, new.events)
    standing = with_agent_joined(outcome.standing, new.transcript)
    outcome = replace(
        outcome,
        standing=standing,
        words=new_words(new.transcript, outcome.words, session.agent_words),
        notes=(
            Note(Kind.RECONNECTED, {"reset": new.reconnection.reset_sequence}),
            *outcome.notes,
            *joining_notes(outcome.standing, standing),
        ),
    )
    columns = {
        "reconnecting": False,
        "affinity_token": new.reconnection.affinity_token,
        "send_until": None,
    }
    if new.reconnection.reset_sequence:
        columns["sequence"] = 0
    batch = Batch(new.events, new.sequence, new.offset)
    if readings.record(lease, batch, outcome, **columns) is None:
        return None
    _settle_doubt(session, new)
    notifications.broadcast(Broadcast.SEND, lease.session_id)
    return leases.keep(lease.session_id, lease.token, lease.client_poll_timeout)


def _settle_doubt(session: Session, new: _NewStart) -> None:
    """See in the transcript whether the words in doubt have arrived."""
    doubtful = customer_messages.unsent(session.pk).exclude(sequence=None).first()
    known = session.outbox.exclude(sent_at=None).count()
    if doubtful is not None and has_arrived(new.transcript, doubtful.text, known):
        parcels.note_arrival(session.pk, doubtful.pk)
    if new.reconnection.reset_sequence:
        customer_messages.forget_numbers(session.pk)
