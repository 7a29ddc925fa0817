"""Which chats are there, and who is to be told when one of them changes?"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

from simulator.answers import NO_CONTENT, Refusal
from simulator.counts import Counts
from simulator.faults import FaultBook
from simulator.liveagent import resources
from simulator.liveagent.chat import ESTABLISHED, STATES, WAITING, Chat
from simulator.liveagent.polls import Poll
from simulator.liveagent.refusals import BREACHES, DUPLICATE_POLL
from simulator.liveagent.switches import LiveAgentSwitches
from simulator.watching import Stream, Watchers

AUTO_AGENT = "Auto"
UNTOLD = ("poll_opened", "poll_closed")  # far too many, and nobody's news


class Org:
    """The simulated org: all its chats, switches, faults and counts."""

    def __init__(self, defaults: LiveAgentSwitches) -> None:
        self._defaults = defaults.as_json()
        self.switches = defaults
        self.faults = FaultBook(resources.NAMES)
        self.counts = Counts(BREACHES)
        self.stream = Stream()
        self.watchers: Watchers[Chat] = Watchers()
        self.open_polls = 0
        self.highest_open_polls = 0
        self._by_id: dict[str, Chat] = {}
        self._by_key: dict[str, Chat] = {}
        self._by_line_id: defaultdict[str, list[Chat]] = defaultdict(list)
        self._in_queue: dict[str, Chat] = {}
        self._time_outs: dict[str, asyncio.TimerHandle] = {}

    # Finding chats

    def chats(self, line_id: str | None = None) -> list[Chat]:
        """Return the chats, oldest first; of one customer if ``line_id`` is given."""
        if line_id is None:
            return list(self._by_id.values())
        return list(self._by_line_id.get(line_id, ()))

    def chat(self, chat_id: str) -> Chat | None:
        """Return the chat with this session id."""
        return self._by_id.get(chat_id)

    def chat_with_key(self, key: str) -> Chat | None:
        """Return the chat with this session key."""
        return self._by_key.get(key)

    def states(self) -> dict[str, int]:
        """Return how many chats are in each state."""
        found = Counter(chat.state for chat in self._by_id.values())
        return {state: found[state] for state in STATES}

    # What happens to them

    def new_chat(self) -> Chat:
        """Create a session."""
        chat = Chat(self.switches, self._happened)
        self._by_id[chat.id] = self._by_key[chat.key] = chat
        self._await_poll(chat)
        self._happened(chat, "created", {})
        return chat

    def begin(self, chat: Chat, init: dict[str, Any], line_id: str | None) -> None:
        """ChasitorInit: route the chat, as the switches say."""
        if line_id is not None:
            self._by_line_id[line_id].append(chat)
        chat.begin(init, line_id)
        if init.get("isPost") is False:
            chat.fail("NoPost")
        elif not self.switches.agents_available:
            chat.fail("Unavailable")
        elif self.switches.auto_accept:
            chat.accept(AUTO_AGENT)
            if self.switches.greeting:
                chat.say([self.switches.greeting])
        elif chat.queue_position > 0:
            self._in_queue[chat.id] = chat

    def open_poll(self, chat: Chat, ack: int | None) -> Poll:
        """Hold a poll. A second one of a chat is refused and ends the chat."""
        if chat.poll is not None:
            self._end_by_second_poll(chat, chat.poll)
        if timer := self._time_outs.pop(chat.id, None):
            timer.cancel()
        poll = Poll(
            ack, self.switches.poll_hold_seconds, lambda it: self._closed(chat, it)
        )
        self.open_polls += 1
        self.highest_open_polls = max(self.highest_open_polls, self.open_polls)
        chat.open_poll(poll)
        return poll

    def end(self, chat: Chat, reason: str) -> None:
        """ChatEnd: the next poll says so, or the session is gone with it."""
        if self.switches.after_chat_end == "event":
            chat.end(reason)
        else:
            chat.forget(reason)

    def delete(self, chat: Chat) -> None:
        """DELETE System/SessionId: end the chat if it lives, and forget it."""
        if chat.state in (WAITING, ESTABLISHED):
            self.end(chat, "client")
        chat.forget("client")

    def set_queue_position(self, position: int) -> None:
        """Move every chat that waits to this place in the queue."""
        for chat in self._by_id.values():
            if chat.state == WAITING and chat.queue_position != position:
                chat.move_up(position)
                self._in_queue[chat.id] = chat

    def turn(self, changes: Mapping[str, Any]) -> None:
        """Change some switches, all or none; the queue moves at once."""
        self.switches.patch(changes)
        if "queue_position" in changes:
            self.set_queue_position(changes["queue_position"])

    def figures(self) -> dict[str, Any]:
        """Return calls, breaches, and how many polls and chats there are."""
        return {
            **self.counts.as_json(),
            "open_polls": self.open_polls,
            "highest_open_polls": self.highest_open_polls,
            "chats": self.states(),
        }

    def reset(self) -> None:
        """End and forget all chats, faults, switches and counts."""
        chats = self.chats()
        for timer in self._time_outs.values():
            timer.cancel()
        for index in (self._by_id, self._by_key, self._by_line_id, self._in_queue):
            index.clear()
        self._time_outs.clear()
        for chat in chats:  # by now unknown, so nobody is told
            chat.forget("reset")
        self.faults.clear()
        self.switches.patch(self._defaults)
        self.counts = Counts(BREACHES)
        self.open_polls = self.highest_open_polls = 0

    # Within

    def _end_by_second_poll(self, chat: Chat, first: Poll) -> None:
        is_409 = self.switches.duplicate_first == 409
        first.answer(DUPLICATE_POLL if is_409 else NO_CONTENT)
        chat.forget("second_poll")
        raise Refusal(DUPLICATE_POLL, "second_poll")

    def _closed(self, chat: Chat, poll: Poll) -> None:
        if self._by_id.get(chat.id) is chat:  # else a reset has set it to 0
            self.open_polls -= 1
        chat.close_poll(poll)
        if chat.poll is None and not chat.is_gone:
            self._await_poll(chat)

    def _await_poll(self, chat: Chat) -> None:
        """Give the client its time to poll, else the session is lost."""
        loop = asyncio.get_running_loop()
        seconds = self.switches.connection_timeout_seconds
        if timer := self._time_outs.pop(chat.id, None):
            timer.cancel()
        self._time_outs[chat.id] = loop.call_later(seconds, self._time_out, chat)

    def _time_out(self, chat: Chat) -> None:
        self._time_outs.pop(chat.id, None)
        chat.forget("connection_timeout")

    def _happened(self, chat: Chat, what: str, details: dict[str, Any]) -> None:
        if what in ("accepted", "ended") and chat.id in self._in_queue:
            self._leave_queue(chat)
        if self._by_id.get(chat.id) is chat:
            self.watchers.look(chat, chat.id, chat.line_id)
        if what not in UNTOLD:
            said = {"chat": chat.id, "line_id": chat.line_id, "what": what}
            self.stream.write({**said, **details})

    def _leave_queue(self, leaving: Chat) -> None:
        """Let those who are behind this chat move up."""
        chats = list(self._in_queue.values())
        del self._in_queue[leaving.id]
        for chat in chats[chats.index(leaving) + 1 :]:
            if chat.queue_position > 0:
                chat.move_up(chat.queue_position - 1)
