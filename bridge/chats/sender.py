"""How do a customer's messages reach Salesforce, in order and once?

One sender per chat at a time, by a lease of its own, takes the messages in order and
repeats the same number until Salesforce has answered. When the chat is over it says
so, as the last of them.
"""

import logging
import threading
import time
from dataclasses import dataclass

from bridge.domain import errors
from bridge.domain.states import Ending
from bridge.domain.timeline import Kind
from bridge.outbound.backoff import Backoff
from bridge.outbound.http import MAX_CALL_SECONDS
from bridge.storage import (
    customer_messages,
    ending,
    leases,
    moves,
    notifications,
    timeline,
)
from bridge.storage.customer_messages import Outgoing
from bridge.storage.leases import new_token
from bridge.storage.summary import ChatSummary
from bridge.telemetry import logs
from bridge.upstreams.base import Upstream
from bridge.upstreams.registry import upstream

logger = logging.getLogger(__name__)

LAST_MESSAGES_SECONDS = 3.0
# Messages in quick succession were seen to be answered 200 and dropped; 15 ms in
# between were enough to another client (@carbon/ai-chat).
BETWEEN_MESSAGES_SECONDS = 0.02

_lock = threading.Lock()
_running: set[int] = set()
_again: set[int] = set()


@dataclass(frozen=True, slots=True)
class _Outcome:
    """How one attempt went: is the message with Salesforce, and what comes next?"""

    sent: bool = False
    following: Outgoing | None = None
    try_again: bool = False


def wake(session_id: int) -> None:
    """See to it that what a chat has to send is being sent."""
    with _lock:
        if session_id in _running:
            _again.add(session_id)
            return
        _running.add(session_id)
    threading.Thread(target=_run, args=(session_id,), daemon=True).start()


def send_inline(
    session_id: int, token: int, outgoing: Outgoing, deadline: float
) -> bool:
    """Send a message in the caller's thread, once; True when Salesforce has it.

    Whatever remains to be done goes on in a thread of its own, under the same lease,
    and so does what might last beyond `deadline` (monotonic seconds).
    """
    sender = _Sender(session_id, token, waits_until=deadline)
    outcome = sender.attempt(outgoing)
    sender.waits_until = None
    if outcome.following is not None or outcome.try_again:
        threading.Thread(target=sender.work, args=(outcome,), daemon=True).start()
    return outcome.sent


