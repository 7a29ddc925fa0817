"""/close: the customer ends the chat, and Salesforce is told."""

import time

import pytest

from tests.conftest import begin_chat
from tests.harness.bot import (
    BAD_REQUEST,
    CLOSED,
    END,
    SENT,
    Bot,
    Held,
    together,
    words,
)
from tests.harness.salesforce import Chat, Salesforce
from tests.harness.service import Service
from tests.harness.waiting import until

AT_ONCE_SECONDS = 2


def test_salesforce_is_told_before_the_answer(bot: Bot, chat: Chat):
    answer = bot.close()

    assert answer.outcome == CLOSED
    assert chat.state == "ended"
    assert chat.ended_by == "client"


def test_a_chat_that_waits_for_an_agent_can_be_closed(bot: Bot, salesforce: Salesforce):
    bot.init()
    chat = salesforce.wait_for_chat(bot.line_id)

    assert bot.close().outcome == CLOSED

    assert chat.state == "ended"
    assert chat.ended_by == "client"


def test_without_a_chat_it_is_the_same_answer(bot: Bot):
    assert bot.close().outcome == CLOSED


def test_after_the_agents_end_it_is_the_same_answer(bot: Bot, chat: Chat):
    chat.end()
    assert bot.messages().outcome == END

    assert bot.close().outcome == CLOSED
    assert chat.ended_by == "agent"


def test_twice_and_in_parallel_it_is_the_same_answer(bot: Bot, chat: Chat):
    answers = together(*[bot.close] * 4)

    assert [answer.outcome for answer in answers] == [CLOSED] * 4
    assert bot.close().outcome == CLOSED
    assert chat.calls("ChatEnd") <= 1


def test_afterwards_there_is_no_chat(bot: Bot, chat: Chat):
    bot.close()

    assert bot.messages().outcome == END
    assert bot.send("まだ").outcome == BAD_REQUEST
    assert chat.heard == []


def test_afterwards_a_new_chat_can_be_opened(
    bot: Bot, chat: Chat, salesforce: Salesforce
):
    bot.close()

    new = begin_chat(bot, salesforce)

    assert new.id != chat.id
    assert bot.send("もう一度").outcome == SENT
    assert new.heard == ["もう一度"]


def test_calls_that_wait_for_words_learn_of_the_end_at_once(
    bot: Bot, service: Service, chat: Chat
):
    held = [bot.hold("/messages") for _ in range(3)]
    service.settle()
    started = time.monotonic()

    assert bot.close().outcome == CLOSED

    assert [call.answer().outcome for call in held] == [END] * 3
    assert time.monotonic() - started < AT_ONCE_SECONDS


def test_unfetched_words_are_dropped(bot: Bot, chat: Chat):
    chat.say("一", "二", "三")
    assert bot.messages().outcome == words("一")

    bot.close()

    assert bot.messages().outcome == END


def test_unfetched_words_do_not_come_in_the_next_chat(
    bot: Bot, chat: Chat, salesforce: Salesforce
):
    chat.say("一", "二", "三")
    assert bot.messages().outcome == words("一")
    bot.close()

    new = begin_chat(bot, salesforce)

    new.say("四")
    assert bot.messages().outcome == words("四")


def test_sends_under_way_come_first(
    bot: Bot, service: Service, chat: Chat, salesforce: Salesforce
):
    salesforce.fault("ChatMessage", "late", seconds=2)
    send = bot.hold("/send", message="最後に一つ")
    until(lambda: salesforce.faults_struck, "Salesforce has the message")

    answer = bot.close()

    assert answer.outcome == CLOSED
    assert chat.heard == ["最後に一つ"]
    assert chat.ended_by == "client"
    assert send.answer().outcome == SENT


def test_several_sends_under_way_come_first(
    bot: Bot, service: Service, chat: Chat, salesforce: Salesforce
):
    salesforce.fault("ChatMessage", "slow", seconds=1)
    sends: list[Held] = []
    for text in ("一", "二", "三"):
        sends.append(bot.hold("/send", message=text))
        service.settle()

    assert bot.close().outcome == CLOSED

    assert [send.answer().outcome for send in sends] == [SENT] * 3
    assert sorted(chat.heard) == sorted(["一", "二", "三"])
    assert chat.ended_by == "client"


@pytest.mark.breaches("duplicate_sequence")
@pytest.mark.parametrize("kind", ["lose_answer", "lose_request", "status"])
def test_one_lost_try_does_not_matter(
    bot: Bot, chat: Chat, salesforce: Salesforce, kind: str
):
    salesforce.fault("ChatEnd", kind)

    assert bot.close().outcome == CLOSED

    chat.wait(ended=1, timeout=15)
    assert chat.ended_by == "client"


def test_an_unreachable_salesforce_is_told_in_the_background(
    bot: Bot, chat: Chat, salesforce: Salesforce
):
    salesforce.fault("ChatEnd", "lose_request", times=None)
    salesforce.fault("DeleteSession", "lose_request", times=None)

    assert bot.close().outcome == CLOSED
    assert bot.messages().outcome == END
    new = begin_chat(bot, salesforce)
    assert chat.state == "established"
    salesforce.clear_faults()

    chat.wait(ended=1, timeout=25)
    assert chat.ended_by == "client"
    assert bot.send("はい").outcome == SENT
    assert new.heard == ["はい"]


def test_words_in_the_queue_are_dropped(bot: Bot, salesforce: Salesforce):
    bot.init()
    chat = salesforce.wait_for_chat(bot.line_id)
    bot.send("一")

    assert bot.close().outcome == CLOSED

    assert chat.heard == []
    assert chat.ended_by == "client"


def test_a_chat_that_is_being_opened_is_not_left_open(
    bot: Bot, service: Service, salesforce: Salesforce
):
    salesforce.fault("ChasitorInit", "slow", seconds=2)
    init = bot.hold("/init", display_name="山田")
    until(lambda: salesforce.faults_struck, "the chat is being opened")

    assert bot.close().outcome == CLOSED

    init.answer()
    for chat in salesforce.chats(bot.line_id):
        chat.wait(ended=1)
    assert bot.messages().outcome == END


def test_unknown_keys_are_ignored(bot: Bot, chat: Chat):
    assert bot.call("/close", unknown=[1]).outcome == CLOSED
    assert chat.state == "ended"
