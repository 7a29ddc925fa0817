"""An upstream in plain Python, of which a test says what happens and what goes wrong.

`FakeSalesforce` is the far side: what it says, what it has heard, what fails there.
`FakeUpstream` is the way of one process to it, without any memory. What the core must
never do is collected in `breaches`.
"""

import itertools
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum

from bridge.domain.errors import (
    Gone,
    Moved,
    NoAnswer,
    Refused,
    TryLater,
    UpstreamError,
    WrongNumber,
)
from bridge.domain.events import Arrived, Ended, Event, Joined, Queued, Said
from bridge.domain.links import Cursor, Link
from bridge.domain.readings import Known, Reading
from bridge.domain.states import Ending, Reason
from bridge.outbound.calls import Call
from bridge.outbound.errors import CallCancelled, NoAnswerInTime
from bridge.upstreams.base import Customer
from tests.upstreams import Killed

FIRST_NUMBER = 1
AGENT = "Riley"


class Fault(StrEnum):
    """What goes wrong with one call."""

    LOST = "lost"  # it never arrives
    UNANSWERED = "unanswered"  # it is carried out, and no answer comes
    STALLED = "stalled"  # a read that is held, and that nobody waits for any more
    REFUSED = "refused"
    LATER = "later"
    MOVED = "moved"  # or so it is said
    DIES = "dies"  # the process dies before it asks
    DIES_AFTER = "dies after"  # … before it hears the answer


class Gate:
    """Where a call stops before it is carried out, until the test lets it go on."""

    def __init__(self) -> None:
        self.reached, self._open = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    def wait(self) -> None:
        """Wait here until the gate is opened."""
        self._thread = threading.current_thread()
        self.reached.set()
        assert self._open.wait(30), "nobody opened the gate"

    def open(self) -> None:
        """Let everybody through."""
        self._open.set()

    def open_for_the_last(self, seconds: float) -> None:
        """Let the thread that waits here through, and see that it ends then."""
        self.open()
        assert self._thread is not None
        self._thread.join(seconds)
        assert not self._thread.is_alive()


class _Wire:
    """What a held read waits on, and what `Call.cancel` hangs up."""

    def __init__(self) -> None:
        self.ours, self._theirs = socket.socketpair()

    def ring(self) -> None:
        self._theirs.send(b"!")

    def wait(self) -> None:
        if self.ours.recv(1) != b"!":
            raise CallCancelled("the call was cut short")

    def close(self) -> None:
        self.ours.close()
        self._theirs.close()


@dataclass(eq=False)
class _Read:
    """A read as Salesforce sees it; `until` it is held, also when nobody is there."""

    home: int
    began: float
    wire: _Wire
    until: float = float("inf")
    dies: bool = False


