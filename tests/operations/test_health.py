"""Does the service say that it lives, whether it is ready, and why not?"""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from django.test import RequestFactory

from bridge.api import probes
from bridge.chats import shutdown, supervisor
from bridge.domain.errors import DatabaseUnavailable
from bridge.operations import readiness
from bridge.operations.singleflight import SingleFlight
from bridge.telemetry import process
from simulator.processes import free_port
from tests.harness import described
from tests.harness.databases import migrate
from tests.harness.service import Service
from tests.harness.waiting import until

OwnService = Callable[..., Service]

WITHIN_SECONDS = 5
JSON = {"content-type": "application/json"}


def ask(
    service: Service, path: str, method: str = "GET", **headers: str
) -> requests.Response:
    """Ask as a platform does, which follows no redirect and has no patience."""
    answer = requests.request(
        method,
        f"{service.url}{path}",
        headers=headers,
        timeout=WITHIN_SECONDS,
        allow_redirects=False,
    )
    described.check_read(answer)
    return answer


def reasons(service: Service) -> list[str]:
    """Return why it is not ready; empty when it is."""
    answer = ask(service, "/readyz")
    body = answer.json()
    assert (answer.status_code == 200) == (body["status"] == "ready"), body
    assert (answer.status_code == 503) == bool(body["reasons"]), body
    found: list[str] = body["reasons"]
    return found


def database_url(port: int) -> str:
    return f"postgres://nobody:SECRET@127.0.0.1:{port}/nothing"


# --- all is well --------------------------------------------------------------


def test_a_running_service_lives_and_is_ready(service: Service):
    assert ask(service, "/healthz").json() == {"status": "alive"}
    assert reasons(service) == []


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_head_is_answered_without_a_body(service: Service, path: str):
    answer = ask(service, path, "HEAD")

    assert answer.status_code == 200
    assert answer.content == b""


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_other_methods_are_refused(service: Service, path: str):
    answer = ask(service, path, "POST")

    assert answer.status_code == 405
    assert answer.headers["Allow"] == "GET, HEAD"
    assert answer.json()["type"] == "bad"


def test_a_probe_needs_no_https_no_host_and_no_token(own_service: OwnService):
    service = own_service(SSL="True", HOST="bridge.example", BRIDGE_TOKEN="SECRET")

    assert ask(service, "/healthz").status_code == 200
    assert ask(service, "/readyz").status_code == 200
    assert ask(service, "/metrics").status_code == 400
    assert ask(service, "/metrics", Host="bridge.example").status_code == 301


# --- the database -------------------------------------------------------------


def test_no_database(own_service: OwnService):
    service = own_service(DATABASE_URL=database_url(free_port()))

    assert ask(service, "/healthz").status_code == 200
    answer = ask(service, "/readyz")

    assert answer.status_code == 503
    assert answer.json()["reasons"] == ["database unreachable"]
    assert answer.json()["salesforce"]["unanswered_chats"] is None
    assert "SECRET" not in answer.text


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Listen, and never say a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        port: int = listener.getsockname()[1]
        yield port


def test_a_database_that_never_answers(own_service: OwnService, silent_port: int):
    service = own_service(DATABASE_URL=database_url(silent_port))

    for _ in range(3):
        assert reasons(service) == ["database unreachable"]
        assert ask(service, "/healthz").elapsed.total_seconds() < 1


def test_a_database_that_goes_away(own_service: OwnService):
    service = own_service()
    if not service.database.is_postgresql:
        pytest.skip("a file that is open does not go away")
    assert reasons(service) == []

    service.database.drop()

    until(lambda: reasons(service) == ["database unreachable"], "it is noticed")
    assert ask(service, "/healthz").status_code == 200


def test_migrations_are_missed_until_they_are_there(
    own_service: OwnService, tmp_path: Path
):
    url = f"sqlite:///{tmp_path / 'new.sqlite3'}"
    service = own_service(DATABASE_URL=url)
    assert reasons(service) == ["migrations missing"]
    assert ask(service, "/healthz").status_code == 200

    migrate(url)

    until(lambda: not reasons(service), "it is ready without a restart")


def test_one_missing_migration_is_missed(own_service: OwnService):
    service = own_service()
    assert reasons(service) == []

    service.database.execute("DELETE FROM django_migrations WHERE app = 'bridge'")

    until(lambda: reasons(service) == ["migrations missing"], "it is noticed")


# --- the process --------------------------------------------------------------


