"""Who reads a chat, and what becomes of what came?

A reader owns the reads of one open chat, whoever asks for messages meanwhile: read,
store what came together with how far that is, read on. Its lease says that it is the
only one in the whole deployment; on Live Agent a second one would end the chat.
"""

import logging
import re
import threading
import time
from collections.abc import Iterable

from bridge.chats import shutdown
from bridge.chats.recovery import Recovering
from bridge.domain import errors
from bridge.domain.effects import apply
from bridge.domain.readings import Reading
from bridge.domain.states import Reason, State
from bridge.domain.timeline import EndedBy
from bridge.outbound.backoff import Backoff
from bridge.outbound.calls import Call
from bridge.storage import ending, leases, moves, readings, timeline
from bridge.storage.leases import STALE_SECONDS, Lease, new_token
from bridge.telemetry import logs, metrics
from bridge.upstreams.base import READ_WITHIN_SECONDS, TOO_SOON_SECONDS, Feed, Recovery
from bridge.upstreams.registry import upstream

logger = logging.getLogger(__name__)

# A read that trickles on past the time for which Salesforce may hold it, and this
# much more, is cut; its lease lasts longer still.
DEADLINE_SECONDS = 1.5
ASK_AGAIN_SECONDS = 1.0
# Who has closed the connection in the middle of a read has let go of it, we take it;
# a moment is given for that. No document says so.
BREAK_SECONDS = 0.5

EVENT_TYPE = re.compile(r"[A-Z][A-Za-z]{1,39}", re.ASCII)

_lock = threading.Lock()
_readers: dict[int, "Reader"] = {}


def start(lease: Lease, leased_at: float) -> None:
    """Read the chat of `lease` in a thread of its own until it ends or is lost.

    `leased_at` is when it was asked for, in monotonic seconds.
    """
    reader = Reader(lease, leased_at)
    with _lock:
        _readers[lease.session_id] = reader
    threading.Thread(target=reader.run, daemon=True).start()


def adopt(session_id: int) -> bool:
    """Read a chat that nobody reads; False when somebody does after all."""
    started = time.monotonic()
    lease = leases.take(session_id, new_token())
    if lease is None:
        return False
    if lease.standing.state == State.OPENING:
        # Its opener is dead, and what it had begun is unknown: end it.
        facts = {"by": EndedBy.OPENER_DIED}
        ending.finish(session_id, Reason.LOST, facts=facts)
        return False
    metrics.chat_taken_up()
    start(lease, started)
    return True


def recheck(session_id: int) -> None:
    """Have the chat's reader, if it is here, look at the row instead of waiting."""
    with _lock:
        reader = _readers.get(session_id)
    if reader is not None:
        threading.Thread(target=reader.recheck, daemon=True).start()


def is_idle() -> bool:
    """Whether this process reads no chat."""
    with _lock:
        return not _readers