@dataclass(eq=False)
class FakeChat:
    """One chat at its far side; `home` is where it lives at present."""

    line_id: str
    key: str
    lock: threading.RLock
    is_routed: bool = False
    is_gone: bool = False
    has_agent: bool = False
    takes_nothing: bool = False
    home: int = 1
    keeps_reads: bool = False  # where it was, after a move
    log: list[Event] = field(default_factory=list)
    loose: list[tuple[Event, ...]] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)
    taken: dict[tuple[int, int], str] = field(default_factory=dict)
    doubted: set[tuple[int, int]] = field(default_factory=set)
    last_number: int = 0
    ended_by: Ending | None = None
    ended_with: int | None = None
    reads: list[_Read] = field(default_factory=list)
    read_count: int = 0
    cursors: list[Cursor] = field(default_factory=list)  # of the reads
    nothings: int = 0
    sends: int = 0

    # What the test has happen

    def say(self, *texts: str) -> "FakeChat":
        """Say these words, in one reading."""
        return self.put(*(Said(text, AGENT) for text in texts))

    def accept(self) -> "FakeChat":
        """Have an agent join."""
        with self.lock:
            self.has_agent = True
        return self.put(Joined(AGENT))

    def end(self, *last_words: str) -> "FakeChat":
        """Have the agent end the chat, the last words in the same reading."""
        said = (Said(text, AGENT) for text in last_words)
        return self.put(*said, Ended(Reason.AGENT))

    def put(self, *events: Event) -> "FakeChat":
        """Have these events come."""
        with self.lock:
            self.log += events
            self.look()
        return self

    def say_once(self, *texts: str) -> "FakeChat":
        """Say these words in a reading that moves no cursor, and never again."""
        with self.lock:
            self.loose.append(tuple(Said(text, AGENT) for text in texts))
            self.look()
        return self

    def tick(self) -> None:
        """Let the read under way come back with nothing."""
        with self.lock:
            self.nothings += 1
            self.look()

    def move(self, *, keeps_reads: bool = False) -> "FakeChat":
        """Move it; where reads are kept, the one under way does not hear of it."""
        with self.lock:
            self.home += 1
            self.keeps_reads = keeps_reads
            self.look()
        return self

    def forget(self) -> None:
        """Forget it."""
        with self.lock:
            self.is_gone = True
            self.look()

    def kill_reader(self) -> None:
        """Have the process die whose read is held here."""
        with self.lock:
            for read in self.reads:
                read.dies = True
            self.look()

    def refuse_sends(self) -> None:
        """Know the chat no more, but for what is to be read of it."""
        self.takes_nothing = True

    def skip_numbers(self, count: int) -> None:
        """Take so many numbers for used."""
        with self.lock:
            self.last_number += count

    @property
    def is_being_read(self) -> bool:
        """Whether somebody waits for what comes."""
        with self.lock:
            return any(read.until == float("inf") for read in self.reads)

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return self.is_gone or any(isinstance(event, Ended) for event in self.log)

    # Within

    def look(self) -> None:
        """Have the reads under way look again."""
        for read in self.reads:
            if read.until == float("inf"):
                read.wire.ring()

    def after(self, cursor: Cursor) -> Reading | None:
        """Return what comes after a cursor, if there is anything."""
        if self.loose:
            return Reading(self.loose.pop(0), cursor)
        events = tuple(self.log[cursor.ack + 1 :])
        if not events:
            return None
        return Reading(events, replace(cursor, ack=len(self.log) - 1))


class FakeSalesforce:
    """All chats, and what goes wrong with which call."""

    def __init__(self, *, hold_seconds: int = 30, renumbers: bool = True) -> None:
        self.hold_seconds = hold_seconds
        self.renumbers = renumbers
        self.agents_available = True
        self.breaches: list[str] = []
        self.watch: Callable[[str, FakeChat, object], None] = lambda *_: None
        self.calls: dict[str, int] = defaultdict(int)
        self._chats: dict[str, FakeChat] = {}
        self._ahead: dict[str, list[Fault | Gate]] = defaultdict(list)
        self._keys = itertools.count(1)
        self._lock = threading.RLock()

    def connect(self) -> "FakeUpstream":
        """Return the way of one more process."""
        return FakeUpstream(self)

    def chats(self, line_id: str) -> list[FakeChat]:
        """Return the customer's chats that an agent may see."""
        return [
            chat for chat in self.begun if chat.line_id == line_id and chat.is_routed
        ]

    @property
    def begun(self) -> list[FakeChat]:
        """All chats, also those that no agent has seen."""
        return [*self._chats.values()]

    @property
    def unended(self) -> list[FakeChat]:
        """The chats that are not over, also those that no agent has seen."""
        return [chat for chat in self.begun if not chat.is_over]

    def fail(self, call: str, *faults: Fault | Gate) -> None:
        """Have the next calls of a kind (open, read, send, end, recover) go wrong."""
        with self._lock:
            self._ahead[call] += faults

    def recover(self) -> None:
        """Have nothing go wrong any more."""
        with self._lock:
            self._ahead.clear()

    def close(self) -> None:
        """Forget all chats, so that nobody waits for anything."""
        self.recover()
        for chat in self._chats.values():
            chat.forget()

    # Calls

    def new_chat(self, line_id: str) -> FakeChat:
        chat = FakeChat(line_id, f"key-{next(self._keys)}", self._lock)
        self._chats[chat.key] = chat
        return chat

    def find(self, link: Link, *, at_home: bool = True) -> FakeChat:
        """Return the chat of a link; raises Gone, or Moved where it is elsewhere."""
        chat = self._chats[link.key]
        if chat.is_gone:
            raise Gone("nobody knows the chat")
        if at_home and link.affinity_token != str(chat.home):
            raise Moved("the chat is elsewhere")
        return chat

    @contextmanager
    def call(self, kind: str) -> Iterator[Fault | Gate | None]:
        """Carry a call out within, with what is to go wrong with it."""
        with self._lock:
            self.calls[kind] += 1
            ahead = self._ahead[kind]
            fault = ahead.pop(0) if ahead else None
        match fault:
            case Gate():
                fault.wait()
            case Fault.LOST:
                raise NoAnswer("lost")
            case Fault.REFUSED:
                raise Refused("refused")
            case Fault.LATER:
                raise TryLater("later")
            case Fault.MOVED:
                raise Moved("elsewhere")
            case Fault.DIES:
                raise Killed
        yield fault
        match fault:
            case Fault.UNANSWERED:
                raise NoAnswer("the answer was lost")
            case Fault.DIES_AFTER:
                raise Killed

    @contextmanager
    def reading(self, chat: FakeChat, home: int) -> Iterator[_Read]:
        """Hold a read; it is held on when whoever asked has gone."""
        now = time.monotonic()
        read = _Read(home, now, _Wire())
        with self._lock:
            chat.reads = [other for other in chat.reads if other.until > now]
            if any(other.home == home for other in chat.reads):
                self.breaches.append("two reads at once")
            chat.reads.append(read)
            chat.read_count += 1
        try:
            yield read
        except (CallCancelled, NoAnswerInTime, Killed):
            read.until = read.began + self.hold_seconds
            raise
        except BaseException:
            read.until = 0.0
            raise
        else:
            read.until = 0.0
        finally:
            with self._lock:
                read.wire.close()


