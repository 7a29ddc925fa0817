"""Does what is carried out twice, since a connection broke, happen once for the bot?"""

import json
from collections.abc import Callable

import pytest

from tests.conftest import begin_chat
from tests.harness.bot import CLOSED, CONNECTED, END, SENT, Bot, words
from tests.harness.salesforce import Chat, Salesforce
from tests.harness.service import Service


@pytest.fixture
def bot(own_service: Callable[..., Service], line_id: str) -> Bot:
    """Be the bot of a service whose connections break after each commit."""
    return Bot(own_service(application="tests.harness.twice_wsgi"), line_id)


@pytest.fixture
def chat(bot: Bot, salesforce: Salesforce) -> Chat:
    return begin_chat(bot, salesforce)


@pytest.mark.parametrize("acknowledges", [False, True])
def test_a_message_in_an_answer_without_a_sequence_comes_once(
    bot: Bot, chat: Chat, acknowledges: bool
):
    said = {"type": "ChatMessage", "message": {"name": "Riley", "text": "一"}}
    chat.raw(json.dumps({"messages": [said]}))
    if acknowledges:
        answer = bot.messages(ack=0)
        assert answer.outcome == words("一")
        chat.say("二")
        assert bot.messages(ack=answer.body["id"]).outcome == words("二")
    else:
        assert bot.messages().outcome == words("一")
        chat.say("二")
        assert bot.messages().outcome == words("二")


@pytest.mark.breaches("duplicate_sequence")
def test_a_conversation_is_as_any_other(bot: Bot, salesforce: Salesforce):
    assert bot.init().outcome == CONNECTED
    chat = salesforce.wait_for_chat(bot.line_id)
    assert bot.send("一").outcome == SENT
    chat.accept().say("あ", "い")
    assert bot.messages().outcome == words("あ")
    assert bot.messages().outcome == words("い")
    salesforce.fault("ChatMessage", "lose_answer")
    assert bot.send("二").outcome == SENT
    chat.handover().say("う")
    assert bot.send("三", message_id="100").outcome == SENT
    assert bot.send("三", message_id="100").outcome == SENT
    assert bot.messages().outcome == words("う")
    assert bot.close().outcome == CLOSED
    assert bot.messages().outcome == END

    assert chat.heard == ["一", "二", "三"]
    assert chat.ended_by == "client"
    assert chat.calls("ChatEnd") == 1
