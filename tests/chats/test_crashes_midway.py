"""kill -9 in the middle of opening, closing or moving a chat."""

import pytest

from tests.conftest import begin_chat
from tests.harness.bot import CLOSED, CONNECTED, END, SENT, Bot, words
from tests.harness.salesforce import Chat, Salesforce
from tests.harness.service import Service
from tests.harness.waiting import until

pytestmark = pytest.mark.mortal_service


@pytest.mark.breaches("duplicate_sequence", "unknown_session")
@pytest.mark.parametrize(
    ("resource", "kind"),
    [("SessionId", "slow"), ("ChasitorInit", "slow"), ("ChasitorInit", "late")],
)
def test_in_the_middle_of_init(
    bot: Bot, service: Service, salesforce: Salesforce, resource: str, kind: str
):
    salesforce.fault(resource, kind, seconds=2)
    bot.hold("/init", display_name="山田")
    until(lambda: salesforce.faults_struck, "the request is under way")

    service.restart()

    assert bot.init().outcome == CONNECTED
    newest = salesforce.wait_for_chat(bot.line_id)
    for chat in salesforce.chats(bot.line_id)[:-1]:
        chat.wait(ended=1, timeout=20)
    newest.accept().say("はい")
    assert bot.messages().outcome == words("はい")
    assert salesforce.chats(bot.line_id)[-1].id == newest.id


@pytest.mark.breaches("duplicate_sequence", "unknown_session")
@pytest.mark.parametrize("kind", ["slow", "lose_request"])
def test_in_the_middle_of_close(
    bot: Bot, service: Service, chat: Chat, salesforce: Salesforce, kind: str
):
    salesforce.fault("ChatEnd", kind, seconds=3, times=None)
    bot.hold("/close")
    until(lambda: salesforce.faults_struck, "the end is under way")
    service.kill()
    salesforce.clear_faults()
    service.start()

    assert bot.close().outcome == CLOSED
    chat.wait(ended=1, timeout=20)
    assert chat.ended_by == "client"
    assert bot.messages().outcome == END
    begin_chat(bot, salesforce)


@pytest.mark.breaches("wrong_method")
@pytest.mark.parametrize(
    ("resource", "kind"),
    [
        ("ReconnectSession", "slow"),
        ("ChasitorResyncState", "slow"),
        ("ChasitorResyncState", "late"),
    ],
)
def test_in_the_middle_of_a_handover(
    bot: Bot,
    service: Service,
    chat: Chat,
    salesforce: Salesforce,
    resource: str,
    kind: str,
):
    assert bot.send("一").outcome == SENT
    chat.say("一")
    assert bot.messages().outcome == words("一")
    service.settle()
    salesforce.fault(resource, kind, seconds=2)
    chat.handover()
    until(lambda: salesforce.faults_struck, "the reconnection is under way")
    chat.say("二")

    service.restart()

    assert bot.messages().outcome == words("二")
    assert bot.send("二").outcome == SENT
    assert chat.heard == ["一", "二"]
    chat.say("三")
    assert bot.messages().outcome == words("三")
