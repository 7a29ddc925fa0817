"""503: another server of Salesforce takes the chat over, and the bot never knows."""

import pytest

from tests.conftest import begin_chat
from tests.harness.bot import CLOSED, END, SENT, Bot, together, words
from tests.harness.salesforce import Chat, Salesforce
from tests.harness.service import Service
from tests.harness.waiting import until

IN_DOUBT = pytest.mark.parametrize("kind", ["lose_answer", "lose_request", "slow"])


@pytest.mark.parametrize("held_poll", ["503", "hold"])
@pytest.mark.parametrize("resends", [False, True])
def test_both_directions_go_on(
    bot: Bot, chat: Chat, salesforce: Salesforce, held_poll: str, resends: bool
):
    salesforce.switch(handover_held_poll=held_poll, reconnect_resends=resends)
    chat.say("一", "二")
    assert bot.messages().outcome == words("一")
    assert bot.send("三").outcome == SENT

    chat.handover()

    assert bot.send("四").outcome == SENT
    chat.say("五")
    assert bot.messages().outcome == words("二")
    assert bot.messages().outcome == words("五")
    assert bot.send("六").outcome == SENT
    assert chat.heard == ["三", "四", "六"]
    chat.end(last_words=["七"])
    assert bot.messages().outcome == words("七")
    assert bot.messages().outcome == END


def test_a_call_that_waits_goes_on_waiting(bot: Bot, service: Service, chat: Chat):
    held = bot.hold("/messages")
    service.settle()

    chat.handover()
    chat.wait_for_polls(1)
    chat.say("お待たせしました")

    assert held.answer().outcome == words("お待たせしました")


def test_without_a_word_from_the_bot_it_is_reconnected(bot: Bot, chat: Chat):
    chat.handover()

    chat.wait_for_polls(3)

    assert chat.calls("ReconnectSession") == 1
    assert chat.calls("ChasitorResyncState") == 1
    chat.say("はい")
    assert bot.messages().outcome == words("はい")


def test_sequences_begin_anew(bot: Bot, chat: Chat):
    assert [bot.send(text).outcome for text in "一二"] == [SENT] * 2
    chat.handover()

    assert [bot.send(text).outcome for text in "三四"] == [SENT] * 2

    assert chat.heard == ["一", "二", "三", "四"]
    assert chat.sequences[:2] == [2, 3]
    assert chat.sequences[3] == chat.sequences[2] + 1


@IN_DOUBT
def test_words_of_the_agent_lost_on_the_way_are_taken_from_the_transcript(
    bot: Bot, chat: Chat, salesforce: Salesforce, kind: str
):
    chat.say("はい")
    assert bot.messages().outcome == words("はい")
    salesforce.fault("Messages", kind, times=1, seconds=1)
    chat.say("はい", "二", "はい")

    chat.handover()

    outcomes = [bot.messages().outcome for _ in range(3)]
    assert outcomes == [words("はい"), words("二"), words("はい")]
    chat.say("三")
    assert bot.messages().outcome == words("三")


@pytest.mark.breaches("duplicate_sequence", "wrong_sequence")
@IN_DOUBT
def test_words_of_the_customer_in_doubt_come_once(
    bot: Bot, service: Service, chat: Chat, salesforce: Salesforce, kind: str
):
    assert bot.send("はい").outcome == SENT
    salesforce.fault("ChatMessage", kind, times=1, seconds=1)
    send = bot.hold("/send", message="はい")
    service.settle()

    chat.handover()

    assert send.answer().outcome == SENT
    assert chat.heard == ["はい", "はい"]
    assert bot.send("はい").outcome == SENT
    assert chat.heard == ["はい"] * 3


def test_twenty_at_once_arrive_once_each(bot: Bot, chat: Chat):
    chat.handover()
    texts = [f"{number}" for number in range(20)]

    answers = together(*[lambda text=text: bot.send(text) for text in texts])

    assert [answer.outcome for answer in answers] == [SENT] * 20
    assert sorted(chat.heard) == sorted(texts)


def test_in_the_middle_of_twenty_sends(bot: Bot, chat: Chat, salesforce: Salesforce):
    salesforce.fault("ChatMessage", "slow", times=None, seconds=0.05)
    texts = [f"{number}" for number in range(20)]
    held = [bot.hold("/send", message=text) for text in texts]
    chat.wait(texts=5)

    chat.handover()

    assert [send.answer().outcome for send in held] == [SENT] * 20
    assert sorted(chat.heard) == sorted(texts)


