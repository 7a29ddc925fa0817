"""Does the core keep what it promises to every upstream?

The left column of the table in `bridge/upstreams/base.py`, row by row, with a fake
upstream that sees each call and compares it with what is committed at that moment.
"""

import math
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest
from django.db import connection

from bridge.chats import reader, recovery, sender, services, supervisor
from bridge.domain.events import Ended, IdleClock
from bridge.domain.states import Ending, Reason, State
from bridge.domain.timeline import Kind
from bridge.models import CustomerMessage, Session
from bridge.storage import claims, database, leases, notifications, readings
from bridge.storage.database import in_database
from bridge.storage.sql import from_now
from bridge.upstreams import registry
from tests.chats.core import Core, cursor_of, database_threads
from tests.harness.breaks import break_connections
from tests.harness.waiting import until
from tests.upstreams import Killed
from tests.upstreams.fake import FakeChat, FakeSalesforce, Fault, Gate

SECONDS = 20


@pytest.fixture
def salesforce(transactional_db, monkeypatch) -> Iterator[FakeSalesforce]:
    """Be what the core talks to; see that it never did what it must not."""
    salesforce = FakeSalesforce()
    monkeypatch.setitem(registry.FACTORIES, "fake", salesforce.connect)
    monkeypatch.setattr(registry, "FOR_NEW_CHATS", "fake")
    monkeypatch.setattr(notifications, "_handlers", {})
    supervisor.handle_broadcasts()
    registry.upstream.cache_clear()
    salesforce.watch = Books(salesforce)
    monkeypatch.setattr(threading, "excepthook", unless_killed(threading.excepthook))
    before = set(threading.enumerate())
    with database_threads() as executor, monkeypatch.context() as patch:
        patch.setattr(database, "_executor", lambda: executor)
        yield salesforce
        salesforce.close()
        until(lambda: others(before) == [], "all threads are over")
    registry.upstream.cache_clear()
    assert salesforce.breaches == []


