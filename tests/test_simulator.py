"""Does the simulator keep the rules that it makes others keep?"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

ROOT = Path(__file__).parent.parent
INVALID = "Session required but was invalid or not found"
INIT = {"organizationId": "00D", "deploymentId": "572", "buttonId": "573"}
MESSAGE = {"text": "もしもし 😀"}
POOL = ThreadPoolExecutor(8)


@contextmanager
def running(*options):
    """Run the real thing; it must be gone quietly when asked to go."""
    command = [sys.executable, "-m", "simulator", "--port", "0", *options]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        yield process.stdout.readline().removeprefix("simulator: ").strip()
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0
        assert process.stdout.read() == ""


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
        return self.post("faults", resource=resource, kind=kind, **more)["id"]

    def breaches(self):
        return {k: n for k, n in self.ask("counts")["breaches"].items() if n}


class Customer:
    """The customer's side of one chat."""

    def __init__(self, sim, line_id="U1"):
        self.sim, self.line_id, self.sequence, self.ack = sim, line_id, 0, -1
        self.http = requests.Session()
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


def said(event):
    return event["message"].get("text") or event["type"]


@pytest.fixture(scope="module")
def sim_url():
    with running("--poll-hold-seconds", "5") as url:
        yield url


@pytest.fixture
def sim(sim_url):
    simulator = Simulator(sim_url)
    simulator.post("reset")
    return simulator


@pytest.fixture
def sim_waiting(sim):
    """Return a customer whose chat waits for an agent."""
    customer = Customer(sim)
    assert customer.init().text == "OK"
    return customer


@pytest.fixture
def sim_chat(sim_waiting):
    """Return a customer whose chat has an agent."""
    sim_waiting.order("accept", agent="Riley")
    assert sim_waiting.poll() == ["ChatRequestSuccess", "ChatEstablished"]
    return sim_waiting


# Polls, batches and ack


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


# POSTs


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


def test_delete_ends_the_session(sim_chat):
    held = sim_chat.poll_later()
    key = sim_chat.headers["X-LIVEAGENT-SESSION-KEY"]
    assert sim_chat.get(f"System/SessionId/{key}", "DELETE").ok
    assert held.result() == ["ChatEnded"]
    sim_chat.poll(status=403)
