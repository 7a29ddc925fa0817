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
        process.stdout.close()


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
    with simulator.http:
        yield simulator


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


# Refusals


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


# The agent's and Salesforce's side


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
    events = sim_chat.get("System/Messages?ack=0").json()["messages"]
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
    events = sim_chat.get("System/Messages?ack=0").json()["messages"]
    assert [event["message"]["type"] for event in events] == ["Requested", "Success"]


# Hand-over


def reconnect(customer):
    """Return the new affinity token."""
    answer = customer.get(
        "System/ReconnectSession?ReconnectSession.offset=1",
        headers={"X-LIVEAGENT-AFFINITY": "null"},
    )
    (event,) = answer.json()["messages"]
    assert event["message"]["resetSequence"] is True
    return event["message"]["affinityToken"]


@pytest.mark.parametrize("resends", [False, True])
def test_a_session_is_handed_over(sim, sim_chat, resends):
    sim.switch(reconnect_resends=resends)
    sim_chat.post("ChatMessage", MESSAGE)
    sim_chat.order("say", text="lost")
    assert sim_chat.poll(ack=0) == ["lost"]
    sim_chat.order("handover")
    assert sim_chat.post("ChatMessage", MESSAGE).status_code == 503
    lost_token = reconnect(sim_chat)
    sim_chat.headers["X-LIVEAGENT-AFFINITY"] = reconnect(sim_chat)
    answer = sim_chat.get("System/Messages?ack=-1").json()
    data, *more = answer["messages"]
    told = [(it["type"], it["content"]) for it in data["message"]["chatMessages"]]
    assert told == [("Chasitor", MESSAGE["text"]), ("Agent", "lost")]
    assert answer["sequence"] == 0
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


# Faults


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
    assert sim_chat.get("System/Messages?ack=0").content == b"\xff\x00\xfe"
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
    assert sim_chat.get("System/Messages?ack=0").status_code == 409
    assert slow.result() == ["a"]


def test_a_trickle_outlasts_the_read_timeout(sim, sim_chat):
    sim.fault("ChatMessage", "trickle", seconds=1)
    assert sim_chat.post("ChatMessage", MESSAGE).text == " OK"


def test_nonsense_is_no_fault(sim):
    sim.post("faults", 400, resource="Messages", kind="explode")
    sim.post("faults", 400, resource="Lunch", kind="slow")
    for more in ({"seconds": "long"}, {"times": "x"}, {"id": 1}, {"colour": "red"}):
        sim.post("faults", 400, resource="Messages", kind="slow", **more)


# Control


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
