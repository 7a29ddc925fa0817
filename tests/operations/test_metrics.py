"""What does Prometheus find at /metrics?"""

import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from simulator.processes import ROOT, free_port
from tests.conftest import begin_chat, new_line_id
from tests.harness import described
from tests.harness.bot import CLOSED, END, SENT, Bot, words
from tests.harness.salesforce import Chat, Salesforce, Simulator
from tests.harness.service import Service
from tests.harness.waiting import until

OwnService = Callable[..., Service]

YEARS_AGO = "'2020-01-01 00:00:00'"


def scrape(service: Service, **headers: str) -> requests.Response:
    """Read the metrics, each time on a connection of its own."""
    url = f"{service.url}/metrics"
    answer = requests.get(url, headers=headers, timeout=10, allow_redirects=False)
    described.check_read(answer)
    return answer


def samples(service: Service) -> dict[str, float]:
    """Return what a scrape shows, by name and labels as they are written."""
    answer = scrape(service)
    assert answer.status_code == 200, answer.text
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(answer.text):
        assert family.name.startswith("liveagent_")
        assert family.documentation, family.name
        for sample in family.samples:
            labels = ",".join(f"{k}={v}" for k, v in sorted(sample.labels.items()))
            name = sample.name.removeprefix("liveagent_")
            found[f"{name}{{{labels}}}" if labels else name] = sample.value
    return found


def wait_for(service: Service, name: str, value: float) -> None:
    until(lambda: samples(service).get(name) == value, f"{name} is {value:g}")


def calls(resource: str, status: int | str) -> str:
    return f"salesforce_calls_total{{resource={resource},status={status}}}"


# --- who may read it, and what it looks like ----------------------------------


def test_it_is_the_text_format_of_prometheus(service: Service):
    answer = scrape(service)

    assert answer.headers["Content-Type"] == (
        "text/plain; version=0.0.4; charset=utf-8"
    )
    names = re.findall(r"^# TYPE (\S+) (\S+)$", answer.text, re.MULTILINE)
    assert ("liveagent_chats", "gauge") in names
    assert ("liveagent_conflicts_total", "counter") in names
    assert ("liveagent_salesforce_poll_seconds", "histogram") in names
    assert len(names) == len(set(names)), "a name came twice"


def test_the_operator_is_told_of_each_and_of_no_other(bot: Bot, chat: Chat):
    shown = re.findall(r"^# TYPE (\S+) ", scrape(bot.service).text, re.MULTILINE)
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    described = re.findall(r"^\| `(liveagent_\w+)", page, re.MULTILINE)
    spoken_of = re.findall(r"liveagent_\w+", page)

    assert sorted(described) == sorted(shown)
    of_histograms = {f"{name}_count" for name in described}
    assert {*spoken_of} <= {*described, *of_histograms}


@pytest.mark.parametrize(
    "header", [{}, {"Authorization": "Bearer no"}, {"Authorization": "Basic two"}]
)
def test_without_the_token_it_is_closed(own_service: OwnService, header: dict):
    service = own_service(BRIDGE_TOKEN="one,two")

    answer = scrape(service, **header)

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert "liveagent_" not in answer.text
    for token in ("one", "two"):
        assert scrape(service, Authorization=f"Bearer {token}").status_code == 200


def test_it_names_nobody(bot: Bot, chat: Chat, service: Service):
    chat.say("内緒の話")
    assert bot.send("秘密").outcome == SENT

    text = scrape(service).text

    for secret in (bot.line_id, chat.id, "山田", "内緒", "秘密"):
        assert secret not in text


def test_without_a_database_it_says_just_that(own_service: OwnService):
    service = own_service(DATABASE_URL=f"postgres://x@127.0.0.1:{free_port()}/x")

    found = samples(service)

    assert found["database_up"] == 0
    assert found["database_failures_total{reason=unreachable}"] > 0
    assert "chats{state=waiting}" not in found


# --- the deployment -----------------------------------------------------------


