"""How do a customer's words get from the outbox to Salesforce, in order and once?

One sender per chat at a time, by a lease of its own, takes the parcels in order and
repeats the same sequence number until Salesforce has answered. When the chat is
over it says farewell, as its last parcel.

Source of the rules on sequence numbers: Chat REST API Developer Guide,
"X-LIVEAGENT-SEQUENCE"; the text of a 409 as live servers send it.
"""

import logging
import threading
import time
from dataclasses import dataclass, replace

from bridge.domain.errors import DatabaseUnavailable, UpstreamError
from bridge.domain.timeline import Kind
from bridge.outbound.backoff import Backoff
from bridge.storage import (
    customer_messages,
    ending,
    leases,
    notifications,
    parcels,
    timeline,
)
from bridge.storage.marks import new_token
from bridge.storage.parcels import Parcel
from bridge.telemetry import logs
from bridge.upstreams.liveagent.client import live_agent
from bridge.upstreams.liveagent.errors import (
    AffinityChanged,
    OutOfSync,
    RequestRefused,
    SessionGone,
)

logger = logging.getLogger(__name__)

LAST_WORDS_SECONDS = 3.0

_lock = threading.Lock()
_running: set[int] = set()
_again: set[int] = set()


@dataclass(frozen=True, slots=True)
class _Outcome:
    """How one POST went: is the parcel with Salesforce, and what comes next?"""

    sent: bool = False
    following: Parcel | None = None
    try_again: bool = False


def kick(session_id: int) -> None:
    """See to it that what a chat has to send is being sent."""
    with _lock:
        if session_id in _running:
            _again.add(session_id)
            return
        _running.add(session_id)
    threading.Thread(target=_run, args=(session_id,), daemon=True).start()


def send_now(session_id: int, token: int, parcel: Parcel) -> bool:
    """POST a parcel in the caller's thread, once; True when Salesforce has it.

    Whatever remains to be done goes on in a thread of its own, under the same lease.
    """
    sender = _Sender(session_id, token, is_waiter=True)
    outcome = sender.attempt(parcel)
    sender.is_waiter = False
    if outcome.following is not None or outcome.try_again:
        threading.Thread(target=sender.work, args=(outcome,), daemon=True).start()
    return outcome.sent


def _run(session_id: int) -> None:
    """Send for one chat until there is nothing left or it is another's turn."""
    while True:
        _Sender(session_id, new_token()).work(_Outcome(try_again=True))
        with _lock:
            if session_id not in _again:
                _running.discard(session_id)
                return
            _again.discard(session_id)