class Reader:
    """The owner of one chat's reads."""

    def __init__(self, lease: Lease, leased_at: float) -> None:
        self._lease: Lease | None = lease
        self._session_id = lease.session_id
        self._token = lease.token
        self._upstream = upstream(lease.upstream)
        self._link = lease.link
        self._feed: Feed = self._upstream.listen(lease.link)
        self._leased_at = self._asked_at = leased_at
        self._failures = Backoff(first=BREAK_SECONDS)
        self._nothings = Backoff(longest=2.0)
        self._outage = timeline.Outage(lease.session_id)
        self._cut: Call | None = None
        self._asking = threading.RLock()
        self._recovery: Recovery | None = None
        self.call = Call()

    def recheck(self) -> None:
        """Cut the read under way, if the row says that it is to stop.

        The message may come late. To cut a read that should go on would mean to
        begin a second one, so the row is asked, and only a read that was there
        before it answered is cut.
        """
        logs.begin_work(self._session_id)
        call = None
        while call is not self.call:
            call = self.call
            lease = leases.look(self._session_id, self._token)
            if lease is not None and not (lease.needs_recovery and self._moved(lease)):
                return
            self._cut = call
            call.cancel()

    def _moved(self, lease: Lease) -> bool:
        """Ask whether the chat has moved, beside the read under way.

        What a sender took for a move may as well be an outage; then the read is to
        be left alone, since Salesforce holds it whether we are there or not.
        """
        with self._asking:
            asked = self._upstream.recovery(lease.link, lease.cursor)
            while moves.is_wanted(lease):
                try:
                    if not asked.is_needed():
                        moves.end(lease)
                        return False
                except errors.Gone:
                    return True  # the next read will say so
                except errors.UpstreamError as exc:
                    logger.warning("chat %s: %s", self._session_id, exc)
                    time.sleep(ASK_AGAIN_SECONDS)
                else:
                    self._recovery = asked
                    return True
            return False

    def run(self) -> None:
        """Read the chat until it is over, or lost to another reader."""
        logs.begin_work(self._session_id)
        try:
            while self._lease is not None:
                if shutdown.is_stopping():
                    leases.release(self._session_id, self._token)
                    break
                self._lease = self._carry_on(self._lease)
        except errors.DatabaseUnavailable:
            logger.warning("chat %s: the lease will run out", self._session_id)
        finally:
            self._feed.close()
            with _lock:
                if _readers.get(self._session_id) is self:
                    del _readers[self._session_id]

    def _carry_on(self, lease: Lease) -> Lease | None:
        """Take one step; whatever goes wrong in it, the chat is not let go of."""
        try:
            return self._step(lease)
        except errors.Gone as exc:
            logger.warning("chat %s is lost: %s", lease.session_id, exc)
            ending.end_as_lost(lease.session_id, exc)
            return None
        except errors.DatabaseUnavailable:
            logger.warning("chat %s: reading waits for the database", lease.session_id)
        except Exception as exc:
            logs.log_fault(
                logger, exc, "chat %s: a reader's step failed", lease.session_id
            )
        self._failures()
        try:
            return self._renewed(lease)
        except errors.DatabaseUnavailable:
            return lease

    def _step(self, lease: Lease) -> Lease | None:
        """Read once and store what came; returns the lease for the next step."""
        # A renewal that was slow itself is repeated: the lease is counted from before
        # it, and Salesforce holds a read from when it is asked.
        while time.monotonic() - self._leased_at > STALE_SECONDS:
            renewed = self._renewed(lease)
            if renewed is None:
                return None
            lease = renewed
        if lease.needs_recovery:
            return self._recover(lease)
        try:
            reading = self._read(lease)
        except errors.Moved as exc:
            moves.begin(lease, exc)
            return self._recover(lease)
        except errors.Gone:
            raise
        except errors.UpstreamError as exc:
            return self._after_failure(lease, exc)
        self._failures.reset()
        self._outage.over()
        came_soon = time.monotonic() - self._asked_at < TOO_SOON_SECONDS
        if (reading is None or not reading.events) and came_soon:
            self._nothings()  # Salesforce did not wait for anything to come
        else:
            self._nothings.reset()
        if reading is None or (reading.cursor == lease.cursor and not reading.events):
            return self._renewed_quietly(lease)
        return self._store(lease, reading)

    def _read(self, lease: Lease) -> Reading | None:
        if lease.link != self._link:
            self._feed.close()
            self._link, self._feed = lease.link, self._upstream.listen(lease.link)
        hold = lease.link.client_poll_timeout
        self.call = Call(
            self._leased_at + hold + DEADLINE_SECONDS,
            begin_by=self._leased_at + STALE_SECONDS + READ_WITHIN_SECONDS,
        )
        self._asked_at = time.monotonic()
        return self._feed.next(lease.cursor, self.call)

    def _after_failure(self, lease: Lease, exc: errors.UpstreamError) -> Lease | None:
        """Read again, at the earliest when Salesforce cannot hold this read any more.

        A second one beside it would end the chat.
        """
        if self._cut is self.call:
            return self._renewed(lease)
        self._outage.failed(exc)
        if isinstance(exc, errors.NoAnswer) and exc.may_hold:
            logger.warning("chat %s: no answer to a read in time", lease.session_id)
            time.sleep(max(0.0, self._asked_at + lease.seconds - time.monotonic()))
        else:
            logger.debug("chat %s: reading again after: %s", lease.session_id, exc)
            self._failures()
        return self._renewed(lease)

    def _renewed_quietly(self, lease: Lease) -> Lease | None:
        """Start the lease afresh after a read that brought nothing."""
        started = time.monotonic()
        renewed = leases.renew_quietly(lease)
        self._leased_at = started
        return renewed

    def _store(self, lease: Lease, reading: Reading) -> Lease | None:
        """Store what a read brought; it is kept until that has worked."""
        effect = apply(lease.standing, reading.events)
        if effect.unknown:
            logger.info(
                "chat %s: unknown events %s", lease.session_id, _names(effect.unknown)
            )
        commit, started = new_token(), time.monotonic()
        while True:
            try:
                after = readings.commit(lease, reading, effect, commit=commit)
                break
            except errors.DatabaseUnavailable:
                self._failures()
                started = time.monotonic()
        self._leased_at = started
        return None if effect.standing.state == State.ENDED else after

    def _recover(self, lease: Lease) -> Lease | None:
        with self._asking:
            asked, self._recovery = self._recovery, None
            asked = asked or self._upstream.recovery(lease.link, lease.cursor)
            recovered = Recovering(lease, asked).carry_out()
        self._leased_at = time.monotonic()
        return self._renewed(recovered) if recovered else None

    def _renewed(self, lease: Lease) -> Lease | None:
        """Start the lease afresh; None when the chat is over or another's."""
        started = time.monotonic()
        renewed = leases.renew(lease)
        self._leased_at = started
        return renewed


def _names(types: Iterable[str]) -> list[str]:
    """Return event types as far as they look like such: what comes may be anything."""
    return [type_ if EVENT_TYPE.fullmatch(type_) else "?" for type_ in types]
