"""Fixtures: one simulator of Salesforce and one service per pytest worker."""

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import django
import pytest
from django.db import connection

from tests.harness.bot import END, Bot, hang_up_all, words
from tests.harness.databases import Databases, open_databases
from tests.harness.environment import DEFAULTS
from tests.harness.salesforce import (
    BREACHES_WITHOUT_CHAT,
    Chat,
    Salesforce,
    Simulator,
)
from tests.harness.service import Service

# Tests that load Django in this process need the settings' variables, too.
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "liveagent_api.settings")
for _name, _value in DEFAULTS.items():
    os.environ.setdefault(_name, _value)

POLL_HOLD_SECONDS = 2
CLIENT_POLL_TIMEOUT_SECONDS = 3


def pytest_configure(config: pytest.Config) -> None:
    """Load Django, whose models the tests' modules import; name the markers.

    pytest-django would do it before the variables above are there.
    """
    django.setup()
    config.addinivalue_line(
        "markers", "breaches(*names): the simulator may count these in this test"
    )
    config.addinivalue_line("markers", "mortal_service: this test kills its service")
    config.addinivalue_line("markers", "opens_a_chat: this test opens one chat")
    config.addinivalue_line(
        "markers", "tracebacks: the service may log a traceback in this test"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let no test hang."""
    for item in items:
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(120))


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings: None) -> None:
    """Let two runs of the tests on one PostgreSQL not share a database."""
    if connection.vendor == "postgresql":
        connection.settings_dict["TEST"]["NAME"] = f"test_{uuid.uuid4().hex}"


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Close what threads have left open, or the database could not be removed."""
    yield
    if connection.vendor == "postgresql":
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )


@pytest.fixture(scope="session")
def worker() -> str:
    """Name this pytest worker."""
    return os.environ.get("PYTEST_XDIST_WORKER", "main")


@pytest.fixture(scope="session")
def run_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of this worker's logs and SQLite files."""
    return tmp_path_factory.mktemp("servers")


@pytest.fixture(scope="session")
def databases(run_directory: Path, worker: str) -> Iterator[Databases]:
    """Give fresh databases."""
    found = open_databases(run_directory, worker)
    yield found
    found.close()


@pytest.fixture(scope="session")
def simulator(run_directory: Path) -> Iterator[Simulator]:
    """Run one simulator, whose polls are short, for all tests of this worker."""
    simulator = Simulator(
        run_directory / "simulator.log",
        f"--poll-hold-seconds={POLL_HOLD_SECONDS}",
        f"--client-poll-timeout-seconds={CLIENT_POLL_TIMEOUT_SECONDS}",
    )
    simulator.start()
    yield simulator
    simulator.stop()


@pytest.fixture(scope="session")
def shared_service(
    run_directory: Path, databases: Databases, simulator: Simulator
) -> Iterator[Service]:
    """Run one service for all tests of this worker."""
    database = databases.fresh()
    service = Service(
        database=database,
        log=run_directory / "service.log",
        LIVEAGENT_HOST=simulator.url,
    )
    try:
        service.start()
        yield service
    finally:
        service.kill()
        database.drop()


@pytest.fixture
def salesforce(
    request: pytest.FixtureRequest, simulator: Simulator
) -> Iterator[Salesforce]:
    """Be Salesforce; afterwards, see that the protocol was never broken."""
    salesforce = Salesforce(simulator.url)
    old = {chat.id for chat in salesforce.chats()}
    switches = salesforce.switches
    breaches = salesforce.counts["breaches"]
    yield salesforce
    hang_up_all()
    salesforce.clear_faults()
    chats = [chat for chat in salesforce.chats() if chat.id not in old]
    found = {
        name: count
        for chat in chats
        for name, count in chat.breaches.items()
        if name not in allowed_breaches(request)
    }
    now = salesforce.counts["breaches"]
    for name in set(BREACHES_WITHOUT_CHAT) - set(allowed_breaches(request)):
        if now[name] > breaches[name]:
            found[name] = now[name] - breaches[name]
    salesforce.switch(**switches)
    for chat in chats:
        if chat.state == "created":
            chat.forget()
        elif chat.state != "ended":
            chat.end()
    assert not found, "the service broke Salesforce's protocol"


