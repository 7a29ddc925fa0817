"""The log says how things went, in lines of JSON, and never what was said."""

import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from bridge.telemetry import logs
from simulator.processes import ROOT, free_port
from tests.harness.bot import NOT_CONNECTED, SENT, Bot, words
from tests.harness.databases import Databases
from tests.harness.environment import service_environment
from tests.harness.salesforce import Chat, Salesforce
from tests.harness.service import COMMAND, Service
from tests.harness.waiting import until

MARK = "Xq7zWord"  # stands in all that is private, and nowhere else
TOKEN = f"{MARK}Token-0123456789"
ALWAYS = {"time", "level", "logger", "pid", "message"}
KEYS = {
    *ALWAYS,
    *("request_id", "chat", "method", "resource", "status", "type", "ms"),
    *("error", "trace"),
}
NOBODY = "http://127.0.0.1:9"

Line = dict[str, Any]


def private(what: str) -> str:
    """Return private words that no other text contains."""
    return f"{MARK} {what} の秘密 {uuid.uuid4().hex[:8]}"


def lines_of(log: str) -> list[Line]:
    """Read a log in which every line has to be JSON."""
    return [json.loads(line) for line in log.splitlines()]


def lines_with(service: Service, **wanted: object) -> list[Line]:
    """Return the lines so far that have these values."""
    whole = service.log.rpartition("\n")[0]
    return [line for line in lines_of(whole) if wanted.items() <= line.items()]


def line_with(service: Service, **wanted: object) -> Line:
    """Return the first such line, once it is there."""
    return until(lambda: lines_with(service, **wanted), f"a line with {wanted}")[0]


@pytest.fixture
def faulty_service(
    run_directory: Path, databases: Databases, salesforce: Salesforce
) -> Iterator[Callable[..., Service]]:
    """Start services that fail on request, on one database."""
    database = databases.fresh()
    services: list[Service] = []

    def start(**environment: str) -> Service:
        service = Service(
            database=database,
            log=run_directory / f"{uuid.uuid4().hex[:12]}.log",
            **{
                "LIVEAGENT_HOST": salesforce.url,
                "LEAKING_WORDS": private("fault"),
                "BRIDGE_TOKEN": TOKEN,
                # As Heroku sets it, where nobody else does.
                "GUNICORN_CMD_ARGS": "--access-logfile -",
                **environment,
            },
        )
        service.server.command[-1] = "tests.harness.faulty_wsgi"
        services.append(service)
        service.start()
        return service

    yield start
    for service in services:
        service.kill()
    database.drop()


def credentials(service: Service) -> set[str]:
    """Return what opens the chats at Salesforce, as the service keeps it."""
    columns = 'SELECT "key", affinity_token FROM bridge_session'
    found = {
        value for row in service.database.execute(columns) for value in row if value
    }
    # A key is made of the session's id, a time and a signature.
    return found | {part for value in found for part in value.split("!")}


def id_of_chat(bot: Bot) -> int:
    """Return the service's own id of a customer's only chat."""
    wanted = f"SELECT id FROM bridge_session WHERE line_id = '{bot.line_id}'"
    [(session_id,)] = bot.service.database.execute(wanted)
    return int(session_id)


