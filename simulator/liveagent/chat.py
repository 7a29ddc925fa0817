"""What happens in a chat, and in which state is it?

A Chat knows what the customer does, what the agent does, and what an event
means; it knows nothing of HTTP.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable
from typing import Any

from simulator.answers import WrongState
from simulator.liveagent import events
from simulator.liveagent.batches import Queued
from simulator.liveagent.events import Event
from simulator.liveagent.polls import Poll
from simulator.liveagent.session import Session
from simulator.liveagent.switches import LiveAgentSwitches
from simulator.liveagent.transcript import AGENT, CHASITOR, Line

CREATED = "created"
WAITING = "waiting"
ESTABLISHED = "established"
ENDED = "ended"
STATES = (CREATED, WAITING, ESTABLISHED, ENDED)

Happened = Callable[["Chat", str, dict[str, Any]], None]


class Chat(Session):
    """One chat, from System/SessionId until it is forgotten.

    ``happened`` is called with the chat, a word and details on every change.
    """

    def __init__(self, switches: LiveAgentSwitches, happened: Happened) -> None:
        super().__init__(switches)
        self.state = CREATED
        self.ended_by: str | None = None
        self.agent: str | None = None
        self.line_id: str | None = None
        self.visitor_name = ""
        self.init: dict[str, Any] | None = None
        self.queue_position = 0
        self.transcript: list[Line] = []
        self.file_tokens: set[str] = set()
        self._happened = happened
        self._last_message_at = 0.0

    @property
    def is_over(self) -> bool:
        """Whether the chat has ended."""
        return self.state == ENDED

    def session_data(self, first_sequence: int) -> Event:
        """Return ChasitorSessionData with all that has been said."""
        said = [line.as_chat_message(first_sequence) for line in self.transcript]
        return events.session_data(self.queue_position, said)

    # What the customer's side does

    def begin(self, init: dict[str, Any], line_id: str | None) -> None:
        """ChasitorInit: the chat is routed and waits for an agent."""
        self.init, self.line_id = init, line_id
        self.visitor_name = str(init.get("visitorName") or "")
        self.queue_position = self.switches.queue_position
        self.state = WAITING
        routed = events.chat_request_success(
            position=self.queue_position,
            wait=self.switches.estimated_wait_seconds,
            connection_timeout=self.switches.connection_timeout_seconds,
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
        gap = time.monotonic() - self._last_message_at
        self._last_message_at = time.monotonic()
        return gap * 1000 < self.switches.drop_fast_messages_milliseconds

    def open_poll(self, poll: Poll) -> None:
        """Hold a poll; it is answered at once if there is something to say."""
        super().open_poll(poll)
        self._happened(self, "poll_opened", {})

    def close_poll(self, poll: Poll) -> None:
        """The poll is over, and the next one may come."""
        if self.poll is poll:
            self.poll = None
        self._happened(self, "poll_closed", {})

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
            wait = self.switches.estimated_wait_seconds
            update = events.event(
                "QueueUpdate", position=position, estimatedWaitTime=wait
            )
            self._put([Queued(update)])

    def put_events(self, batch: Iterable[Any]) -> None:
        """Send events of any shape; what they mean for the chat happens, too."""
        self._require(CREATED, WAITING, ESTABLISHED)
        batch = list(batch)
        self._put([self._understood(event) for event in batch])

    def hand_over(self, *, hold_poll: bool) -> None:
        """Salesforce moves the session to another server."""
        self._require(CREATED, WAITING, ESTABLISHED)
        self.lose_affinity(hold_poll=hold_poll)

    def forget(self, reason: str) -> None:
        """Salesforce drops the session: 403 to everything from now on."""
        self.is_gone = True
        if not self.is_over:
            self._end(reason)
        self.deliver()

    # Within

    def _require(self, *states: str) -> None:
        if self.state not in states:
            raise WrongState(f"the chat is {self.state}")

    def _put(self, queued: Iterable[Queued]) -> None:
        self.batches.put(queued)
        self.deliver()

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
            case "FileTransfer" if message.get("type") == "Requested":
                self.file_tokens.add(str(message.get("fileToken")))
            case "ChatEnded" | "ChatRequestFail":
                self._end(str(message.get("reason") or "unknown"))
        return Queued(event)

    def _establish(self, agent: str) -> None:
        self.state, self.agent = ESTABLISHED, agent
        self._happened(self, "accepted", {"agent": agent})

    def _said(self, message: dict[str, Any]) -> Line:
        name, text = message.get("name", self.agent), message.get("text", "")
        line = Line(AGENT, str(name or AGENT), str(text))
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