def test_one_after_the_other(bot: Bot, chat: Chat):
    for number in range(3):
        chat.handover()
        assert bot.send(f"{number}").outcome == SENT
        chat.say(f"{number}")
        assert bot.messages().outcome == words(f"{number}")

    assert chat.heard == ["0", "1", "2"]
    assert chat.calls("ReconnectSession") == 3


@pytest.mark.parametrize("kind", ["lose_answer", "lose_request", "status"])
@pytest.mark.parametrize("resource", ["ReconnectSession", "ChasitorResyncState"])
def test_a_stumbling_reconnection_is_tried_again(
    bot: Bot, chat: Chat, salesforce: Salesforce, resource: str, kind: str
):
    salesforce.fault(resource, kind)
    chat.handover()

    assert bot.send("まだいますか").outcome == SENT

    chat.say("はい")
    assert bot.messages().outcome == words("はい")
    assert chat.heard == ["まだいますか"]


def test_while_waiting_for_an_agent(bot: Bot, salesforce: Salesforce):
    salesforce.switch(queue_position=2)
    bot.init()
    chat = salesforce.wait_for_chat(bot.line_id)
    assert bot.send("一").outcome == SENT

    chat.handover()
    chat.wait_for_polls(2)
    assert bot.send("二").outcome == SENT
    chat.accept().say("お待たせしました")

    assert bot.messages().outcome == words("お待たせしました")
    assert chat.wait(texts=2).heard == ["一", "二"]


def test_the_chat_can_be_closed_meanwhile(bot: Bot, chat: Chat):
    chat.handover()

    assert bot.close().outcome == CLOSED

    chat.wait(ended=1)
    assert chat.ended_by == "client"
    assert bot.messages().outcome == END


@pytest.mark.breaches("unknown_session")
def test_a_session_gone_meanwhile_is_the_end(
    bot: Bot, chat: Chat, salesforce: Salesforce
):
    text = "Session required but was invalid or not found"
    salesforce.fault("ReconnectSession", "status", status=403, body=text, times=None)

    chat.handover()

    answer = bot.messages()
    assert answer.outcome == END
    assert answer.body["reason"] == "lost"
    salesforce.clear_faults()
    begin_chat(bot, salesforce)


@pytest.mark.breaches("wrong_method")
@pytest.mark.parametrize("resource", ["ChatMessage", "Messages"])
def test_a_503_without_a_handover_is_survived(
    bot: Bot, chat: Chat, salesforce: Salesforce, resource: str
):
    salesforce.fault(resource, "status", status=503)

    assert bot.send("一").outcome == SENT
    chat.wait_for_polls(2)
    chat.say("二")

    assert bot.messages().outcome == words("二")
    assert bot.send("三").outcome == SENT
    assert chat.heard == ["一", "三"]


@pytest.mark.breaches("wrong_method")
def test_an_outage_that_says_503_is_survived(
    bot: Bot, chat: Chat, salesforce: Salesforce
):
    salesforce.fault("*", "status", status=503, times=None, line_id=bot.line_id)
    send = bot.hold("/send", message="一")
    until(lambda: salesforce.faults_struck > 2, "the outage is felt")
    salesforce.clear_faults()

    assert send.answer().outcome == SENT
    chat.say("二").wait_for_polls(2)
    assert bot.messages().outcome == words("二")
    assert chat.heard == ["一"]


def test_another_customer_is_not_concerned(
    bot: Bot, chat: Chat, salesforce: Salesforce, line_id: str
):
    other = Bot(bot.service, f"{line_id}-2")
    other_chat = begin_chat(other, salesforce)

    chat.handover()

    assert other.send("はい").outcome == SENT
    assert other_chat.calls("ReconnectSession") == 0
    assert bot.send("はい").outcome == SENT


def test_last_words_arrive_though_the_chat_ends_while_it_is_reconnected(
    bot: Bot, chat: Chat, salesforce: Salesforce
):
    salesforce.fault("ReconnectSession", "slow", seconds=1)
    chat.say("一").handover()
    until(lambda: salesforce.faults_struck, "it is being reconnected")
    chat.say("二").end(last_words=["さようなら"])

    for text in ("一", "二", "さようなら"):
        assert bot.messages().outcome == words(text)
    answer = bot.messages()
    assert answer.outcome == END
    assert answer.body["reason"] == "agent"


def test_words_that_are_stored_and_sent_again_come_once(
    bot: Bot, chat: Chat, salesforce: Salesforce
):
    salesforce.switch(reconnect_resends=True)
    salesforce.fault("Messages", "late", seconds=1)
    chat.say("一", "二")
    until(lambda: salesforce.faults_struck, "the poll that acknowledges is late")
    chat.handover()
    chat.wait_for_polls(2)
    chat.say("三")

    for text in ("一", "二", "三"):
        assert bot.messages().outcome == words(text)
