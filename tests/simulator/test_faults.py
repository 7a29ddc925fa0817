"""Does the simulator fail exactly as it was told to?"""

import pytest
import requests

from tests.simulator.simulation import (  # noqa: F401 (fixtures are found by their names)
    MESSAGE,
    POOL,
    Customer,
    reconnect,
    said,
    sim_chat_fixture,
    sim_fixture,
    sim_url_fixture,
    sim_waiting_fixture,
)


def test_a_lost_answer_of_a_post_leaves_it_done(sim, sim_chat):
    sim.fault("ChatMessage", "lose_answer")
    with pytest.raises(requests.ConnectionError):
        sim_chat.post("ChatMessage", MESSAGE)
    assert sim_chat.post("ChatMessage", MESSAGE).ok
    assert len(sim_chat.wait(texts=1)["transcript"]) == 1
    assert sim.ask("faults")[0]["struck"] == 1


def test_a_lost_answer_of_a_poll_strikes_when_there_is_one(sim, sim_chat):
    sim.fault("Messages", "lose_answer", times=None)
    sim.switch(poll_hold_seconds=0.1)
    sim_chat.poll(status=204)
    sim_chat.order("say", text="a")
    with pytest.raises(requests.ConnectionError):
        sim_chat.poll()
    sim.ask("faults", "DELETE")
    assert sim_chat.poll() == ["a"]


def test_a_lost_request_is_not_done(sim, sim_chat):
    sim.fault("*", "lose_request", line_id="U1", after=1)
    assert sim_chat.post("ChatMessage", MESSAGE).ok
    with pytest.raises(requests.ConnectionError):
        sim_chat.post("ChatMessage", MESSAGE)
    assert len(sim_chat.wait()["transcript"]) == 1


@pytest.mark.parametrize(("kind", "texts"), [("status", 0), ("status_after", 1)])
def test_a_status_is_answered_before_or_after_the_work(sim, sim_chat, kind, texts):
    sim.fault("ChatMessage", kind, status=502, body="Bad Gateway")
    answer = sim_chat.post("ChatMessage", MESSAGE)
    assert (answer.status_code, answer.text) == (502, "Bad Gateway")
    assert len(sim_chat.wait()["transcript"]) == texts


def test_garbage_may_be_any_bytes(sim, sim_chat):
    sim.fault("Messages", "garbage", base64="/wD+")
    sim_chat.order("say", text="a")
    assert sim_chat.get("System/Messages?ack=1").content == b"\xff\x00\xfe"
    assert sim_chat.poll() == ["a"]


def test_slow_is_done_at_once_and_late_is_not(sim, sim_chat):
    sim.fault("ChatMessage", "slow", seconds=5)
    posted = POOL.submit(sim_chat.post, "ChatMessage", MESSAGE, 2)
    sim_chat.wait(texts=1)
    assert not posted.done()
    sim.ask("faults", "DELETE")
    sim.fault("ChatMessage", "late", seconds=0.3)
    with pytest.raises(requests.ReadTimeout):
        requests.post(
            f"{sim.url}/chat/rest/Chasitor/ChatMessage",
            json=MESSAGE,
            headers=sim_chat.headers,
            timeout=(5, 0.1),
        )
    assert len(sim_chat.wait()["transcript"]) == 1
    sim_chat.wait(texts=2, timeout=5)


def test_a_slow_poll_is_still_open(sim, sim_chat):
    sim.fault("Messages", "slow", seconds=0.3)
    sim_chat.order("say", text="a")
    slow = sim_chat.poll_later()
    assert sim_chat.get("System/Messages?ack=1").status_code == 409
    assert slow.result() == ["a"]


def test_a_trickle_outlasts_the_read_timeout(sim, sim_chat):
    sim.fault("ChatMessage", "trickle", seconds=1)
    assert sim_chat.post("ChatMessage", MESSAGE).text == " OK"


@pytest.mark.parametrize("chunked", [False, True])
def test_an_answer_may_be_larger_than_anybody_wants(sim, sim_chat, chunked):
    sim.fault("Messages", "pad", padding_bytes=9 * 2**20, chunked=chunked)
    sim_chat.order("say", text="a")
    answer = sim_chat.get("System/Messages?ack=1")
    assert len(answer.content) > 9 * 2**20
    assert ("Content-Length" in answer.headers) == (not chunked)
    assert said(answer.json()["messages"][0]) == "a"


def test_an_answer_of_which_enough_was_read_is_over(sim, sim_chat):
    sim.fault("Messages", "pad", padding_bytes=99 * 2**20, chunked=True)
    sim_chat.order("say", text="a")
    with sim_chat.get("System/Messages?ack=1", stream=True) as answer:
        assert answer.raw.read(10)
    sim_chat.wait(poll_open=0)
    assert sim_chat.poll() == ["a"]
    assert sim.breaches() == {}


def test_a_session_may_move_just_before_a_request(sim):
    sim.fault("ChasitorInit", "lose_answer", line_id="U1")
    sim.fault("ChasitorInit", "move", line_id="U1", after=1)
    customer = Customer(sim)
    with pytest.raises(requests.ConnectionError):
        customer.init()
    assert customer.init().status_code == 503
    key = customer.headers["X-LIVEAGENT-SESSION-KEY"]
    assert customer.get(f"System/SessionId/{key}", "DELETE").status_code == 503
    customer.headers["X-LIVEAGENT-AFFINITY"] = reconnect(customer)
    assert customer.get(f"System/SessionId/{key}", "DELETE").ok
    assert customer.wait(ended=1)["ended_by"] == "client"


def test_nonsense_is_no_fault(sim):
    sim.post("faults", 400, resource="Messages", kind="explode")
    sim.post("faults", 400, resource="Lunch", kind="slow")
    for more in ({"seconds": "long"}, {"times": "x"}, {"id": 1}, {"colour": "red"}):
        sim.post("faults", 400, resource="Messages", kind="slow", **more)