def as_nobody(service: Service, request: str) -> None:
    """Send a request that no client library would, and read the answer."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as plain:
        plain.sendall(request.replace("\n", "\r\n").encode())
        while plain.recv(4096):
            pass


# --- what each line tells -------------------------------------------------------


def test_the_callers_request_id_is_in_the_lines_and_in_the_answer(
    own_service: Callable[..., Service], salesforce: Salesforce, line_id: str
):
    service = own_service()
    given = "abcdefABCDEF0123456789+/=-"
    body = json.dumps({"line_id": line_id, "display_name": "x"})

    answer = requests.post(
        f"{service.url}/init",
        data=body,
        headers={"Content-Type": "application/json", "X-Request-ID": given},
        timeout=30,
    )

    assert answer.headers["X-Request-ID"] == given
    request = line_with(service, message="request answered", request_id=given)
    assert request.items() >= {"method": "POST", "resource": "/init"}.items()
    assert (request["status"], request["type"]) == (200, "ok")
    assert isinstance(request["ms"], float)
    calls = lines_with(service, message="call answered", request_id=given)
    assert [each["resource"] for each in calls] == [
        "System/SessionId",
        "Chasitor/ChasitorInit",
    ]
    assert {each["chat"] for each in calls} == {request["chat"]}
    assert isinstance(request["chat"], int)


@pytest.mark.parametrize(
    "given",
    ["", "short", "a" * 19, "a" * 201, "a" * 30 + "\tb", "あ" * 20, "a" * 25 + "!"],
)
def test_a_malformed_request_id_is_replaced(bot: Bot, given: str):
    body = json.dumps({"line_id": bot.line_id})
    headers = {"Content-Type": "application/json", "X-Request-ID": given.encode()}

    answer = requests.post(
        f"{bot.service.url}/messages", data=body, headers=headers, timeout=30
    )

    made = answer.headers["X-Request-ID"]
    assert re.fullmatch(r"[0-9a-f]{32}", made)
    line_with(bot.service, resource="/messages", type="end", request_id=made)


def test_each_kind_of_answer_has_a_line_with_its_chat(bot: Bot, chat: Chat):
    chat.say("はい")

    assert bot.messages().outcome == words("はい")
    assert bot.send("どうも").outcome == SENT
    bot.send("")
    bot.close()

    id = id_of_chat(bot)
    line_with(bot.service, resource="/close", status=200, type="end", chat=id)
    line_with(bot.service, resource="/init", status=200, type="ok", chat=id)
    line_with(bot.service, resource="/messages", type="message", chat=id)
    line_with(bot.service, resource="/send", status=200, type="send", chat=id)
    line_with(bot.service, resource="/send", status=400, type="bad")
    line_with(bot.service, resource="Chasitor/ChatMessage", status=200, chat=id)


@pytest.mark.breaches("duplicate_sequence")
def test_a_failed_call_has_a_line(bot: Bot, chat: Chat, salesforce: Salesforce):
    salesforce.fault("ChatMessage", "status", status=500)
    salesforce.fault("ChatMessage", "lose_answer")

    assert bot.send("もしもし").outcome == SENT

    about = {"resource": "Chasitor/ChatMessage", "chat": id_of_chat(bot)}
    fault = line_with(bot.service, error="ServerFault", status=500, **about)
    broken = line_with(bot.service, error="TransportError", **about)
    assert fault["level"] == broken["level"] == "WARNING"
    assert "status" not in broken
    assert fault["ms"] >= 0
    assert broken["ms"] >= 0


def test_an_answer_that_is_too_large_has_a_line(
    bot: Bot, chat: Chat, salesforce: Salesforce
):
    salesforce.fault("Messages", "pad", padding_bytes=9 * 2**20)

    chat.say("はい")

    assert bot.messages().outcome == words("はい")
    line = line_with(bot.service, error="AnswerTooLarge", chat=id_of_chat(bot))
    assert (line["resource"], line["level"]) == ("System/Messages", "WARNING")


def test_an_outage_is_not_told_poll_by_poll(
    bot: Bot, chat: Chat, salesforce: Salesforce
):
    salesforce.fault("Messages", "status", status=500, times=4)

    until(lambda: salesforce.faults_struck >= 4, "four polls have failed")
    chat.say("はい")
    assert bot.messages().outcome == words("はい")

    about = {"resource": "System/Messages", "chat": id_of_chat(bot)}
    failed = lines_with(bot.service, message="call failed", **about)
    assert [line["level"] for line in failed] == ["WARNING"]


def test_a_probe_that_fails_has_a_line_with_its_path(
    own_service: Callable[..., Service],
):
    service = own_service()
    service.database.execute("DELETE FROM django_migrations WHERE app = 'bridge'")

    until(
        lambda: requests.get(f"{service.url}/readyz", timeout=10).status_code == 503,
        "it is not ready",
    )

    line = line_with(service, resource="/readyz", status=503)
    assert "type" not in line


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        ("no HTTP\n\n", "InvalidRequestLine"),
        ("GET / HTTP/1.1\nHost: a\nBad Header: x\n\n", "InvalidHeaderName"),
    ],
)
def test_what_is_not_http_is_named_by_its_fault(
    service: Service, request_: str, error: str
):
    before = len(service.log)
    as_nobody(service, request_)

    def named() -> bool:
        lines = lines_of(service.log[before:].rpartition("\n")[0])
        return any(error in line.get("error", "") for line in lines)

    until(named, f"a line with {error}")


def test_what_is_not_a_callers_is_shown_of_a_librarys_line():
    record = logging.LogRecord(
        *("django.request", logging.ERROR, "views.py", 7, "%s: %s (%d)"),
        ("Internal Server Error", "/secret", 3),
        None,
    )

    assert logs.fields(record)["message"] == "Internal Server Error: ? (3)"


def test_what_brings_nothing_has_a_line_only_where_it_is_asked_for(
    own_service: Callable[..., Service], salesforce: Salesforce, line_id: str
):
    usual = own_service()
    curious = own_service(beside=usual, LOG_LEVEL="DEBUG")
    bot = Bot(usual, line_id)
    bot.init()
    salesforce.wait_for_chat(line_id).wait_for_polls(2)
    held = [bot.hold("/messages"), bot.at(curious).hold("/messages")]
    for service in (usual, curious):
        service.settle()

    for service in (usual, curious):
        with closing_of(service):
            held.pop(0).answer()

    assert not lines_with(usual, type="null")
    assert not lines_with(usual, resource="System/Messages", status=204)
    assert lines_with(curious, type="null", level="DEBUG")


class closing_of:
    """Have a service stop, which answers who waits, while the block runs."""

    def __init__(self, service: Service) -> None:
        self._thread = threading.Thread(target=service.stop)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *error: object) -> None:
        self._thread.join()


def test_in_development_lines_are_for_reading(
    own_service: Callable[..., Service], line_id: str
):
    service = own_service(DEBUG="True")

    Bot(service, line_id).messages()

    until(lambda: "resource=/messages status=200 type=end" in service.log, "a line")
    assert "{" not in service.log


@pytest.mark.parametrize("is_there", [True, False])
def test_a_commands_output_is_for_reading(
    salesforce: Salesforce, databases: Databases, is_there: bool
):
    host = salesforce.url if is_there else NOBODY
    done = subprocess.run(
        [sys.executable, "manage.py", "check_salesforce"],
        cwd=ROOT,
        env=service_environment(
            LIVEAGENT_HOST=host, DATABASE_URL=databases.template_url
        ),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    said = f"{host} answers: an agent is available\n" if is_there else ""
    assert done.stdout == said
    assert bool(done.stderr) is not is_there
    assert "{" not in done.stderr


# --- where they go --------------------------------------------------------------


@pytest.fixture
def piped(databases: Databases) -> Iterator[subprocess.Popen[bytes]]:
    """Run the service with its two outputs in pipes of their own."""
    database = databases.fresh()
    process = subprocess.Popen(
        COMMAND,
        cwd=ROOT,
        env=service_environment(
            DATABASE_URL=database.url, PORT=str(free_port()), LIVEAGENT_HOST=NOBODY
        ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    yield process
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    process.stdout.close()  # type: ignore[union-attr]
    process.stderr.close()  # type: ignore[union-attr]
    database.drop()


def test_all_goes_to_stdout_from_start_to_stop(piped: subprocess.Popen[bytes]):
    begun = b""
    while b"Booting worker" not in begun:
        line = piped.stdout.readline()  # type: ignore[union-attr]
        assert line, piped.stderr.read()  # type: ignore[union-attr]
        begun += line

    piped.send_signal(signal.SIGTERM)
    out, err = piped.communicate(timeout=40)

    assert err == b""
    said = [line["message"] for line in lines_of((begun + out).decode())]
    assert any(each.startswith("Listening at: http://") for each in said)
    assert "Handling signal: term" in said


def test_a_log_that_nobody_reads_holds_nobody_up(piped: subprocess.Popen[bytes]):
    url = f"http://127.0.0.1:{port_of(piped)}/messages"
    count = 1500  # lines, of which the pipe holds some 300
    with requests.Session() as http_:
        for number in range(count):
            body = {"line_id": f"{number}"}
            assert http_.post(url, json=body, timeout=5).status_code == 200

    seen = 0
    for raw in piped.stdout:  # type: ignore[union-attr]
        seen += json.loads(raw).get("resource") == "/messages"
        if seen == count:
            break
    piped.send_signal(signal.SIGTERM)
    piped.communicate(timeout=40)


def port_of(process: subprocess.Popen[bytes]) -> str:
    """Return the port that a service says it listens at, once it answers there."""
    found = None
    for raw in process.stdout:  # type: ignore[union-attr]
        found = re.search(r"Listening at: http://[0-9.]+:(\d+)", raw.decode())
        if found:
            break
    assert found, "it did not start"
    port = found[1]
    until(lambda: _answers(port), "the service answers", seconds=30)
    return port


def _answers(port: str) -> bool:
    try:
        asked = requests.post(f"http://127.0.0.1:{port}/messages", json={}, timeout=5)
    except requests.RequestException:
        return False
    return asked.status_code == 400


# --- what is never in them ------------------------------------------------------


@pytest.mark.breaches(
    *("duplicate_sequence", "unknown_path", "wrong_method", "unknown_session")
)
def test_nothing_private_is_in_any_line(
    faulty_service: Callable[..., Service], salesforce: Salesforce
):
    service = faulty_service(HOST="127.0.0.1", LOG_LEVEL="DEBUG")
    line_id = f"{MARK}{uuid.uuid4().hex}"
    bot = Bot(service, line_id, token=TOKEN)
    secrets = talk(bot, salesforce)
    misuse(service)
    fail_inside(service, bot)
    secrets |= credentials(service)
    lose_the_database(service, bot)
    service.stop()
    alone = faulty_service(LIVEAGENT_HOST=NOBODY)
    alone.database.execute("ALTER TABLE gone RENAME TO bridge_session")
    other = Bot(alone, f"{MARK}{uuid.uuid4().hex}", token=TOKEN)
    assert other.init(private("name")).outcome == NOT_CONNECTED
    alone.kill()

    for log in (service.log, alone.log):
        for line in lines_of(log):
            assert ALWAYS <= line.keys() <= KEYS, line
            assert datetime.fromisoformat(line["time"]).utcoffset() is not None
        shown = json.dumps(lines_of(log), ensure_ascii=False)
        assert MARK.lower() not in (log + shown).lower()
        assert "秘密" not in shown
        for secret in secrets:
            assert secret not in shown
    assert len(secrets) > 6
    check_all_is_said(service)
    assert lines_with(alone, resource="System/SessionId", error="Unreachable")


def talk(bot: Bot, salesforce: Salesforce) -> set[str]:
    """Have a whole conversation, in which Salesforce does all that goes wrong."""
    entity = {"entityName": private("entity"), "entityFieldsMaps": []}
    assert bot.init(private("name"), prechatEntities=[entity]).body["type"] == "ok"
    chat = salesforce.wait_for_chat(bot.line_id)
    secrets = {chat.id, *credentials(bot.service)}
    chat.accept(agent=private("agent")).say(private("greeting"))
    assert bot.messages().body["type"] == "message"
    chat.events(
        {"type": private("event type"), "message": {"text": private("text")}},
        {"type": "ChatMessage", "message": private("message")},
    )
    chat.raw(f'{{"messages": [{{"type": "{private("half an answer")}')
    salesforce.fault("Messages", "garbage", body=private("poll"))
    salesforce.fault("ChatMessage", "garbage", body=private("post"))
    salesforce.fault("ChatMessage", "status", status=500, body=private("fault"))
    salesforce.fault("ChatMessage", "status", status=409, body=private("conflict"))
    salesforce.fault("ChatMessage", "lose_answer", after=1)
    for number in range(3):
        message_id = private("id")
        assert bot.send(private(f"{number}"), message_id=message_id).outcome == SENT
        chat.say(private(f"{number}"))
        assert bot.messages().body["type"] == "message"
    chat.handover()
    assert bot.send(private("after the change")).outcome == SENT
    chat.say(private("after the change"))
    assert bot.messages().body["type"] == "message"
    secrets |= credentials(bot.service)
    chat.forget()
    until(lambda: bot.messages().body["type"] == "end", "the end")
    assert bot.init(private("name")).body["type"] == "ok"
    return secrets | {salesforce.wait_for_chat(bot.line_id).id}


def misuse(service: Service) -> None:
    """Call as nobody should, with private words wherever there is room for them."""
    good = {"Authorization": f"Bearer {TOKEN}"}
    url = service.url
    whole: dict[str, Any] = {
        name: private(name) for name in ("line_id", "display_name", "message")
    }
    for path in ("/init", "/messages", "/send", "/close"):
        for value in ([private("list")], f"\0{private('NUL')}", private("x") * 900):
            every = dict.fromkeys((*whole, "ack", "message_id", "prechatEntities"))
            requests.post(url + path, json=dict.fromkeys(every, value), headers=good)
            body = {**whole, "line_id": value}
            requests.post(url + path, json=body, headers=good, timeout=30)
        wrong = {"Authorization": f"Bearer {MARK}Wrong"}
        requests.post(url + path, json=whole, headers=wrong, timeout=30)
        requests.post(url + path, data=private("no JSON").encode(), headers=good)
        requests.request(f"{MARK}METHOD", f"{url}{path}", json=whole, timeout=30)
        requests.get(f"{url}{path}?text={MARK}", timeout=30)
    for path in (f"/{MARK}", f"/admin/{MARK}/", f"/admin/login/?next=/{MARK}"):
        requests.get(f"{url}{path}?q={MARK}", headers={"Referer": MARK}, timeout=30)
    login = {"username": MARK, "password": MARK}
    requests.post(f"{url}/admin/login/", data=login, timeout=30)
    request = "POST /send HTTP/1.1\nHost: {}\nConnection: close\n\n"
    as_nobody(service, request.format(f"{MARK}.example"))
    as_nobody(service, request.format(f"127.0.0.1\n{MARK} Header: {MARK}"))
    as_nobody(service, f"POST /{MARK} {MARK}\n\n")
    as_nobody(service, f"POST /send?{MARK} HTTP/1.1\nContent-Length: {MARK}\n\n")


def fail_inside(service: Service, bot: Bot) -> None:
    """Bring about faults of our own, whose text quotes what they were about."""
    broken = Bot(service, f"broken {bot.line_id}", token=TOKEN)
    assert broken.close().status == 500
    answer = requests.get(f"{service.url}/admin/login/?broken={MARK}", timeout=30)
    assert answer.status_code == 500
    for fault in ("thread", "greenlet", "loop", "finalizer", "warning", "library"):
        assert requests.get(f"{service.url}/fault/{fault}?{MARK}").status_code == 204
    assert requests.get(f"{service.url}/fault/log_line").status_code == 204
    assert requests.get(f"{service.url}/fault/request?{MARK}").status_code == 500


def lose_the_database(service: Service, bot: Bot) -> None:
    """Take the tables away: PostgreSQL's errors quote the statement."""
    service.database.execute("ALTER TABLE bridge_session RENAME TO gone")
    assert bot.send(private("lost")).status in {500, 503}
    assert bot.init(private("name")).status in {500, 503}
    until(
        lambda: lines_with(service, logger="bridge.chats.supervisor"), "it is noticed"
    )


def check_all_is_said(service: Service) -> None:
    """See that each of those faults has a line that tells what it was and where."""
    for where in ("a thread", "a greenlet", "a finalizer"):
        message = f"nobody caught a failure in {where}"
        line_with(service, message=message, error="RuntimeError")
    admin = line_with(service, logger="django.request", resource="/admin/login/")
    assert admin["status"] == 500
    assert admin["error"] == "RuntimeError"
    assert "KeyError" in admin["trace"]
    assert any("harness/faulty_wsgi.py" in place for place in admin["trace"])
    line_with(service, request_id=admin["request_id"], message="request answered")
    line_with(service, message="close failed: unexpected fault")
    line_with(service, logger="some.library", message="filled in later: ?")
    line_with(
        service,
        logger="bridge.outbound.http",
        error="OutOfSync",
        status=409,
    )
    line_with(
        service,
        logger="bridge.outbound.http",
        error="AffinityChanged",
        status=503,
    )
    line_with(service, logger="gunicorn.error", error="RuntimeError")
