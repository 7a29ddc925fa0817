"""Does the service keep its promises, whatever happens in whatever order?

Hypothesis plays two customers' bots, their agents, Salesforce's faults and kill -9
at random; `Customer` keeps the books of what is promised. The plays are the same in
each run. For other and more ones: STATE_MACHINE_EXAMPLES=200.
"""

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
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
from tests.harness.customer import HARMLESS, Customer
from tests.harness.salesforce import Salesforce
from tests.harness.service import Service

EXAMPLES = int(os.environ.get("STATE_MACHINE_EXAMPLES", "0"))

WHO = st.integers(0, 1)
AGENTS = st.sampled_from(["Riley", "Sam", "佐藤"])
COUNTS = st.integers(1, 3)
# Words of a batch: new ones, and such as people say over and over.
TEXTS = st.sampled_from([None, None, "はい", "いいえ"])

FAULTS = st.sampled_from(
    [
        ("ChatMessage", "lose_answer", {}),
        ("ChatMessage", "lose_request", {}),
        ("ChatMessage", "status", {"status": 500}),
        ("ChatMessage", "status_after", {"status": 500}),
        ("ChatMessage", "status", {"status": 503}),
        ("ChatMessage", "slow", {"seconds": 0.3}),
        ("Messages", "lose_answer", {}),
        ("Messages", "lose_request", {}),
        ("Messages", "status", {"status": 500}),
        ("Messages", "status", {"status": 503}),
        ("Messages", "garbage", {}),
        ("Messages", "slow", {"seconds": 0.3}),
        ("ChatEnd", "lose_answer", {}),
        ("ChatEnd", "status", {"status": 500}),
        ("ReconnectSession", "lose_answer", {}),
        ("ReconnectSession", "status", {"status": 500}),
        ("ChasitorResyncState", "lose_answer", {}),
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


class Play(RuleBasedStateMachine):
    """Two customers, one of whose bots acknowledges."""

    service: Service
    salesforce: Salesforce
    old_breaches: dict[str, int]

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
    )
    def begin(
        self,
        kills: int,
        duplicates: str,
        held_poll: str,
        resends: bool,
        first_sequence: int,
    ) -> None:
        """Choose what Salesforce is like, and open both chats."""
        self.kills = kills
        self.salesforce.switch(
            duplicate_sequence=duplicates,
            handover_held_poll=held_poll,
            reconnect_resends=resends,
            first_sequence=first_sequence,
        )
        for customer in self.customers:
            customer.open()

    def text(self, text: str | None) -> str:
        """Return this text, or one that was never said before."""
        self.texts += 1
        return f"{self.texts} 番" if text is None else text

    def some(self, predicate: Any) -> bool:
        """Whether it is so for a customer."""
        return any(predicate(customer) for customer in self.customers)

    # --- bots ---------------------------------------------------------------------

    @rule(who=WHO, calls=st.integers(1, 2))
    def init(self, who: int, calls: int) -> None:
        """Open a chat, or ask for the one that is open."""
        self.customers[who].open(calls)

    @precondition(lambda self: self.some(lambda c: c.chat is None))
    @rule(who=WHO, fault=OPENING_FAULTS)
    def init_with_a_fault(self, who: int, fault: Any) -> None:
        """Open a chat while Salesforce is in trouble."""
        if self.customers[who].chat is None:
            self.customers[who].open(fault=fault)

    @rule(who=WHO, text=TEXTS, with_id=st.booleans())
    def send(self, who: int, text: str | None, with_id: bool) -> None:
        """Say something."""
        said = self.text(text)
        message_id = f"{self.texts}" if with_id else None
        self.customers[who].send(said, message_id)

    @precondition(lambda self: self.some(lambda c: c.is_open and c.message_ids))
    @rule(who=WHO, data=st.data())
    def send_again(self, who: int, data: st.DataObject) -> None:
        """LINE delivers a webhook twice."""
        customer = self.customers[who]
        if customer.is_open and customer.message_ids:
            message_id = data.draw(st.sampled_from(sorted(customer.message_ids)))
            customer.send(customer.message_ids[message_id], message_id)

    @precondition(lambda self: self.some(lambda c: c.is_open and c.was_accepted))
    @rule(who=WHO)
    def send_together(self, who: int) -> None:
        """Say three things at once."""
        customer = self.customers[who]
        if customer.is_open and customer.was_accepted:
            customer.send_together([self.text(None) for _ in range(3)])

    @rule(who=WHO, most=COUNTS)
    def receive(self, who: int, most: int) -> None:
        """Fetch words, as long as there are some; or the end."""
        customer = self.customers[who]
        for _ in range(most):
            if customer.said or not customer.is_open:
                customer.receive()

    @precondition(lambda self: self.some(lambda c: c.acknowledges and c.said))
    @rule()
    def receive_again(self) -> None:
        """Fetch the same words twice."""
        self.customers[1].receive_again()

    @precondition(lambda self: self.some(lambda c: len(c.said) > 1))
    @rule(who=WHO)
    def receive_together(self, who: int) -> None:
        """Ask twice at the same moment."""
        customer = self.customers[who]
        if len(customer.said) > 1 and not customer.may_repeat:
            customer.receive_together()

    @precondition(lambda self: self.some(lambda c: c.has_agent and not c.said))
    @rule(who=WHO, hang_up=st.booleans())
    def wait_for_words(self, who: int, hang_up: bool) -> None:
        """Ask before there is anything; perhaps hang up before it comes."""
        customer = self.customers[who]
        if not customer.is_open or not customer.has_agent or customer.said:
            return
        held = customer.bot.hold("/messages", **customer.acknowledgement)
        self.service.settle()
        if hang_up:
            held.hang_up()
        customer.say([self.text(None)])
        if not hang_up:
            answer = held.answer()
            if customer.may_repeat and answer.body.get("id") == customer.last_id:
                return
            customer.take(answer)

    @rule(who=WHO)
    def close(self, who: int) -> None:
        """End the chat."""
        self.customers[who].close()

    # --- agents -------------------------------------------------------------------

    @precondition(lambda self: self.some(lambda c: c.is_open))
    @rule(who=WHO, agent=AGENTS)
    def accept(self, who: int, agent: str) -> None:
        """An agent joins, or takes the chat over."""
        if self.customers[who].is_open:
            self.customers[who].accept(agent)

    @precondition(lambda self: self.some(lambda c: c.is_open and c.has_agent))
    @rule(who=WHO, texts=st.lists(TEXTS, min_size=1, max_size=3))
    def say(self, who: int, texts: list[str | None]) -> None:
        """An agent says something, in one batch."""
        customer = self.customers[who]
        if customer.is_open and customer.has_agent:
            customer.say([self.text(text) for text in texts])

    @precondition(lambda self: self.some(lambda c: c.is_open and c.was_accepted))
    @rule(who=WHO, texts=st.lists(TEXTS, max_size=2))
    def agent_ends(self, who: int, texts: list[str | None]) -> None:
        """An agent ends the chat, perhaps with last words."""
        customer = self.customers[who]
        if customer.is_open and customer.was_accepted:
            customer.agent_ends([self.text(text) for text in texts])

    @precondition(lambda self: self.some(lambda c: c.is_open and c.has_agent))
    @rule(who=WHO)
    def disconnect(self, who: int) -> None:
        """An agent drops out; that is no end."""
        customer = self.customers[who]
        if customer.is_open and customer.has_agent:
            customer.open_chat.disconnect_agent()
            customer.has_agent = False

    # --- Salesforce and the machine -----------------------------------------------

    @rule(fault=FAULTS, times=st.integers(1, 2))
    def fault(self, fault: Any, times: int) -> None:
        """Let the next calls of a resource go wrong."""
        if self.salesforce.faults_waiting < 3:
            self.salesforce.fault(fault[0], fault[1], times=times, **fault[2])

    @precondition(lambda self: self.some(lambda c: c.is_open))
    @rule(who=WHO)
    def handover(self, who: int) -> None:
        """Salesforce moves the session to another server."""
        if self.customers[who].is_open:
            self.customers[who].open_chat.handover()

    @precondition(lambda self: self.some(lambda c: c.is_waiting))
    @rule(who=WHO)
    def no_agent(self, who: int) -> None:
        """Salesforce finds no agent after all."""
        customer = self.customers[who]
        if customer.is_waiting:
            customer.open_chat.fail()
            customer.is_ending = True

    @precondition(lambda self: self.some(lambda c: c.is_open))
    @rule(who=WHO)
    def trifles(self, who: int) -> None:
        """Events come that mean nothing to a customer on LINE."""
        customer = self.customers[who]
        if customer.is_open:
            customer.open_chat.events(
                {"type": "AgentTyping", "message": {"name": "Riley"}},
                {"type": "SomethingNew", "message": {}},
                {"type": "AgentNotTyping"},
            )

    @precondition(lambda self: self.kills > 0)
    @rule()
    def kill(self) -> None:
        """Kill -9, and start again."""
        self.kills -= 1
        self.service.restart()
        for customer in self.customers:
            customer.may_repeat = not customer.acknowledges

    @precondition(lambda self: self.kills > 0)
    @rule(who=WHO)
    def kill_while_sending(self, who: int) -> None:
        """Kill -9 while words are on their way; the bot sends them again."""
        customer = self.customers[who]
        text = self.text(None)
        customer.bot.hold("/send", message=text, message_id=text)
        self.kill()
        customer.send(text, text)

    @precondition(lambda self: self.kills > 0)
    @rule(who=WHO)
    def kill_while_receiving(self, who: int) -> None:
        """Kill -9 while an answer is on its way."""
        customer = self.customers[who]
        held = customer.bot.hold("/messages", **customer.acknowledgement)
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
        """Fetch all that is left."""
        self.salesforce.clear_faults()
        for customer in self.customers:
            customer.finish()


@pytest.mark.mortal_service
@pytest.mark.breaches(*HARMLESS)
@pytest.mark.timeout(24 * 3600 if EXAMPLES else 180)
def test_whatever_happens(service: Service, salesforce: Salesforce):
    class ThisPlay(Play):
        pass

    ThisPlay.service, ThisPlay.salesforce = service, salesforce
    ThisPlay.old_breaches = salesforce.counts["breaches"]
    run_state_machine_as_test(
        ThisPlay,
        settings=settings(
            derandomize=not EXAMPLES,
            max_examples=EXAMPLES or 10,
            stateful_step_count=25,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
