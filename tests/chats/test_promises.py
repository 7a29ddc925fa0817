"""Does the service keep its promises, whatever happens in whatever order?

Hypothesis plays two customers' bots, their agents, Salesforce's faults and kill -9
at random; `Customer` keeps the books of what is promised. The plays are the same in
each run. For other and more ones: STATE_MACHINE_EXAMPLES=200.
"""

import os
import sys
import time
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.errors import FlakyStrategyDefinition, HypothesisException
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.conftest import new_line_id
from tests.harness.bot import Bot
from tests.harness.customer import HARMLESS, Customer, Fault
from tests.harness.salesforce import Salesforce
from tests.harness.service import Service

EXAMPLES = int(os.environ.get("STATE_MACHINE_EXAMPLES", "0"))

WHO = st.integers(0, 1)
AGENTS = st.sampled_from(["Riley", "Sam", "佐藤"])
TIMES = st.integers(1, 2)
MILLISECONDS = st.integers(0, 15)  # from a request to the kill: any moment of it
MOST_FAULTS = 3  # to come; more than that at once a bot would notice
# Words of a batch: new ones, and such as people say over and over.
TEXTS = st.sampled_from([None, None, "はい", "いいえ"])

POST_FAULTS = st.sampled_from(
    [
        ("ChatMessage", "lose_answer", {}),
        ("ChatMessage", "lose_request", {}),
        ("ChatMessage", "status", {"status": 500}),
        ("ChatMessage", "status_after", {"status": 500}),
        ("ChatMessage", "status", {"status": 503}),
        ("ChatMessage", "slow", {"seconds": 0.3}),
    ]
)
POLL_FAULTS = st.sampled_from(
    [
        ("Messages", "lose_answer", {}),
        ("Messages", "lose_request", {}),
        ("Messages", "status", {"status": 500}),
        ("Messages", "status_after", {"status": 500}),
        ("Messages", "status", {"status": 503}),
        ("Messages", "garbage", {}),
        ("Messages", "slow", {"seconds": 0.3}),
    ]
)
OTHER_FAULTS = st.sampled_from(
    [
        ("ChatEnd", "lose_answer", {}),
        ("ChatEnd", "status", {"status": 500}),
        ("ReconnectSession", "lose_answer", {}),
        ("ReconnectSession", "status", {"status": 500}),
        ("ReconnectSession", "slow", {"seconds": 0.3}),
        ("ChasitorResyncState", "lose_answer", {}),
        ("ChasitorResyncState", "slow", {"seconds": 0.3}),
    ]
)
OPENING_FAULTS = st.sampled_from(
    [
        ("SessionId", "lose_answer", {}),
        ("SessionId", "status", {"status": 500}),
        ("ChasitorInit", "lose_answer", {}),
        ("ChasitorInit", "lose_request", {}),
        ("ChasitorInit", "status_after", {"status": 500}),
    ]
)
TRIFLES = (
    {"type": "AgentTyping", "message": {"name": "Riley"}},
    {"type": "SomethingNew", "message": {}},
    {"type": "AgentNotTyping"},
)

# --- what is so of a customer, for a rule to be of use ----------------------------

Predicate = Callable[[Customer], bool]


def has_no_chat(customer: Customer) -> bool:
    """Whether the bot knows of no chat."""
    return customer.chat is None


def is_open(customer: Customer) -> bool:
    """Whether the chat goes on."""
    return customer.is_open


def is_waiting(customer: Customer) -> bool:
    """Whether no agent has joined."""
    return customer.is_waiting


def is_attended(customer: Customer) -> bool:
    """Whether an agent has joined; he may have dropped out."""
    return customer.is_open and customer.was_accepted


def has_agent(customer: Customer) -> bool:
    """Whether an agent is there."""
    return customer.is_open and customer.has_agent


def has_message_ids(customer: Customer) -> bool:
    """Whether something was sent in this chat that may be sent again."""
    return customer.is_open and bool(customer.message_ids)


