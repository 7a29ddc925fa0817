"""Does the simulator take a customer's POSTs as Salesforce does?"""

import pytest

from tests.simulator.simulation import (  # noqa: F401 (fixtures are found by their names)
    MESSAGE,
    sim_chat_fixture,
    sim_fixture,
    sim_url_fixture,
    sim_waiting_fixture,
)


def test_a_text_reaches_the_agent(sim_chat):
    assert sim_chat.post("ChatMessage", MESSAGE).text == "OK"
    line = sim_chat.wait(texts=1)["transcript"][0]
    assert (line["type"], line["name"], line["sequence"]) == ("Chasitor", "花子", 2)
    assert line["text"] == MESSAGE["text"]


def test_a_wrong_sequence_is_refused_and_changes_nothing(sim, sim_chat):
    answer = sim_chat.post("ChatMessage", MESSAGE, sequence=5)
    assert answer.status_code == 409
    assert answer.text == "Out of sync Ack. Expected 5. Actual 1"
    assert sim_chat.post("ChatMessage", MESSAGE, sequence=2).ok
    assert sim.breaches() == {"wrong_sequence": 1}


@pytest.mark.parametrize(("names", "actual"), [("last", 1), ("next", 2)])
def test_a_refusal_names_the_last_number_or_the_next(sim, sim_chat, names, actual):
    sim.switch(conflict_names=names)
    answer = sim_chat.post("ChatMessage", MESSAGE, sequence=5)
    assert answer.text == f"Out of sync Ack. Expected 5. Actual {actual}"


@pytest.mark.parametrize(("switch", "status"), [("ignore", 200), ("409", 409)])
def test_a_duplicate_is_not_processed_again(sim, sim_chat, switch, status):
    sim.switch(duplicate_sequence=switch)
    sim_chat.post("ChatMessage", MESSAGE, sequence=2)
    assert sim_chat.post("ChatMessage", MESSAGE, sequence=2).status_code == status
    assert len(sim_chat.wait()["transcript"]) == 1
    assert sim.breaches() == {"duplicate_sequence": 1}


def test_a_post_without_sequence_is_accepted(sim_chat):
    assert sim_chat.get("Chasitor/ChatMessage", "POST", json=MESSAGE).ok


def test_a_post_may_be_answered_202(sim, sim_chat):
    sim.switch(post_success_status=202)
    assert sim_chat.post("ChasitorTyping").status_code == 202


@pytest.mark.parametrize(("switch", "status"), [("500", 500), ("accept", 200)])
def test_a_post_before_the_agent_joins(sim, sim_waiting, switch, status):
    sim.switch(post_before_established=switch)
    assert sim_waiting.post("ChatMessage", MESSAGE).status_code == status
    assert bool(sim.breaches()) == (status == 500)


def test_messages_in_too_quick_succession_are_dropped(sim, sim_chat):
    sim.switch(drop_fast_messages_milliseconds=10_000)
    assert all(sim_chat.post("ChatMessage", MESSAGE).ok for _ in range(3))
    assert len(sim_chat.wait()["transcript"]) == 1


def test_multi_noun_takes_one_sequence(sim_chat):
    names = (("ChatMessage", MESSAGE), ("ChatEnd", {"reason": "client"}))
    nouns = [{"prefix": "Chasitor", "noun": n, "object": body} for n, body in names]
    assert sim_chat.post("System/MultiNoun", {"nouns": nouns}).ok
    assert sim_chat.wait(ended=1, texts=1)["ended_by"] == "client"


def test_a_chat_may_be_ended_while_it_waits(sim_waiting):
    assert sim_waiting.post("ChatEnd", {"reason": "clientIdleTimeout"}).ok
    assert sim_waiting.poll() == ["ChatRequestSuccess", "ChatEnded"]
    assert sim_waiting.wait(ended=1)["ended_by"] == "clientIdleTimeout"
    assert sim_waiting.post("ChatMessage", MESSAGE).status_code == 403


@pytest.mark.parametrize("way", ["ChatEnd", "DELETE"])
def test_the_session_may_be_gone_with_its_end(sim, sim_chat, way):
    sim.switch(after_chat_end="403")
    held = sim_chat.poll_later(status=403)
    key = sim_chat.headers["X-LIVEAGENT-SESSION-KEY"]
    if way == "ChatEnd":
        assert sim_chat.post("ChatEnd", {"reason": "client"}).ok
    else:
        assert sim_chat.get(f"System/SessionId/{key}", "DELETE").ok
    held.result()
    sim_chat.poll(status=403)
    assert sim_chat.wait(ended=1)["ended_by"] == "client"


def test_numbers_may_be_taken_that_were_never_posted(sim, sim_chat):
    sim_chat.order("skip_numbers", posts=3)
    answer = sim_chat.post("ChatMessage", MESSAGE)
    assert answer.text == "Out of sync Ack. Expected 2. Actual 4"
    assert sim_chat.wait()["transcript"] == []
    assert sim_chat.post("ChatMessage", MESSAGE, sequence=5).ok
    assert sim.breaches() == {"wrong_sequence": 1}


def test_delete_ends_the_session(sim_chat):
    held = sim_chat.poll_later()
    key = sim_chat.headers["X-LIVEAGENT-SESSION-KEY"]
    assert sim_chat.get(f"System/SessionId/{key}", "DELETE").ok
    assert held.result() == ["ChatEnded"]
    sim_chat.poll(status=403)
