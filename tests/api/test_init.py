"""/init: an agent is asked for, once."""

import pytest

from tests.conftest import begin_chat, new_line_id
from tests.harness.bot import CONNECTED, END, NOT_CONNECTED, Bot, together, words
from tests.harness.environment import IDENTIFIERS
from tests.harness.salesforce import Chat, Salesforce
from tests.harness.waiting import until

PRECHAT_ENTITIES = [
    {
        "entityName": "Contact",
        "showOnCreate": False,
        "linkToEntityName": None,
        "linkToEntityField": None,
        "saveToTranscript": "ContactId",
        "entityFieldsMaps": [
            {
                "fieldName": "LINE_ID__c",
                "label": "ContactLineId",
                "doFind": True,
                "isExactMatch": True,
                "doCreate": False,
            }
        ],
    }
]


def test_a_chat_is_opened(bot: Bot, salesforce: Salesforce):
    answer = bot.init()

    assert answer.outcome == CONNECTED
    assert salesforce.wait_for_chat(bot.line_id).state == "waiting"


def test_japanese_is_readable_in_the_answer(bot: Bot):
    answer = bot.init()

    assert "接続しました。".encode() in answer.raw


def test_salesforce_is_told_who_asks(bot: Bot, salesforce: Salesforce):
    bot.init("鈴木 一郎 🙂")

    chat = salesforce.wait_for_chat(bot.line_id)
    init = chat.look()["init"]
    assert init["visitorName"] == "鈴木 一郎 🙂"
    assert init["sessionId"] == chat.id
    assert init["organizationId"] == IDENTIFIERS["LIVEAGENT_ORGANIZATION_ID"]
    assert init["deploymentId"] == IDENTIFIERS["LIVEAGENT_DEPLOYMENT_ID"]
    assert init["buttonId"] == IDENTIFIERS["LIVEAGENT_BUTTON_ID"]
    assert init["isPost"] is True
    assert init["receiveQueueUpdates"] is True
    assert {"userAgent", "language", "screenResolution"} <= init.keys()


def test_the_line_id_is_a_prechat_detail(bot: Bot, salesforce: Salesforce):
    bot.init()

    init = salesforce.wait_for_chat(bot.line_id).look()["init"]
    [detail] = [d for d in init["prechatDetails"] if d["label"] == "ContactLineId"]
    assert detail["value"] == bot.line_id
    assert detail["displayToAgent"] is True
    assert isinstance(detail["transcriptFields"], list)


def test_prechat_entities_are_passed_on_as_they_are(bot: Bot, salesforce: Salesforce):
    entities = [*PRECHAT_ENTITIES, {"entityName": "ケース", "未知": [1, None, 2.5]}]

    bot.init(prechatEntities=entities)

    init = salesforce.wait_for_chat(bot.line_id).look()["init"]
    assert init["prechatEntities"] == entities


@pytest.mark.parametrize("payload", [{}, {"prechatEntities": None}, {"unknown": 1}])
def test_without_prechat_entities_a_list_without_any_is_sent(
    bot: Bot, salesforce: Salesforce, payload: dict
):
    assert bot.init(**payload).outcome == CONNECTED

    init = salesforce.wait_for_chat(bot.line_id).look()["init"]
    assert init["prechatEntities"] == []


def test_a_place_in_the_queue_is_a_connection(bot: Bot, salesforce: Salesforce):
    salesforce.switch(queue_position=3, estimated_wait_seconds=60)

    assert bot.init().outcome == CONNECTED


def test_no_agent_is_a_failure_that_leaves_nothing_open(
    bot: Bot, salesforce: Salesforce
):
    salesforce.switch(agents_available=False)

    assert bot.init().outcome == NOT_CONNECTED
    assert salesforce.open_chats(bot.line_id) == []
    assert bot.messages().outcome == END


def test_after_a_failure_a_chat_can_be_opened(bot: Bot, salesforce: Salesforce):
    salesforce.switch(agents_available=False)
    assert bot.init().outcome == NOT_CONNECTED
    salesforce.switch(agents_available=True)

    assert bot.init().outcome == CONNECTED

    chat = salesforce.wait_for_chat(bot.line_id)
    chat.accept().say("お待たせしました")
    assert bot.messages().outcome == words("お待たせしました")


