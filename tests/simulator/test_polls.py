"""Does the simulator hold polls, and hand its batches out, as Salesforce does?"""

import pytest

from tests.simulator.simulation import (  # noqa: F401 (fixtures are found by their names)
    INVALID,
    Customer,
    sim_chat_fixture,
    sim_fixture,
    sim_url_fixture,
    sim_waiting_fixture,
)


def test_agents_words_come_in_one_batch_and_the_sequence_rises(sim_chat):
    poll = sim_chat.poll_later()
    sim_chat.order("say", texts=["<b>", "日本"])
    assert poll.result() == ["<b>", "日本"]
    sim_chat.order("end", last_words=["bye"])
    assert sim_chat.poll() == ["bye", "ChatEnded"]
    assert sim_chat.ack == 2


def test_an_idle_poll_is_answered_204_when_the_hold_is_over(sim, sim_chat):
    sim.switch(poll_hold_seconds=0.1)
    assert sim_chat.poll(status=204).content == b""


def test_a_batch_comes_again_until_it_is_acknowledged(sim_chat):
    sim_chat.order("say", text="a")
    assert sim_chat.poll(ack=0) == sim_chat.poll(ack=0) == ["a"]
    sim_chat.order("say", text="b")
    assert sim_chat.poll(ack=1) == ["b"]


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
    assert sim_chat.wait(poll_open=0)["transcript"][0]["sequence"] == 1
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


def test_events_and_raw_bodies_go_out_verbatim(sim_chat):
    events = [
        {"type": "Unheard"},
        7,
        {"type": "ChatMessage", "message": {"text": "\ud800"}},
    ]
    sim_chat.order("events", events=events)
    assert sim_chat.get("System/Messages?ack=0").json()["messages"] == events
    sim_chat.order("events", raw="{nonsense")
    assert sim_chat.get("System/Messages?ack=1").text == "{nonsense"
