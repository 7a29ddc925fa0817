"""What does one Live Agent session do, and in which state is it?

A Chat knows the rules of the protocol and nothing of HTTP: what the agent does,
what the customer posts, and which answer the open poll gets.
"""

from __future__ import annotations

import base64
import secrets
import time
import uuid
from collections.abc import Callable, Iterable
from typing import Any

from simulator import events
from simulator.answers import INVALID_AFFINITY, SESSION_INVALID, Answer
from simulator.batches import Batches, Queued
from simulator.counts import Counts
from simulator.polls import Poll
from simulator.sequences import Sequences
from simulator.switches import Switches
from simulator.transcript import AGENT, CHASITOR, Line

CREATED = "created"
WAITING = "waiting"
ESTABLISHED = "established"
ENDED = "ended"
STATES = (CREATED, WAITING, ESTABLISHED, ENDED)

Happened = Callable[["Chat", str, dict[str, Any]], None]


class WrongState(Exception):
    """The chat is not in a state in which this can be done."""


class Chat:
    """One session, from System/SessionId until it is forgotten.

    ``happened`` is called with the chat, a word and details on every change.
    """

    def __init__(self, switches: Switches, happened: Happened) -> None:
        self.id = str(uuid.uuid4())
        self.key = _new_key(self.id)
        self.affinity: str | None = _new_affinity()
        self.state = CREATED
        self.ended_by: str | None = None
        self.is_gone = False
        self.agent: str | None = None
        self.line_id: str | None = None
        self.visitor_name = ""
        self.init: dict[str, Any] | None = None
        self.queue_position = 0
        self.transcript: list[Line] = []
        self.counts = Counts()
        self.poll: Poll | None = None
        self.polls = 0
        self.may_reconnect = False
        self.awaits_resync = False
        self.last_message_at = 0.0
        self.sequences = Sequences()
        self.batches = Batches(switches.first_sequence)
        self._switches = switches
        self._happened = happened

    # What the customer's side does

    def begin(self, init: dict[str, Any], line_id: str | None) -> None:
        """ChasitorInit: the chat is routed and waits for an agent."""
        self.init, self.line_id = init, line_id
        self.visitor_name = str(init.get("visitorName") or "")
        self.queue_position = self._switches.queue_position
        self.state = WAITING
        routed = events.chat_request_success(
            position=self.queue_position,
            wait=self._switches.estimated_wait_seconds,
            connection_timeout=self._switches.connection_timeout_seconds,
            visitor_id=str(uuid.uuid4()),
        )
        self._put([Queued(routed)])
        self._happened(self, "waiting", {})

    def hear(self, text: str, sequence: int | None) -> None:
        """Take a ChatMessage of the customer."""
        self.transcript.append(Line(CHASITOR, self.visitor_name, text, sequence))
        self._happened(self, "text", {"text": text, "sequence": sequence})

    def drops_fast_message(self) -> bool:
        """Tell whether a ChatMessage comes too soon after the one before."""
        gap = time.monotonic() - self.last_message_at
        self.last_message_at = time.monotonic()
        return gap * 1000 < self._switches.drop_fast_messages_milliseconds

    # What the agent's side does

    def accept(
        self,
        agent: str,
        idle_timeout: int | None = None,
        idle_warning: int | None = None,
    ) -> None:
        """An agent takes the chat, or takes it over; idle times in seconds."""
        self._require(WAITING, ESTABLISHED)
        type_ = "ChatTransferred" if self.agent else "ChatEstablished"
        self.put_events([events.agent_joined(type_, agent, idle_timeout, idle_warning)])

    def say(self, texts: Iterable[str]) -> None:
        """The agent says something; all texts go out in one batch."""
        self._require(ESTABLISHED)
        if self.agent is None:
            raise WrongState("no agent has the chat")
        self.put_events([events.chat_message(self.agent, text) for text in texts])

    def end(self, reason: str, last_words: Iterable[str] = ()) -> None:
        """The chat ends; last words and ChatEnded go out in one batch."""
        self._require(WAITING, ESTABLISHED)
        name = self.agent or AGENT
        words = [events.chat_message(name, text) for text in last_words]
        self.put_events([*words, events.event("ChatEnded", reason=reason)])

    def fail(self, reason: str) -> None:
        """The request fails: nobody is there, or not any more."""
        self._require(WAITING, ESTABLISHED)
        self.put_events(
            [events.event("ChatRequestFail", reason=reason, postChatUrl="")]
        )

    def disconnect_agent(self) -> None:
        """The agent drops out; the session lives on and waits for another."""
        self._require(ESTABLISHED)
        self.put_events([events.event("AgentDisconnect")])

    def move_up(self, position: int) -> None:
        """The place in the queue has changed."""
        self.queue_position = position
        if self.init and self.init.get("receiveQueueUpdates"):
            wait = self._switches.estimated_wait_seconds
            update = events.event(
                "QueueUpdate", position=position, estimatedWaitTime=wait
            )
            self._put([Queued(update)])

    def put_events(self, batch: Iterable[Any]) -> None:
        """Send events of any shape; what they mean for the chat happens, too."""
        self._require(CREATED, WAITING, ESTABLISHED)
        batch = list(batch)
        self._put([self._understood(event) for event in batch])

    def put_raw(self, body: str) -> None:
        """Make this text the body of the next poll's answer."""
        self.batches.raw.append(body)
        self._deliver()

    # The poll

    def open_poll(self, poll: Poll) -> None:
        """Hold a poll; it is answered at once if there is something to say."""
        self.poll = poll
        self.polls += 1
        self._deliver()
        self._happened(self, "poll", {})

    # The session

    def hand_over(self, *, hold_poll: bool) -> None:
        """Lose the affinity: 503 to everything until ReconnectSession."""
        self._require(CREATED, WAITING, ESTABLISHED)
        self.affinity = None
        self.may_reconnect = True
        if self.poll is not None and hold_poll:
            self.poll.answer_at_end = INVALID_AFFINITY
            self.poll = None  # held by the old server, unknown to the new one
        elif self.poll is not None:
            self.poll.answer(INVALID_AFFINITY)

    def reconnect(self) -> str:
        """ReconnectSession: return the new affinity token; all numbers restart."""
        if self.poll is not None:
            self.poll.answer(INVALID_AFFINITY)
            self.poll = None
        self.affinity = _new_affinity()
        self.awaits_resync = True
        self.sequences = Sequences()
        first = self._switches.first_sequence
        said = [line.as_chat_message(first) for line in self.transcript]
        data = events.session_data(self.queue_position, said)
        self.batches.restart(first, data, resend=self._switches.reconnect_resends)
        return self.affinity

    def forget(self, reason: str) -> None:
        """Drop the session: 403 to everything from now on."""
        self.is_gone = True
        if self.state != ENDED:
            self._end(reason)
        self._deliver()

    # Within

    def _require(self, *states: str) -> None:
        if self.state not in states:
            raise WrongState(f"the chat is {self.state}")

    def _put(self, queued: Iterable[Queued]) -> None:
        self.batches.put(queued)
        self._deliver()

    def _deliver(self) -> None:
        """Answer the open poll if there is something to say."""
        if self.poll is None or self.poll.answered.done():
            return
        answer = self._next_answer(self.poll.ack)
        if answer is not None:
            self.poll.answer(answer)

    def _next_answer(self, ack: int | None) -> Answer | None:
        if self.is_gone:
            return SESSION_INVALID
        if self._switches.silent_polls or self.affinity is None:
            return None
        answer = self.batches.take(ack)
        if answer is None and self.state == ENDED:
            return SESSION_INVALID
        return answer

    def _understood(self, event: Any) -> Queued:
        """Let an event change the chat, and return it ready to be sent."""
        if not isinstance(event, dict):
            return Queued(event)
        message = event.get("message")
        message = message if isinstance(message, dict) else {}
        match event.get("type"):
            case "ChatEstablished" | "ChatTransferred":
                self._establish(str(message.get("name") or AGENT))
            case "ChatMessage":
                return Queued(event, self._said(message))
            case "AgentDisconnect":
                self.agent = None
                self._happened(self, "agent_disconnected", {})
            case "ChatEnded" | "ChatRequestFail":
                self._end(str(message.get("reason") or "unknown"))
        return Queued(event)

    def _establish(self, agent: str) -> None:
        self.state, self.agent = ESTABLISHED, agent
        self._happened(self, "accepted", {"agent": agent})

    def _said(self, message: dict[str, Any]) -> Line:
        name, text = str(message.get("name")), str(message.get("text"))
        line = Line(AGENT, name, text)
        self.transcript.append(line)
        self._happened(self, "said", {"text": text})
        return line

    def _end(self, reason: str) -> None:
        self.state, self.ended_by = ENDED, reason
        self._happened(self, "ended", {"reason": reason})

    def as_json(self) -> dict[str, Any]:
        """Return the chat as the control API shows it, without its key."""
        return {
            "id": self.id,
            "line_id": self.line_id,
            "visitor_name": self.visitor_name,
            "state": self.state,
            "ended_by": self.ended_by,
            "agent": self.agent,
            "polls": self.polls,
            "poll_open": self.poll is not None,
            "init": self.init,
            "transcript": [line.as_json() for line in self.transcript],
            **self.counts.as_json(),
        }


def _new_key(session_id: str) -> str:
    signature = base64.urlsafe_b64encode(secrets.token_bytes(20)).decode()
    return f"{session_id}!{int(time.time() * 1000)}!{signature}"


def _new_affinity() -> str:
    return secrets.token_hex(4)
