"""The extras: keys that a bot may use, and that others never notice."""

import datetime
from collections.abc import Callable

import pytest

from tests.conftest import begin_chat, new_line_id
from tests.harness.bot import (
    BAD_REQUEST,
    CLOSED,
    CONNECTED,
    END,
    NOT_CONNECTED,
    NOTHING,
    SENT,
    Bot,
    call,
    together,
    words,
)
from tests.harness.salesforce import Chat, Salesforce
from tests.harness.service import Service

TOKEN = "a-token-of-the-tests"


def test_with_ack_words_come_until_they_are_acknowledged(bot: Bot, chat: Chat):
    chat.say("一", "二", "三")

    first = bot.messages(ack=0)
    again = bot.messages(ack=0)
    second = bot.messages(ack=first.body["id"])
    third = bot.messages(ack=second.body["id"])

    assert first.outcome == again.outcome == words("一")
    assert first.body["id"] == again.body["id"]
    assert second.outcome == words("二")
    assert third.outcome == words("三")
    assert first.body["id"] < second.body["id"] < third.body["id"]


def test_one_ack_may_pass_over_several(bot: Bot, chat: Chat):
    chat.say("一", "二", "三")
    first = bot.messages(ack=0).body["id"]
    second = bot.messages(ack=first).body["id"]
    third = bot.messages(ack=second).body["id"]
    chat.say("四")

    assert bot.messages(ack=third).outcome == words("四")


def test_an_old_ack_brings_nothing_back(bot: Bot, chat: Chat):
    chat.say("一", "二")
    first = bot.messages(ack=0).body["id"]
    assert bot.messages(ack=first).outcome == words("二")

    assert bot.messages(ack=0).outcome == words("二")


def test_acks_in_parallel_may_see_the_same(bot: Bot, service: Service, chat: Chat):
    held = [bot.hold("/messages", ack=0) for _ in range(3)]
    service.settle()

    chat.say("一")

    outcomes = [each.answer().outcome for each in held]
    assert set(outcomes) <= {words("一"), NOTHING}
    assert words("一") in outcomes
    assert bot.messages(ack=0).outcome == words("一")


def test_an_ack_above_the_highest_id_is_a_bad_request(bot: Bot, chat: Chat):
    chat.say("一")
    first = bot.messages(ack=0).body["id"]

    answer = bot.messages(ack=first + 1_000_000)

    assert answer.outcome == BAD_REQUEST
    assert answer.body["errors"][0]["field"] == "ack"
    assert bot.messages(ack=0).outcome == words("一")


def test_the_end_comes_after_the_acknowledged_words(bot: Bot, chat: Chat):
    chat.end(last_words=["一"])
    first = bot.messages(ack=0)
    assert first.outcome == words("一")
    assert bot.messages(ack=0).outcome == words("一")

    assert bot.messages(ack=first.body["id"]).outcome == END


def test_ids_rise_across_chats(bot: Bot, chat: Chat, salesforce: Salesforce):
    chat.say("一")
    first = bot.messages(ack=0).body["id"]
    chat.end()
    assert bot.messages(ack=first).outcome == END

    new = begin_chat(bot, salesforce)
    new.say("二")

    second = bot.messages(ack=first)
    assert second.outcome == words("二")
    assert second.body["id"] > first


def test_words_carry_the_agents_name_and_the_time(bot: Bot, chat: Chat):
    before = datetime.datetime.now(datetime.UTC)
    chat.say("一")

    body = bot.messages().body

    assert isinstance(body["id"], int)
    assert body["agent"] == "Riley"
    at = datetime.datetime.fromisoformat(body["at"])
    second = datetime.timedelta(seconds=1)
    assert before - second <= at <= datetime.datetime.now(datetime.UTC) + second


def test_init_tells_the_place_in_the_queue(bot: Bot, salesforce: Salesforce):
    salesforce.switch(queue_position=4, estimated_wait_seconds=90)

    answer = bot.init()

    assert answer.outcome == CONNECTED
    assert answer.body["state"] == "waiting"
    assert answer.body["queue_position"] == 4
    assert answer.body["estimated_wait"] == 90


def test_init_of_an_established_chat_says_so(bot: Bot, chat: Chat):
    answer = bot.init()

    assert answer.outcome == CONNECTED
    assert answer.body["state"] == "established"


def test_silence_in_the_queue_tells_the_place(bot: Bot, salesforce: Salesforce):
    salesforce.switch(queue_position=4, estimated_wait_seconds=90)
    bot.init()
    salesforce.wait_for_chat(bot.line_id)

    answer = bot.messages()

    assert answer.outcome == NOTHING
    assert answer.body["state"] == "waiting"
    assert answer.body["queue_position"] == 4
    assert answer.body["estimated_wait"] == 90


