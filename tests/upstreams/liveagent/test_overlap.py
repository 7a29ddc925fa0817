"""Is what was read before told from what is new, however the server counts?"""

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bridge.domain.links import Cursor
from bridge.upstreams.liveagent.overlap import MAX_DIGESTS, MAX_MEMORY, read_on
from bridge.upstreams.liveagent.protocol import Batch, Event

FIRST_ACK = -1


def event(text: str) -> Event:
    """Return an agent's words, or an event of this type."""
    if text.startswith("Cha"):
        return Event(text, {})
    return Event("ChatMessage", {"name": "Riley", "text": text})


@dataclass
class Client:
    """What is kept of a chat between two answers."""

    ack: int = FIRST_ACK
    memory: str = ""
    heard: list[str] = field(default_factory=list)

    def read(self, texts: str, sequence: int | None, **more: Any) -> list[str]:
        """Take an answer with these texts; returns those that are new."""
        if sequence is not None and sequence <= self.ack:
            return []
        events = tuple(event(text) for text in texts.split())
        batch = Batch(events, more.get("size", len(events)), sequence, offset=None)
        cursor = Cursor(self.ack, memory=self.memory)
        found, cursor = read_on(batch, cursor, secret="the key")
        self.ack, self.memory = cursor.ack, cursor.memory
        new = [str(it.message.get("text") or it.type) for it in found]
        self.heard += new
        return new


@pytest.fixture
def client() -> Client:
    """Return a client that has read two events and then two: 0 to 3."""
    client = Client()
    client.read("ChatRequestSuccess ChatEstablished", 1)
    client.read("はい 一", 3)
    return client


def test_events_that_were_read_come_again_before_a_new_one(client: Client):
    assert client.read("一 二", 4) == ["二"]
    assert client.read("はい 一 二 三 四", 6) == ["三", "四"]


def test_a_repeated_word_that_is_new_is_new(client: Client):
    assert client.read("一 一", 5) == ["一", "一"]
    assert client.read("一", 6) == ["一"]
    assert client.read("一 一", 7) == ["一"]


def test_a_lost_answer_that_has_grown_is_new(client: Client):
    assert client.read("二 三 四", 6) == ["二", "三", "四"]


def test_a_server_that_counts_answers_loses_nothing():
    client = Client()
    client.read("ChatRequestSuccess", 0)
    client.read("ChatEstablished はい", 1)
    for sequence in range(2, 9):
        assert client.read("はい はい", sequence) == ["はい", "はい"]


def test_until_it_is_known_how_the_server_counts_words_are_new():
    client = Client()
    client.read("ChatRequestSuccess", 0)
    client.read("ChatEstablished", 1)
    client.read("はい", 2)
    assert client.read("はい 一", 3) == ["はい", "一"]


def test_what_comes_once_in_a_chat_shows_that_it_comes_again():
    client = Client()
    client.read("ChatRequestSuccess", 0)
    client.read("ChatEstablished", 1)
    client.read("はい", 2)
    assert client.read("ChatEstablished はい 一", 3) == ["一"]
    assert client.read("はい 一 二", 4) == ["二"]


def test_how_a_server_counts_is_known_when_numbers_begin_anew(client: Client):
    client.ack = FIRST_ACK
    assert client.read("ChasitorSessionData 一", 1) == ["ChasitorSessionData", "一"]
    assert client.read("一 二", 2) == ["二"]


def test_numbers_that_begin_anew_show_how_a_server_counts():
    client = Client()
    client.read("ChasitorSessionData", 0)
    assert client.read("ChasitorSessionData 一", 1) == ["一"]
    assert client.read("一 二", 2) == ["二"]


def test_the_first_answer_shows_nothing():
    """Two events under 1 are what both kinds of server may begin with."""
    client = Client()
    client.read("ChatRequestSuccess はい", 1)
    assert client.read("はい 一", 2) == ["はい", "一"]


def test_one_that_counts_answers_is_held_to_it():
    client = Client()
    client.read("一", 0)
    client.read("二 三", 1)
    client.read("四 五", 3)  # one number was skipped
    assert client.read("五 六", 4) == ["五", "六"]


@pytest.mark.parametrize("sequence", [17, 2**62])
def test_across_numbers_that_were_skipped_nothing_is_old(client: Client, sequence: int):
    client.read("二", sequence)
    assert client.read("一 二 三", sequence + 1) == ["一", "二", "三"]
    assert client.read("三 四", sequence + 2) == ["四"]


