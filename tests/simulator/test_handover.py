"""Does the simulator hand a session over to another of its servers?"""

import pytest

from tests.simulator.simulation import (  # noqa: F401 (fixtures are found by their names)
    MESSAGE,
    both_ways_of_counting,
    reconnect,
    said,
    sim_chat_fixture,
    sim_fixture,
    sim_url_fixture,
    sim_waiting_fixture,
)


@both_ways_of_counting
@pytest.mark.parametrize("resends", [False, True])
def test_a_session_is_handed_over(sim, sim_chat, resends):
    sim.switch(reconnect_resends=resends)
    sim_chat.post("ChatMessage", MESSAGE)
    sim_chat.order("say", text="lost")
    assert sim_chat.poll() == ["lost"]
    sim_chat.order("handover")
    assert sim_chat.post("ChatMessage", MESSAGE).status_code == 503
    lost_token = reconnect(sim_chat)
    sim_chat.headers["X-LIVEAGENT-AFFINITY"] = reconnect(sim_chat)
    answer = sim_chat.get("System/Messages?ack=-1").json()
    data, *more = answer["messages"]
    told = [(it["type"], it["content"]) for it in data["message"]["chatMessages"]]
    assert told == [("Chasitor", MESSAGE["text"]), ("Agent", "lost")]
    counts_events = sim.ask("switches")["sequence_counts"] == "events"
    assert answer["sequence"] == (len(more) if counts_events else 0)
    assert [said(event) for event in more] == (["lost"] if resends else [])
    assert sim_chat.post("ChatMessage", MESSAGE, sequence=1).status_code == 500
    resync = {"organizationId": "00D"}
    assert sim_chat.get("Chasitor/ChasitorResyncState", "POST", json=resync).ok
    assert sim_chat.post("ChatMessage", MESSAGE, sequence=1).ok
    old = {"X-LIVEAGENT-AFFINITY": lost_token}
    assert sim_chat.get("System/Messages", headers=old).status_code == 503
    assert sim.breaches() == {"post_before_resync": 1}


def test_the_held_poll_is_told_of_the_hand_over(sim_chat):
    held = sim_chat.poll_later(status=503)
    sim_chat.order("handover")
    held.result()


def test_the_held_poll_may_be_left_hanging_by_the_hand_over(sim, sim_chat):
    sim.switch(handover_held_poll="hold", poll_hold_seconds=0.3)
    held = sim_chat.poll_later(status=503)
    sim_chat.order("handover")
    sim_chat.headers["X-LIVEAGENT-AFFINITY"] = reconnect(sim_chat)
    assert sim_chat.poll(ack=-1) == ["ChasitorSessionData"]
    held.result()
    assert sim.breaches() == {}