class FakeUpstream:
    """What one process knows of the fake: nothing."""

    name = "fake"

    def __init__(self, salesforce: FakeSalesforce) -> None:
        self._salesforce = salesforce

    def open(
        self, customer: Customer, *, keep: Callable[[Link, int], bool], deadline: float
    ) -> None:
        """Begin a chat, have its link kept, and have it routed."""
        chat = self._salesforce.new_chat(customer.line_id)
        link = Link("fake", chat.key, str(chat.home), self._salesforce.hold_seconds)
        if not keep(link, FIRST_NUMBER):
            return chat.forget()
        while True:
            try:
                with self._salesforce.call("open"):
                    self._route(chat)
                return
            except NoAnswer:
                if time.monotonic() >= deadline:
                    raise

    def _route(self, chat: FakeChat) -> None:
        with chat.lock:
            if not chat.is_routed and not chat.is_gone:
                chat.is_routed, chat.last_number = True, FIRST_NUMBER
                chat.put(Queued(1))

    def listen(self, link: Link) -> "FakeFeed":
        """Return the reads of a chat."""
        return FakeFeed(self._salesforce, link)

    def send(self, link: Link, *, number: int, text: str, fresh: bool) -> None:
        """Take a message, once for each number."""
        chat = self._salesforce.find(link, at_home=False)
        self._salesforce.watch("send", chat, (number, text))
        attempt = int(link.affinity_token), number
        with chat.lock:
            chat.sends += 1
            if chat.sends > 1:
                self._salesforce.breaches.append("two sends at once")
            if fresh and (attempt in chat.taken or attempt in chat.doubted):
                self._salesforce.breaches.append("fresh is what may have arrived")
            chat.doubted.add(attempt)
        try:
            with self._salesforce.call("send"), chat.lock:
                self._take(link, number, text)
        except (Refused, WrongNumber):
            chat.doubted.discard(attempt)
            raise
        finally:
            with chat.lock:
                chat.sends -= 1

    def _take(self, link: Link, number: int, text: str) -> None:
        chat = self._salesforce.find(link)
        if chat.takes_nothing:
            raise Gone("nobody knows the chat")
        if not chat.has_agent:
            self._salesforce.breaches.append("sent before an agent was there")
        if (chat.home, number) in chat.taken:
            if chat.taken[chat.home, number] != text:
                self._salesforce.breaches.append("a number was used again")
            return
        if number != chat.last_number + 1:
            self._salesforce.calls["wrong number"] += 1
            error = WrongNumber("not the next one")
            error.candidates = (chat.last_number + 2, chat.last_number + 1)
            raise error
        chat.taken[chat.home, number] = text
        chat.last_number = number
        chat.heard.append(text)

    def end(self, link: Link, ending: Ending, *, number: int) -> None:
        """End the chat, wherever it is."""
        with self._salesforce.call("end"):
            chat = self._salesforce.find(link, at_home=False)
            self._salesforce.watch("end", chat, (ending, number))
            chat.ended_by, chat.ended_with = ending, number
            chat.forget()

    def recovery(self, link: Link, cursor: Cursor) -> "FakeRecovery":
        """Return what follows a chat to where it is."""
        return FakeRecovery(self._salesforce, link, cursor)

    def is_available(self) -> bool:
        """Say what the test wants."""
        return self._salesforce.agents_available


