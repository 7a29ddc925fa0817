"""/messages: the agent's words, one to a call, none lost, none twice."""

import json
import re

import pytest
import requests

from tests.conftest import begin_chat
from tests.harness.bot import END, NOTHING, SENT, Bot, together, words
from tests.harness.salesforce import Chat, Salesforce
from tests.harness.service import Service
from tests.harness.texts import TEXTS
from tests.harness.waiting import until

AT_ONCE_SECONDS = 2
MUCH_LATER = 1000

NOISE = [
    {"type": "AgentTyping", "message": {"name": "Riley", "agentId": "005"}},
    {"type": "AgentNotTyping", "message": {}},
    {"type": "QueueUpdate", "message": {"position": 0, "estimatedWaitTime": -1}},
    {"type": "CustomEvent", "message": {"type": "CardNeeded", "data": "visa"}},
    {"type": "FileTransfer", "message": {"type": "Requested", "fileToken": "t"}},
    {"type": "RichMessage", "message": {"type": "ChatWindowMenu", "items": []}},
    {"type": "AsyncResult", "message": {"isSuccess": True}},
    {"type": "NeverHeardOf", "message": {"text": "not for the customer"}},
    {"type": "AgentTyping"},
    {"type": "NeverHeardOf", "message": None},
    {"type": "ChatMessage"},
    {"type": "ChatMessage", "message": {"name": "Riley", "text": {"no": "text"}}},
    {"type": "QueueUpdate", "message": {"position": "first", "estimatedWaitTime": []}},
    {"type": 7, "message": []},
    {"type": "AgentTransfer", "message": "not an object"},
]


def said(text: str) -> dict:
    return {"type": "ChatMessage", "message": {"name": "Riley", "text": text}}


def test_the_agents_words_reach_the_bot(bot: Bot, chat: Chat):
    held = bot.hold("/messages")
    bot.service.settle()

    chat.say("はい、承ります。")

    answer = held.answer()
    assert answer.outcome == words("はい、承ります。")
    assert "はい、承ります。".encode() in answer.raw


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_text_is_unchanged(bot: Bot, chat: Chat, text: str):
    chat.say(text)

    message = bot.messages().body["message"]

    assert message.encode() == text.encode()


def test_seven_words_in_one_answer_of_salesforce_all_arrive(bot: Bot, chat: Chat):
    texts = [f"その{number}" for number in "一二三四五六七"]
    chat.say(*texts)

    answers = [bot.messages() for _ in texts]

    assert [answer.outcome for answer in answers] == [words(text) for text in texts]
    assert all(answer.seconds < AT_ONCE_SECONDS for answer in answers[1:])


def test_the_same_words_twice_arrive_twice(bot: Bot, chat: Chat):
    chat.say("はい", "はい").say("はい")
    chat.end(last_words=["はい"])

    outcomes = [bot.messages().outcome for _ in range(5)]

    assert outcomes == [words("はい")] * 4 + [END]


def test_the_last_words_come_before_the_end(bot: Bot, chat: Chat):
    chat.end(last_words=["以上です", "失礼します"])

    outcomes = [bot.messages().outcome for _ in range(3)]

    assert outcomes == [words("以上です"), words("失礼します"), END]


def test_words_spoken_while_nobody_asks_are_kept(bot: Bot, chat: Chat):
    for number in range(5):
        chat.say(f"{number}")
    chat.wait_for_polls(3)

    outcomes = [bot.messages().outcome for _ in range(5)]

    assert outcomes == [words(f"{number}") for number in range(5)]


def test_other_events_never_hide_or_delay_the_words(bot: Bot, chat: Chat):
    chat.events(*NOISE, said("一"), *NOISE, said("二"), *NOISE)
    chat.events(*NOISE)

    assert bot.messages().outcome == words("一")
    assert bot.messages().outcome == words("二")
    held = bot.hold("/messages")
    bot.service.settle()
    chat.events(*NOISE)
    chat.say("三")
    assert held.answer().outcome == words("三")


def test_what_is_not_text_becomes_the_replacement_character(bot: Bot, chat: Chat):
    event = r'{"type":"ChatMessage","message":{"name":"R","text":"a\u0000b\ud800c"}}'
    chat.raw(f'{{"messages":[{event}],"sequence":{MUCH_LATER},"offset":1}}')

    assert bot.messages().outcome == words("a\ufffdb\ufffdc")


def test_a_disconnected_agent_is_not_the_end(bot: Bot, chat: Chat):
    chat.disconnect_agent()
    held = bot.hold("/messages")
    bot.service.settle()
    chat.wait_for_polls(1)

    chat.accept(agent="Sam").say("代わりました")

    answer = held.answer()
    assert answer.outcome == words("代わりました")
    assert answer.body["agent"] == "Sam"
    assert bot.send("よろしく").outcome == SENT
    assert chat.wait(texts=1).heard == ["よろしく"]


def test_without_a_chat_there_is_the_end(bot: Bot):
    answer = bot.messages()

    assert answer.outcome == END
    assert "接続が終了しました。".encode() in answer.raw
    assert answer.seconds < AT_ONCE_SECONDS


def test_the_end_is_told_again(bot: Bot, chat: Chat):
    chat.end()

    assert [bot.messages().outcome for _ in range(3)] == [END] * 3


