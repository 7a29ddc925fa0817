"""The database goes away for some seconds: what do bot and agent notice?"""

import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest
import requests

from tests.chats.test_bounds import cut_connections
from tests.conftest import begin_chat
from tests.harness.bot import SENT, UNAVAILABLE, Bot, together, words
from tests.harness.salesforce import Chat, Salesforce
from tests.harness.service import Service
from tests.harness.waiting import until
from tests.harness.wire import Wire

DELETE = b"DELETE FROM bridge_agentmessage"


@pytest.fixture
def wired(own_service: Callable[..., Service]) -> Iterator[tuple[Service, Wire]]:
    """Start a service whose two connections to PostgreSQL can be broken."""
    direct = own_service()
    if not direct.database.is_postgresql:
        pytest.skip("SQLite is in the same process")
    direct.kill()
    wire = Wire(direct.database.url)
    environment = {"DATABASE_URL": wire.url, "DATABASE_MAX_CONNECTIONS": "2"}
    yield own_service(beside=direct, **environment), wire
    wire.close()


def test_a_delivery_that_could_not_be_noted_is_not_repeated(
    wired: tuple[Service, Wire], salesforce: Salesforce, line_id: str
):
    service, wire = wired
    bot = Bot(service, line_id)
    chat = begin_chat(bot, salesforce)
    wire.cut_at(DELETE)

    chat.say("一つ目")
    assert bot.messages().outcome == words("一つ目")
    assert wire.is_cut.wait(10)
    assert bot.messages().outcome == UNAVAILABLE
    until(lambda: "could not be settled" in service.log, "it is given up")
    wire.mend()
    chat.say("二つ目")

    assert bot.messages().outcome == words("二つ目")


def test_connections_that_fall_silent_are_given_up(
    wired: tuple[Service, Wire], salesforce: Salesforce, line_id: str
):
    """Whoever holds them says nothing more; new ones are answered as ever."""
    service, wire = wired
    bot = Bot(service, line_id)
    chat = begin_chat(bot, salesforce)

    wire.strand()
    together(*[bot.messages] * 3)

    until(lambda: bot.send("一").outcome == SENT, "it works again")
    chat.say("二")
    assert bot.messages().outcome == words("二")
    assert chat.heard == ["一"]


def test_a_failover_to_a_server_that_only_reads(
    wired: tuple[Service, Wire], salesforce: Salesforce, line_id: str
):
    """Connections made meanwhile are to that server, and of no use afterwards."""
    service, wire = wired
    bot = Bot(service, line_id)
    chat = begin_chat(bot, salesforce)
    name = service.database.url.rpartition("/")[2]
    read_only = f'ALTER DATABASE "{name}" SET default_transaction_read_only TO'

    service.database.execute(f"{read_only} on")
    wire.cut()
    wire.mend()
    assert bot.send("一").outcome == UNAVAILABLE
    chat.say("二")
    assert bot.messages().outcome == UNAVAILABLE
    service.database.execute(f"SET TRANSACTION READ WRITE; {read_only} off")

    until(lambda: bot.send("三").outcome == SENT, "it works again")
    assert bot.messages().outcome == words("二")


def test_another_process_that_writes_holds_up_what_does_not_write(
    service: Service, bot: Bot, chat: Chat
):
    """SQLite lets one writer in at a time; who waits for it is no other's trouble."""
    if service.database.is_postgresql:
        pytest.skip("PostgreSQL lets all of them in")
    path = service.database.url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        held = bot.hold("/send", message="一")
        for _ in range(20):
            answer = requests.get(f"{service.url}/healthz", timeout=10)
            assert answer.elapsed.total_seconds() < 1
        assert chat.heard == []
        other.execute("ROLLBACK")

    assert held.answer().outcome == SENT
    assert chat.heard == ["一"]


def test_another_process_is_heard_whatever_number_the_connection_has(
    own_service: Callable[..., Service], salesforce: Salesforce, line_id: str
):
    """A service with a thousand callers has to connect anew, and goes on listening."""
    first = own_service()
    if not first.database.is_postgresql:
        pytest.skip("on SQLite nobody listens")
    second = own_service(beside=first)
    chat = begin_chat(Bot(first, line_id), salesforce)
    other = Bot(second, line_id)
    with ExitStack() as callers:
        for _ in range(1100):
            callers.enter_context(socket.create_connection(("127.0.0.1", second.port)))
        second.settle()
        cut_connections(first.database.url)

        for text in ("一", "二", "三"):
            held = other.hold("/messages")
            second.settle()
            chat.say(text)
            assert held.answer().outcome == words(text)

    assert second.log.count("listening anew") == 1
