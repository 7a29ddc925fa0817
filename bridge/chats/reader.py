"""How do an agent's words get from Salesforce into the inbox?

A follower owns the long poll of one open chat, whoever asks for words meanwhile:
poll, store what came together with the new ack, poll on. Its lease says that it is
the only one in the whole deployment; a second poll would end the chat.

Source: Chat REST API Developer Guide, "Your Message Long Polling Loop".
"""

import logging
import re
import threading
import time
from collections.abc import Iterable

from bridge.chats import recovery, shutdown
from bridge.domain.errors import DatabaseUnavailable, UpstreamError
from bridge.outbound.backoff import Backoff
from bridge.outbound.calls import Call
from bridge.outbound.errors import CallCancelled, NoAnswerInTime
from bridge.storage import ending, leases, readings, timeline
from bridge.storage.leases import Lease
from bridge.storage.marks import new_token
from bridge.telemetry import logs, metrics
from bridge.upstreams.liveagent.client import live_agent
from bridge.upstreams.liveagent.errors import (
    AffinityChanged,
    DuplicatePoll,
    MethodRefused,
    SessionGone,
)
from bridge.upstreams.liveagent.events import State, absorb
from bridge.upstreams.liveagent.protocol import Batch, Reconnection

logger = logging.getLogger(__name__)

# After `clientPollTimeout` Salesforce has answered, or will not any more.
PATIENCE_SECONDS = 1.0
# A poll that trickles on past this much more is cut; its lease lasts longer still.
DEADLINE_SECONDS = 1.5
ASK_AGAIN_SECONDS = 1.0
# A lease that has waited so long for its poll is started afresh first.
STALE_SECONDS = 1.0

EVENT_TYPE = re.compile(r"[A-Z][A-Za-z]{1,39}", re.ASCII)

_lock = threading.Lock()
_followers: dict[int, "Follower"] = {}


def follow(lease: Lease) -> None:
    """Poll the chat of `lease` in a thread of its own until it ends or is lost."""
    follower = Follower(lease)
    with _lock:
        _followers[lease.session_id] = follower
    threading.Thread(target=follower.run, daemon=True).start()


def take_up(session_id: int) -> bool:
    """Follow a chat that nobody follows; False when somebody does after all."""
    lease = leases.take(session_id, new_token())
    if lease is None:
        return False
    metrics.chat_taken_up()
    follow(lease)
    return True


def interrupt(session_id: int) -> None:
    """Have the chat's follower, if it is here, look at the row instead of waiting."""
    with _lock:
        follower = _followers.get(session_id)
    if follower is not None:
        threading.Thread(target=follower.interrupt, daemon=True).start()


def is_idle() -> bool:
    """Whether this process polls no chat."""
    with _lock:
        return not _followers