def wait_for_notice(session_id: int, *, deadline: float) -> None:
    """See to it that Salesforce hears of a chat's end, and wait; monotonic seconds."""

    def look() -> ChatSummary | None:
        wake(session_id)
        return ending.look(session_id)

    notifications.wait_until(
        lambda chat: chat is None or not chat.farewell,
        look,
        notifications.chat(session_id),
        deadline=deadline,
        every=notifications.LOOK_AGAIN_SECONDS,
    )


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

    def __init__(
        self, session_id: int, token: int, *, waits_until: float | None = None
    ) -> None:
        self.waits_until = waits_until
        self._session_id = session_id
        self._token = token
        self._pause = Backoff(longest=2.0)

    def work(self, last: _Outcome) -> None:
        """Send what there is, one after the other, in a thread of its own."""
        logs.begin_work(self._session_id)
        try:
            while last.following is not None or last.try_again:
                if last.following is not None:
                    time.sleep(BETWEEN_MESSAGES_SECONDS)
                outgoing = last.following or customer_messages.next_outgoing(
                    self._session_id, self._token
                )
                if outgoing is None:
                    return
                last = self.attempt(outgoing)
                if last.try_again:
                    self._pause()
        except errors.DatabaseUnavailable:
            logger.warning("chat %s: sending waits for the database", self._session_id)
        except Exception as exc:
            logs.log_fault(logger, exc, "chat %s: the sender failed", self._session_id)

    def attempt(self, outgoing: Outgoing) -> _Outcome:
        """Send one message, or the end, and see to what its answer means."""
        if outgoing.ending:
            return _Outcome(try_again=self._say_end(outgoing))
        try:
            return self._send(outgoing)
        except errors.Gone as exc:
            self._gone(exc)
        except errors.Moved as exc:
            return self._moved(outgoing, exc)
        except errors.Refused as exc:
            logger.warning("chat %s: message refused: %s", self._session_id, exc)
            customer_messages.reject(self._session_id, self._token, outgoing)
            timeline.record(self._session_id, Kind.WORDS_REFUSED, **exc.facts)
            return _Outcome(try_again=True)
        except errors.UpstreamError as exc:
            logger.debug("chat %s: sending again after: %s", self._session_id, exc)
            if outgoing.fresh:
                timeline.record(self._session_id, Kind.SEND_FAILED, **exc.facts)
            # What was said before the end has as long as the end itself.
            if not outgoing.is_open and ending.notice_is_overdue(self._session_id):
                ending.settle_notice(self._session_id, exc)
                return _Outcome()
            return _Outcome(try_again=True)
        return _Outcome()

    def _send(self, outgoing: Outgoing) -> _Outcome:
        to = upstream(outgoing.upstream)
        try:
            to.send(
                outgoing.link,
                number=outgoing.number,
                text=outgoing.text,
                fresh=outgoing.fresh,
            )
        except errors.WrongNumber as exc:
            return self._renumbered(to, outgoing, exc)
        return self._sent(outgoing)

    def _sent(self, outgoing: Outgoing) -> _Outcome:
        self._pause.reset()
        after = customer_messages.sent(
            self._session_id,
            self._token,
            outgoing.row_id,
            told=self.waits_until is not None,
        )
        if not outgoing.fresh:
            timeline.record(self._session_id, Kind.SEND_RECOVERED)
        return _Outcome(sent=True, following=after)

    def _renumbered(
        self, to: Upstream, outgoing: Outgoing, conflict: errors.WrongNumber
    ) -> _Outcome:
        """Send under the number that Salesforce asks for, committed before."""
        for number in conflict.candidates:
            over = time.monotonic() + MAX_CALL_SECONDS
            if self.waits_until is not None and over > self.waits_until:
                return _Outcome(try_again=True)
            logger.info("chat %s: out of sync, now %s", self._session_id, number)
            if not customer_messages.renumber(
                self._session_id, self._token, outgoing.row_id, number
            ):
                return _Outcome()
            try:
                to.send(outgoing.link, number=number, text=outgoing.text, fresh=True)
            except errors.WrongNumber:
                continue
            outcome = self._sent(outgoing)
            numbers = {"sent": outgoing.number, "used": number}
            timeline.record(
                self._session_id, Kind.OUT_OF_SYNC, **conflict.facts, **numbers
            )
            return outcome
        raise conflict

    def _gone(self, exc: errors.Gone) -> None:
        """Let the reader say how the chat ended, with the agent's last messages.

        Its read is answered at about the time this message was refused. Only where it
        is not is the chat given up for lost.
        """
        notifications.wait_until(
            lambda chat: chat is None or not chat.is_open,
            lambda: ending.look(self._session_id),
            notifications.chat(self._session_id),
            deadline=time.monotonic() + LAST_MESSAGES_SECONDS,
        )
        ending.end_as_lost(self._session_id, exc)

    def _moved(self, outgoing: Outgoing, exc: errors.Moved) -> _Outcome:
        """Leave it to the chat's reader; what is unsent stays where it is.

        An ended chat has no reader any more. Only its end is carried over, since it
        is not known which messages had arrived.
        """
        if moves.ask_for(self._session_id, outgoing.link, exc):
            leases.release_sending(self._session_id, self._token)
            return _Outcome()
        customer_messages.drop_unsent(self._session_id)
        return _Outcome(try_again=True)

    def _say_end(self, outgoing: Outgoing) -> bool:
        """Tell Salesforce that the chat is over; True when to try again."""
        try:
            upstream(outgoing.upstream).end(
                outgoing.link, Ending(outgoing.ending), number=outgoing.number
            )
        except errors.Gone:
            pass  # it is over there as well
        except errors.UpstreamError as exc:
            if not ending.notice_is_overdue(self._session_id):
                return True
            logger.warning("chat %s: no farewell: %s", self._session_id, exc)
            ending.settle_notice(self._session_id, exc)
            return False
        ending.settle_notice(self._session_id)
        return False