def test_a_chat_is_counted_from_its_beginning_to_its_end(
    own_service: OwnService, salesforce: Salesforce, line_id: str
):
    service = own_service()
    other = own_service(beside=service)
    bot = Bot(service, line_id)
    bot.init()
    chat = salesforce.wait_for_chat(line_id)
    assert bot.send("もしもし").outcome == SENT
    for each in (service, other):
        found = samples(each)
        assert found["database_up"] == 1
        assert found["chats{state=waiting}"] == 1
        assert found["chats{state=established}"] == 0
        assert found["unsent_words{state=waiting}"] == 1
        assert 0 < found["unsent_words_oldest_seconds{state=waiting}"] < 60

    chat.accept().say("はい", "どうぞ").wait(texts=1)

    # A look at the database is shared for a second, in each process.
    for each in (service, other):
        wait_for(each, "undelivered_words{state=established}", 2)
    found = samples(other)
    assert found["chats{state=waiting}"] == 0
    assert found["chats{state=established}"] == 1
    assert found["unsent_words{state=established}"] == 0
    assert 0 < found["undelivered_words_oldest_seconds{state=established}"] < 60

    assert bot.messages().outcome == words("はい")
    chat.end()
    wait_for(service, "undelivered_words{state=ended}", 1)
    wait_for(service, "chats_ended_total{reason=agent}", 1)
    wait_for(other, "chats{state=established}", 0)
    assert bot.messages().outcome == words("どうぞ")
    wait_for(service, "undelivered_words{state=ended}", 0)
    assert samples(service)["undelivered_words_oldest_seconds{state=ended}"] == 0


@pytest.mark.parametrize("is_talking", [False, True])
def test_a_chat_is_unanswered_until_a_poll_is_answered_well(
    own_service: OwnService, salesforce: Salesforce, line_id: str, is_talking: bool
):
    service = own_service()
    chat = begin_chat(Bot(service, line_id), salesforce)
    salesforce.fault("Messages", "status", status=500, times=1000)
    until(lambda: salesforce.faults_struck > 1, "the polls fail")
    service.database.execute(f"UPDATE bridge_session SET answered_at = {YEARS_AGO}")
    wait_for(service, "unanswered_chats", 1)
    salesforce.clear_faults()

    def is_answered() -> bool:
        if is_talking:  # so fast that no poll comes back empty
            chat.say("はい")
        return samples(service)["unanswered_chats"] == 0

    until(is_answered, "it is answered")


@pytest.fixture
def mortal_simulator(run_directory: Path, line_id: str) -> Iterator[Simulator]:
    """Run a Salesforce that the test may end."""
    simulator = Simulator(
        run_directory / f"{line_id}.log",
        *("--poll-hold-seconds=1", "--client-poll-timeout-seconds=2"),
    )
    simulator.start()
    yield simulator
    simulator.stop()


def test_a_salesforce_that_is_gone_is_seen(
    own_service: OwnService, mortal_simulator: Simulator, line_id: str
):
    service = own_service(LIVEAGENT_HOST=mortal_simulator.url)

    def readyz() -> dict:
        answer = requests.get(f"{service.url}/readyz", timeout=10)
        assert answer.status_code == 200, answer.text
        found: dict = answer.json()["salesforce"]
        return found

    assert readyz() == {"state": "unknown", "unanswered_chats": 0}
    begin_chat(Bot(service, line_id), Salesforce(mortal_simulator.url))
    assert readyz()["state"] == "reachable"
    assert samples(service)["unanswered_chats"] == 0

    mortal_simulator.stop()

    until(lambda: readyz()["state"] == "unreachable", "it is noticed")
    # clientPollTimeout is 2 s here, so a chat is unanswered after 22.
    until(lambda: readyz()["unanswered_chats"] == 1, "it shows", seconds=40)
    found = samples(service)
    assert found["unanswered_chats"] == 1
    assert found["unpolled_chats"] == 0
    assert found[calls("System/Messages", "unreachable")] > 1


def test_chats_that_are_taken_up_are_counted(
    own_service: OwnService, salesforce: Salesforce, line_id: str
):
    service = own_service()
    begin_chat(Bot(service, line_id), salesforce)
    assert samples(service)["chats_taken_up_total"] == 0

    service.restart()

    wait_for(service, "chats_taken_up_total", 1)


# --- this server --------------------------------------------------------------


def test_what_happens_in_a_chat_is_counted(
    own_service: OwnService, salesforce: Salesforce, line_id: str
):
    service = own_service()
    bot = Bot(service, line_id)
    chat = begin_chat(bot, salesforce)
    for text in ("一", "二", "三"):
        assert bot.send(text).outcome == SENT
    chat.say("あ")
    assert bot.messages(ack=0).outcome == words("あ")
    chat.wait_for_polls(2)
    assert bot.close().outcome == CLOSED

    found = samples(service)

    for resource, count in (
        ("System/SessionId", 1),
        ("Chasitor/ChasitorInit", 1),
        ("Chasitor/ChatMessage", 3),
        ("Chasitor/ChatEnd", 1),
    ):
        assert found[calls(resource, 200)] == count
        seconds = f"salesforce_call_seconds_count{{resource={resource}}}"
        assert found[seconds] == count
    answered = sum(found.get(calls("System/Messages", s), 0) for s in (200, 204))
    assert answered >= 2
    assert found["salesforce_poll_seconds_count"] == answered
    assert found["delivery_seconds_count"] == 2
    assert 0 < found["delivery_seconds_sum"] < 20
    assert found["chats_ended_total{reason=client}"] == 1
    assert found["chats_ended_total{reason=lost}"] == 0
    assert found["database_threads"] == (7 if service.database.is_postgresql else 1)
    wait_for(service, "database_callers", 0)
    wait_for(service, "database_threads_busy", 0)


