"""Does the simulator hold polls, and hand its batches out, as Salesforce does?"""

import pytest

from tests.simulator.simulation import (  # noqa: F401 (fixtures are found by their names)
    INVALID,
    Customer,
    both_ways_of_counting,
    sim_chat_fixture,
    sim_fixture,
    sim_url_fixture,
    sim_waiting_fixture,
)


@pytest.mark.parametrize(
    ("sim", "first", "last"), [("events", 1, 5), ("batches", 0, 2)], indirect=["sim"]
)
def test_agents_words_come_in_one_batch_and_the_sequence_rises(sim_chat, first, last):
    assert sim_chat.ack == first
    poll = sim_chat.poll_later()
    sim_chat.order("say", texts=["<b>", "日本"])
    assert poll.result() == ["<b>", "日本"]
    sim_chat.order("end", last_words=["bye"])
    assert sim_chat.poll() == ["bye", "ChatEnded"]
    assert sim_chat.ack == last


def test_an_idle_poll_is_answered_204_when_the_hold_is_over(sim, sim_chat):
    sim.switch(poll_hold_seconds=0.1)
    assert sim_chat.poll(status=204).content == b""


@both_ways_of_counting
def test_a_batch_comes_again_until_it_is_acknowledged(sim_chat):
    sim_chat.order("say", text="a")
    before = sim_chat.ack
    assert sim_chat.poll(ack=before) == sim_chat.poll(ack=before) == ["a"]
    sim_chat.order("say", text="b")
    assert sim_chat.poll() == ["b"]


@pytest.mark.parametrize(
    ("sim", "again"), [("events", ["a", "b"]), ("batches", ["a"])], indirect=["sim"]
)
def test_a_lost_answer_comes_again_with_what_is_new(sim_chat, again):
    sim_chat.order("say", text="a")
    before = sim_chat.ack
    sim_chat.poll()
    sim_chat.order("say", text="b")
    assert sim_chat.poll(ack=before) == again
    assert again + (sim_chat.poll() if "b" not in again else []) == ["a", "b"]


def test_what_comes_again_is_what_was_not_acknowledged(sim_chat):
    sim_chat.order("say", texts=["a", "b", "c"])
    before = sim_chat.ack
    sim_chat.poll()
    assert sim_chat.poll(ack=before + 2) == ["c"]
    assert sim_chat.ack == before + 3


@both_ways_of_counting
def test_a_client_that_counts_its_ack_too_high_loses_nothing(sim, sim_chat):
    sim.switch(poll_hold_seconds=0.1)
    ack, heard = 10, []
    for text in ("a", "b", "c"):
        sim_chat.poll(ack=ack, status=204)  # which it counts, too
        sim_chat.order("say", texts=[text, text.upper()])
        heard += sim_chat.poll(ack=ack + 1)
        ack += 2
    assert heard == ["a", "A", "b", "B", "c", "C"]


@both_ways_of_counting
def test_a_client_without_ack_gets_everything_once(sim, sim_chat):
    heard = []
    for text in ("a", "b", "c"):
        sim_chat.order("say", texts=[text, text.upper()])
        heard += sim_chat.poll(ack="")
    assert heard == ["a", "A", "b", "B", "c", "C"]


def test_an_answer_may_begin_with_what_was_read(sim, sim_chat):
    sim.switch(overlap_events=2)
    sim_chat.order("say", texts=["a", "b", "c"])
    assert sim_chat.poll() == ["ChatRequestSuccess", "ChatEstablished", "a", "b", "c"]
    sim_chat.order("say", text="d")
    assert sim_chat.poll() == ["b", "c", "d"]
    assert sim_chat.ack == 5


@both_ways_of_counting
def test_an_answer_may_come_again_whatever_is_acknowledged(sim, sim_chat):
    sim.switch(repeat_answers=True)
    first = ["ChatRequestSuccess", "ChatEstablished"]
    assert sim_chat.poll() == sim_chat.poll() == first
    sim_chat.order("say", text="a")
    assert sim_chat.poll() == first
    sim.switch(repeat_answers=False)
    assert sim_chat.poll() == ["a"]


