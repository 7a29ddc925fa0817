"""Does a bot get each message once, and at what cost to the database?"""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.db.utils import OperationalError

from bridge.chats import services
from bridge.domain.errors import DatabaseUnavailable, InvalidRequest
from bridge.models import AgentMessage, Session
from bridge.storage import agent_messages, database, notifications
from bridge.storage.database import in_database, run_on_database_thread
from bridge.storage.sql import Script

pytestmark = pytest.mark.django_db(transaction=True)

SECONDS = 20
LINE_ID = "U1"


@pytest.fixture
def chat():
    return Session.objects.create(line_id=LINE_ID, display_name="", state="waiting")


@in_database
def say(chat, text):
    message = AgentMessage.objects.create(
        session=chat, line_id=chat.line_id, text=text, agent=""
    )
    Session.objects.filter(pk=chat.pk).update(last_word_id=message.pk)
    return message.pk


class Statements:
    """Those carried out on the database thread, as they begin."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.looked = threading.Semaphore(0)

    def __call__(self, execute, sql, params, many, context):
        self.texts.append(sql)
        result = execute(sql, params, many, context)
        if "LEFT JOIN" in sql:
            self.looked.release()
        return result

    def count(self, text):
        return sum(text in each for each in self.texts)


@pytest.fixture
def statements():
    """Record what is carried out on the database thread."""
    statements = Statements()

    def install():
        connection.ensure_connection()
        connection.execute_wrappers.append(statements)

    run_on_database_thread(install)
    return statements


@pytest.mark.parametrize("acknowledges", [True, False])
def test_a_wake_up_costs_one_round_trip(chat, request, acknowledges):
    ack = None
    if acknowledges:
        ack = say(chat, "read before")
        services.next_message(line_id=LINE_ID, ack=0)
    statements = request.getfixturevalue("statements")

    with ThreadPoolExecutor(1) as executor:
        held = executor.submit(services.next_message, line_id=LINE_ID, ack=ack)
        for _ in range(3):
            assert statements.looked.acquire(timeout=SECONDS)
            if acknowledges:
                assert statements.count("DELETE") == 1
            notifications.publish_here(notifications.messages_for(LINE_ID))
        said = say(chat, "new")
        said_in = statements.count("INSERT INTO")
        notifications.publish_here(notifications.messages_for(LINE_ID))
        assert held.result(SECONDS).message.id == said

    looks = statements.count("LEFT JOIN")
    assert statements.count("DELETE") == (1 if acknowledges else 0)
    if connection.vendor == "postgresql":
        assert statements.count("bridge_agentmessage") - said_in == looks


def test_an_ack_deletes_what_was_handed_out_and_nothing_else(chat):
    first, second = say(chat, "one"), say(chat, "two")
    assert services.next_message(line_id=LINE_ID, ack=0).message.id == first

    with pytest.raises(InvalidRequest):
        services.next_message(line_id=LINE_ID, ack=second)
    assert AgentMessage.objects.count() == 2

    assert services.next_message(line_id=LINE_ID, ack=first).message.id == second
    assert AgentMessage.objects.get().pk == second


def test_an_ack_of_older_chats_is_good_when_nothing_is_known_of_them(chat):
    old = say(chat, "one")
    Session.objects.all().delete()

    assert services.next_message(line_id=LINE_ID, ack=old).is_end
    with pytest.raises(InvalidRequest):
        services.next_message(line_id=LINE_ID, ack=old + 1)


@pytest.fixture
def deletes_fail(monkeypatch):
    """Have each DELETE fail, as over a broken connection; calling it ends that."""
    monkeypatch.setattr(database, "RECONNECT_PAUSES_SECONDS", (0.0,))
    failing = threading.Event()
    failing.set()

    def fail(execute, sql, params, many, context):
        if sql.startswith("DELETE") and failing.is_set():
            raise OperationalError
        return execute(sql, params, many, context)

    run_on_database_thread(lambda: connection.execute_wrappers.append(fail))
    return failing.clear


@pytest.mark.parametrize("by_supervisor", [True, False])
def test_what_was_delivered_is_not_handed_out_again(
    chat, monkeypatch, deletes_fail, by_supervisor
):
    monkeypatch.setattr(agent_messages, "CLAIM_SECONDS", -1)
    say(chat, "one")
    second = say(chat, "two")
    message = services.next_message(line_id=LINE_ID, ack=None).message
    with pytest.raises(DatabaseUnavailable):
        agent_messages.delivered(message)
    with pytest.raises(DatabaseUnavailable):
        services.next_message(line_id=LINE_ID, ack=None)

    deletes_fail()
    if by_supervisor:
        agent_messages.delete_delivered()
        assert AgentMessage.objects.get().pk == second

    assert services.next_message(line_id=LINE_ID, ack=None).message.id == second
    assert not agent_messages._delivered


def test_a_message_stored_in_the_midst_of_the_look_can_be_acknowledged(
    chat, monkeypatch
):
    """PostgreSQL shows each statement of a script what was committed before it."""
    message_id = say(chat, "一")
    too_early = Script(agent_messages.LOOK, is_known="{true}", **agent_messages.PIECES)
    monkeypatch.setattr(agent_messages, "ACKNOWLEDGE_AND_FETCH", too_early)

    found = agent_messages.fetch(LINE_ID, claim=0, hold_seconds=SECONDS, ack=0)

    monkeypatch.undo()
    assert found.message is not None and found.message.id == message_id
    after = agent_messages.fetch(LINE_ID, claim=0, hold_seconds=SECONDS, ack=message_id)
    assert after.message is None
