"""Does an upstream keep what `bridge/upstreams/base.py` has it promise?

`UpstreamContract` is for a test class of each upstream to inherit. It needs one
fixture, `salesforce`: a `FarSide`, which is what the upstream talks to. The core is
held to its own promises by the tests in `tests/chats`.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

import pytest

from bridge.domain.errors import (
    Gone,
    Moved,
    NoAnswer,
    Refused,
    UpstreamError,
    WrongNumber,
)
from bridge.domain.events import Arrived, Ended, Event, Joined, Queued, Said
from bridge.domain.links import Cursor, Link
from bridge.domain.readings import Known, Reading
from bridge.domain.states import Ending
from bridge.outbound.calls import Call
from bridge.upstreams.base import Customer, Upstream
from tests.harness.waiting import until
from tests.upstreams import Killed

SECONDS = 15
LOST, UNANSWERED, REFUSED = "lost", "unanswered", "refused"
FAULTS = [LOST, UNANSWERED]


class FarChat(Protocol):
    """One chat, as those at Salesforce see it."""

    @property
    def heard(self) -> list[str]:
        """What the customer has said."""

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""

    @property
    def is_being_read(self) -> bool:
        """Whether a read is held."""

    def accept(self) -> object:
        """Have an agent join."""

    def say(self, *texts: str) -> object:
        """Have the agent say these."""

    def end(self) -> object:
        """Have the agent end it."""

    def move(self, *, keeps_reads: bool = False) -> object:
        """Move it elsewhere; where reads are kept, the one held is not told."""

    def forget(self) -> object:
        """Have nobody know it any more."""


class FarSide(Protocol):
    """Salesforce, and how to have a call to it go wrong."""

    agents_available: bool

    def connect(self) -> Upstream:
        """Return the upstream as one more process has it."""

    def chats(self, line_id: str) -> list[FarChat]:
        """Return the customer's chats that an agent may see."""

    @property
    def unended(self) -> list[FarChat]:
        """The chats that are not over, also those that no agent has seen."""

    def fail(self, call: str, *faults: str) -> None:
        """Have the next calls to `open`, `read`, `send`, `end` or `recover` fail.

        LOST: it does not arrive. UNANSWERED: it is carried out, and no answer comes.
        REFUSED: it is not carried out, and never will be.
        """


@dataclass
class Conversation:
    """A chat as the core has it: a link, a cursor and a number, all committed."""

    salesforce: FarSide
    line_id: str
    upstream: Upstream = field(init=False)
    link: Link = field(init=False)
    number: int = field(init=False)
    cursor: Cursor = field(default_factory=Cursor)

    def __post_init__(self) -> None:
        self.upstream = self.salesforce.connect()

    def keep(self, link: Link, number: int) -> bool:
        """Keep what opens the chat."""
        self.link, self.number = link, number
        return True

    def open(self, keep: Callable[[Link, int], bool] | None = None) -> "Conversation":
        """Open the chat."""
        self.upstream.open(
            Customer(self.line_id, "花子"),
            keep=keep or self.keep,
            deadline=time.monotonic() + SECONDS,
        )
        return self

    def restart(self) -> "Conversation":
        """Go on in another process, with what was committed and nothing else."""
        self.upstream = self.salesforce.connect()
        return self

    @property
    def chat(self) -> FarChat:
        """The chat's far side."""
        [chat] = self.salesforce.chats(self.line_id)
        return chat

    def read(self, *wanted: type[Event], tries: int = 20) -> list[Event]:
        """Read on until such events have come, in this order among others."""
        events: list[Event] = []
        missing = list(wanted)
        with closing(self.upstream.listen(self.link)) as feed:
            while missing:
                tries -= 1
                assert tries, f"{missing} did not come: {events}"
                for event in self.read_once(feed):
                    events.append(event)
                    if missing and isinstance(event, missing[0]):
                        missing.pop(0)
        return events

    def read_once(self, feed) -> tuple[Event, ...]:
        """Read once, and commit how far that is."""
        hold = self.link.client_poll_timeout
        reading = feed.next(self.cursor, Call(time.monotonic() + hold + SECONDS))
        if reading is None:
            return ()
        self.cursor = reading.cursor
        return reading.events

    def read_in_vain(self, error: type[UpstreamError]) -> None:
        """Read, which is to fail so."""
        feed = self.upstream.listen(self.link)
        with closing(feed), pytest.raises(error):
            self.read_once(feed)

    def say(self, text: str, number: int | None = None, *, fresh: bool = True) -> None:
        """Send a message, the next one unless `number` says otherwise."""
        if number is None:
            number = self.number = self.number + 1
        self.upstream.send(self.link, number=number, text=text, fresh=fresh)

    def recover(
        self, agent_messages: int, customer_messages: int, **changes: Any
    ) -> Reading | None:
        """Recover in another process, whose read says that the chat has moved.

        What it brings is committed. So many messages of either side are known;
        `changes` are other callbacks.
        """
        self.restart().read_in_vain(Moved)
        recovery = self.upstream.recovery(self.link, self.cursor)
        assert recovery.is_needed()
        callbacks: dict[str, Any] = {
            "hold": lambda: True,
            "known": lambda: Known(agent_messages, customer_messages),
            "failed": lambda exc: None,
        }
        reading = recovery.carry_out(**{**callbacks, **changes})
        if reading is not None:
            assert reading.link is not None
            self.link, self.cursor = reading.link, reading.cursor
            self.number = 0 if reading.renumber else self.number
        return reading


