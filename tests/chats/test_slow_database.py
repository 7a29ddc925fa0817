"""The database is slow: no chat may end by it."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg2
import pytest

from tests.conftest import begin_chat
from tests.harness.bot import Bot, words
from tests.harness.salesforce import Chat, Salesforce
from tests.harness.service import Service
from tests.harness.waiting import until

POLL_SECONDS = 5
LOCKED_SECONDS = 12
# So often the lease comes late, by just less than a statement may take.
SLOW = """
    CREATE SEQUENCE updates;
    CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF nextval('updates') <= {times} THEN PERFORM pg_sleep(5.5); END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER linger BEFORE UPDATE OF poll_until ON bridge_session
        FOR EACH ROW WHEN (OLD.poll_token {is_or_not} NEW.poll_token)
        EXECUTE FUNCTION linger();
    """

pytestmark = pytest.mark.mortal_service


@pytest.fixture
def quiet(bot: Bot, service: Service, salesforce: Salesforce) -> Chat:
    """Open a chat in which nobody speaks, and let a poll of it begin."""
    if not service.database.is_postgresql:
        pytest.skip("SQLite is in the same process")
    salesforce.switch(
        poll_hold_seconds=POLL_SECONDS, client_poll_timeout_seconds=POLL_SECONDS
    )
    return begin_chat(bot, salesforce).wait_for_polls(1)


@contextmanager
def locked(bot: Bot) -> Iterator[None]:
    """Let nobody else write this customer's row meanwhile."""
    with closing(psycopg2.connect(bot.service.database.url)) as connection:
        cursor = connection.cursor()
        lock = "SELECT 1 FROM bridge_session WHERE line_id = %s FOR UPDATE"
        cursor.execute(lock, [bot.line_id])
        yield


def let_pass(seconds: float) -> None:
    end = time.monotonic() + seconds
    until(lambda: time.monotonic() > end, "time passes", seconds=seconds + 5)


def check_alive(bot: Bot, chat: Chat) -> None:
    chat.wait_for_polls(2, timeout=40)
    assert chat.breaches == {}
    chat.say("まだいますか")
    assert bot.messages().outcome == words("まだいますか")


def test_a_chat_outlives_the_lock_of_its_row(bot: Bot, quiet: Chat):
    let_pass(POLL_SECONDS - 0.3)

    with locked(bot):
        let_pass(LOCKED_SECONDS)

    check_alive(bot, quiet)


def test_a_renewal_that_comes_late_begins_no_second_poll(bot: Bot, quiet: Chat):
    bot.service.database.execute(SLOW.format(times=2, is_or_not="="))

    check_alive(bot, quiet)


def test_a_chat_that_is_taken_up_late_has_no_second_poll(bot: Bot, quiet: Chat):
    bot.service.database.execute(SLOW.format(times=1, is_or_not="<>"))

    bot.service.restart()

    check_alive(bot, quiet)