def unless_killed(hook: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return what hears of a thread's failure, but that its process was killed."""
    return lambda about: None if about.exc_type is Killed else hook(about)


def others(before: set[threading.Thread]) -> list[threading.Thread]:
    """Return the threads that have begun since, without those of the database."""
    begun = [thread for thread in threading.enumerate() if thread not in before]
    return [thread for thread in begun if not thread.name.startswith("database")]


class Books:
    """Compares each call with what is committed when it is made."""

    def __init__(self, salesforce: FakeSalesforce) -> None:
        self._salesforce = salesforce

    def __call__(self, call: str, chat: FakeChat, about: Any) -> None:
        try:
            getattr(self, call)(chat, about)
        except AssertionError as exc:
            self._salesforce.breaches.append(f"{call}: {exc}")

    @in_database
    def read(self, chat, about):
        cursor, call = about
        row = Session.objects.get(key=chat.key)
        assert cursor_of(row) == cursor, "how far it was read is not committed"
        lasts = max(call.deadline, call.begin_by + self._salesforce.hold_seconds)
        assert lasts < math.inf, "the read is not bounded"
        assert Session.objects.filter(
            key=chat.key, poll_until__gt=from_now(lasts - reader.time.monotonic())
        ).exists(), "the lease may end before the read"

    @in_database
    def recover(self, chat, cursor):
        hold = self._salesforce.hold_seconds
        assert Session.objects.filter(
            key=chat.key,
            poll_until__gt=from_now(hold),
            send_until__gt=from_now(hold),
        ).exists(), "both leases are to last longer than the read"

    @in_database
    def send(self, chat, about):
        number, text = about
        row = Session.objects.get(key=chat.key)
        assert row.sequence >= number, "the chat's number is not committed"
        assert CustomerMessage.objects.filter(
            session=row, sequence=number, text=text, sent_at=None
        ).exists(), "the message's number is not committed"
        assert Session.objects.filter(pk=row.pk, send_until__gt=from_now(0)).exists(), (
            "there is no lease to send"
        )

    @in_database
    def end(self, chat, about):
        _, number = about
        row = Session.objects.get(key=chat.key)
        assert row.state == State.ENDED, "the end is not committed"
        assert number == row.sequence + 1, "it is not the next number"


@pytest.fixture
def breaks(salesforce) -> Iterator[Callable[..., None]]:
    """Have connections break, for as long as the test lasts."""
    with ExitStack() as stack:
        yield lambda **about: stack.callback(break_connections(**about))


@pytest.fixture
def core(salesforce: FakeSalesforce, line_id: str) -> Core:
    return Core(salesforce, line_id)


@pytest.fixture
def chat(core: Core) -> FakeChat:
    """Open a chat that an agent has joined."""
    assert core.init().is_begun
    [chat] = core.salesforce.chats(core.line_id)
    chat.accept()
    core.wait_until("the agent has joined", state=State.ESTABLISHED)
    return chat


@pytest.fixture
def pool(salesforce) -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


def once(monkeypatch, owner: Any, name: str, *, before=None, after=None) -> None:
    """Have something happen before or after the next call of a function."""
    sound = getattr(owner, name)
    left = [1]

    def doing(*args, **kwargs):
        is_first = bool(left and left.pop())
        if is_first and before is not None:
            before()
        result = sound(*args, **kwargs)
        if is_first and after is not None:
            after()
        return result

    monkeypatch.setattr(owner, name, doing)


class Clock:
    """A clock that a test puts ahead."""

    sleep = staticmethod(time.sleep)
    ahead = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead


def die() -> None:
    """Let this thread's process be killed here."""
    raise Killed


# --- one reader ---------------------------------------------------------------


def test_reads_follow_one_another(core, chat):
    for text in ("一", "二", "三"):
        chat.say(text)
        core.wait_for(text)
    until(lambda: chat.is_being_read, "the next read")
    assert chat.read_count == 2 + 3 + 1


def test_nobody_takes_up_what_is_being_read(core, chat):
    supervisor.look_after_chats()
    assert not reader.adopt(core.row.pk)
    chat.say("一")
    core.wait_for("一")


def test_a_successor_waits_until_an_abandoned_read_cannot_be_held_any_more(core):
    core.salesforce.hold_seconds = 1
    assert core.init().is_begun
    [chat] = core.salesforce.chats(core.line_id)
    until(lambda: chat.is_being_read, "the read is held")
    chat.kill_reader()
    chat.accept().say("一")

    def look():
        supervisor.look_after_chats()
        return core.fetch()

    assert until(look, "another process has read it") == ["一"]


def test_a_read_that_may_be_held_yet_is_waited_out(core):
    core.salesforce.hold_seconds = 1
    core.salesforce.fail("read", Fault.STALLED)
    assert core.init().is_begun
    [chat] = core.salesforce.chats(core.line_id)
    chat.accept().say("一")
    core.wait_for("一")


@pytest.mark.parametrize("is_read", [False, True], ids=["before", "after"])
def test_who_has_lost_the_lease_stores_nothing_and_reads_no_more(
    core, chat, monkeypatch, is_read
):
    """The successor has read what came, or is about to."""
    until(lambda: chat.is_being_read, "the read is held")
    stalled, successor = Gate(), Gate()
    once(monkeypatch, readings, "commit", before=stalled.wait)
    chat.say("一")
    assert stalled.reached.wait(SECONDS)
    core.salesforce.fail("read", successor)
    core.take_over()
    assert successor.reached.wait(SECONDS)

    if not is_read:
        stalled.open_for_the_last(SECONDS)
        assert core.stored() == []
    successor.open()
    core.wait_for("一")
    until(lambda: chat.is_being_read, "the successor reads on")
    if is_read:
        stalled.open_for_the_last(SECONDS)

    chat.say("二")
    core.wait_for("二")
    until(lambda: chat.is_being_read, "the successor reads on")
    assert chat.cursors[-1] == core.cursor


def test_who_has_lost_the_lease_while_nothing_came_reads_no_more(
    core, chat, monkeypatch
):
    until(lambda: chat.is_being_read, "the read is held")
    stalled = Gate()
    once(monkeypatch, leases, "renew_quietly", before=stalled.wait)
    chat.tick()
    assert stalled.reached.wait(SECONDS)
    core.take_over()
    until(lambda: chat.is_being_read, "the successor reads")

    stalled.open_for_the_last(SECONDS)

    chat.say("一")
    core.wait_for("一")


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_slow_renewal_begins_no_read_under_an_old_lease(
    core, chat, monkeypatch, when
):
    """Storing a step takes longer than the lease lasts."""
    until(lambda: chat.is_being_read, "the read is held")
    clock = Clock()
    monkeypatch.setattr(reader, "time", clock)

    def stall():
        clock.ahead += 100
        core.expire()

    once(monkeypatch, readings, "commit", **{when: stall})
    chat.say("一")
    core.wait_for("一")

    until(lambda: chat.is_being_read, "the next read")


def test_a_read_of_a_recovery_that_may_be_held_yet_is_waited_out(core):
    core.salesforce.hold_seconds = 1
    assert core.init().is_begun
    [chat] = core.salesforce.chats(core.line_id)
    chat.accept()
    core.salesforce.fail("recover", Fault.STALLED)
    chat.move()
    chat.say("一")
    core.wait_for("一")
    assert core.salesforce.calls["recover"] == 2


def test_slow_leases_begin_no_read_of_a_recovery(core, chat, monkeypatch):
    """Keeping senders away takes longer than the lease to read lasts."""
    until(lambda: chat.is_being_read, "the read is held")
    clock = Clock()
    monkeypatch.setattr(recovery, "time", clock)

    def stall():
        clock.ahead += 100
        core.expire()

    def before_the_read():
        once(monkeypatch, leases, "block_senders", after=stall)

    once(monkeypatch, leases, "block_senders", after=before_the_read)
    chat.move()
    chat.say("一")
    core.wait_for("一")


# --- commit before acknowledge, exactly once, resumption ------------------------


@pytest.mark.parametrize("committed", [False, True])
def test_a_process_killed_around_a_commit_loses_and_doubles_nothing(
    core, chat, monkeypatch, committed
):
    until(lambda: chat.is_being_read, "the read is held")
    asked = chat.cursors[-1]
    once(monkeypatch, readings, "commit", **{"after" if committed else "before": die})
    chat.say("一", "二")
    until(reader.is_idle, "the process is dead")
    assert core.stored() == (["一", "二"] if committed else [])

    core.take_over()
    until(lambda: chat.is_being_read, "another process reads")
    core.wait_for("一", "二")

    assert (asked in chat.cursors[chat.cursors.index(asked) + 1 :]) is not committed
    assert chat.cursors[-1] == core.cursor


def test_what_cannot_be_stored_is_not_acknowledged_and_kept(core, chat, monkeypatch):
    until(lambda: chat.is_being_read, "the read is held")
    read = chat.read_count
    sound, tries = readings.commit, []

    def failing(*args, **kwargs):
        tries.append(chat.read_count)
        if len(tries) < 3:
            raise database.DatabaseUnavailable("gone")
        return sound(*args, **kwargs)

    monkeypatch.setattr(readings, "commit", failing)
    chat.say("一")
    core.wait_for("一")

    assert tries == [read] * 3


@pytest.mark.parametrize("fault", [Fault.LOST, Fault.UNANSWERED])
def test_a_read_that_was_lost_is_read_again(core, chat, fault):
    until(lambda: chat.is_being_read, "the read is held")
    core.salesforce.fail("read", fault)
    chat.say("一")
    chat.say("二")
    core.wait_for("一", "二")


def test_a_read_that_brought_nothing_is_followed_by_the_next(core, chat):
    until(lambda: chat.is_being_read, "the read is held")
    cursor = chat.cursors[-1]
    chat.tick()
    until(lambda: chat.read_count == 4, "the next read")
    chat.say("一")
    core.wait_for("一")
    assert cursor in chat.cursors[:-1]


def test_a_reading_that_moves_no_cursor_is_stored_once(core, chat, breaks):
    until(lambda: chat.is_being_read, "the read is held")
    breaks(after=True)
    chat.say_once("一")
    core.wait_for("一")
    chat.say("二")
    core.wait_for("二")
    assert core.stored() == []


# --- idempotency, in doubt -------------------------------------------------------


def test_numbers_rise_by_one(core, chat):
    assert [core.send(text) for text in "一二三"] == ["sent"] * 3
    assert chat.heard == ["一", "二", "三"]
    assert sorted(number for _, number in chat.taken) == [2, 3, 4]


def test_messages_at_once_take_turns(core, chat, pool):
    texts = [f"{number}" for number in range(12)]
    assert list(pool.map(core.send, texts)) == ["sent"] * 12
    assert sorted(chat.heard) == sorted(texts)
    assert sorted(number for _, number in chat.taken) == list(range(2, 14))


@pytest.mark.parametrize("fault", [Fault.LOST, Fault.UNANSWERED, Fault.LATER], ids=str)
def test_a_message_without_an_answer_is_repeated_under_its_number(core, chat, fault):
    core.salesforce.fail("send", fault, fault)
    assert core.send("一") == "sent"
    assert core.send("二") == "sent"
    assert chat.heard == ["一", "二"]
    assert sorted(number for _, number in chat.taken) == [2, 3]


def test_a_message_in_doubt_keeps_row_and_number_when_the_bot_is_told(
    core, chat, monkeypatch
):
    monkeypatch.setattr(services, "SEND_SECONDS", 0.3)
    core.salesforce.fail("send", *[Fault.UNANSWERED] * 40)
    assert core.send("一") == "TemporarilyUnavailable"
    [message] = core.messages()
    assert (message.sequence, message.text, message.sent_at) == (2, "一", None)

    core.salesforce.recover()
    monkeypatch.setattr(services, "SEND_SECONDS", 10)
    assert core.send("一") == "sent"
    assert core.send("二") == "sent"
    assert chat.heard == ["一", "二"]


@pytest.mark.parametrize("fault", [Fault.DIES, Fault.DIES_AFTER], ids=str)
@pytest.mark.parametrize("message_id", [None, "100"])
def test_a_message_of_a_process_that_was_killed_is_sent_on(
    core, chat, pool, fault, message_id
):
    core.salesforce.fail("send", fault)
    with pytest.raises(Killed):
        pool.submit(core.send, "一", message_id).result(SECONDS)

    core.expire(reading=False)
    supervisor.look_after_chats()
    assert core.send("一", message_id) == "sent"
    assert core.send("二") == "sent"

    assert chat.heard == ["一", "二"]


@pytest.mark.parametrize("skipped", [1, 2])
def test_a_wrong_number_is_put_right_before_it_is_used(core, chat, skipped):
    chat.skip_numbers(skipped)
    assert core.send("一") == "sent"
    assert core.send("二") == "sent"
    assert chat.heard == ["一", "二"]
    assert core.row.sequence == chat.last_number


def test_what_is_said_in_the_queue_waits_for_an_agent(core):
    assert core.init().is_begun
    [chat] = core.salesforce.chats(core.line_id)
    assert [core.send(text) for text in "一二"] == ["sent"] * 2
    assert core.salesforce.calls["send"] == 0
    chat.accept()
    until(lambda: chat.heard == ["一", "二"], "they arrive in order")


# --- refused, gone ----------------------------------------------------------------


def test_a_refused_message_is_dropped_and_the_next_has_its_number(core, chat):
    core.salesforce.fail("send", Fault.REFUSED)
    assert core.send("一") == "InvalidRequest"
    assert core.send("二") == "sent"
    assert chat.heard == ["二"]
    assert sorted(number for _, number in chat.taken) == [2]
    assert core.salesforce.calls["send"] == 2


def test_a_chat_that_is_gone_is_lost(core, chat):
    chat.forget()
    core.wait_until("the chat is lost", state=State.ENDED, reason=Reason.LOST)
    until(reader.is_idle, "nobody reads it")
    assert core.row.key == ""
    assert core.salesforce.calls["end"] == 0


def test_a_message_to_a_chat_that_is_gone_lets_the_last_words_come(core, chat, pool):
    until(lambda: chat.is_being_read, "the read is held")
    gate = Gate()
    core.salesforce.fail("send", gate)
    sending = pool.submit(core.send, "一")
    assert gate.reached.wait(SECONDS)
    chat.refuse_sends()
    gate.open()
    chat.end("さようなら")

    assert sending.result(SECONDS) == "NoOpenChat"
    assert core.row.reason == Reason.AGENT
    core.wait_for("さようなら")


# --- moved -------------------------------------------------------------------------


@pytest.fixture(params=[True, False], ids=["renumbers", "keeps numbers"])
def moving(request, salesforce) -> None:
    salesforce.renumbers = request.param


@pytest.mark.parametrize("keeps_reads", [True, False])
def test_a_message_to_a_chat_that_has_moved_arrives_there(
    core, chat, moving, keeps_reads
):
    assert core.send("一") == "sent"
    chat.say("あ")
    core.wait_for("あ")
    chat.move(keeps_reads=keeps_reads)
    chat.say("い")

    assert core.send("二") == "sent"
    assert core.send("三") == "sent"

    core.wait_for("い")
    chat.say("う")
    core.wait_for("う")
    assert chat.heard == ["一", "二", "三"]
    assert core.kinds().count(Kind.RECONNECTED) == 1


def test_nothing_is_sent_while_a_chat_is_recovered(core, chat, moving, pool):
    gate = Gate()
    core.salesforce.fail("recover", gate)
    chat.move()
    assert gate.reached.wait(SECONDS)
    sending = pool.submit(core.send, "一")
    until(lambda: core.messages(), "the message is kept")
    sender.wake(core.row.pk)
    sent = core.salesforce.calls["send"]
    gate.open()

    assert sending.result(SECONDS) == "sent"
    assert sent == 0
    assert chat.heard == ["一"]


@pytest.mark.parametrize("fault", [Fault.LOST, Fault.UNANSWERED], ids=str)
@pytest.mark.parametrize("ending", ["whole", "killed", "broken"])
def test_a_recovery_settles_what_was_in_doubt_in_one_transaction(
    core, chat, moving, pool, monkeypatch, breaks, fault, ending
):
    assert core.send("一") == "sent"
    core.salesforce.fail("send", fault, *[Fault.LOST] * 100)
    sending = pool.submit(core.send, "二")
    until(lambda: core.salesforce.calls["send"] >= 2, "the message is in doubt")
    if ending == "killed":
        once(monkeypatch, readings, "commit", before=die)
    if ending == "broken":
        breaks(after=True)
    chat.move()
    core.salesforce.recover()
    if ending == "killed":
        until(reader.is_idle, "the process is dead")
        row = core.row
        assert row.affinity_token == "1"
        assert row.reconnecting
        assert core.messages()[1].sequence == 3
        core.take_over()

    assert sending.result(SECONDS) == "sent"
    assert core.send("三") == "sent"

    assert chat.heard == ["一", "二", "三"]
    assert core.row.affinity_token == "2"
    assert core.kinds().count(Kind.RECONNECTED) == 1


def test_a_message_that_waits_to_be_sent_again_makes_way(core, chat, moving, pool):
    core.salesforce.fail("send", *[Fault.LOST] * 100)
    sending = pool.submit(core.send, "一")
    until(lambda: core.salesforce.calls["send"] >= 4, "the pauses are longer")
    began = time.monotonic()
    chat.move()
    until(lambda: Kind.RECONNECTED in core.kinds(), "the chat is recovered")
    assert time.monotonic() - began < leases.SENDING_SECONDS / 2
    core.salesforce.recover()
    assert sending.result(SECONDS) == "sent"
    assert chat.heard == ["一"]


@pytest.mark.skipif(
    connection.vendor == "sqlite", reason="there nothing comes in between"
)
def test_a_recovery_that_is_stored_twice_forgets_no_number_given_since(
    core, chat, pool, breaks
):
    core.salesforce.fail("send", *[Fault.LOST] * 100)
    sending = pool.submit(core.send, "一")
    until(lambda: core.salesforce.calls["send"], "the message is in doubt")
    gate = Gate()
    core.salesforce.fail("recover", gate)
    chat.move()
    assert gate.reached.wait(SECONDS)
    core.salesforce.recover()
    breaks(
        after=True,
        of=readings._commit_whole.__wrapped__,
        then=lambda: until(lambda: chat.heard, "it is sent meanwhile"),
    )
    gate.open()

    assert sending.result(SECONDS) == "sent"
    until(lambda: chat.is_being_read, "it is stored, and read on")
    assert core.send("二") == "sent"
    assert [text for _, text in sorted(chat.taken.items())] == ["一", "二"]
    assert core.salesforce.calls["wrong number"] == 0


def test_what_was_no_move_leaves_the_read_alone(core, chat):
    until(lambda: chat.is_being_read, "the read is held")
    read = chat.read_count
    core.salesforce.fail("send", Fault.MOVED)

    assert core.send("一") == "sent"

    assert chat.read_count == read
    assert chat.is_being_read
    assert core.kinds().count(Kind.STAYED) == 1
    assert core.kinds().count(Kind.RECONNECTED) == 0


# --- the end -----------------------------------------------------------------------


def test_an_end_of_theirs_is_not_said_back(core, chat):
    chat.end("さようなら")
    core.wait_until("the chat has ended", state=State.ENDED, reason=Reason.AGENT)
    core.wait_for("さようなら")
    until(reader.is_idle, "nobody reads it")
    assert core.salesforce.calls["end"] == 0
    assert core.row.key == ""


def test_an_end_that_they_may_not_know_is_said(core, chat):
    chat.put(Ended(Reason.ERROR, needs_notice=True))
    until(lambda: chat.ended_by, "Salesforce hears of it")
    assert chat.ended_by == Ending.CLIENT


@pytest.mark.parametrize(
    "fault", [None, Fault.LOST, Fault.UNANSWERED, Fault.LATER], ids=str
)
def test_our_end_is_said_until_it_is_known(core, chat, fault):
    assert core.send("一") == "sent"
    if fault:
        core.salesforce.fail("end", fault)
    core.close()
    assert (chat.ended_by, chat.ended_with) == (Ending.CLIENT, 3)
    core.wait_until("its key is erased", key="", farewell="")


def test_what_was_said_before_the_end_goes_first(core, chat, pool):
    core.salesforce.fail("send", *[Fault.LOST] * 3)
    sending = pool.submit(core.send, "一")
    until(lambda: core.salesforce.calls["send"], "it is being sent")
    core.close()
    assert sending.result(SECONDS) == "sent"
    assert chat.heard == ["一"]
    assert (chat.ended_by, chat.ended_with) == (Ending.CLIENT, 3)


def test_a_customer_who_is_silent_for_too_long_is_said_to_be(core, chat):
    chat.put(IdleClock(1)).say("まだいますか")
    core.wait_for("まだいますか")

    def look():
        supervisor.look_after_chats()
        return chat.ended_by

    assert until(look, "the chat has ended") == Ending.IDLE
    assert core.row.reason == Reason.VISITOR_IDLE


# --- opening -----------------------------------------------------------------------


@pytest.mark.parametrize("fault", [Fault.LOST, Fault.UNANSWERED], ids=str)
def test_a_chat_is_opened_once(core, pool, fault):
    core.salesforce.fail("open", fault)
    opened = list(pool.map(lambda _: core.init(), range(4)))
    assert all(each.is_begun for each in opened)
    assert len(core.salesforce.chats(core.line_id)) == 1


def test_what_could_not_be_opened_is_discarded(core):
    core.salesforce.fail("open", Fault.REFUSED)
    opened = core.init()
    assert (opened.state, opened.reason) == (State.ENDED, Reason.ERROR)
    [begun] = core.salesforce.begun
    assert begun.ended_by == Ending.DISCARD
    assert core.row.key == ""


@pytest.mark.parametrize("fault", [Fault.DIES, Fault.DIES_AFTER], ids=str)
def test_what_a_killed_process_was_opening_is_discarded(core, pool, fault):
    core.salesforce.fail("open", fault)
    with pytest.raises(Killed):
        pool.submit(core.init).result(SECONDS)
    [begun] = core.salesforce.unended

    core.take_over()

    until(lambda: begun.ended_by == Ending.DISCARD, "what was begun is ended")
    assert core.init().is_begun
    assert len(core.salesforce.unended) == 1


def test_a_chat_that_ends_while_it_is_found_open_is_followed_by_another(
    core, chat, monkeypatch
):
    sound = claims.claim

    def ended_meanwhile(*args):
        claim = sound(*args)
        monkeypatch.setattr(claims, "claim", sound)
        chat.end()
        until(lambda: core.row.state == State.ENDED, "the old chat is over")
        return claim

    monkeypatch.setattr(claims, "claim", ended_meanwhile)

    opened = core.init()

    assert opened.is_begun
    assert len(core.salesforce.chats(core.line_id)) == 2


# --- all of it, on a database whose connections break ---------------------------------


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_whatever_is_done_twice_is_done_once(core, moving, breaks, after):
    """Each transaction's connection breaks, before or after it is carried out."""
    breaks(after=after)
    assert core.init().is_begun
    [chat] = core.salesforce.chats(core.line_id)
    assert core.send("列で") == "sent"
    chat.accept().say("はい", "どうぞ")
    core.wait_for("はい", "どうぞ")
    assert core.send("一") == "sent"
    assert core.send("二", "100") == core.send("二", "100") == "sent"
    chat.skip_numbers(1)
    assert core.send("三") == "sent"
    core.salesforce.fail("send", Fault.UNANSWERED)
    assert core.send("四") == "sent"
    core.salesforce.fail("send", Fault.REFUSED)
    assert core.send("五") == "InvalidRequest"
    chat.move()
    chat.say("六")
    assert core.send("七") == "sent"
    core.wait_for("六")
    chat.say_once("八")
    core.wait_for("八")
    core.close()

    assert chat.heard == ["列で", "一", "二", "三", "四", "七"]
    assert chat.ended_by == Ending.CLIENT
    core.wait_until("its key is erased", key="", farewell="")
    assert core.stored() == []
    kinds = core.kinds()
    once_each = {Kind.TAKEN, Kind.AGENT_JOINED, Kind.RECONNECTED, Kind.ENDED}
    assert {kind: kinds.count(kind) for kind in once_each} == dict.fromkeys(
        once_each, 1
    )
    assert core.row.undelivered == 0