class FakeFeed:
    """The reads of one chat."""

    def __init__(self, salesforce: FakeSalesforce, link: Link) -> None:
        self._salesforce = salesforce
        self._link = link

    def next(self, cursor: Cursor, call: Call) -> Reading | None:
        """Wait for something to be said."""
        chat = self._salesforce.find(self._link)
        self._salesforce.watch("read", chat, (cursor, call))
        home = int(self._link.affinity_token)
        if not call.begin():
            raise NoAnswer("too late")
        with (
            self._salesforce.call("read") as fault,
            self._salesforce.reading(chat, home) as read,
            call,
        ):
            call.attach(read.wire.ours)
            chat.cursors.append(cursor)
            if fault == Fault.STALLED:
                raise NoAnswerInTime("nobody waits for it any more")
            while True:
                with chat.lock:
                    if read.dies:
                        raise Killed
                    if chat.is_gone or not chat.keeps_reads:
                        self._salesforce.find(self._link)
                    if chat.home == home and (found := chat.after(cursor)):
                        return found
                    if chat.nothings:
                        chat.nothings -= 1
                        return None
                read.wire.wait()

    def close(self) -> None:
        """Nothing is kept open."""


class FakeRecovery:
    """One move of one chat."""

    def __init__(self, salesforce: FakeSalesforce, link: Link, cursor: Cursor) -> None:
        self._salesforce = salesforce
        self._link = link
        self._cursor = cursor

    def is_needed(self) -> bool:
        """Whether the chat is elsewhere."""
        with self._salesforce.call("locate"):
            chat = self._salesforce.find(self._link, at_home=False)
            return self._link.affinity_token != str(chat.home)

    def carry_out(
        self,
        *,
        hold: Callable[[], bool],
        known: Callable[[], Known],
        failed: Callable[[UpstreamError], None],
    ) -> Reading | None:
        """Read all that was said where the chat is now."""
        chat = self._salesforce.find(self._link, at_home=False)
        while hold():
            try:
                with (
                    self._salesforce.call("recover") as fault,
                    self._salesforce.reading(chat, chat.home),
                ):
                    self._salesforce.watch("recover", chat, self._cursor)
                    if fault == Fault.STALLED:
                        raise NoAnswerInTime("nobody waits for it any more")
                ours = known()
                with chat.lock:
                    return self._reading(chat, ours)
            except Gone:
                raise
            except UpstreamError as exc:
                failed(exc)
        return None

    def _reading(self, chat: FakeChat, ours: Known) -> Reading:
        """Return all that has been said there, as far as it is not known."""
        said = [event for event in chat.log if isinstance(event, Said)]
        rest = chat.log[self._cursor.ack + 1 :]
        events: list[Event] = [e for e in rest if not isinstance(e, Said)]
        events += said[ours.agent_messages :]
        if ours.doubt is not None:
            number, text = ours.doubt
            if chat.taken.get((int(self._link.affinity_token), number)) == text:
                events.append(Arrived(number))
        if self._salesforce.renumbers:
            chat.last_number = 0
        return Reading(
            tuple(events),
            replace(self._cursor, ack=len(chat.log) - 1),
            replace(self._link, affinity_token=str(chat.home)),
            renumber=self._salesforce.renumbers,
        )
