"""The simulator and a customer of it, for the tests of the simulator itself."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import requests

from tests.harness.salesforce import Simulator as Process

INVALID = "Session required but was invalid or not found"
INIT = {"organizationId": "00D", "deploymentId": "572", "buttonId": "573"}
MESSAGE = {"text": "もしもし 😀"}
POOL = ThreadPoolExecutor(8)


@contextmanager
def running(*options):
    """Run the real thing; it must be gone quietly when asked to go."""
    with TemporaryDirectory() as folder:
        process = Process(Path(folder) / "log", *options)
        process.start()
        url, server = process.url, process.server
        try:
            yield url
        finally:
            assert server.stop(5) == 0
            assert server.text() == f"simulator: {url}\n"


class Simulator:
    """The control API."""

    def __init__(self, url):
        self.url = url
        self.http = requests.Session()

    def ask(self, path, method="GET", status=200, **options):
        answer = self.http.request(method, f"{self.url}/simulator/{path}", **options)
        assert answer.status_code == status, answer.text
        return answer.json()

    def post(self, path, status=200, **body):
        return self.ask(path, "POST", status, json=body)

    def switch(self, **switches):
        return self.ask("switches", "PATCH", json=switches)

    def fault(self, resource, kind, **more):
        fault = {"resource": resource, "kind": kind, **more}
        return self.ask("faults", "POST", json=fault)["id"]

    def breaches(self):
        return {k: n for k, n in self.ask("counts")["breaches"].items() if n}


class Customer:
    """The customer's side of one chat."""

    def __init__(self, sim, line_id="U1"):
        self.sim, self.line_id, self.sequence, self.ack = sim, line_id, 0, -1
        self.http = sim.http
        self.headers = {
            "X-LIVEAGENT-API-VERSION": "48",
            "X-LIVEAGENT-AFFINITY": "null",
        }
        session = self.get("System/SessionId").json()
        self.id = session["id"]
        self.headers["X-LIVEAGENT-AFFINITY"] = session["affinityToken"]
        self.headers["X-LIVEAGENT-SESSION-KEY"] = session["key"]

    def get(self, path, method="GET", headers=None, **options):
        url = f"{self.sim.url}/chat/rest/{path}"
        headers = {**self.headers, **(headers or {})}
        return self.http.request(method, url, headers=headers, timeout=10, **options)

    def post(self, noun, body=None, sequence=None):
        number = self.sequence + 1 if sequence is None else sequence
        answer = self.get(
            noun if "/" in noun else f"Chasitor/{noun}",
            "POST",
            {"X-LIVEAGENT-SEQUENCE": str(number)},
            json=body or {},
        )
        if sequence is None and answer.ok:
            self.sequence = number
        return answer

    def init(self, **more):
        detail = {"label": "ContactLineId", "value": self.line_id}
        details = [{**detail, "transcriptFields": [], "displayToAgent": True}]
        body = {**INIT, "visitorName": "花子", "prechatDetails": details, **more}
        return self.post("ChasitorInit", body)

    def poll(self, ack=None, status=200):
        """Poll once; return the types (and texts) of the events."""
        ack = self.ack if ack is None else ack
        answer = self.get("System/Messages", params={} if ack == "" else {"ack": ack})
        assert answer.status_code == status, answer.text
        if status != 200:
            return answer
        self.ack = answer.json()["sequence"]
        return [said(event) for event in answer.json()["messages"]]

    def poll_later(self, **options):
        """Begin a poll, and return once the simulator holds it."""
        polls = self.sim.ask(f"chats/{self.id}")["polls"]
        poll = POOL.submit(self.poll, **options)
        self.wait(polls=polls + 1)
        return poll

    def order(self, name, status=200, **body):
        return self.sim.post(f"chats/{self.id}/{name}", status, **body)

    def wait(self, status=200, **query):
        return self.sim.ask(f"chats/{self.id}/wait", status=status, params=query)

    def lose_connection(self):
        """Hang up on a held poll."""
        with pytest.raises(requests.ReadTimeout):
            requests.get(
                f"{self.sim.url}/chat/rest/System/Messages",
                headers=self.headers,
                timeout=(5, 0.1),
            )


def reconnect(customer):
    """Return the new affinity token."""
    answer = customer.get(
        "System/ReconnectSession?ReconnectSession.offset=1",
        headers={"X-LIVEAGENT-AFFINITY": "null"},
    )
    (event,) = answer.json()["messages"]
    assert event["message"]["resetSequence"] is True
    return event["message"]["affinityToken"]


def said(event):
    return event["message"].get("text") or event["type"]


@pytest.fixture(scope="module", name="sim_url")
def sim_url_fixture():
    with running("--poll-hold-seconds", "5") as url:
        yield url


# Whether `sequence` numbers events or answers: what matters is run against both.
both_ways_of_counting = pytest.mark.parametrize(
    "sim", ["events", "batches"], indirect=True
)


@pytest.fixture(name="sim")
def sim_fixture(sim_url, request):
    simulator = Simulator(sim_url)
    simulator.post("reset")
    simulator.switch(sequence_counts=getattr(request, "param", "events"))
    with simulator.http:
        yield simulator


@pytest.fixture(name="sim_waiting")
def sim_waiting_fixture(sim):
    """Return a customer whose chat waits for an agent."""
    customer = Customer(sim)
    assert customer.init().text == "OK"
    return customer


@pytest.fixture(name="sim_chat")
def sim_chat_fixture(sim_waiting):
    """Return a customer whose chat has an agent."""
    sim_waiting.order("accept", agent="Riley")
    assert sim_waiting.poll() == ["ChatRequestSuccess", "ChatEstablished"]
    return sim_waiting