def test_a_salesforce_that_never_takes_the_request_is_a_failure(
    bot: Bot, salesforce: Salesforce
):
    salesforce.switch(silent_polls=True)

    assert bot.init().outcome == NOT_CONNECTED

    [chat] = salesforce.chats(bot.line_id)
    chat.wait(ended=1)


@pytest.mark.parametrize("state", ["waiting", "established"])
def test_pressed_twice_there_is_one_chat(bot: Bot, salesforce: Salesforce, state: str):
    if state == "established":
        begin_chat(bot, salesforce)
    else:
        bot.init()

    assert bot.init().outcome == CONNECTED

    [chat] = salesforce.chats(bot.line_id)
    assert chat.state == state
    assert chat.calls("ChasitorInit") == 1


def test_six_in_parallel_share_one_chat(bot: Bot, salesforce: Salesforce):
    sessions = salesforce.calls("SessionId")

    answers = together(*[bot.init] * 6)

    assert [answer.outcome for answer in answers] == [CONNECTED] * 6
    assert len({answer.raw for answer in answers}) == 1, "the same answer for all"
    [chat] = salesforce.chats(bot.line_id)
    assert chat.calls("ChasitorInit") == 1
    assert salesforce.calls("SessionId") == sessions + 1


def test_parallel_failures_are_the_same_failure(bot: Bot, salesforce: Salesforce):
    salesforce.switch(agents_available=False)

    answers = together(*[bot.init] * 4)

    assert [answer.outcome for answer in answers] == [NOT_CONNECTED] * 4
    assert salesforce.open_chats(bot.line_id) == []


def test_customers_have_chats_of_their_own(bot: Bot, salesforce: Salesforce):
    bots = [Bot(bot.service, new_line_id()) for _ in range(5)]

    together(*[each.init for each in bots])

    for number, each in enumerate(bots):
        salesforce.wait_for_chat(each.line_id).accept().say(f"{number} 番の方")
    for number, each in enumerate(bots):
        assert each.messages().outcome == words(f"{number} 番の方")


def test_after_the_end_a_new_chat_begins_anew(
    bot: Bot, chat: Chat, salesforce: Salesforce
):
    bot.send("前のチャット")
    chat.end()
    assert bot.messages().outcome == END

    new = begin_chat(bot, salesforce)
    bot.send("新しいチャット")

    assert new.id != chat.id
    assert new.look()["init"]["sessionId"] == new.id
    assert new.wait(texts=1).heard == ["新しいチャット"]
    assert new.sequences == [2]
    assert chat.heard == ["前のチャット"]


def test_unfetched_words_of_the_last_chat_come_before_the_new_ones(
    bot: Bot, chat: Chat, salesforce: Salesforce
):
    chat.say("古い一", "古い二", "古い三")
    assert bot.messages().outcome == words("古い一")
    chat.end(last_words=["古い四"])

    new = begin_another(bot, chat, salesforce)
    new.accept().say("新しい一")

    expected = ["古い二", "古い三", "古い四", "新しい一"]
    assert [bot.messages().outcome for _ in expected] == [words(t) for t in expected]
    assert bot.send("はい").body["type"] == "send"
    new.end()
    assert bot.messages().outcome == END


def begin_another(bot: Bot, old: Chat, salesforce: Salesforce) -> Chat:
    """Press the button until the service has seen the old chat's end."""

    def another() -> Chat | None:
        assert bot.init().outcome == CONNECTED
        newest = salesforce.chats(bot.line_id)[-1]
        return newest if newest.id != old.id else None

    chat = until(another, "a new chat")
    assert chat is not None
    return chat


def test_a_line_id_may_hold_any_text(bot: Bot, salesforce: Salesforce):
    other = Bot(bot.service, "お客様 🙂/" + bot.line_id)

    assert other.init().outcome == CONNECTED
    salesforce.wait_for_chat(other.line_id).accept().say("はい")
    assert other.messages().outcome == words("はい")
