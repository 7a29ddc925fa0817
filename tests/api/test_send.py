"""/send: the customer's words reach the agent once, in order."""

import pytest

from tests.conftest import begin_chat
from tests.harness.bot import (
    BAD_REQUEST,
    CONNECTED,
    END,
    SENT,
    Bot,
    together,
    words,
)
from tests.harness.salesforce import Chat, Salesforce
from tests.harness.service import Service
from tests.harness.texts import TEXTS

AT_ONCE_SECONDS = 2


def test_the_customers_words_reach_the_agent(bot: Bot, chat: Chat):
    answer = bot.send("請求書について質問があります")

    assert answer.outcome == SENT
    assert chat.heard == ["請求書について質問があります"], "sent before the answer"


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_text_is_unchanged(bot: Bot, chat: Chat, text: str):
    assert bot.send(text).outcome == SENT

    [heard] = chat.heard
    assert heard.encode() == text.encode()


def test_words_one_after_the_other_keep_their_order(bot: Bot, chat: Chat):
    texts = [f"{number}" for number in range(12)]

    assert [bot.send(text).outcome for text in texts] == [SENT] * 12

    assert chat.heard == texts
    assert chat.sequences == list(range(2, 14))


def test_twenty_at_once_arrive_once_each_in_sequence(bot: Bot, chat: Chat):
    texts = [f"{number}" for number in range(20)]

    answers = together(*[lambda text=text: bot.send(text) for text in texts])

    assert [answer.outcome for answer in answers] == [SENT] * 20
    assert sorted(chat.heard) == sorted(texts)
    assert chat.sequences == list(range(2, 22))
    assert chat.calls("ChatMessage") == 20


def test_the_same_text_twice_is_said_twice(bot: Bot, chat: Chat):
    assert bot.send("はい").outcome == SENT
    assert bot.send("はい").outcome == SENT
    together(lambda: bot.send("はい"), lambda: bot.send("はい"))

    assert chat.heard == ["はい"] * 4


def test_both_sides_talk_at_once(bot: Bot, chat: Chat):
    texts = [f"{number}" for number in range(8)]
    chat.say(*texts)

    answers = together(
        *[lambda text=text: bot.send(text) for text in texts], bot.messages
    )

    assert [answer.outcome for answer in answers[:8]] == [SENT] * 8
    fetched = [answers[8].body["message"]]
    fetched += [bot.messages().body["message"] for _ in texts[1:]]
    assert fetched == texts
    assert sorted(chat.heard) == texts


def test_accepted_is_success_too(bot: Bot, salesforce: Salesforce):
    salesforce.switch(post_success_status=202)
    chat = begin_chat(bot, salesforce)

    assert [bot.send(text).outcome for text in "一二三"] == [SENT] * 3

    assert chat.heard == ["一", "二", "三"]


def test_words_typed_in_the_queue_reach_the_agent_in_order(
    bot: Bot, salesforce: Salesforce
):
    salesforce.switch(queue_position=2)
    bot.init()
    chat = salesforce.wait_for_chat(bot.line_id)
    texts = [f"{number} 番目" for number in range(6)]

    answers = [bot.send(text) for text in texts]

    assert [answer.outcome for answer in answers] == [SENT] * 6
    assert all(answer.seconds < AT_ONCE_SECONDS for answer in answers)
    assert chat.calls("ChatMessage") == 0, "nothing is posted before the agent joins"
    chat.accept()
    assert chat.wait(texts=6).heard == texts
    assert bot.send("最後").outcome == SENT
    assert chat.heard == [*texts, "最後"]


def test_words_typed_in_the_queue_wait_however_long(bot: Bot, salesforce: Salesforce):
    bot.init()
    chat = salesforce.wait_for_chat(bot.line_id)
    bot.send("もしもし")

    chat.wait_for_polls(3)
    assert chat.calls("ChatMessage") == 0
    chat.accept()

    assert chat.wait(texts=1).heard == ["もしもし"]


def test_words_of_parallel_calls_in_the_queue_come_once(
    bot: Bot, salesforce: Salesforce
):
    bot.init()
    chat = salesforce.wait_for_chat(bot.line_id)
    texts = [f"{number}" for number in range(10)]

    answers = together(*[lambda text=text: bot.send(text) for text in texts])
    chat.accept()

    assert [answer.outcome for answer in answers] == [SENT] * 10
    assert sorted(chat.wait(texts=10).heard) == texts
    assert bot.send("次").outcome == SENT
    assert chat.heard[10:] == ["次"]


def test_words_typed_while_the_agent_joins_keep_their_order(
    bot: Bot, salesforce: Salesforce
):
    bot.init()
    chat = salesforce.wait_for_chat(bot.line_id)
    texts = [f"{number}" for number in range(12)]

    for number, text in enumerate(texts):
        if number == 4:
            chat.accept()
        assert bot.send(text).outcome == SENT

    assert chat.wait(texts=12).heard == texts


def test_words_in_the_queue_are_dropped_with_the_chat(bot: Bot, salesforce: Salesforce):
    bot.init()
    chat = salesforce.wait_for_chat(bot.line_id)
    for text in ("一", "二", "三"):
        assert bot.send(text).outcome == SENT

    chat.fail()

    answer = bot.messages()
    assert answer.outcome == END
    assert answer.body["undelivered"] == 3
    assert chat.heard == []
    new = begin_chat(bot, salesforce)
    assert bot.send("四").outcome == SENT
    assert new.heard == ["四"], "what was dropped does not come back"


def test_a_call_that_waits_learns_how_many_were_dropped(
    bot: Bot, service: Service, salesforce: Salesforce
):
    bot.init()
    chat = salesforce.wait_for_chat(bot.line_id)
    bot.send("一")
    held = bot.hold("/messages")
    service.settle()

    chat.end(reason="agent")

    answer = held.answer()
    assert answer.outcome == END
    assert answer.body["undelivered"] == 1


def test_without_dropped_words_none_are_told(bot: Bot, chat: Chat):
    bot.send("一")
    chat.end()

    assert not bot.messages().body.get("undelivered")


def test_without_a_chat_it_is_a_bad_request(bot: Bot):
    assert bot.send("もしもし").outcome == BAD_REQUEST


def test_after_the_end_it_is_a_bad_request(bot: Bot, chat: Chat):
    chat.end()
    assert bot.messages().outcome == END

    assert bot.send("まだいますか").outcome == BAD_REQUEST
    assert chat.heard == []


def test_after_a_failed_init_it_is_a_bad_request(bot: Bot, salesforce: Salesforce):
    salesforce.switch(agents_available=False)
    bot.init()

    assert bot.send("もしもし").outcome == BAD_REQUEST


def test_words_reach_the_agent_though_nobody_fetches_his(bot: Bot, chat: Chat):
    chat.say("一", "二")

    assert bot.send("三").outcome == SENT

    assert chat.heard == ["三"]
    assert bot.messages().outcome == words("一")


@pytest.mark.parametrize("extra", [{"unknown": "x"}, {"message_id": None}])
def test_unknown_and_null_keys_are_ignored(bot: Bot, chat: Chat, extra: dict):
    assert bot.send("はい", **extra).outcome == SENT
    assert chat.heard == ["はい"]


def test_a_second_press_of_the_button_loses_no_words(bot: Bot, salesforce: Salesforce):
    bot.init()
    chat = salesforce.wait_for_chat(bot.line_id)
    bot.send("一")
    assert bot.init().outcome == CONNECTED
    bot.send("二")

    chat.accept()

    assert chat.wait(texts=2).heard == ["一", "二"]
