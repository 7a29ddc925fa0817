"""What is taken from the transcript that comes after a reconnection?"""

import pytest

from bridge.domain.effects import apply
from bridge.domain.events import Present, Said
from bridge.domain.states import Standing, State
from bridge.upstreams.liveagent.protocol import (
    TranscriptEntry,
    read_batch,
    read_transcript,
)
from bridge.upstreams.liveagent.transcript import (
    has_arrived,
    joined,
    last_speaker,
    new_messages,
)
from tests.samples import sample

TRANSCRIPT = (
    TranscriptEntry(by_agent=True, name="山本", text="はい"),
    TranscriptEntry(by_agent=False, name="花子", text="a"),
    TranscriptEntry(by_agent=False, name="花子", text="b"),
    TranscriptEntry(by_agent=True, name="佐藤", text="はい"),
    TranscriptEntry(by_agent=True, name="佐藤", text="では"),
    TranscriptEntry(by_agent=False, name="花子", text="a"),
)


def words(*texts):
    return tuple(Said(text, "山本") for text in texts)


def test_transcript_holds_what_both_sides_said():
    (event,) = read_batch(sample("Messages/200_session_data")).events
    assert read_transcript(event.message) == (
        TranscriptEntry(by_agent=False, name="花子", text="もしもし"),
        TranscriptEntry(by_agent=True, name="山本", text="はい"),
        TranscriptEntry(by_agent=True, name="佐藤", text="代わりました"),
    )


def test_transcript_of_wrong_types():
    line = {"type": "Agent", "name": 7, "content": None}
    message = {"chatMessages": [None, 7, [], {}, {"type": "Else"}, line]}
    assert read_transcript(message) == (TranscriptEntry(True, "", ""),)
    for entries in (None, {}, "x", 7):
        assert read_transcript({"chatMessages": entries}) == ()


def agent_said(*texts):
    return tuple(
        TranscriptEntry(by_agent=True, name="山本", text=text) for text in texts
    )


@pytest.mark.parametrize(
    ("transcript", "events", "known", "new"),
    [
        ("abc", "", 0, "abc"),
        ("abc", "", 2, "c"),
        ("abc", "", 3, ""),
        ("abc", "d", 3, "d"),
        ("abc", "cd", 2, "cd"),  # missed, and come as an event as well
        ("abc", "c", 3, ""),  # stored, and sent again
        ("abc", "bcd", 3, "d"),
        ("aa", "", 1, "a"),  # said twice
        ("aaa", "a", 2, "a"),
        ("", "ab", 3, "ab"),  # a transcript that does not hold everything
        ("c", "cd", 2, "cd"),
    ],
)
def test_words_of_the_agent_that_are_new(transcript, events, known, new):
    found = new_messages(agent_said(*transcript), words(*events), known)
    assert found == words(*new)


def test_new_words_are_the_agents_alone_and_have_his_name():
    found = new_messages(TRANSCRIPT, (), 1)
    expected = [("はい", "佐藤"), ("では", "佐藤")]
    assert [(each.text, each.agent) for each in found] == expected


@pytest.mark.parametrize(
    ("text", "known", "arrived"),
    [
        ("a", 0, True),
        ("a", 2, True),  # said again
        ("a", 3, False),
        ("b", 1, True),
        ("b", 2, False),
        ("はい", 0, False),  # the agent said that
        ("c", 0, False),
        ("", 0, False),
    ],
)
def test_whether_a_text_has_arrived(text, known, arrived):
    assert has_arrived(TRANSCRIPT, text, known) is arrived


@pytest.mark.parametrize("state", [State.OPENING, State.WAITING])
def test_an_agent_who_has_spoken_has_joined(state):
    speaker = last_speaker(TRANSCRIPT)
    assert speaker is not None
    now = apply(Standing(state), [Present(speaker)]).standing
    assert (now.state, now.agent) == (State.ESTABLISHED, "佐藤")


@pytest.mark.parametrize("state", [State.ESTABLISHED, State.ENDED])
def test_a_transcript_changes_no_later_state(state):
    standing = Standing(state, agent="山本")
    speaker = last_speaker(TRANSCRIPT)
    assert speaker is not None
    assert apply(standing, [Present(speaker)]).standing is standing


@pytest.mark.parametrize("transcript", [(), (TRANSCRIPT[1],)])
def test_nobody_has_joined_where_no_agent_spoke(transcript):
    assert last_speaker(transcript) is None


@pytest.mark.parametrize(
    ("first", "then", "both"),
    [
        ("", "", ""),
        ("ab", "", "ab"),
        ("", "ab", "ab"),
        ("ab", "cd", "abcd"),
        ("abc", "bcd", "abcd"),
        ("abc", "abc", "abc"),
        ("abc", "c", "abc"),
        ("abc", "b", "abcb"),
        ("aa", "aaa", "aaa"),
        ("b", "ab", "bab"),
        ("abab", "abx", "ababx"),
    ],
)
def test_what_comes_twice_is_joined_once(first, then, both):
    assert joined(words(*first), words(*then)) == words(*both)