@pytest.mark.breaches("wrong_sequence")
def test_what_goes_wrong_is_counted(
    own_service: OwnService, salesforce: Salesforce, line_id: str
):
    service = own_service()
    bot = Bot(service, line_id)
    chat = begin_chat(bot, salesforce)
    found = samples(service)
    assert found["reconnections_total"] == 0
    assert found["conflicts_total{kind=out_of_sync}"] == 0

    chat.handover()
    chat.say("はい")
    assert bot.messages().outcome == words("はい")
    assert bot.send("一").outcome == SENT
    service.database.execute("UPDATE bridge_session SET sequence = sequence + 5")
    assert bot.send("二").outcome == SENT
    salesforce.fault("Messages", "status", status=409)

    assert bot.messages().outcome == END
    found = samples(service)
    assert found["reconnections_total"] == 1
    assert found["conflicts_total{kind=out_of_sync}"] == 1
    assert found["conflicts_total{kind=duplicate_poll}"] == 1
    assert found["chats_ended_total{reason=lost}"] == 1


def test_calls_that_wait_are_counted_while_they_do(
    own_service: OwnService, salesforce: Salesforce, line_id: str
):
    service = own_service()
    bot = Bot(service, line_id)
    begin_chat(bot, salesforce)

    held = [bot.hold("/messages") for _ in range(3)]

    wait_for(service, "messages_held", 3)
    bot.close()
    assert [call.answer().outcome for call in held] == [END] * 3
    wait_for(service, "messages_held", 0)


# --- several server processes -------------------------------------------------


def workers(service: Service) -> list[int]:
    """Return the process ids of the workers."""
    return service.server.pids[1:]


@pytest.fixture
def two_workers(own_service: OwnService) -> Service:
    """Run one server of two processes."""
    service = own_service(WEB_CONCURRENCY="2")
    until(lambda: samples(service).get("database_threads"), "both have begun")
    return service


def test_each_process_tells_the_sum_of_both(
    two_workers: Service, salesforce: Salesforce
):
    bots = [Bot(two_workers, new_line_id()) for _ in range(4)]
    chats = [begin_chat(bot, salesforce) for bot in bots]
    for number in range(6):
        for bot in bots:
            assert bot.send(f"{number}").outcome == SENT
    for bot in bots:
        bot.close()

    shown = [samples(two_workers) for _ in range(12)]

    assert sum(len(chat.heard) for chat in chats) == 24
    for found in shown:
        assert found[calls("Chasitor/ChatMessage", 200)] == 24
        assert found[calls("System/SessionId", 200)] == 4
        assert found["delivery_seconds_count"] == 4
        assert found["chats_ended_total{reason=client}"] == 4


def test_what_a_killed_process_held_is_held_no_more(
    two_workers: Service, salesforce: Salesforce
):
    bots = [Bot(two_workers, new_line_id()) for _ in range(6)]
    for bot in bots:
        begin_chat(bot, salesforce)
    for bot in bots:
        bot.hold("/messages")
    wait_for(two_workers, "messages_held", 6)
    old = workers(two_workers)
    assert len(old) == 2

    for pid in old:
        os.kill(pid, signal.SIGKILL)
    until(
        lambda: len(set(workers(two_workers)) - set(old)) == 2,
        "others take their place",
    )

    wait_for(two_workers, "messages_held", 0)
    # What they had counted is not forgotten.
    assert samples(two_workers)[calls("System/SessionId", 200)] == 6


def test_a_server_leaves_no_counts_behind(own_service: OwnService, tmp_path: Path):
    service = own_service(TMPDIR=str(tmp_path))
    assert list(tmp_path.glob("liveagent-*/*.db"))

    service.stop()

    assert not list(tmp_path.iterdir())


def test_a_server_that_finds_its_port_taken_leaves_nothing_behind(
    service: Service, own_service: OwnService, tmp_path: Path
):
    with pytest.raises(AssertionError, match="did not start"):
        own_service(PORT=str(service.port), TMPDIR=str(tmp_path))

    assert not list(tmp_path.iterdir())
