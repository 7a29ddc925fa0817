"""What does a Live Agent session do on the wire, whatever is said in it?

It has a key and an affinity token, holds at most one poll, answers that with
the events that are queued, and moves to another server when it is handed over.
"""

from __future__ import annotations

import base64
import secrets
import time
import uuid
from abc import ABC, abstractmethod

from simulator.answers import Answer
from simulator.counts import Counts
from simulator.liveagent.batches import Batches
from simulator.liveagent.events import Event
from simulator.liveagent.polls import Poll
from simulator.liveagent.refusals import BREACHES, INVALID_AFFINITY, SESSION_INVALID
from simulator.liveagent.sequences import Sequences
from simulator.liveagent.switches import LiveAgentSwitches


class Session(ABC):
    """The wire's side of a chat.

    ``affinity`` is None from a hand-over until ReconnectSession. ``is_gone``
    means that the session has been forgotten: 403 to everything.
    """

    def __init__(self, switches: LiveAgentSwitches) -> None:
        self.switches = switches
        self.id = str(uuid.uuid4())
        self.key = _new_key(self.id)
        self.affinity: str | None = _new_affinity()
        self.is_gone = False
        self.may_reconnect = False
        self.awaits_resync = False
        self.poll: Poll | None = None
        self.polls = 0
        self.counts = Counts(BREACHES)
        self.sequences = Sequences()
        self.batches = Batches(switches)

    @property
    @abstractmethod
    def is_over(self) -> bool:
        """Whether nothing more will happen once the queued events are fetched."""

    @abstractmethod
    def session_data(self, first_sequence: int) -> Event:
        """Return the event that tells a reconnected client how things stand."""

    def open_poll(self, poll: Poll) -> None:
        """Hold a poll; it is answered at once if there is something to say."""
        self.poll = poll
        self.polls += 1
        if self.switches.empty_poll_status == 200:
            poll.answer_at_end = self.batches.empty_answer()
        self.deliver()

    def put_raw(self, body: str) -> None:
        """Make this text the body of the next poll's answer."""
        self.batches.raw.append(body)
        self.deliver()

    def deliver(self) -> None:
        """Answer the open poll if there is something to say."""
        if self.poll is None or self.poll.answered.done():
            return
        answer = self._next_answer(self.poll.ack)
        if answer is not None:
            self.poll.answer(answer)

    def lose_affinity(self, *, hold_poll: bool) -> None:
        """Begin the hand-over: 503 to everything until ReconnectSession."""
        self.affinity = None
        self.may_reconnect = True
        if self.poll is not None and hold_poll:
            self.poll.answer_at_end = INVALID_AFFINITY
            self.poll = None  # held by the old server, unknown to the new one
        elif self.poll is not None:
            self.poll.answer(INVALID_AFFINITY)

    def reconnect(self) -> str:
        """End the hand-over: return the new affinity; all numbers restart."""
        if self.poll is not None:
            self.poll.answer(INVALID_AFFINITY)
            self.poll = None
        self.affinity = _new_affinity()
        self.awaits_resync = True
        self.sequences = Sequences()
        data = self.session_data(self.switches.first_sequence)
        self.batches.restart(data, resend=self.switches.reconnect_resends)
        return self.affinity

    def _next_answer(self, ack: int | None) -> Answer | None:
        over = SESSION_INVALID if self.switches.poll_when_over_status == 403 else None
        if self.is_gone:
            return over
        if self.switches.silent_polls or self.affinity is None:
            return None
        return self.batches.take(ack) or (over if self.is_over else None)


def _new_key(session_id: str) -> str:
    signature = base64.urlsafe_b64encode(secrets.token_bytes(20)).decode()
    return f"{session_id}!{int(time.time() * 1000)}!{signature}"


def _new_affinity() -> str:
    return secrets.token_hex(4)