@both_ways_of_counting
def test_without_ack_a_batch_is_forgotten_once_written(sim, sim_chat):
    sim.switch(poll_hold_seconds=0.1)
    sim_chat.order("say", text="a")
    assert sim_chat.poll(ack="") == ["a"]
    sim_chat.poll(ack="", status=204)


@pytest.mark.parametrize("first", [204, 409])
def test_a_second_poll_ends_the_chat(sim, sim_chat, first):
    sim.switch(duplicate_first=first)
    held = sim_chat.poll_later(status=first)
    assert Customer.get(sim_chat, "System/Messages").status_code == 409
    held.result()
    assert sim_chat.poll(status=403).text == INVALID
    assert sim.breaches() == {"second_poll": 1}
    assert sim_chat.wait(ended=1)["ended_by"] == "second_poll"


def test_an_abandoned_poll_stays_open(sim, sim_chat):
    sim_chat.lose_connection()
    sim_chat.poll(status=409)


def test_an_abandoned_poll_swallows_what_is_not_acknowledged(sim_chat):
    sim_chat.lose_connection()
    sim_chat.order("say", text="into the void")
    assert sim_chat.wait(poll_open=0)["transcript"][0]["sequence"] == 2
    sim_chat.order("say", text="heard")
    assert sim_chat.poll() == ["heard"]


def test_an_abandoned_poll_is_over_when_the_switch_says_so(sim, sim_chat):
    sim.switch(abandoned_poll_seconds=0)
    sim_chat.lose_connection()
    sim_chat.wait(poll_open=0)
    sim_chat.order("say", text="heard")
    assert sim_chat.poll() == ["heard"]


def test_a_client_that_does_not_poll_loses_its_session(sim):
    sim.switch(connection_timeout_seconds=0.1)
    customer = Customer(sim)
    assert customer.wait(ended=1)["ended_by"] == "connection_timeout"
    customer.poll(status=403)


def test_silent_polls_only_ever_answer_204(sim, sim_waiting):
    sim.switch(silent_polls=True, poll_hold_seconds=0.1)
    sim_waiting.poll(status=204)


def test_empty_answers_may_come_at_once(sim, sim_chat):
    sim.switch(poll_hold_seconds=0)
    for _ in range(3):
        assert sim_chat.poll(status=204).content == b""
    sim.switch(empty_poll_status=200)
    before = sim_chat.ack
    for _ in range(3):
        assert sim_chat.poll() == []
    assert sim_chat.ack == before
    sim_chat.order("say", text="a")
    assert sim_chat.poll() == ["a"]


@both_ways_of_counting
def test_numbers_may_be_skipped(sim_chat):
    before = sim_chat.ack
    sim_chat.order("skip_numbers", events=16)
    for n, text in enumerate(("a", "b")):
        sim_chat.order("say", text=text)
        assert sim_chat.poll() == [text]
        assert sim_chat.ack == before + 17 + n


@pytest.mark.parametrize("order", ["forget", "end"])
def test_polls_of_a_session_that_is_over_may_go_on(sim, sim_chat, order):
    sim.switch(poll_when_over_status=204, poll_hold_seconds=0.1)
    sim_chat.order(order)
    if order == "end":
        assert sim_chat.poll() == ["ChatEnded"]
    for _ in range(3):
        sim_chat.poll(status=204)
    assert sim_chat.post("ChatMessage", {"text": "?"}).status_code == 403
    assert sim.breaches() == {}


def test_events_and_raw_bodies_go_out_verbatim(sim_chat):
    events = [
        {"type": "Unheard"},
        7,
        {"type": "ChatMessage", "message": {"text": "\ud800"}},
    ]
    sim_chat.order("events", events=events)
    assert sim_chat.get("System/Messages?ack=1").json()["messages"] == events
    sim_chat.order("events", raw="{nonsense")
    assert sim_chat.get("System/Messages?ack=4").text == "{nonsense"