class _Sender:
    """One holder of one chat's send lease."""

    def __init__(self, session_id: int, token: int, *, is_waiter: bool = False) -> None:
        self.is_waiter = is_waiter
        self._session_id = session_id
        self._token = token
        self._pause = Backoff(longest=2.0)

    def work(self, last: _Outcome) -> None:
        """Send what there is, one parcel after the other, in a thread of its own."""
        logs.begin_work(self._session_id)
        try:
            while last.following is not None or last.try_again:
                parcel = last.following or parcels.following(
                    self._session_id, self._token
                )
                if parcel is None:
                    return
                last = self.attempt(parcel)
                if last.try_again:
                    self._pause()
        except DatabaseUnavailable:
            logger.warning("chat %s: sending waits for the database", self._session_id)
        except Exception as exc:
            logs.log_fault(logger, exc, "chat %s: the sender failed", self._session_id)

    def attempt(self, parcel: Parcel) -> _Outcome:
        """POST one parcel, and see to what its answer means."""
        if parcel.farewell:
            return _Outcome(
                try_again=_Farewell(self._session_id, parcel).is_to_repeat()
            )
        try:
            return self._post(parcel)
        except SessionGone as exc:
            self._gone(exc)
        except AffinityChanged:
            return self._affinity_changed(parcel)
        except RequestRefused as exc:
            logger.warning("chat %s: words refused: %s", self._session_id, exc)
            customer_messages.reject(self._session_id, self._token, parcel)
            timeline.note(self._session_id, Kind.WORDS_REFUSED, **exc.facts)
            return _Outcome(try_again=True)
        except UpstreamError as exc:
            logger.debug("chat %s: sending again after: %s", self._session_id, exc)
            if parcel.fresh:
                timeline.note(self._session_id, Kind.SEND_FAILED, **exc.facts)
            if not ending.farewell_is_overdue(self._session_id):
                return _Outcome(try_again=True)
            ending.farewell_failed(self._session_id, exc)
        return _Outcome()

    def _post(self, parcel: Parcel) -> _Outcome:
        try:
            live_agent().chat_message(
                parcel.credentials, sequence=parcel.sequence, text=parcel.text
            )
        except OutOfSync as exc:
            if not _has_arrived(parcel, exc):
                return self._resync(parcel, exc)
        return self._sent(parcel)

    def _sent(self, parcel: Parcel) -> _Outcome:
        self._pause.reset()
        after = parcels.sent(
            self._session_id, self._token, parcel.row_id, told=self.is_waiter
        )
        if not parcel.fresh:
            timeline.note(self._session_id, Kind.SEND_RECOVERED)
        return _Outcome(sent=True, following=after)

    def _resync(self, parcel: Parcel, conflict: OutOfSync) -> _Outcome:
        """Post under the number that Salesforce asks for.

        It names the last number it took; whether some servers name the next one
        instead is not proven, so that is tried too.
        """
        if conflict.actual is None:
            raise conflict
        for number in (conflict.actual + 1, conflict.actual, conflict.actual + 2):
            logger.info("chat %s: out of sync, now %s", self._session_id, number)
            if not parcels.renumber(self._session_id, self._token, parcel, number):
                return _Outcome()
            try:
                live_agent().chat_message(
                    parcel.credentials, sequence=number, text=parcel.text
                )
            except OutOfSync:
                continue
            outcome = self._sent(parcel)
            numbers = {"sent": parcel.sequence, "used": number}
            timeline.note(
                self._session_id, Kind.OUT_OF_SYNC, **conflict.facts, **numbers
            )
            return outcome
        raise conflict

    def _gone(self, exc: SessionGone) -> None:
        """Let the poll say how the chat ended, with the agent's last words.

        It is answered at about the time this POST was refused. Only where it is not
        is the chat given up for lost.
        """
        notifications.wait_until(
            lambda chat: chat is None or not chat.is_open,
            lambda: ending.look(self._session_id),
            notifications.chat(self._session_id),
            deadline=time.monotonic() + LAST_WORDS_SECONDS,
        )
        ending.lost(self._session_id, exc)

    def _affinity_changed(self, parcel: Parcel) -> _Outcome:
        """Leave it to the owner of the poll; what is unsent stays where it is.

        An ended chat has no owner any more. Only its farewell is carried over, since
        it is not known which words had arrived.
        """
        token = parcel.credentials.affinity_token
        if leases.want_reconnection(self._session_id, token):
            parcels.release(self._session_id, self._token)
            return _Outcome()
        customer_messages.drop_unsent(self._session_id)
        return _Outcome(try_again=True)


def _has_arrived(parcel: Parcel, conflict: OutOfSync) -> bool:
    """Whether a 409 says that an earlier attempt with this number was taken."""
    posted_before = not parcel.fresh
    return (
        posted_before
        and conflict.actual is not None
        and conflict.actual >= parcel.sequence
    )


class _Farewell:
    """Telling Salesforce that a chat is over."""

    def __init__(self, session_id: int, parcel: Parcel) -> None:
        self._session_id = session_id
        self._parcel = parcel

    def is_to_repeat(self) -> bool:
        """End the chat at Salesforce; True when that is to be tried again."""
        try:
            self._end()
        except SessionGone:
            pass  # it is over there as well
        except UpstreamError as exc:
            if not ending.farewell_is_overdue(self._session_id):
                return True
            logger.warning("chat %s: no farewell: %s", self._session_id, exc)
            ending.farewell_failed(self._session_id, exc)
            return False
        ending.farewell_said(self._session_id)
        return False

    def _end(self) -> None:
        """Say ChatEnd; where Salesforce will not hear it, delete the session."""
        credentials = self._parcel.credentials
        if self._parcel.farewell == ending.DELETE_SESSION:
            return live_agent().delete_session(credentials)
        try:
            live_agent().chat_end(
                credentials,
                sequence=self._parcel.sequence,
                reason=self._parcel.farewell,
            )
        except SessionGone:
            raise
        except AffinityChanged:
            new = live_agent().reconnect_session(credentials, offset=None)
            moved = replace(credentials, affinity_token=new.affinity_token)
            live_agent().delete_session(moved)
        except UpstreamError as exc:
            logger.info("chat %s: deleting instead: %s", self._session_id, exc)
            live_agent().delete_session(credentials)