def test_a_failed_init_tells_the_reason(bot: Bot, salesforce: Salesforce):
    salesforce.switch(agents_available=False)

    answer = bot.init()

    assert answer.outcome == NOT_CONNECTED
    assert answer.body["reason"] == "unavailable"


END_EVENTS = {
    "agent": ({"type": "ChatEnded", "message": {"reason": "agent"}}, "agent"),
    "no agent left": (
        {"type": "ChatRequestFail", "message": {"reason": "Unavailable"}},
        "unavailable",
    ),
    "agents unavailable": (
        {"type": "ChatEnded", "message": {"reason": "agentsUnavailable"}},
        "unavailable",
    ),
    "error": (
        {"type": "AsyncResult", "message": {"isSuccess": False, "error": "no such"}},
        "error",
    ),
}


@pytest.mark.parametrize(
    ("event", "reason"), END_EVENTS.values(), ids=END_EVENTS.keys()
)
def test_the_end_tells_the_reason(bot: Bot, chat: Chat, event: dict, reason: str):
    chat.say("最後").events(event)

    assert bot.messages().outcome == words("最後")
    answer = bot.messages()
    assert answer.outcome == END
    assert answer.body["state"] == "ended"
    assert answer.body["reason"] == reason
    assert bot.send("まだ").outcome == BAD_REQUEST


def test_a_call_that_waits_while_the_customer_closes_tells_so(
    bot: Bot, service: Service, chat: Chat
):
    held = bot.hold("/messages")
    service.settle()

    assert bot.close().outcome == CLOSED

    assert held.answer().body["reason"] == "client"


def test_a_message_id_is_delivered_once(bot: Bot, chat: Chat):
    for _ in range(3):
        assert bot.send("一", message_id="100").outcome == SENT
    assert bot.send("一", message_id="101").outcome == SENT
    assert bot.send("二").outcome == SENT
    assert bot.send("一", message_id="100").outcome == SENT

    assert chat.heard == ["一", "一", "二"]


def test_a_message_id_in_parallel_is_delivered_once(bot: Bot, chat: Chat):
    answers = together(*[lambda: bot.send("一", message_id="100")] * 6)

    assert [answer.outcome for answer in answers] == [SENT] * 6
    assert chat.heard == ["一"]


def test_a_message_id_in_the_queue_is_delivered_once(bot: Bot, salesforce: Salesforce):
    bot.init()
    chat = salesforce.wait_for_chat(bot.line_id)
    for message_id in ("100", "101", "100"):
        assert bot.send(message_id, message_id=message_id).outcome == SENT

    chat.accept()

    assert chat.wait(texts=2).heard == ["100", "101"]
    assert bot.send("100", message_id="100").outcome == SENT
    assert bot.send("終わり").outcome == SENT
    assert chat.heard == ["100", "101", "終わり"]


def test_message_ids_of_two_customers_are_apart(
    bot: Bot, chat: Chat, salesforce: Salesforce
):
    other = Bot(bot.service, new_line_id())
    other_chat = begin_chat(other, salesforce)

    assert bot.send("一", message_id="100").outcome == SENT
    assert other.send("二", message_id="100").outcome == SENT

    assert chat.heard == ["一"]
    assert other_chat.heard == ["二"]


def test_above_the_limit_of_open_chats_it_is_full(
    own_service: Callable[..., Service], salesforce: Salesforce
):
    service = own_service(MAX_OPEN_CHATS="2")
    first, second, third = (Bot(service, new_line_id()) for _ in range(3))
    assert first.init().outcome == second.init().outcome == CONNECTED

    answer = third.init()

    assert answer.outcome == NOT_CONNECTED
    assert answer.body["reason"] == "full"
    assert salesforce.chats(third.line_id) == []
    assert first.init().outcome == CONNECTED, "who is in stays in"
    assert first.close().outcome == CLOSED
    assert third.init().outcome == CONNECTED


def test_with_a_token_only_those_who_have_it_are_answered(
    own_service: Callable[..., Service], salesforce: Salesforce, line_id: str
):
    service = own_service(BRIDGE_TOKEN=TOKEN)
    bot = Bot(service, line_id, token=TOKEN)
    chat = begin_chat(bot, salesforce)
    payload = f'{{"line_id": "{line_id}", "display_name": "x", "message": "x"}}'

    for header in (None, TOKEN, f"Bearer {TOKEN}x", "Bearer", f"Basic {TOKEN}"):
        headers = {"authorization": header} if header else {}
        for path in ("/init", "/messages", "/send", "/close"):
            answer = call(f"{service.url}{path}", payload, headers=headers)
            assert answer.outcome == (401, "bad", "bad request")

    assert chat.state == "established"
    assert bot.send("私です").outcome == SENT
    assert chat.heard == ["私です"]
    assert TOKEN not in service.log


def test_without_a_token_in_the_environment_any_is_welcome(bot: Bot):
    bot.token = "whatever"

    assert bot.init().outcome == CONNECTED