def has_news(customer: Customer) -> bool:
    """Whether /messages has something to answer."""
    return bool(customer.said) or not customer.is_open


def has_several_words(customer: Customer) -> bool:
    """Whether there is something for each of two calls."""
    return len(customer.said) > 1 and not customer.may_repeat


def may_see_words_again(customer: Customer) -> bool:
    """Whether words come until they are acknowledged."""
    return customer.acknowledges and bool(customer.said)


def waits_for_words(customer: Customer) -> bool:
    """Whether /messages has nothing to answer, but an agent might talk."""
    return has_agent(customer) and not customer.said and not customer.may_repeat


def possible(predicate: Predicate) -> Any:
    """Keep a rule for when there is a customer of whom it is so."""
    return precondition(lambda self: any(map(predicate, self.customers)))


class Play(RuleBasedStateMachine):
    """Two customers, one of whose bots acknowledges."""

    service: Service
    salesforce: Salesforce
    old_breaches: dict[str, int]
    failures: ClassVar[list[Exception]]
    plays: ClassVar[int]

    def __init__(self) -> None:
        super().__init__()
        self.customers = [
            Customer(Bot(self.service, new_line_id()), self.salesforce, acknowledges)
            for acknowledges in (False, True)
        ]
        self.texts = 0

    @initialize(
        kills=st.sampled_from([0, 0, 1]),
        duplicates=st.sampled_from(["ignore", "409"]),
        held_poll=st.sampled_from(["503", "hold"]),
        resends=st.booleans(),
        first_sequence=st.integers(0, 1),
        counts=st.sampled_from(["events", "batches"]),
        overlap=st.sampled_from([0, 0, 1, 3]),
    )
    def begin(
        self,
        kills: int,
        duplicates: str,
        held_poll: str,
        resends: bool,
        first_sequence: int,
        counts: str,
        overlap: int,
    ) -> None:
        """Choose what Salesforce is like, and open both chats."""
        self.kills = kills
        self.salesforce.switch(
            duplicate_sequence=duplicates,
            handover_held_poll=held_poll,
            reconnect_resends=resends,
            first_sequence=first_sequence,
            sequence_counts=counts,
            overlap_events=overlap,
        )
        for customer in self.customers:
            customer.open()

    def text(self, text: str | None) -> str:
        """Return this text, or one that was never said before."""
        self.texts += 1
        return f"{self.texts} 番" if text is None else text

    def one(self, who: int, predicate: Predicate) -> Customer:
        """Return one of the customers for whom it is so."""
        fitting = [customer for customer in self.customers if predicate(customer)]
        return fitting[who % len(fitting)]

    # --- bots ---------------------------------------------------------------------

    @rule(who=WHO, calls=st.integers(1, 2))
    def init(self, who: int, calls: int) -> None:
        """Open a chat, or ask for the one that is open."""
        self.customers[who].open(calls)

    @possible(has_no_chat)
    @rule(who=WHO, fault=OPENING_FAULTS)
    def init_with_a_fault(self, who: int, fault: Fault) -> None:
        """Open a chat while Salesforce is in trouble."""
        self.one(who, has_no_chat).open(fault=fault)

    @rule(who=WHO, text=TEXTS, with_id=st.booleans())
    def send(self, who: int, text: str | None, with_id: bool) -> None:
        """Say something."""
        said = self.text(text)
        self.customers[who].send(said, f"{self.texts}" if with_id else None)

    @possible(is_attended)
    @rule(who=WHO, text=TEXTS, with_id=st.booleans(), fault=POST_FAULTS, times=TIMES)
    def send_with_a_fault(
        self, who: int, text: str | None, with_id: bool, fault: Fault, times: int
    ) -> None:
        """Say something while Salesforce is in trouble."""
        self.arm(fault, times)
        said = self.text(text)
        message_id = f"{self.texts}" if with_id else None
        self.one(who, is_attended).send(said, message_id)

    @possible(has_message_ids)
    @rule(who=WHO, which=st.integers(0, 100))
    def send_again(self, who: int, which: int) -> None:
        """LINE delivers a webhook twice."""
        customer = self.one(who, has_message_ids)
        message_ids = sorted(customer.message_ids)
        message_id = message_ids[which % len(message_ids)]
        customer.send(customer.message_ids[message_id], message_id)

    @possible(is_attended)
    @rule(who=WHO)
    def send_together(self, who: int) -> None:
        """Say three things at once."""
        texts = [self.text(None) for _ in range(3)]
        self.one(who, is_attended).send_together(texts)

    @possible(has_news)
    @rule(who=WHO, most=st.integers(1, 3))
    def receive(self, who: int, most: int) -> None:
        """Fetch words, as long as there are some; or the end."""
        customer = self.one(who, has_news)
        for _ in range(most):
            if has_news(customer):
                customer.receive()

    @possible(may_see_words_again)
    @rule()
    def receive_again(self) -> None:
        """Fetch the same words twice."""
        self.one(0, may_see_words_again).receive_again()

    @possible(has_several_words)
    @rule(who=WHO)
    def receive_together(self, who: int) -> None:
        """Ask twice at the same moment."""
        self.one(who, has_several_words).receive_together()

    @possible(waits_for_words)
    @rule(who=WHO, hang_up=st.booleans())
    def wait_for_words(self, who: int, hang_up: bool) -> None:
        """Ask before there is anything; perhaps hang up before it comes."""
        customer = self.one(who, waits_for_words)
        held = customer.bot.hold("/messages", **customer.acknowledgement)
        self.service.settle()
        if hang_up:
            held.hang_up()
        customer.say([self.text(None)])
        if not hang_up:
            customer.take(held.answer())

    @rule(who=WHO)
    def close(self, who: int) -> None:
        """End the chat."""
        self.customers[who].close()

    # --- agents -------------------------------------------------------------------

    @possible(is_open)
    @rule(who=WHO, agent=AGENTS)
    def accept(self, who: int, agent: str) -> None:
        """An agent joins, or takes the chat over."""
        self.one(who, is_open).accept(agent)

    @possible(has_agent)
    @rule(who=WHO, texts=st.lists(TEXTS, min_size=1, max_size=3))
    def say(self, who: int, texts: list[str | None]) -> None:
        """An agent says something, in one batch."""
        self.one(who, has_agent).say([self.text(text) for text in texts])

    @possible(has_agent)
    @rule(
        who=WHO,
        texts=st.lists(TEXTS, min_size=1, max_size=3),
        fault=POLL_FAULTS,
        times=TIMES,
    )
    def say_with_a_fault(
        self, who: int, texts: list[str | None], fault: Fault, times: int
    ) -> None:
        """An agent says something while Salesforce is in trouble."""
        self.arm(fault, times)
        self.one(who, has_agent).say([self.text(text) for text in texts])

    @possible(is_attended)
    @rule(who=WHO, texts=st.lists(TEXTS, max_size=2))
    def agent_ends(self, who: int, texts: list[str | None]) -> None:
        """An agent ends the chat, perhaps with last words."""
        self.one(who, is_attended).agent_ends([self.text(text) for text in texts])

    @possible(has_agent)
    @rule(who=WHO)
    def disconnect(self, who: int) -> None:
        """An agent drops out; that is no end."""
        customer = self.one(who, has_agent)
        customer.open_chat.disconnect_agent()
        customer.has_agent = False

    # --- Salesforce and the machine -----------------------------------------------

    def arm(self, fault: Fault, times: int) -> None:
        """Let the next calls of a resource go wrong, unless enough will already."""
        if self.salesforce.faults_waiting < MOST_FAULTS:
            self.salesforce.fault(fault[0], fault[1], times=times, **fault[2])

    @rule(fault=OTHER_FAULTS, times=TIMES)
    def fault(self, fault: Fault, times: int) -> None:
        """Let an end or a reconnection that is to come go wrong."""
        self.arm(fault, times)

    @possible(is_open)
    @rule(who=WHO)
    def handover(self, who: int) -> None:
        """Salesforce moves the session to another server."""
        self.one(who, is_open).open_chat.handover()

    @possible(is_waiting)
    @rule(who=WHO)
    def no_agent(self, who: int) -> None:
        """Salesforce finds no agent after all."""
        self.one(who, is_waiting).fail()

    @possible(is_open)
    @rule(who=WHO)
    def trifles(self, who: int) -> None:
        """Events come that mean nothing to a customer on LINE."""
        self.one(who, is_open).open_chat.events(*TRIFLES)

    @precondition(lambda self: self.kills > 0)
    @rule()
    def kill(self) -> None:
        """Kill -9, and start again."""
        self.kills -= 1
        self.service.restart()
        for customer in self.customers:
            customer.may_repeat = not customer.acknowledges

    @precondition(lambda self: self.kills > 0)
    @rule(who=WHO, milliseconds=MILLISECONDS)
    def kill_while_sending(self, who: int, milliseconds: int) -> None:
        """Kill -9 while words are on their way; the bot sends them again."""
        customer = self.customers[who]
        text = self.text(None)
        customer.bot.hold("/send", message=text, message_id=text)
        time.sleep(milliseconds / 1000)
        self.kill()
        customer.send(text, text)

    @precondition(lambda self: self.kills > 0)
    @rule(who=WHO, milliseconds=MILLISECONDS)
    def kill_while_receiving(self, who: int, milliseconds: int) -> None:
        """Kill -9 while an answer is on its way."""
        customer = self.customers[who]
        held = customer.bot.hold("/messages", **customer.acknowledgement)
        if has_agent(customer):
            customer.say([self.text(None)])
        time.sleep(milliseconds / 1000)
        self.kill()
        customer.receive_before_the_kill(held)

    # --- at all times -------------------------------------------------------------

    @invariant()
    def protocol(self) -> None:
        """Salesforce's protocol is not broken, and there is one chat a customer."""
        breaches = self.salesforce.counts["breaches"]
        broken = {n for n, count in breaches.items() if count > self.old_breaches[n]}
        assert broken <= HARMLESS, broken

    def teardown(self) -> None:
        """Fetch all that is left; a failure is kept, whatever comes of it."""
        failure = sys.exc_info()[1]
        type(self).plays += 1
        try:
            self.salesforce.clear_faults()
            for customer in self.customers:
                customer.finish()
        except Exception as exc:
            failure = failure or exc
            raise
        finally:
            is_ours = not isinstance(failure, HypothesisException)
            if isinstance(failure, Exception) and is_ours:
                self.failures.append(failure)


@pytest.mark.mortal_service
@pytest.mark.breaches(*HARMLESS)
@pytest.mark.timeout(24 * 3600 if EXAMPLES else 600)
def test_whatever_happens(service: Service, salesforce: Salesforce):
    class ThisPlay(Play):
        pass

    ThisPlay.service, ThisPlay.salesforce = service, salesforce
    ThisPlay.failures, ThisPlay.plays = [], 0
    ThisPlay.old_breaches = salesforce.counts["breaches"]
    while (left := (EXAMPLES or 10) - ThisPlay.plays) > 0:
        try:
            play(ThisPlay, left)
        except FlakyStrategyDefinition:
            # What is possible next depends on moments, and a play that begins like
            # another may go on differently. A failure comes out as this, too.
            if ThisPlay.failures:
                raise ThisPlay.failures[0] from None


def play(kind: type[Play], times: int) -> None:
    """Play so many times; raises what went wrong."""
    run_state_machine_as_test(
        kind,
        settings=settings(
            derandomize=not EXAMPLES,
            max_examples=times,
            stateful_step_count=25,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
