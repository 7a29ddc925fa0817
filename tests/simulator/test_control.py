"""Does the simulator tell, and do, what its control API promises?"""

import shutil
import subprocess

import pytest
import requests

from tests.simulator.simulation import (  # noqa: F401 (fixtures are found by their names)
    POOL,
    Customer,
    running,
    sim_chat_fixture,
    sim_fixture,
    sim_url_fixture,
    sim_waiting_fixture,
)


def test_waiting_for_a_customer(sim, sim_waiting):
    query = {"line_id": "U1", "state": "waiting", "timeout": 0.05}
    shown = sim.ask("wait", params=query)
    assert shown["id"] == sim_waiting.id
    assert sim_waiting.headers["X-LIVEAGENT-SESSION-KEY"] not in str(shown)
    sim.ask("wait", status=408, params={**query, "line_id": "U2"})
    assert sim_waiting.wait(408, texts=1, timeout=0.05)["state"] == "waiting"
    later = POOL.submit(sim.ask, "wait", params={"line_id": "U3", "timeout": 5})
    other = Customer(sim, "U3")
    other.init()
    assert later.result()["id"] == other.id
    assert [it["id"] for it in sim.ask("chats?line_id=U3&state=waiting")] == [other.id]
    assert sim.ask("chats/none", status=404) == {"error": "no such chat"}


def test_counts_and_reset(sim, sim_chat):
    held = sim_chat.poll_later(status=403)
    counts = sim.ask("counts")
    assert counts["calls"] == {"SessionId": 1, "ChasitorInit": 1, "Messages": 2}
    assert (counts["open_polls"], counts["highest_open_polls"]) == (1, 1)
    assert counts["chats"]["established"] == 1
    sim.switch(auto_accept=True)
    sim.post("reset")
    held.result()
    assert sim.ask("chats") == []
    assert sim.ask("counts")["highest_open_polls"] == 0
    assert sim.ask("switches")["auto_accept"] is False


def test_switches_are_checked(sim):
    for wrong in ({"no": 1}, {"auto_accept": 1}, {"duplicate_first": 500}):
        sim.ask("switches", "PATCH", 400, json=wrong)


def test_the_stream_tells_what_happens(sim, sim_chat):
    with requests.get(f"{sim.url}/simulator/stream", stream=True, timeout=5) as stream:
        sim_chat.post("ChatMessage", {"text": "heard"})
        line = next(stream.iter_lines(chunk_size=1)).decode()
    assert '"what": "text"' in line
    assert sim_chat.id in line


def test_the_page_is_there(sim):
    page = requests.get(sim.url, timeout=5)
    for part in ("style.css", "page.js"):
        assert f"/page/{part}" in page.text
        assert requests.get(f"{sim.url}/page/{part}", timeout=5).ok
    assert "script-src" not in page.headers["Content-Security-Policy"]


@pytest.mark.skipif(not shutil.which("openssl"), reason="makes the certificate")
def test_it_serves_tls(tmp_path):
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(key), "-out", str(cert)]
    subprocess.run([*make.split(), *subject, *files], check=True, capture_output=True)
    with running("--tls-cert", str(cert), "--tls-key", str(key)) as url:
        assert url.startswith("https://")
        assert requests.get(f"{url}/simulator/chats", verify=cert, timeout=5).ok