class Follower:
    """The owner of one chat's poll."""

    def __init__(self, lease: Lease) -> None:
        self._lease: Lease | None = lease
        self._session_id = lease.session_id
        self._token = lease.token
        self._leased_at = time.monotonic()
        self._pause = Backoff()
        self._outage = timeline.Outage(lease.session_id)
        self._interrupted: Call | None = None
        self._asking = threading.RLock()
        self._new_home: Reconnection | None = None
        self.call = Call()

    def interrupt(self) -> None:
        """Cut the poll under way, if the row says that it is to stop.

        The message may come late. To cut a poll that should go on would mean to
        begin a second one, so the row is asked, and only a poll that was there
        before it answered is cut.
        """
        logs.begin_work(self._session_id)
        call = None
        while call is not self.call:
            call = self.call
            lease = leases.look(self._session_id, self._token)
            if lease is not None and not (lease.reconnecting and self._moved(lease)):
                return
            self._interrupted = call
            call.cancel()

    def _moved(self, lease: Lease) -> bool:
        """Ask Salesforce whether the session has moved, beside the poll under way.

        A 503 to a POST may as well mean an outage; then the poll is to be left
        alone, since Salesforce holds it whether we are there or not.
        """
        with self._asking:
            while leases.wants_reconnection(lease):
                try:
                    self._new_home = recovery.ask(lease)
                except MethodRefused:
                    leases.end_reconnection(lease)
                except SessionGone:
                    return True  # the next poll will say so
                except UpstreamError as exc:
                    logger.warning("chat %s: %s", self._session_id, exc)
                    time.sleep(ASK_AGAIN_SECONDS)
                else:
                    return True
            return False

    def run(self) -> None:
        """Follow the chat until it is over, or lost to another follower."""
        logs.begin_work(self._session_id)
        try:
            while self._lease is not None:
                if shutdown.is_stopping():
                    leases.release(self._session_id, self._token)
                    break
                self._lease = self._carry_on(self._lease)
        except DatabaseUnavailable:
            logger.warning("chat %s: the lease will run out", self._session_id)
        finally:
            with _lock:
                if _followers.get(self._session_id) is self:
                    del _followers[self._session_id]

    def _carry_on(self, lease: Lease) -> Lease | None:
        """Take one step; whatever goes wrong in it, the chat is not let go of."""
        try:
            return self._step(lease)
        except (SessionGone, DuplicatePoll) as exc:
            logger.warning("chat %s is lost: %s", lease.session_id, exc)
            ending.lost(lease.session_id, exc)
            return None
        except DatabaseUnavailable:
            logger.warning("chat %s: polling waits for the database", lease.session_id)
        except Exception as exc:
            logs.log_fault(
                logger, exc, "chat %s: a poll's step failed", lease.session_id
            )
        self._pause()
        return self._renewed_until_known(lease)

    def _renewed_until_known(self, lease: Lease) -> Lease | None:
        try:
            return self._renewed(lease)
        except DatabaseUnavailable:
            return lease

    def _step(self, lease: Lease) -> Lease | None:
        """Poll once and store what came; returns the lease for the next step."""
        if time.monotonic() - self._leased_at > STALE_SECONDS:
            renewed = self._renewed(lease)
            if renewed is None:
                return None
            lease = renewed
        if lease.reconnecting:
            return self._reconnect(lease)
        try:
            batch = self._poll(lease)
        except AffinityChanged:
            leases.begin_reconnection(lease)
            return self._reconnect(lease)
        except CallCancelled as exc:
            return self._after_cancellation(lease, exc)
        except NoAnswerInTime as exc:
            return self._outwait(lease, exc)
        except (SessionGone, DuplicatePoll):
            raise
        except UpstreamError as exc:
            logger.debug("chat %s: polling again after: %s", lease.session_id, exc)
            self._outage.failed(exc)
            self._pause()
            return self._renewed(lease)
        self._pause.reset()
        self._outage.over()
        return self._store(lease, batch)

    def _poll(self, lease: Lease) -> Batch | None:
        timeout = lease.client_poll_timeout
        self.call = Call(self._leased_at + timeout + DEADLINE_SECONDS)
        hold = timeout + PATIENCE_SECONDS
        return live_agent().messages(
            lease.credentials, ack=lease.ack, hold=hold, call=self.call
        )

    def _after_cancellation(self, lease: Lease, exc: CallCancelled) -> Lease | None:
        """Look why the poll was cut: on purpose, or because it was overdue."""
        if self._interrupted is self.call:
            return self._renewed(lease)
        return self._outwait(lease, exc)

    def _outwait(self, lease: Lease, exc: UpstreamError) -> Lease | None:
        """Wait until Salesforce cannot hold the abandoned poll any more."""
        logger.warning("chat %s: no answer to a poll in time", lease.session_id)
        self._outage.failed(exc)
        lasts = lease.client_poll_timeout + leases.MARGIN_SECONDS
        time.sleep(max(0.0, self._leased_at + lasts - time.monotonic()))
        return self._renewed(lease)

    def _store(self, lease: Lease, batch: Batch | None) -> Lease | None:
        """Store a poll's answer; it is kept until that has worked."""
        if batch is None:
            return self._extended(lease)
        if batch.sequence is not None and batch.sequence <= lease.ack:
            logger.info("chat %s: batch came again", lease.session_id)
            return self._renewed(lease)
        outcome = absorb(lease.standing, batch.events)
        if outcome.unknown:
            logger.info(
                "chat %s: unknown events %s", lease.session_id, _names(outcome.unknown)
            )
        started = time.monotonic()
        while True:
            try:
                after = readings.record(lease, batch, outcome)
                break
            except DatabaseUnavailable:
                self._pause()
                started = time.monotonic()
        self._leased_at = started
        over = after is None or outcome.standing.state == State.ENDED
        return None if over else after

    def _reconnect(self, lease: Lease) -> Lease | None:
        with self._asking:
            new_home, self._new_home = self._new_home, None
            reconnected = recovery.reconnect(lease, new_home)
        self._leased_at = time.monotonic()
        return self._renewed(reconnected) if reconnected else None

    def _extended(self, lease: Lease) -> Lease | None:
        started = time.monotonic()
        extended = leases.extend(lease)
        self._leased_at = started
        return extended

    def _renewed(self, lease: Lease) -> Lease | None:
        """Start the lease afresh; None when the chat is over or another's."""
        started = time.monotonic()
        renewed = leases.keep(lease.session_id, lease.token, lease.client_poll_timeout)
        self._leased_at = started
        return renewed


def _names(types: Iterable[str]) -> list[str]:
    """Return event types as far as they look like such: what comes may be anything."""
    return [type_ if EVENT_TYPE.fullmatch(type_) else "?" for type_ in types]
