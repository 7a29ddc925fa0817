"""A chat that Salesforce has ended without a word: the bot learns of its end."""

import pytest

from tests.conftest import begin_chat
from tests.harness.bot import (
    BAD_REQUEST,
    CONNECTED,
    END,
    SENT,
    Bot,
    words,
)
from tests.harness.salesforce import Chat, Salesforce

DUPLICATE_POLL = "Duplicate long poll on this session"


@pytest.mark.breaches("unknown_session")
def test_a_forgotten_session_is_the_end(bot: Bot, chat: Chat):
    chat.say("一", "二")
    assert bot.messages().outcome == words("一")

    chat.forget()

    assert bot.messages().outcome == words("二")
    answer = bot.messages()
    assert answer.outcome == END
    assert answer.body["reason"] == "lost"
    assert bot.send("まだいますか").outcome == BAD_REQUEST


@pytest.mark.breaches("unknown_session")
def test_send_may_be_the_first_to_meet_a_forgotten_session(
    bot: Bot, chat: Chat, salesforce: Salesforce
):
    text = "Session required but was invalid or not found"
    salesforce.fault("ChatMessage", "status", status=403, body=text)

    assert bot.send("まだいますか").outcome == BAD_REQUEST

    answer = bot.messages()
    assert answer.outcome == END
    assert answer.body["reason"] == "lost"


@pytest.mark.breaches("unknown_session")
def test_last_words_on_their_way_arrive_though_send_meets_the_end_first(
    bot: Bot, chat: Chat, salesforce: Salesforce
):
    salesforce.fault("Messages", "slow", seconds=1)
    chat.end(last_words=["さようなら"])

    assert bot.send("ありがとう").outcome == BAD_REQUEST

    assert bot.messages().outcome == words("さようなら")
    assert bot.messages().outcome == END


@pytest.mark.breaches("unknown_session")
def test_a_call_that_waits_learns_of_a_forgotten_session(bot: Bot, chat: Chat):
    held = bot.hold("/messages")
    bot.service.settle()

    chat.forget()

    assert held.answer().outcome == END


def test_a_poll_refused_as_duplicate_is_the_end(
    bot: Bot, chat: Chat, salesforce: Salesforce
):
    salesforce.fault("Messages", "status", status=409, body=DUPLICATE_POLL)

    answer = bot.messages()

    assert answer.outcome == END
    assert answer.body["reason"] == "lost"
    assert bot.send("まだいますか").outcome == BAD_REQUEST
    assert bot.init().outcome == CONNECTED


@pytest.mark.breaches("unknown_session")
def test_after_a_lost_chat_a_new_one_can_be_opened(
    bot: Bot, chat: Chat, salesforce: Salesforce
):
    chat.forget()
    assert bot.messages().outcome == END

    new = begin_chat(bot, salesforce)

    assert bot.send("はい").outcome == SENT
    assert new.heard == ["はい"]


def test_no_agent_after_all_is_the_end(bot: Bot, salesforce: Salesforce):
    assert bot.init().outcome == CONNECTED

    salesforce.wait_for_chat(bot.line_id).fail("Unavailable")

    answer = bot.messages()
    assert answer.outcome == END
    assert answer.body["reason"] == "unavailable"