def test_an_answer_without_a_number_is_new(client: Client):
    assert client.read("一 二", None) == ["一", "二"]
    assert client.read("一 二 三", 6) == ["一", "二", "三"]


def test_an_answer_that_cannot_be_read_whole_is_new(client: Client):
    assert client.read("一 二", 5, size=3) == ["一", "二"]
    assert client.read("二 三", 6) == ["二", "三"]
    assert client.read("三 四", 7) == ["四"]


@pytest.mark.parametrize("memory", ["", "nonsense", "99e", "2e" + "A" * 6, "3e12345"])
def test_a_memory_of_another_answer_makes_nothing_old(client: Client, memory: str):
    client.memory = memory
    assert client.read("一 二", 4) == ["一", "二"]


def test_the_memory_stays_short_and_tells_nothing(client: Client):
    for number in range(4, 90, 2):
        client.read(f"{number} {number + 1}", number + 1)
    client.ack = 2**63 - 3
    client.memory = str(client.ack) + client.memory[2:]
    client.read("秘密 秘密", 2**63 - 1)
    assert len(client.memory) <= MAX_MEMORY
    assert len(set(client.memory)) > MAX_DIGESTS // 2
    batch = Batch((event("秘密"),), size=1, sequence=0, offset=None)
    _, other = read_on(batch, Cursor(), secret="another")
    assert other.memory[-6:] != client.memory[-6:]


@dataclass
class Server:
    """What an agent's side hands out, counting one way or the other."""

    counts_events: bool
    first: int
    said: list[str] = field(default_factory=list)
    answers: list[tuple[str, int]] = field(default_factory=list)

    def answer(self, texts: list[str], overlap: int, is_lost: bool) -> tuple[str, int]:
        """Answer with these texts, and what of the last was lost."""
        before = len(self.said)
        self.said += texts
        if self.counts_events:
            lost = self.answers[-1][1] - self.first + 1 if self.answers else 0
            begin = max(0, min(before, lost) - overlap)
            found = " ".join(self.said[begin:]), self.first + len(self.said) - 1
        else:
            found = " ".join(texts), self.first + len(self.answers)
        if not is_lost or not self.counts_events:
            self.answers.append(found)
        return found


ANSWERS = st.lists(
    st.tuples(
        st.lists(st.sampled_from(["はい", "一", "はい"]), min_size=1, max_size=3),
        st.integers(0, 3),
        st.booleans(),
    ),
    max_size=12,
)


@given(first=st.integers(0, 1), answers=ANSWERS)
def test_no_word_is_lost_or_doubled_where_answers_are_counted(
    first: int, answers: list[tuple[list[str], int, bool]]
):
    server, client = Server(False, first), Client()
    client.read(*server.answer(["ChatRequestSuccess"], 0, False))
    for texts, _, is_lost in answers:
        answer = server.answer(texts, 0, False)
        if is_lost:  # and comes once more
            client.read(*answer)
        client.read(*answer)
    assert client.heard == server.said


@given(first=st.integers(0, 1), answers=ANSWERS)
@example(first=0, answers=[(["はい"], 1, False), (["はい"], 1, False)])
def test_no_word_is_lost_or_doubled_where_events_are_counted(
    first: int, answers: list[tuple[list[str], int, bool]]
):
    server, client = Server(True, first), Client()
    client.read(*server.answer(["ChatRequestSuccess"], 0, False))
    client.read(*server.answer(["ChatEstablished", "お待たせ"], 0, False))
    for texts, overlap, is_lost in answers:
        answer = server.answer(texts, overlap, is_lost)
        if not is_lost:
            client.read(*answer)
    client.read(*server.answer(["さようなら"], 0, False))
    assert client.heard == server.said


@given(first=st.integers(0, 1), answers=ANSWERS)
def test_no_word_is_lost_where_it_is_not_known_yet(
    first: int, answers: list[tuple[list[str], int, bool]]
):
    server, client = Server(True, first), Client()
    client.read(*server.answer(["ChatRequestSuccess"], 0, False))
    for texts, overlap, _ in answers:
        client.read(*server.answer(texts[:1], overlap, False))
    rest = iter(client.heard)
    assert all(text in rest for text in server.said)
