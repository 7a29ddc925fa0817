"""Does code reach the database on its threads only, whole or not at all?"""

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.auth.models import Group
from django.db import connections
from django.db.utils import InterfaceError, InternalError, OperationalError

from bridge.domain.errors import DatabaseUnavailable
from bridge.storage import database
from bridge.storage.database import in_database, run_on_database_thread

pytestmark = pytest.mark.django_db(transaction=True)

LONG = 30
BROKEN = [OperationalError, InterfaceError, InternalError]


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr(database, "RECONNECT_PAUSES_SECONDS", (0.0, 0.0, 0.0))


@in_database
def add(name, then=lambda: None):
    Group.objects.create(name=name)
    then()
    return threading.current_thread()


@in_database
def names():
    return list(Group.objects.order_by("id").values_list("name", flat=True))


def failing(times, failure):
    """Return a function that fails so often, and the list of its calls."""
    calls = []

    def fail():
        calls.append(len(calls))
        if len(calls) <= times:
            raise failure("SECRET")

    return fail, calls


@pytest.fixture
def busy_thread():
    """Keep the only thread busy until the event is set."""
    begun, over = threading.Event(), threading.Event()

    def wait():
        begun.set()
        over.wait(30)

    task = database._executor().submit(wait)
    begun.wait(10)
    yield over
    over.set()
    task.result(10)


def test_it_runs_on_a_database_thread_always_the_same():
    threads = {add("a"), add("b")}
    assert len(threads) == 1
    assert threading.current_thread() not in threads
    assert names() == ["a", "b"]


def test_what_fails_leaves_nothing_behind_and_is_not_tried_again():
    fail, calls = failing(1, ZeroDivisionError)
    with pytest.raises(ZeroDivisionError):
        add("a", fail)
    assert calls == [0]
    assert names() == []


@pytest.mark.parametrize("failure", BROKEN)
@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_broken_connection_is_made_anew(failure, times):
    fail, calls = failing(times, failure)
    add("a", fail)
    assert len(calls) == times + 1
    assert names() == ["a"]


@pytest.mark.parametrize("failure", BROKEN)
def test_a_database_that_stays_away_is_unavailable(failure):
    fail, calls = failing(9, failure)
    with pytest.raises(DatabaseUnavailable) as caught:
        add("a", fail)
    assert len(calls) == 4
    assert "SECRET" not in str(caught.value)
    assert names() == []


@pytest.mark.parametrize("times", [5, 10_000])
def test_a_file_that_another_process_writes_is_waited_for(monkeypatch, times):
    monkeypatch.setattr(database, "LOCKED_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(database, "LOCK_SECONDS", LONG if times == 5 else 0.1)

    def locked(text):
        failure, locked = OperationalError(text), sqlite3.OperationalError(text)
        locked.sqlite_errorcode = sqlite3.SQLITE_BUSY_SNAPSHOT
        failure.__cause__ = locked
        return failure

    fail, calls = failing(times, locked)
    if times == 5:
        add("a", fail)
        assert len(calls) == 6
    else:
        with pytest.raises(DatabaseUnavailable):
            add("a", fail)
        assert len(calls) > 5
    assert names() == (["a"] if times == 5 else [])


def test_inside_another_it_is_part_of_its_transaction():
    @in_database
    def outer():
        assert add("inner") is threading.current_thread()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        outer()
    assert names() == []


def test_a_break_inside_another_repeats_the_whole():
    fail, calls = failing(1, OperationalError)

    @in_database
    def outer():
        add("before")
        add("inner", fail)

    outer()
    assert len(calls) == 2
    assert names() == ["before", "inner"]


def test_on_a_database_thread_it_has_a_transaction_of_its_own():
    def page():
        add("kept")
        with pytest.raises(ZeroDivisionError):
            add("dropped", failing(1, ZeroDivisionError)[0])
        return names()

    assert run_on_database_thread(page) == ["kept"]


def test_who_gets_no_thread_in_time_has_done_nothing(monkeypatch, busy_thread):
    with monkeypatch.context() as patch:
        patch.setattr(database, "WAIT_FOR_THREAD_SECONDS", 0.01)
        with pytest.raises(DatabaseUnavailable, match="busy"):
            add("a")
    busy_thread.set()
    assert names() == []


def test_what_has_begun_is_seen_through(monkeypatch):
    begun, given_up = threading.Event(), threading.Event()

    def work():
        begun.set()
        assert given_up.wait(10)

    class Impatient:
        """Return futures that have begun, and that note who gives them up."""

        def submit(self, *task):
            future = executor.submit(*task)
            cancel = future.cancel
            future.cancel = lambda: given_up.set() or cancel()
            assert begun.wait(10)
            return future

    executor = database._executor()
    with monkeypatch.context() as patch:
        patch.setattr(database, "_executor", Impatient)
        patch.setattr(database, "WAIT_FOR_THREAD_SECONDS", 0)
        add("a", work)
    assert names() == ["a"]


def test_a_stopping_interpreter_is_said_to_be_stopping(monkeypatch):
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    with monkeypatch.context() as patch:
        patch.setattr(database, "_executor", lambda: executor)
        with pytest.raises(DatabaseUnavailable, match="stopping"):
            add("a")


@pytest.mark.parametrize(
    ("vendor", "limit", "threads"),
    [("postgresql", 8, 7), ("postgresql", 2, 1), ("sqlite", 8, 1)],
)
def test_threads_are_as_many_as_connections_allow(
    monkeypatch, settings, vendor, limit, threads
):
    settings.DATABASE_MAX_CONNECTIONS = limit
    monkeypatch.setattr(type(connections["default"]), "vendor", vendor)
    assert database.threads() == threads


def test_nobody_waits_longer_than_they_have_patience():
    over = threading.Event()
    with database.patience(0.05), pytest.raises(DatabaseUnavailable):
        add("a", lambda: over.wait(30))
    over.set()

    assert names() == ["a"]  # whether it was carried out was not known


@pytest.mark.usefixtures("busy_thread")
def test_nor_for_a_thread():
    with database.patience(0.05), pytest.raises(DatabaseUnavailable):
        add("a")
