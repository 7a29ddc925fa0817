"""Clocks: a silent customer, a bot that pauses, a bot that is gone."""

from collections.abc import Callable

from tests.conftest import CLIENT_POLL_TIMEOUT_SECONDS, begin_chat
from tests.harness.bot import BAD_REQUEST, CONNECTED, END, SENT, Bot, words
from tests.harness.salesforce import Salesforce
from tests.harness.service import Service

LEASE_SECONDS = CLIENT_POLL_TIMEOUT_SECONDS + 3
IDLE_SECONDS = 3
POLLS_IN_IDLE_SECONDS = 2
"""A poll is held for 2 s, so as many polls are longer than the idle time."""


def test_a_customer_silent_past_the_orgs_clock_ends_the_chat(
    bot: Bot, salesforce: Salesforce
):
    chat = begin_chat(bot, salesforce, idle_timeout_seconds=IDLE_SECONDS)

    answer = bot.messages()

    assert answer.outcome == END
    assert IDLE_SECONDS - 1 <= answer.seconds <= IDLE_SECONDS + 3
    assert answer.body["reason"] == "visitor_idle"
    chat.wait(ended=1)
    assert chat.ended_by == "clientIdleTimeout"
    assert bot.send("すみません").outcome == BAD_REQUEST


def test_the_orgs_clock_runs_without_any_call_of_the_bot(
    bot: Bot, salesforce: Salesforce
):
    chat = begin_chat(bot, salesforce, idle_timeout_seconds=IDLE_SECONDS)

    chat.wait(ended=1, timeout=IDLE_SECONDS + 5)

    assert chat.ended_by == "clientIdleTimeout"
    assert bot.messages().outcome == END


def test_a_customer_who_has_answered_is_not_idle(bot: Bot, salesforce: Salesforce):
    chat = begin_chat(bot, salesforce, idle_timeout_seconds=IDLE_SECONDS)
    assert bot.send("はい").outcome == SENT

    chat.wait_for_polls(POLLS_IN_IDLE_SECONDS + 1)

    assert chat.state == "established"
    chat.say("調べました")
    assert bot.messages().outcome == words("調べました")
    assert bot.messages().outcome == END


def test_the_agents_next_words_start_the_orgs_clock_again(
    bot: Bot, salesforce: Salesforce
):
    chat = begin_chat(bot, salesforce, idle_timeout_seconds=IDLE_SECONDS + 1)
    for number in range(4):
        chat.wait_for_polls(1)
        chat.say(f"{number}")
        assert bot.messages().outcome == words(f"{number}")

    assert bot.messages().outcome == END
    assert chat.wait(ended=1).ended_by == "clientIdleTimeout"


def test_a_bot_that_pauses_keeps_its_chat(bot: Bot, salesforce: Salesforce):
    connection_timeout = 8
    salesforce.switch(connection_timeout_seconds=connection_timeout)
    chat = begin_chat(bot, salesforce)
    pause = 2 * max(connection_timeout, LEASE_SECONDS)

    chat.wait_for_polls(pause // 4)
    chat.say("まだお待ちですか")
    chat.wait_for_polls(pause // 4)

    assert chat.state == "established"
    assert bot.messages().outcome == words("まだお待ちですか")
    assert bot.send("はい、います").outcome == SENT
    assert chat.heard == ["はい、います"]


def test_a_bot_that_is_gone_costs_it_its_chat(
    own_service: Callable[..., Service], salesforce: Salesforce, line_id: str
):
    bot = Bot(own_service(BOT_IDLE_SECONDS="3"), line_id)
    chat = begin_chat(bot, salesforce)

    chat.wait(ended=1, timeout=10)

    assert chat.ended_by not in (None, "agent", "connection_timeout")
    answer = bot.messages()
    assert answer.outcome == END
    assert answer.body["reason"] == "bot_idle"
    assert bot.send("はい").outcome == BAD_REQUEST
    assert bot.init().outcome == CONNECTED


def test_a_bot_that_calls_in_time_keeps_its_chat(
    own_service: Callable[..., Service], salesforce: Salesforce, line_id: str
):
    bot = Bot(own_service(BOT_IDLE_SECONDS="4"), line_id)
    chat = begin_chat(bot, salesforce)

    for number in range(4):
        chat.wait_for_polls(1)
        assert bot.send(f"{number}").outcome == SENT

    assert chat.state == "established"


def test_a_bot_that_only_asks_for_its_open_chat_keeps_it(
    own_service: Callable[..., Service], salesforce: Salesforce, line_id: str
):
    bot = Bot(own_service(BOT_IDLE_SECONDS="4"), line_id)
    chat = begin_chat(bot, salesforce)

    for _ in range(4):
        chat.wait_for_polls(1)
        assert bot.init().outcome == CONNECTED

    assert chat.state == "established"


def test_a_call_that_waits_counts_throughout(
    own_service: Callable[..., Service], salesforce: Salesforce, line_id: str
):
    bot = Bot(own_service(BOT_IDLE_SECONDS="3"), line_id)
    chat = begin_chat(bot, salesforce)
    held = bot.hold("/messages")

    chat.wait_for_polls(5)
    chat.say("お待たせしました")

    assert held.answer().outcome == words("お待たせしました")
    assert chat.state == "established"