def test_a_stopping_process_is_not_ready(own_service: OwnService):
    service = own_service()
    with requests.Session() as kept:
        assert kept.get(f"{service.url}/readyz", timeout=5).status_code == 200
        stop = threading.Thread(target=service.stop)
        stop.start()
        try:
            body = until(
                lambda: (
                    (answer := kept.get(f"{service.url}/readyz", timeout=5)).status_code
                    == 503
                    and answer.json()
                ),
                "it says so on a connection that it had",
            )
        finally:
            kept.close()
            stop.join()

    assert body["reasons"] == ["stopping"]
    described.check("/readyz", 503, JSON, json.dumps(body).encode(), "get")


def readyz():
    return probes.readyz(RequestFactory().get("/readyz"))


@pytest.fixture
def sound_database(monkeypatch):
    monkeypatch.setattr(readiness, "_look_at_database", readiness.Readiness)
    monkeypatch.setattr(process, "_beats", {})


@pytest.mark.usefixtures("sound_database")
def test_a_loop_that_has_fallen_silent(monkeypatch):
    process.beat("look_after_chats")
    process.beat("relay")
    assert readyz().status_code == 200

    long_ago = time.monotonic() - process.SILENT_SECONDS - 1
    monkeypatch.setitem(process._beats, "look_after_chats", long_ago)

    answer = readyz()
    assert answer.status_code == 503
    assert b'"reasons":["supervisor stands still: look_after_chats"]' in answer.content
    described.check("/readyz", 503, JSON, answer.content, "get")


@pytest.mark.usefixtures("sound_database")
@pytest.mark.parametrize("failure", [None, DatabaseUnavailable("it is gone")])
def test_a_loop_is_heard_of_after_every_good_turn(monkeypatch, failure):
    class Over(BaseException):
        pass

    def look_after_chats():
        if failure:
            raise failure

    pauses = iter([None, None])

    def pause(seconds):
        if next(pauses, Over) is Over:
            raise Over
        for loop in process._beats:
            process._beats[loop] = 0.0

    monkeypatch.setattr(supervisor.time, "sleep", pause)
    with pytest.raises(Over):
        supervisor._every(1, look_after_chats)

    assert (process._beats["look_after_chats"] == 0.0) == (failure is not None)


@pytest.mark.usefixtures("sound_database")
def test_a_process_that_was_told_to_stop(monkeypatch):
    monkeypatch.setattr(shutdown, "is_stopping", lambda: True)

    assert readyz().status_code == 503


# --- Salesforce, as this process sees it ---------------------------------------


@pytest.mark.parametrize(
    ("outcomes", "state"),
    [
        ([], "unknown"),
        (["204"], "reachable"),
        (["403"], "reachable"),
        (["200", "unreachable"], "unreachable"),
        (["200", "timeout"], "unreachable"),
        (["200", "500"], "unreachable"),
        (["200", "503", "200"], "reachable"),
        (["200", "broken", "cancelled"], "unreachable"),
        (["200", "cancelled"], "reachable"),
        (["cancelled"], "unknown"),
    ],
)
def test_the_last_call_says_whether_salesforce_answers(outcomes, state):
    salesforce = process.Reachability()
    for outcome in outcomes:
        salesforce.note(outcome)
    assert salesforce.state == state


# --- a look that many share ----------------------------------------------------


def test_a_look_that_hangs_is_not_begun_twice():
    looks, over = [], threading.Event()

    def look():
        looks.append(1)
        assert over.wait(10)
        return "seen"

    shared = SingleFlight(look)
    for _ in range(3):
        with pytest.raises(TimeoutError):
            shared.within(0.01)
    over.set()

    assert shared.within(10) == "seen"
    assert looks == [1]


def test_a_look_is_made_anew_after_a_second(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("bridge.operations.singleflight.time.monotonic", lambda: now[0])
    looks = iter(range(10))
    shared = SingleFlight(lambda: next(looks))

    seen = [shared.within(10), shared.within(10)]
    now[0] += 1.1
    seen.append(shared.within(10))

    assert seen == [0, 0, 1]


def test_a_look_that_fails_says_so_and_is_made_anew(monkeypatch):
    monkeypatch.setattr("bridge.operations.singleflight.FRESH_SECONDS", -1.0)
    failures = [DatabaseUnavailable("gone")]

    def look():
        if failures:
            raise failures.pop()
        return "seen"

    shared = SingleFlight(look)
    with pytest.raises(DatabaseUnavailable):
        shared.within(10)
    assert shared.within(10) == "seen"
