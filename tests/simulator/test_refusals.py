"""Does the simulator refuse, and count, what breaks the protocol?"""

import pytest

from tests.simulator.simulation import (  # noqa: F401 (fixtures are found by their names)
    INVALID,
    MESSAGE,
    sim_chat_fixture,
    sim_fixture,
    sim_url_fixture,
    sim_waiting_fixture,
)


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "breach"),
    [
        ("GET", "System/Messages", {"X-LIVEAGENT-API-VERSION": None}, 400, "header"),
        ("GET", "System/Messages", {"X-LIVEAGENT-AFFINITY": None}, 400, "header"),
        ("GET", "System/Messages", {"X-LIVEAGENT-SESSION-KEY": None}, 400, "header"),
        ("GET", "System/Messages", {"X-LIVEAGENT-SESSION-KEY": "?"}, 403, "session"),
        ("POST", "System/Messages", {}, 405, "method"),
        ("GET", "Chasitor/ChatMessage", {}, 405, "method"),
        ("GET", "System/Nonsense", {}, 404, "path"),
        ("GET", "System/ReconnectSession", {"X-LIVEAGENT-AFFINITY": "null"}, 405, "m"),
        ("POST", "Chasitor/ChatMessage", {}, 400, "json"),
    ],
)
def test_what_breaks_the_protocol_is_refused_and_counted(
    sim, sim_chat, method, path, headers, status, breach
):
    answer = sim_chat.get(path, method, headers, data="{NaN")
    assert answer.status_code == status
    ((counted, times),) = sim.breaches().items()
    assert (breach in counted, times) == (True, 1)


@pytest.mark.parametrize(
    "body",
    [b"[]", b'{"text": NaN}', b"\xff", b"{}", b'{"text": 1}', b"[" * 100_000],
)
def test_a_body_that_is_not_understood_is_400(sim, sim_chat, body):
    assert sim_chat.get("Chasitor/ChatMessage", "POST", data=body).status_code == 400
    assert sim.breaches() == {"bad_json": 1}


def test_a_forgotten_session_is_403_also_in_the_held_poll(sim, sim_chat):
    held = sim_chat.poll_later(status=403)
    sim_chat.order("forget")
    assert held.result().text == INVALID
    assert sim_chat.post("ChatMessage", MESSAGE).text == INVALID
    assert sim.breaches() == {}
