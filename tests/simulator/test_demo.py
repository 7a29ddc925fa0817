"""Does `make run` show a newcomer an agent's words, and leave nothing behind?"""

import sys

import pytest
import requests

from simulator.processes import Server, answers, free_port
from tests.harness.environment import service_environment
from tests.harness.waiting import until
from tests.simulator.simulation import (  # noqa: F401 (fixtures are found by their names)
    sim_url_fixture,
)


@pytest.fixture(name="demo")
def demo_fixture(tmp_path):
    """Return what `make run` starts, at ports of its own; not started yet."""
    ports = {"PORT": str(free_port()), "SIMULATOR_PORT": str(free_port())}
    environment = service_environment(RUN_FOLDER=str(tmp_path), **ports)
    command = (sys.executable, "-m", "simulator.demo")
    with Server(command, environment, tmp_path / "log") as server:
        yield server


def urls(server):
    ports = (server.environment["PORT"], server.environment["SIMULATOR_PORT"])
    return tuple(f"http://127.0.0.1:{port}" for port in ports)


def test_the_first_words_are_there_at_once(demo):
    until(lambda: "Ctrl-C" in demo.text(), "it says what to type", seconds=30)
    service, simulator = urls(demo)
    user = {"line_id": "U1", "display_name": "花子"}
    assert requests.post(f"{service}/init", json=user, timeout=5).json()["type"] == "ok"
    answer = requests.post(f"{service}/messages", json=user, timeout=5).json()
    assert answer["type"] == "message"
    for url in (f"{service}/init", f"{service}/messages", f"{simulator}/"):
        assert url in demo.text()

    assert demo.stop(15) == 0

    assert not answers(service)
    assert not answers(simulator)
    assert "Traceback" not in demo.text()


def test_it_says_that_a_port_is_in_use(demo, sim_url):
    demo.stop(15)
    demo.environment["SIMULATOR_PORT"] = sim_url.rpartition(":")[2]
    demo.start()
    assert demo.wait(30) == 1
    assert "is in use" in demo.text()