def allowed_breaches(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """Return what the test's marker allows."""
    marker = request.node.get_closest_marker("breaches")
    return marker.args if marker else ()


def check_log(request: pytest.FixtureRequest, log: str, chats: list[Chat]) -> None:
    """See that a service logged no traceback and no secret."""
    if request.node.get_closest_marker("tracebacks") is None:
        for fault in ("Traceback", "unexpected fault", '"trace":'):
            assert fault not in log, log[-4000:]
    for chat in chats:
        assert chat.id not in log, "a session id of Salesforce in the log"


@pytest.fixture
def service(
    request: pytest.FixtureRequest, salesforce: Salesforce
) -> Iterator[Service]:
    """Return the service that this worker's tests share, or one of the test's own."""
    if request.node.get_closest_marker("mortal_service"):
        yield request.getfixturevalue("own_service")()
        return
    shared_service: Service = request.getfixturevalue("shared_service")
    old = {chat.id for chat in salesforce.chats()}
    begin = len(shared_service.log)
    yield shared_service
    assert shared_service.server.alive, shared_service.log[-4000:]
    chats = [chat for chat in salesforce.chats() if chat.id not in old]
    check_log(request, shared_service.log[begin:], chats)


@pytest.fixture
def own_service(
    request: pytest.FixtureRequest,
    run_directory: Path,
    databases: Databases,
    salesforce: Salesforce,
) -> Iterator[Callable[..., Service]]:
    """Start services of the test's own, with an environment of its own.

    `beside=service` puts the new one on the database of another.
    """
    services: list[Service] = []
    old = {chat.id for chat in salesforce.chats()}

    def start(beside: Service | None = None, **environment: str | None) -> Service:
        name = f"{uuid.uuid4().hex[:12]}.log"
        service = Service(
            database=beside.database if beside else databases.fresh(),
            log=run_directory / name,
            **{"LIVEAGENT_HOST": salesforce.url, **environment},
        )
        services.append(service)
        service.start()
        return service

    yield start
    for service in services:
        service.kill()
    for database in {service.database for service in services}:
        database.drop()
    chats = [chat for chat in salesforce.chats() if chat.id not in old]
    for service in services:
        check_log(request, service.log, chats)


def new_line_id() -> str:
    """Return an id of the shape of LINE's own, never seen before."""
    return f"U{uuid.uuid4().hex}"


@pytest.fixture
def line_id() -> str:
    """Name a customer nobody has seen before."""
    return new_line_id()


@pytest.fixture
def bot(service: Service, line_id: str) -> Bot:
    """Be the bot of a new customer."""
    return Bot(service, line_id)


@pytest.fixture
def chat(bot: Bot, salesforce: Salesforce) -> Chat:
    """Open a chat that an agent has joined, as the service knows."""
    return begin_chat(bot, salesforce)


def begin_chat(bot: Bot, salesforce: Salesforce, **accept: object) -> Chat:
    """Open a chat and let an agent join and greet; the greeting is fetched for good.

    An answer is settled a moment after it has gone out, so that moment is let pass.
    """
    answer = bot.init()
    assert answer.body["type"] == "ok", answer
    chat = salesforce.wait_for_chat(bot.line_id)
    chat.accept(**accept).say("こんにちは")
    assert bot.messages().outcome == words("こんにちは")
    bot.service.settle()
    return chat


def take_all(bot: Bot) -> list[str]:
    """Fetch words until the chat's end and return them."""
    texts = []
    while (answer := bot.messages()).outcome != END:
        assert answer.body["type"] == "message", answer
        texts.append(answer.body["message"])
    return texts
