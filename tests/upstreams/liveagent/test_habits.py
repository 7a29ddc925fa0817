"""Does a chat stand what clients of Live Agent have met in production?"""

import pytest

from tests.conftest import begin_chat
from tests.harness.bot import (
    BAD_REQUEST,
    CLOSED,
    CONNECTED,
    END,
    NOTHING,
    SENT,
    Bot,
    together,
    words,
)
from tests.harness.salesforce import Chat, Salesforce
from tests.harness.waiting import until


@pytest.fixture
def dead_chat(chat: Chat, salesforce: Salesforce) -> Chat:
    """Let the session be over, while its polls go on being answered 204."""
    salesforce.switch(poll_when_over_status=204)
    chat.forget()
    chat.wait_for_polls(1)
    return chat


@pytest.mark.breaches("unknown_session")
def test_polls_of_a_session_that_is_over_go_on_until_something_is_sent(
    bot: Bot, dead_chat: Chat
):
    assert bot.messages().outcome == NOTHING

    assert bot.send("まだいますか").outcome == BAD_REQUEST

    answer = bot.messages()
    assert answer.outcome == END
    assert answer.body["reason"] == "lost"
    assert bot.init().outcome == CONNECTED


def test_a_session_that_is_over_may_be_closed(bot: Bot, dead_chat: Chat):
    assert bot.close().outcome == CLOSED
    assert bot.messages().outcome == END
    assert dead_chat.calls("ChatEnd") == 1


def test_a_session_that_is_over_ends_by_the_idle_clock(
    bot: Bot, salesforce: Salesforce
):
    chat = begin_chat(bot, salesforce, idle_timeout_seconds=2)
    salesforce.switch(poll_when_over_status=204)
    chat.forget()

    answer = bot.messages()
    assert answer.outcome == END
    assert answer.body["reason"] == "visitor_idle"


def test_a_session_that_is_over_in_the_queue_is_ended_by_the_bot_alone(
    bot: Bot, salesforce: Salesforce
):
    salesforce.switch(poll_when_over_status=204)
    assert bot.init().outcome == CONNECTED
    chat = salesforce.wait_for_chat(bot.line_id)
    chat.forget()
    chat.wait_for_polls(1)

    assert bot.send("まだですか").outcome == SENT  # and kept
    assert bot.messages().outcome == NOTHING

    assert bot.close().outcome == CLOSED
    answer = bot.messages()
    assert answer.outcome == END
    assert answer.body["undelivered"] == 1


def test_words_are_kept_for_the_agent_though_salesforce_would_take_them(
    bot: Bot, salesforce: Salesforce
):
    salesforce.switch(post_before_established="accept")
    assert bot.init().outcome == CONNECTED
    chat = salesforce.wait_for_chat(bot.line_id)
    assert bot.send("一").outcome == bot.send("二").outcome == SENT
    assert chat.heard == []

    chat.accept()

    assert chat.wait(texts=2).heard == ["一", "二"]
    assert chat.sequences == [2, 3]


def test_messages_that_wait_are_not_dropped_for_their_haste(
    bot: Bot, salesforce: Salesforce
):
    salesforce.switch(drop_fast_messages_milliseconds=15)
    assert bot.init().outcome == CONNECTED
    chat = salesforce.wait_for_chat(bot.line_id)
    texts = [f"{number}" for number in range(10)]
    assert {bot.send(text).outcome for text in texts} == {SENT}

    chat.accept()

    assert chat.wait(texts=len(texts)).heard == texts


def test_messages_sent_together_are_not_dropped_for_their_haste(
    bot: Bot, chat: Chat, salesforce: Salesforce
):
    salesforce.switch(drop_fast_messages_milliseconds=15)
    salesforce.fault("ChatMessage", "late", seconds=1)  # so that the others wait
    texts = [f"{number}" for number in range(10)]

    together(*[lambda text=text: bot.send(text) for text in texts])

    assert sorted(chat.heard) == texts


@pytest.mark.parametrize("after", ["event", "403"])
def test_the_poll_after_the_end_is_answered_either_way(
    bot: Bot, chat: Chat, salesforce: Salesforce, after: str
):
    salesforce.switch(after_chat_end=after)
    held = bot.hold("/messages")
    bot.service.settle()

    assert bot.close().outcome == CLOSED

    answer = held.answer()
    assert answer.outcome == END
    assert answer.body["reason"] == "client"
    assert chat.ended_by == "client"
    assert bot.init().outcome == CONNECTED


@pytest.mark.parametrize("after", ["event", "403"])
def test_the_idle_clock_ends_a_chat_either_way(
    bot: Bot, salesforce: Salesforce, after: str
):
    salesforce.switch(after_chat_end=after)
    chat = begin_chat(bot, salesforce, idle_timeout_seconds=2)

    answer = bot.messages()
    assert answer.outcome == END
    assert answer.body["reason"] == "visitor_idle"
    until(lambda: chat.ended_by == "clientIdleTimeout", "Salesforce was told")


@pytest.mark.breaches("wrong_sequence")
def test_numbers_that_salesforce_has_taken_already(bot: Bot, chat: Chat):
    chat.skip_numbers(posts=3)

    assert bot.send("一").outcome == bot.send("二").outcome == SENT

    assert chat.heard == ["一", "二"]
    chat.say("三")
    assert bot.messages().outcome == words("三")