def test_silence_is_answered_in_time_while_salesforce_holds_its_poll(
    bot: Bot, salesforce: Salesforce
):
    salesforce.switch(poll_hold_seconds=40, client_poll_timeout_seconds=45)
    chat = begin_chat(bot, salesforce)
    polls = chat.look()["polls"]

    answer = bot.messages()

    assert answer.outcome == NOTHING
    assert chat.look()["polls"] <= polls + 1
    chat.say("やっと")
    assert bot.messages().outcome == words("やっと")


def test_each_message_goes_to_exactly_one_of_four_parallel_calls(
    bot: Bot, service: Service, chat: Chat
):
    held = [bot.hold("/messages") for _ in range(4)]
    service.settle()
    for number in range(4):
        chat.say(f"{number}")

    answers = [call.answer().outcome for call in held]

    assert sorted(answers) == [words(f"{number}") for number in range(4)]
    chat.say("後で")
    assert bot.messages().outcome == words("後で")
    chat.end()
    assert bot.messages().outcome == END


def test_four_parallel_calls_never_make_a_second_poll(bot: Bot, chat: Chat):
    texts = [f"{number}" for number in range(12)]
    chat.say(*texts)

    answers = [*together(*[bot.messages] * 4), *together(*[bot.messages] * 4)]
    answers += together(*[bot.messages] * 4)

    assert {answer.body["message"] for answer in answers} == set(texts)
    chat.wait_for_polls(2)
    assert chat.breaches == {}


def test_all_waiting_calls_learn_of_the_end(bot: Bot, service: Service, chat: Chat):
    held = [bot.hold("/messages") for _ in range(4)]
    service.settle()

    chat.end(last_words=["さようなら"])

    outcomes = [call.answer().outcome for call in held]
    assert sorted(outcomes) == sorted([words("さようなら"), END, END, END])


def test_a_bot_that_hangs_up_gets_the_words_on_its_next_call(
    bot: Bot, service: Service, chat: Chat
):
    held = bot.hold("/messages")
    service.settle()
    held.hang_up()
    chat.say("一", "二", "三")

    outcomes = [bot.messages().outcome for _ in range(3)]

    assert outcomes == [words("一"), words("二"), words("三")]


def test_hanging_up_again_and_again_loses_nothing(
    bot: Bot, service: Service, chat: Chat
):
    for number in range(10):
        held = [bot.hold("/messages") for _ in range(3)]
        service.settle()
        for call in held:
            call.hang_up()
        chat.say(f"{number}a", f"{number}b")

        assert bot.messages().outcome == words(f"{number}a")
        assert bot.messages().outcome == words(f"{number}b")


def test_a_call_ends_soon_after_its_bot_has_hung_up(
    bot: Bot, service: Service, chat: Chat
):
    held = [bot.hold("/messages") for _ in range(3)]
    until(lambda: calls_held(service) == 3, "they wait")

    for call in held[:2]:
        call.hang_up()

    until(lambda: calls_held(service) == 1, "two are over", seconds=5)
    chat.say("まだいますか")
    assert held[2].answer().outcome == words("まだいますか")


def calls_held(service: Service) -> int:
    """Return how many calls of /messages are being served."""
    counted = requests.get(f"{service.url}/metrics", timeout=30).text
    found = re.search(r"^liveagent_messages_held (\d+)", counted, re.MULTILINE)
    assert found, counted
    return int(found[1])


def test_one_connection_serves_many_calls(bot: Bot, service: Service, chat: Chat):
    texts = [f"{number}" for number in range(10)]
    chat.say(*texts)
    payload = {"line_id": bot.line_id}

    with requests.Session() as http:
        answers = [
            http.post(f"{service.url}/messages", json=payload, timeout=30).json()
            for _ in texts
        ]

    assert [answer["message"] for answer in answers] == texts


def test_a_body_may_come_in_chunks(bot: Bot, service: Service, chat: Chat):
    chat.say("はい")
    chunks = iter([b'{"line_id": ', f'"{bot.line_id}"}}'.encode()])
    headers = {"content-type": "application/json"}

    response = requests.post(
        f"{service.url}/messages", data=chunks, headers=headers, timeout=30
    )

    assert response.json()["message"] == "はい"


@pytest.mark.parametrize("extra", [{"unknown": "x"}, {"ack": None}, {"message": 1}])
def test_unknown_and_null_keys_are_ignored(bot: Bot, chat: Chat, extra: dict):
    chat.say("はい")

    assert bot.messages(**extra).outcome == words("はい")


def test_the_poll_timeout_may_be_text(bot: Bot, salesforce: Salesforce):
    salesforce.switch(client_poll_timeout_as_text=True, first_sequence=1)
    bot.init()
    chat = salesforce.wait_for_chat(bot.line_id).accept()

    chat.say("はい").wait_for_polls(2).say("どうぞ")

    assert bot.messages().outcome == words("はい")
    assert bot.messages().outcome == words("どうぞ")


def test_events_of_a_batch_are_json_however_odd(bot: Bot, chat: Chat):
    odd: list = [{}, None, 1, "text", [], {"message": {}}]
    chat.raw(json.dumps({"messages": odd, "sequence": None, "offset": "x"}))

    chat.say("まだいます")

    assert bot.messages().outcome == words("まだいます")
