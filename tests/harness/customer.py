"""What does the contract promise to one customer at any moment?

A customer does one thing at a time, by his bot or by the agent at the simulator.
After each the books here are compared with what the service answered and with what
the simulator heard.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any

from tests.harness.bot import (
    BAD_REQUEST,
    CLOSED,
    CONNECTED,
    END,
    NOT_CONNECTED,
    SENT,
    UNAVAILABLE,
    Answer,
    Bot,
    Held,
    together,
    words,
)
from tests.harness.salesforce import Chat, Salesforce
from tests.harness.waiting import until

# Long enough for a lease to run out after a kill, with the tests' short polls.
SECONDS = 30
MOST_TRIES = 4

# A resource, what goes wrong with it, and how.
Fault = tuple[str, str, dict[str, Any]]

# What a client cannot avoid, or what repeating a request after a fault amounts to.
HARMLESS = {"duplicate_sequence", "unknown_session", "wrong_method"}


@dataclass
class Customer:
    """The books of one line_id.

    `said` are the agent's words that the bot has not had, `heard` the customer's
    words that the agent has to have, `kept` those that wait for an agent.
    `is_ending` is True from the end at Salesforce until the bot was told it.
    """

    bot: Bot
    salesforce: Salesforce
    acknowledges: bool
    chat: Chat | None = None
    has_agent: bool = False
    was_accepted: bool = False
    is_known_accepted: bool = False
    is_ending: bool = False
    said: list[str] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    message_ids: dict[str, str] = field(default_factory=dict)
    last_id: int = 0
    may_repeat: bool = False

    # --- what the books say -----------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether the chat goes on, at Salesforce's side as well."""
        return self.chat is not None and not self.is_ending

    @property
    def is_waiting(self) -> bool:
        """Whether no agent has joined yet."""
        return self.is_open and not self.was_accepted

    @property
    def open_chat(self) -> Chat:
        """The chat, which has to be there."""
        assert self.chat is not None
        return self.chat

    # --- the bot ------------------------------------------------------------------

    def open(self, calls: int = 1, fault: Fault | None = None) -> None:
        """Ask for an agent, so many times at once; with a fault it may fail."""
        if not self.is_open:
            self.salesforce.clear_faults()
        if fault is not None:
            self.salesforce.fault(fault[0], fault[1], **fault[2])
        answers = together(*[self.bot.init] * calls)
        outcomes = {answer.outcome for answer in answers}
        if fault and NOT_CONNECTED in outcomes and not self.is_open:
            self._opened_nothing()
            return
        assert outcomes == {CONNECTED}, outcomes
        found = self.salesforce.chats(self.bot.line_id)
        if self.chat is not None and found[-1].id == self.chat.id:
            return
        assert not self.is_open, "a second chat was opened"
        self._begin(found)

    def _opened_nothing(self) -> None:
        found = self.salesforce.chats(self.bot.line_id)
        until(
            lambda: all(chat.state == "ended" for chat in found),
            "what was begun is ended",
        )
        self.chat, self.is_ending = None, False

    def _begin(self, found: Sequence[Chat]) -> None:
        for chat in found[:-1]:
            assert chat.state == "ended", "two chats are open"
        self.chat = found[-1]
        self.has_agent = self.was_accepted = self.is_known_accepted = False
        self.is_ending = False
        self.heard, self.kept, self.message_ids = [], [], {}

    def send(self, text: str, message_id: str | None) -> None:
        """Say something; after a 503 say it again, as bots are told to."""
        extra = {} if message_id is None else {"message_id": message_id}
        outcome = self.bot.send(text, **extra).outcome
        tries = 1
        while outcome == UNAVAILABLE and tries < MOST_TRIES:
            outcome = self.bot.send(text, **extra).outcome
            tries += 1
        self.check_sent(text, message_id, outcome)

    def check_sent(
        self, text: str, message_id: str | None, outcome: tuple[int, object, object]
    ) -> None:
        """Compare the outcome of a /send, and what the agent has."""
        if not self.is_open:
            # Also the service may have learned neither of the agent nor of the end.
            early = self.is_ending and not self.is_known_accepted
            assert outcome == BAD_REQUEST or (early and outcome == SENT), outcome
            if outcome == SENT:
                self.kept.append(text)
            return
        assert outcome == SENT, outcome
        if message_id is not None:
            if message_id in self.message_ids:
                self.check_heard()
                return
            self.message_ids[message_id] = text
        (self.heard if self.was_accepted else self.kept).append(text)
        self.check_heard()

    def send_together(self, texts: Sequence[str]) -> None:
        """Say several things at once, to an agent: in which order, nobody knows."""
        calls: list[Callable[[], Answer]] = [
            lambda text=text: self.bot.send(text, message_id=text) for text in texts
        ]
        answers = together(*calls)
        left = [
            text
            for text, answer in zip(texts, answers, strict=True)
            if answer.outcome == UNAVAILABLE
        ]
        for text in left:
            assert self.bot.send(text, message_id=text).outcome == SENT
        assert all(a.outcome in (SENT, UNAVAILABLE) for a in answers), answers
        chat = self.open_chat.wait(texts=len(self.heard) + len(texts), timeout=SECONDS)
        new = chat.heard[len(self.heard) :]
        assert Counter(new) == Counter(texts), new
        self.message_ids.update({text: text for text in texts})
        self.heard += new

    def check_heard(self) -> None:
        """What was answered `send` since the agent joined has reached him, once."""
        if self.chat is None or not self.was_accepted:
            return
        if not self.is_known_accepted and self.is_open:
            # The service may not have learned of the agent when it answered.
            self.chat.wait(texts=len(self.heard), timeout=SECONDS)
            self.is_known_accepted = bool(self.heard)
        assert self.chat.heard == self.heard, (self.chat.heard, self.heard)

    def receive(self) -> None:
        """Fetch what there is, which the books know: words, or the end."""
        answer = self._messages()
        if self.may_repeat and answer.body.get("id") == self.last_id:
            answer = self._messages()  # it was in flight when the process was killed
        self.may_repeat = False
        self.take(answer)

    def receive_before_the_kill(self, held: Held) -> None:
        """Take the answer, if it was out before the process died."""
        answer = None
        with suppress(OSError, HTTPException):
            answer = held.answer()
        if answer is not None and (self.said or not self.is_open):
            self.take(answer)

    def receive_again(self) -> None:
        """Fetch without acknowledging: the oldest words come again."""
        answer = self._messages()
        assert answer.outcome == words(self.said[0]), answer
        assert answer.body["id"] > self.last_id, answer

    def receive_together(self) -> None:
        """Ask twice at once, while two things are there to be had."""
        answers = together(self._messages, self._messages)
        if self.acknowledges:
            for answer in answers:
                assert answer.outcome == words(self.said[0]), answers
            self.take(answers[0])
            return
        for answer in sorted(answers, key=lambda a: a.body.get("id", 2**63)):
            self.take(answer)

    def _messages(self) -> Answer:
        return self.bot.messages(**self.acknowledgement)

    @property
    def acknowledgement(self) -> dict[str, int]:
        """What this bot asks for words with."""
        return {"ack": self.last_id} if self.acknowledges else {}

    def take(self, answer: Answer) -> None:
        """Compare an answer to /messages, and cross it off."""
        if not self.said:
            assert answer.outcome == END, answer
            self._check_end(answer)
            return
        assert answer.outcome == words(self.said.pop(0)), (answer, self.said)
        assert answer.body["id"] > self.last_id, "ids rise"
        self.last_id = answer.body["id"]

    def _check_end(self, answer: Answer) -> None:
        if self.is_ending:
            undelivered = answer.body.get("undelivered", 0)
            assert undelivered == len(self.kept), (answer, self.kept)
        self.chat, self.is_ending = None, False

    def close(self) -> None:
        """End the chat; what was not fetched is dropped."""
        assert self.bot.close().outcome == CLOSED
        if self.chat is not None:
            self.chat.wait(ended=1, timeout=SECONDS)
            if self.was_accepted:
                assert self.chat.heard == self.heard
        self.chat, self.is_ending, self.may_repeat = None, False, False
        self.said.clear()

    # --- the agent ----------------------------------------------------------------

    def accept(self, agent: str) -> None:
        """An agent joins, or takes over; he gets what was kept, in order."""
        self.open_chat.accept(agent=agent)
        self.has_agent = True
        if not self.was_accepted:
            self.was_accepted = True
            self.heard, self.kept = self.kept, []
            self.check_heard()

    def say(self, texts: Sequence[str]) -> None:
        """The agent says these in one batch."""
        self.open_chat.say(*texts)
        self.said += texts

    def agent_ends(self, last_words: Sequence[str]) -> None:
        """The agent ends the chat."""
        self.open_chat.end(last_words=last_words)
        self.said += last_words
        self.is_ending = True

    def fail(self) -> None:
        """Salesforce finds no agent."""
        self.open_chat.fail()
        self.is_ending = True

    # --- at any time ----------------------------------------------------------------

    def check_protocol(self) -> None:
        """No chat has seen a breach such as a second poll."""
        for chat in self.salesforce.chats(self.bot.line_id):
            assert set(chat.breaches) <= HARMLESS, chat.breaches

    def finish(self) -> None:
        """Bring the chat to its end and fetch all there is: nothing is missing."""
        if self.is_waiting:
            self.fail()
        elif self.is_open:
            if not self.has_agent:
                self.accept("Kim")
            self.agent_ends(["さようなら"])
        while self.said:
            self.receive()
        last = self.chat
        self.receive()
        if last is not None and self.was_accepted:
            assert last.heard == self.heard
        self.check_protocol()