def texts(events) -> list[str]:
    return [event.text for event in events if isinstance(event, Said)]


class UpstreamContract:
    """The right column of the table, row by row."""

    @pytest.fixture
    def conversation(self, salesforce: FarSide, line_id: str) -> Conversation:
        return Conversation(salesforce, line_id)

    @pytest.fixture
    def opened(self, conversation: Conversation) -> Conversation:
        conversation.open().read(Queued)
        return conversation

    @pytest.fixture
    def joined(self, opened: Conversation) -> Conversation:
        opened.chat.accept()
        opened.read(Joined)
        return opened

    @pytest.fixture
    def pool(self) -> Iterator[ThreadPoolExecutor]:
        with ThreadPoolExecutor(2) as pool:
            yield pool

    # Opening

    def test_what_ends_a_chat_is_kept_before_it_is_routed(self, conversation):
        def keep(link, number):
            assert conversation.salesforce.chats(conversation.line_id) == []
            return conversation.keep(link, number)

        conversation.open(keep).read(Queued)

        assert not conversation.chat.is_over

    def test_a_process_killed_before_routing_leaves_nothing_to_be_opened(
        self, conversation
    ):
        def keep(link, number):
            conversation.keep(link, number)
            raise Killed

        with pytest.raises(Killed):
            conversation.open(keep)
        with suppress(Gone):
            conversation.restart().upstream.end(
                conversation.link, Ending.DISCARD, number=conversation.number + 1
            )

        assert conversation.salesforce.unended == []

    def test_a_chat_that_is_not_wanted_any_more_is_ended(self, conversation):
        conversation.open(lambda link, number: False)

        assert conversation.salesforce.chats(conversation.line_id) == []
        assert conversation.salesforce.unended == []

    @pytest.mark.parametrize("fault", FAULTS)
    def test_opening_again_makes_no_second_chat(self, conversation, fault):
        conversation.salesforce.fail("open", fault)

        conversation.open().read(Queued)

        assert len(conversation.salesforce.unended) == 1

    def test_what_is_opened_in_vain_is_an_upstream_error_in_time(self, conversation):
        conversation.salesforce.fail("open", *[LOST] * 3)
        with pytest.raises(UpstreamError):
            conversation.upstream.open(
                Customer(conversation.line_id, ""),
                keep=conversation.keep,
                deadline=time.monotonic(),
            )
        assert conversation.salesforce.chats(conversation.line_id) == []

    @pytest.mark.parametrize("is_available", [True, False])
    def test_whether_an_agent_is_to_be_had(self, salesforce, is_available):
        salesforce.agents_available = is_available
        assert salesforce.connect().is_available() is is_available
        assert salesforce.unended == []

    # Reading: commit before acknowledge, exactly once, resumption

    def test_what_is_said_comes_in_order_and_once(self, joined):
        joined.chat.say("一", "二")
        assert texts(joined.read(Said, Said)) == ["一", "二"]
        joined.chat.say("三")
        assert texts(joined.read(Said)) == ["三"]
        joined.chat.end()
        assert texts(joined.read(Ended)) == []

    def test_the_same_cursor_brings_the_same_again(self, joined):
        before = joined.cursor
        joined.chat.say("一", "二")
        joined.read(Said, Said)

        joined.cursor = before  # not committed, before the process was killed

        assert texts(joined.restart().read(Said, Said)) == ["一", "二"]

    def test_a_cursor_is_all_that_another_process_needs(self, joined):
        for text in ("一", "二", "三"):
            joined.chat.say(text)
            assert texts(joined.restart().read(Said)) == [text]

    @pytest.mark.parametrize("fault", FAULTS)
    def test_a_read_that_was_lost_is_skipped_by_nobody(self, joined, fault):
        joined.salesforce.fail("read", fault)
        joined.chat.say("一")
        joined.read_in_vain(NoAnswer)
        joined.chat.say("二")

        assert texts(joined.read(Said, Said)) == ["一", "二"]

    def test_what_was_said_last_comes_before_the_end(self, joined):
        joined.chat.say("一")
        joined.chat.end()
        events = joined.read(Ended)
        assert texts(events) == ["一"]

    # Reading: one reader

    def test_a_read_can_be_cut_and_says_that_it_may_be_held(self, joined, pool):
        self.cut(joined, pool)

    def test_an_abandoned_read_is_held_no_longer_than_is_said(self, joined, pool):
        began = self.cut(joined, pool)
        held_until = began + joined.link.client_poll_timeout
        until(lambda: time.monotonic() > held_until, "it is held no longer")

        joined.chat.say("一")
        assert texts(joined.restart().read(Said)) == ["一"]

    def test_a_read_that_is_too_late_is_not_begun(self, joined):
        late = Call(time.monotonic() + SECONDS, begin_by=time.monotonic() - 1)
        feed = joined.upstream.listen(joined.link)
        with closing(feed), pytest.raises(NoAnswer) as failed:
            feed.next(joined.cursor, late)

        assert not failed.value.may_hold
        joined.chat.say("一")
        assert texts(joined.read(Said)) == ["一"]

    def cut(self, conversation: Conversation, pool: ThreadPoolExecutor) -> float:
        """Cut a read that is held, and return when it began."""
        began, call = time.monotonic(), Call(time.monotonic() + SECONDS)
        with closing(conversation.upstream.listen(conversation.link)) as feed:
            waiting = pool.submit(feed.next, conversation.cursor, call)
            until(lambda: conversation.chat.is_being_read, "the read is held")
            call.cancel()
            with pytest.raises(NoAnswer) as cut:
                waiting.result(SECONDS)
        assert cut.value.may_hold or not conversation.link.client_poll_timeout
        return began

    # Sending: idempotency, in doubt

    def test_messages_arrive_in_order(self, joined):
        for text in ("一", "二", "三"):
            joined.say(text)
        assert joined.chat.heard == ["一", "二", "三"]

    def test_a_number_sent_again_makes_no_second_message(self, joined):
        joined.say("一")
        joined.restart().say("一", joined.number, fresh=False)
        joined.say("二")
        assert joined.chat.heard == ["一", "二"]

    @pytest.mark.parametrize("fault", FAULTS)
    def test_a_message_in_doubt_arrives_once(self, joined, fault):
        joined.salesforce.fail("send", fault)
        with pytest.raises(NoAnswer):
            joined.say("一")
        joined.restart().say("一", joined.number, fresh=False)
        joined.say("二")
        assert joined.chat.heard == ["一", "二"]

    def test_a_message_that_is_refused_is_told_from_one_in_doubt(self, joined):
        joined.salesforce.fail("send", REFUSED)
        with pytest.raises(Refused):
            joined.say("一")
        joined.say("二", joined.number)  # nothing was taken under its number
        assert joined.chat.heard == ["二"]

    @pytest.mark.parametrize("off_by", [1, 4])
    def test_a_wrong_number_comes_with_one_that_is_right(self, joined, off_by):
        try:
            joined.say("一", joined.number + 1 + off_by)
        except WrongNumber as exc:
            assert joined.chat.heard == []
            for number in exc.candidates:
                with suppress(WrongNumber):
                    joined.say("一", number)
                    break
        assert joined.chat.heard == ["一"]

    # Moved, gone

    @pytest.mark.parametrize("keeps_reads", [True, False])
    def test_a_chat_that_has_moved_takes_nothing(self, joined, keeps_reads):
        joined.chat.move(keeps_reads=keeps_reads)
        with pytest.raises(Moved):
            joined.say("一")
        assert joined.chat.heard == []
        joined.read_in_vain(Moved)

    def test_a_chat_that_is_gone_takes_nothing(self, joined):
        joined.chat.forget()
        with pytest.raises(Gone):
            joined.say("一")
        joined.read_in_vain(Gone)

    # Recovery

    def test_no_recovery_is_needed_of_a_chat_that_has_not_moved(self, joined, pool):
        with closing(joined.upstream.listen(joined.link)) as feed:
            reading = pool.submit(joined.read_once, feed)
            until(lambda: joined.chat.is_being_read, "the read is held")

            other = joined.salesforce.connect()
            assert not other.recovery(joined.link, joined.cursor).is_needed()

            joined.chat.say("一")
            assert texts(reading.result(SECONDS)) == ["一"]

    def test_a_recovery_brings_what_was_said_and_nothing_twice(self, joined):
        joined.chat.say("一")
        joined.read(Said)
        joined.say("はい")
        joined.chat.say("二")
        joined.chat.move()
        joined.chat.say("三")

        reading = joined.recover(1, 1)
        said = texts(reading.events)
        joined.chat.say("四")
        while said[-1:] != ["四"]:
            said += texts(joined.restart().read(Said))

        assert said == ["二", "三", "四"]
        joined.say("どうも")
        assert joined.chat.heard == ["はい", "どうも"]

    @pytest.mark.parametrize("fault", FAULTS)
    def test_a_recovery_knows_whether_a_message_in_doubt_has_arrived(
        self, joined, fault
    ):
        joined.say("一")
        joined.salesforce.fail("send", fault)
        with pytest.raises(NoAnswer):
            joined.say("二")
        joined.chat.move()

        number = joined.number
        known = Known(0, 1, doubt=(number, "二"))
        events = joined.recover(0, 1, known=lambda: known).events

        arrived = Arrived(number) in events
        assert arrived is (fault == UNANSWERED)
        assert joined.chat.heard == (["一", "二"] if arrived else ["一"])

    def test_a_recovery_that_breaks_off_is_begun_anew(self, joined):
        joined.chat.say("一")
        joined.chat.move()

        def killed():
            raise Killed

        with pytest.raises(Killed):
            joined.recover(0, 0, known=killed)
        reading = joined.recover(0, 0)

        assert texts(reading.events) == ["一"]
        joined.say("はい")
        assert joined.chat.heard == ["はい"]

    @pytest.mark.parametrize("fault", FAULTS)
    def test_a_recovery_goes_on_after_a_failure(self, joined, fault):
        joined.chat.move()
        joined.chat.say("一")
        failures: list[UpstreamError] = []
        ahead = [fault]

        def hold():
            if ahead:
                joined.salesforce.fail("recover", ahead.pop())
            return True

        reading = joined.recover(0, 0, hold=hold, failed=failures.append)

        assert len(failures) == 1
        assert texts(reading.events) == ["一"]

    def test_a_recovery_ends_where_the_leases_are_lost(self, joined):
        joined.chat.move()
        joined.chat.say("一")

        assert joined.recover(0, 0, hold=lambda: False) is None
        assert texts(joined.recover(0, 0).events) == ["一"]

    def test_a_chat_that_is_gone_is_not_recovered(self, joined):
        joined.chat.move()
        joined.read_in_vain(Moved)
        joined.chat.forget()
        with pytest.raises(Gone):
            joined.upstream.recovery(joined.link, joined.cursor).is_needed()

    # The end

    @pytest.mark.parametrize("ending", Ending)
    @pytest.mark.parametrize("moved", [False, True])
    def test_an_end_arrives_wherever_the_chat_is(self, joined, ending, moved):
        joined.say("一")
        if moved:
            joined.chat.move()

        self.end(joined, ending)

        assert joined.chat.is_over
        assert joined.chat.heard == ["一"]

    @pytest.mark.parametrize("ending", Ending)
    @pytest.mark.parametrize("fault", FAULTS)
    def test_an_end_in_doubt_is_said_again(self, joined, ending, fault):
        joined.salesforce.fail("end", fault)

        self.end(joined, ending)

        assert joined.chat.is_over

    def test_the_end_of_a_chat_that_is_gone_is_no_failure_in_doubt(self, joined):
        joined.chat.forget()
        with suppress(Gone):
            joined.upstream.end(joined.link, Ending.CLIENT, number=joined.number + 1)

    def test_a_chat_may_end_before_an_agent_joins(self, opened):
        self.end(opened, Ending.CLIENT)
        assert opened.chat.is_over

    def end(self, conversation: Conversation, ending: Ending) -> None:
        """Say the end until it is known to have arrived."""
        for _ in range(5):
            try:
                return conversation.restart().upstream.end(
                    conversation.link, ending, number=conversation.number + 1
                )
            except Gone:
                return
            except UpstreamError:
                continue
        pytest.fail("the end did not arrive")
