"""kill -9 at any moment: the chat goes on after the restart, and no word is lost."""

import http.client
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
import requests

from tests.conftest import new_line_id, take_all
from tests.harness.bot import END, SENT, Bot, together, words
from tests.harness.salesforce import Chat, Salesforce
from tests.harness.service import Service
from tests.harness.waiting import until

pytestmark = pytest.mark.mortal_service


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_fetched_from_salesforce_but_not_by_the_bot(
    bot: Bot, service: Service, chat: Chat, end: str
):
    chat.say("一", "二", "三")
    assert bot.messages().outcome == words("一")
    service.settle()

    getattr(service, end)()
    service.start()

    chat.wait_for_polls(2)
    chat.say("四").wait_for_polls(1)
    outcomes = [bot.messages().outcome for _ in range(3)]
    assert outcomes == [words("二"), words("三"), words("四")]
    assert bot.send("五").outcome == SENT
    assert chat.heard == ["五"]


def test_words_spoken_while_it_is_down(bot: Bot, service: Service, chat: Chat):
    service.kill()
    chat.say("一")
    chat.say("二", "三")

    service.start()

    outcomes = [bot.messages().outcome for _ in range(3)]
    assert outcomes == [words("一"), words("二"), words("三")]


def test_words_whose_answer_was_under_way(
    bot: Bot, service: Service, chat: Chat, salesforce: Salesforce
):
    salesforce.fault("Messages", "slow", seconds=2)
    chat.say("一", "二")
    until(lambda: salesforce.faults_struck, "the answer is under way")

    service.restart()

    assert bot.messages().outcome == words("一")
    assert bot.messages().outcome == words("二")


def test_while_the_bot_waits(bot: Bot, service: Service, chat: Chat):
    held = bot.hold("/messages")
    service.settle()

    service.restart()

    with pytest.raises((requests.RequestException, OSError)):
        held.answer()
    chat.say("一")
    assert bot.messages().outcome == words("一")


def test_in_the_instant_of_answering_at_most_one_word_is_repeated(
    bot: Bot, service: Service, chat: Chat
):
    chat.say("一", "二", "三")
    assert bot.messages().outcome == words("一")
    service.restart()
    chat.end()

    rest = take_all(bot)

    assert rest in (["二", "三"], ["一", "二", "三"])


def test_in_the_instant_of_answering_twenty_customers_nothing_is_lost(
    service: Service, salesforce: Salesforce
):
    bots = [Bot(service, new_line_id()) for _ in range(20)]
    together(*[bot.init for bot in bots])
    chats = [salesforce.wait_for_chat(bot.line_id).accept() for bot in bots]
    held = [bot.hold("/messages") for bot in bots]
    service.settle()
    with ThreadPoolExecutor(len(bots)) as agents:
        for bot, chat in zip(bots, chats, strict=True):
            agents.submit(chat.say, bot.line_id)
        held[0].wait()
        service.kill()
    service.start()

    for bot, chat, call in zip(bots, chats, held, strict=True):
        fetched = []
        with suppress(OSError, http.client.HTTPException):
            fetched.append(call.answer().body["message"])
        chat.end()
        fetched += take_all(bot)
        assert fetched in ([bot.line_id], [bot.line_id] * 2)


def test_with_ack_nothing_is_repeated(bot: Bot, service: Service, chat: Chat):
    chat.say("一", "二", "三")
    first = bot.messages(ack=0).body["id"]
    service.restart()

    again = bot.messages(ack=0)
    second = bot.messages(ack=first)
    service.restart()
    third = bot.messages(ack=second.body["id"])

    assert again.outcome == words("一")
    assert again.body["id"] == first
    assert second.outcome == words("二")
    assert third.outcome == words("三")


def test_killed_again_and_again_while_the_agent_talks(
    bot: Bot, service: Service, chat: Chat
):
    fetched: list[str] = []
    ack = 0
    for life in range(3):
        chat.say(f"{life}a", f"{life}b")
        answer = bot.messages(ack=ack)
        fetched.append(answer.body["message"])
        ack = answer.body["id"]
        chat.say(f"{life}c")
        service.restart()
    chat.end()

    while (answer := bot.messages(ack=ack)).outcome != END:
        fetched.append(answer.body["message"])
        ack = answer.body["id"]

    assert fetched == [f"{life}{word}" for life in range(3) for word in "abc"]


@pytest.mark.breaches("duplicate_sequence")
@pytest.mark.parametrize(
    ("kind", "duplicates"), [("slow", "ignore"), ("slow", "409"), ("late", "ignore")]
)
def test_between_a_post_and_its_commit(
    bot: Bot,
    service: Service,
    chat: Chat,
    salesforce: Salesforce,
    kind: str,
    duplicates: str,
):
    salesforce.switch(duplicate_sequence=duplicates)
    assert bot.send("はい").outcome == SENT
    salesforce.fault("ChatMessage", kind, seconds=2)
    bot.hold("/send", message="はい")
    until(lambda: salesforce.faults_struck, "the message is under way")

    service.restart()

    assert bot.send("はい").outcome == SENT
    assert chat.wait(texts=2).heard == ["はい", "はい"]
    assert bot.send("二").outcome == SENT
    assert chat.heard == ["はい", "はい", "二"]
    assert chat.sequences == [2, 3, 4]


@pytest.mark.breaches("duplicate_sequence")
def test_while_a_post_is_tried_again(
    bot: Bot, service: Service, chat: Chat, salesforce: Salesforce
):
    salesforce.fault("ChatMessage", "lose_request", times=None)
    bot.hold("/send", message="一", message_id="100")
    until(lambda: salesforce.faults_struck > 1, "the message is tried again")
    service.kill()
    salesforce.clear_faults()
    service.start()

    assert bot.send("一", message_id="100").outcome == SENT
    assert bot.send("二", message_id="101").outcome == SENT
    assert chat.heard == ["一", "二"]


@pytest.mark.breaches("duplicate_sequence")
def test_in_the_middle_of_twenty_sends(
    bot: Bot, service: Service, chat: Chat, salesforce: Salesforce
):
    salesforce.fault("ChatMessage", "slow", times=None, seconds=0.1)
    texts = [f"{number}" for number in range(20)]
    for text in texts:
        bot.hold("/send", message=text, message_id=text)
    chat.wait(texts=5)

    service.restart()
    salesforce.clear_faults()

    answers = together(
        *[lambda text=text: bot.send(text, message_id=text) for text in texts]
    )
    assert [answer.outcome for answer in answers] == [SENT] * 20
    assert sorted(chat.heard) == sorted(texts)
    assert chat.sequences == list(range(2, 22))


def test_words_typed_in_the_queue(bot: Bot, service: Service, salesforce: Salesforce):
    bot.init()
    chat = salesforce.wait_for_chat(bot.line_id)
    texts = ["一", "二", "三"]
    assert [bot.send(text).outcome for text in texts] == [SENT] * 3

    service.restart()
    chat.accept()

    assert chat.wait(texts=3, timeout=20).heard == texts
    assert bot.send("四").outcome == SENT
    assert chat.heard == [*texts, "四"]


def test_while_an_agent_joins(bot: Bot, service: Service, salesforce: Salesforce):
    bot.init()
    chat = salesforce.wait_for_chat(bot.line_id)
    assert bot.send("一").outcome == SENT
    service.kill()
    chat.accept().say("お待たせしました")

    service.start()

    assert chat.wait(texts=1, timeout=20).heard == ["一"]
    assert bot.messages().outcome == words("お待たせしました")
