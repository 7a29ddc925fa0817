"""Does the simulator do what its agent and its organisation decide?"""

import pytest

from tests.simulator.simulation import (  # noqa: F401 (fixtures are found by their names)
    MESSAGE,
    Customer,
    sim_chat_fixture,
    sim_fixture,
    sim_url_fixture,
    sim_waiting_fixture,
)


def test_nobody_is_there(sim, sim_waiting):
    sim.switch(agents_available=False)
    other = Customer(sim, "U2")
    other.init()
    assert other.poll() == ["ChatRequestSuccess", "ChatRequestFail"]
    assert other.wait(ended=1)["ended_by"] == "Unavailable"
    query = "org_id=00D&deployment_id=572&Availability.ids=[573,574]"
    (event,) = other.get(f"Visitor/Availability?{query}").json()["messages"]
    assert [it.get("isAvailable") for it in event["message"]["results"]] == [None] * 2


def test_every_chat_may_be_accepted_by_itself(sim):
    sim.switch(auto_accept=True)
    customer = Customer(sim)
    customer.init()
    assert customer.wait(state="established")["agent"] == "Auto"


def test_an_agent_may_greet_by_themselves(sim):
    sim.switch(auto_accept=True, greeting="こんにちは")
    customer = Customer(sim)
    customer.init()
    first = ["ChatRequestSuccess", "ChatEstablished", "こんにちは"]
    assert customer.poll() == first


def test_those_who_wait_move_up(sim):
    sim.switch(queue_position=2, first_sequence=7)
    first, second = Customer(sim, "U1"), Customer(sim, "U2")
    for customer in (first, second):
        customer.init(receiveQueueUpdates=True)
    second.poll()
    assert second.ack == 7
    first.order("accept")
    (update,) = second.get("System/Messages?ack=7").json()["messages"]
    assert update["message"] == {"position": 1, "estimatedWaitTime": -1}


def test_an_agent_drops_out_and_another_takes_over(sim_chat):
    sim_chat.order("disconnect_agent")
    assert sim_chat.post("ChatMessage", MESSAGE).ok
    sim_chat.order("say", 409, text="nobody says so")
    sim_chat.order("accept", agent="Sam", idle_timeout_seconds=9)
    sim_chat.order("accept", agent="Kim")
    events = sim_chat.get("System/Messages?ack=1").json()["messages"]
    types = [event["type"] for event in events]
    assert types == ["AgentDisconnect", "ChatEstablished", "ChatTransferred"]
    idle = {"isEnabled": True, "warningTime": 9, "timeout": 9}
    assert events[1]["message"]["chasitorIdleTimeout"] == idle


def test_a_chat_may_fail_halfway(sim_chat):
    sim_chat.order("fail", reason="Blocked")
    assert sim_chat.poll() == ["ChatRequestFail"]
    sim_chat.order("accept", 409)


def test_the_org_may_have_moved(sim):
    url = "https://d.example/chat"
    sim.switch(switch_server_url=url)
    with pytest.raises(KeyError):
        Customer(sim)
    sim.switch(switch_server_url=None, client_poll_timeout_as_text=True)
    assert Customer(sim).get("System/SessionId").json()["clientPollTimeout"] == "40"


def test_a_request_that_is_no_post_fails(sim):
    customer = Customer(sim)
    customer.init(isPost=False)
    answer = customer.get("System/Messages").json()["messages"]
    assert answer[1]["message"]["reason"] == "NoPost"


def test_a_file_is_asked_for_and_uploaded_once(sim, sim_chat):
    asked = {"type": "Requested", "fileToken": "t1"}
    sim_chat.order("events", events=[{"type": "FileTransfer", "message": asked}])
    url = f"{sim.url}/services/liveagent/file?chatKey={sim_chat.id}&fileToken=t1"
    outcomes = [sim.http.post(url, files={"file": b"jpeg"}).text for _ in range(2)]
    assert outcomes == ["Success", "Failure"]
    events = sim_chat.get("System/Messages?ack=1").json()["messages"]
    assert [event["message"]["type"] for event in events] == ["Requested", "Success"]
