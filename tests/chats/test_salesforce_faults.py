"""Salesforce stumbles; the bot loses nothing and hears nothing twice."""

from collections.abc import Callable

import pytest

from tests.conftest import begin_chat, new_line_id
from tests.harness.bot import (
    CONNECTED,
    END,
    NOT_CONNECTED,
    NOTHING,
    SENT,
    UNAVAILABLE,
    Bot,
    together,
    words,
)
from tests.harness.salesforce import Chat, Salesforce
from tests.harness.service import Service

FAILURES: dict[str, dict] = {
    "500": {"kind": "status", "status": 500},
    "502": {"kind": "status", "status": 502},
    "500 after the deed": {"kind": "status_after", "status": 500},
    "502 after the deed": {"kind": "status_after", "status": 502},
    "lost answer": {"kind": "lose_answer"},
    "lost request": {"kind": "lose_request"},
    "garbage": {"kind": "garbage"},
    "garbage bytes": {"kind": "garbage", "base64": "//79gIGC"},
    "garbage json": {"kind": "garbage", "body": '[{"messages": 1}]'},
    "slow": {"kind": "slow", "seconds": 1},
    "without end": {"kind": "pad", "padding_bytes": 99 * 2**20, "chunked": True},
    "too large": {"kind": "pad", "padding_bytes": 9 * 2**20},
}
POLL_FAILURES: dict[str, dict] = {
    **FAILURES,
    "405": {"kind": "status", "status": 405},
    "trickle": {"kind": "trickle", "seconds": 4},
    "odd messages": {"kind": "garbage", "body": '{"messages": {"a": 1}}'},
    "an empty object": {"kind": "garbage", "body": "{}"},
    "half": {"kind": "garbage", "body": '{"messages": [{"type": "Chat'},
    "brackets": {"kind": "garbage", "body": "[" * 100_000},
}


def faulty(failures: dict[str, dict]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        "fault", list(failures.values()), ids=list(failures.keys())
    )


@pytest.mark.breaches("duplicate_sequence")
@pytest.mark.parametrize("duplicates", ["ignore", "409"])
@faulty(FAILURES)
def test_send_is_tried_again_and_delivered_once(
    bot: Bot, chat: Chat, salesforce: Salesforce, fault: dict, duplicates: str
):
    salesforce.switch(duplicate_sequence=duplicates)
    salesforce.fault("ChatMessage", times=2, **fault)

    assert [bot.send(text).outcome for text in "一二三"] == [SENT] * 3

    assert chat.heard == ["一", "二", "三"]
    assert chat.sequences == [2, 3, 4]


@pytest.mark.breaches("duplicate_sequence")
@pytest.mark.parametrize("kind", ["lose_answer", "lose_request"])
def test_twenty_at_once_arrive_once_each_through_faults(
    bot: Bot, chat: Chat, salesforce: Salesforce, kind: str
):
    salesforce.fault("ChatMessage", kind, times=None, probability=0.25)
    texts = [f"{number}" for number in range(20)]

    answers = together(*[lambda text=text: bot.send(text) for text in texts])

    assert {answer.outcome for answer in answers} <= {SENT, UNAVAILABLE}
    salesforce.clear_faults()
    for text, answer in zip(texts, answers, strict=True):
        if answer.outcome == UNAVAILABLE:
            assert bot.send(text).outcome == SENT
    assert sorted(chat.heard) == sorted(texts)
    assert chat.sequences == list(range(2, 22))


@pytest.mark.breaches("duplicate_sequence")
@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        ("lose_answer", {}),
        ("lose_request", {"message_id": "100"}),
        ("status", {}),
        ("slow", {"message_id": "100"}),
    ],
)
def test_send_gives_up_after_a_while_and_goes_on_when_asked_again(
    bot: Bot, chat: Chat, salesforce: Salesforce, kind: str, payload: dict
):
    salesforce.fault("ChatMessage", kind, times=None, seconds=20)

    answer = bot.send("はい", **payload)

    assert answer.outcome == UNAVAILABLE
    assert 5 < answer.seconds < 15, "for up to 10 s"
    salesforce.clear_faults()
    assert bot.send("はい", **payload).outcome == SENT
    assert bot.send("次").outcome == SENT
    assert chat.heard == ["はい", "次"]
    assert chat.sequences == [2, 3]
    chat.say("聞こえます")
    assert bot.messages().outcome == words("聞こえます")


@pytest.mark.breaches("duplicate_sequence")
def test_several_that_gave_up_are_each_delivered_once_when_asked_again(
    bot: Bot, chat: Chat, salesforce: Salesforce
):
    salesforce.fault("ChatMessage", "lose_answer", times=None)
    sends = [lambda text=text: bot.send(text, message_id=text) for text in "一二三"]
    assert [answer.outcome for answer in together(*sends)] == [UNAVAILABLE] * 3
    salesforce.clear_faults()

    assert [answer.outcome for answer in together(*sends)] == [SENT] * 3

    assert sorted(chat.heard) == sorted("一二三")
    assert chat.sequences == [2, 3, 4]


def test_words_of_the_queue_are_tried_however_long(bot: Bot, salesforce: Salesforce):
    bot.init()
    chat = salesforce.wait_for_chat(bot.line_id)
    assert [bot.send(text).outcome for text in "一二"] == [SENT] * 2
    salesforce.fault("ChatMessage", "status", times=None)
    chat.accept().wait_for_polls(6)
    assert salesforce.faults_struck > 2
    salesforce.clear_faults()

    assert chat.wait(texts=2).heard == ["一", "二"]


@pytest.mark.breaches("duplicate_sequence")
def test_what_is_in_doubt_comes_before_the_next(
    bot: Bot, chat: Chat, salesforce: Salesforce
):
    salesforce.fault("ChatMessage", "lose_answer", times=None)
    assert bot.send("一").outcome == UNAVAILABLE
    salesforce.clear_faults()

    assert bot.send("二").outcome == SENT

    assert chat.heard == ["一", "二"]
    assert chat.sequences == [2, 3]


@pytest.mark.breaches("duplicate_sequence")
def test_a_text_said_before_is_not_taken_for_the_one_in_doubt(
    bot: Bot, chat: Chat, salesforce: Salesforce
):
    assert bot.send("はい").outcome == SENT
    salesforce.fault("ChatMessage", "lose_answer", times=None)
    assert bot.send("はい").outcome == UNAVAILABLE
    salesforce.clear_faults()

    assert bot.send("はい").outcome == SENT
    assert chat.heard == ["はい", "はい"]
    assert bot.send("はい").outcome == SENT
    assert chat.heard == ["はい", "はい", "はい"]


@pytest.mark.breaches("wrong_sequence", "duplicate_sequence")
@pytest.mark.parametrize("actual", [1, 4])
def test_a_post_out_of_sequence_is_put_right(
    bot: Bot, chat: Chat, salesforce: Salesforce, actual: int
):
    body = f"Out of sync Ack. Expected 2. Actual {actual}"
    salesforce.fault("ChatMessage", "status", status=409, body=body)

    assert [bot.send(text).outcome for text in "一二三"] == [SENT] * 3

    assert chat.heard == ["一", "二", "三"]
    assert chat.state == "established"
    chat.say("聞こえます")
    assert bot.messages().outcome == words("聞こえます")


@faulty(POLL_FAILURES)
def test_words_survive_a_spoilt_poll(
    bot: Bot, chat: Chat, salesforce: Salesforce, fault: dict
):
    salesforce.fault("Messages", times=2, **fault)
    chat.say("一", "二")

    assert bot.messages().outcome == words("一")
    assert bot.messages().outcome == words("二")
    chat.say("三")
    assert bot.messages().outcome == words("三")
    chat.end(last_words=["四"])
    assert bot.messages().outcome == words("四")
    assert bot.messages().outcome == END


def test_words_come_once_though_answers_are_lost_again_and_again(
    bot: Bot, chat: Chat, salesforce: Salesforce
):
    salesforce.fault("Messages", "lose_answer", times=None, probability=0.4)
    texts = [f"{number}" for number in range(8)]
    for text in texts:
        chat.say(text)

    assert [bot.messages().body["message"] for _ in texts] == texts


def test_a_poll_that_hangs_is_given_up_without_a_second_one(
    bot: Bot, chat: Chat, salesforce: Salesforce
):
    salesforce.switch(abandoned_poll_seconds=1)
    salesforce.fault("Messages", "slow", seconds=12)
    chat.say("一", "二")

    answer = bot.messages()

    assert answer.outcome == words("一")
    assert answer.seconds < 12
    assert bot.messages().outcome == words("二")


def test_messages_of_an_unreachable_salesforce_are_silence(
    bot: Bot, chat: Chat, salesforce: Salesforce
):
    salesforce.fault("Messages", "lose_request", times=None)

    assert bot.messages().outcome == NOTHING
    salesforce.clear_faults()

    chat.say("戻りました")
    assert bot.messages().outcome == words("戻りました")


@pytest.mark.breaches("wrong_sequence")
@pytest.mark.parametrize(
    ("resource", "fault"),
    [
        ("SessionId", {}),
        ("SessionId", {"status": 502}),
        ("SessionId", {"kind": "garbage"}),
        ("ChasitorInit", {}),
        ("ChasitorInit", {"status": 502}),
        ("ChasitorInit", {"kind": "lose_request"}),
    ],
)
def test_init_fails_and_leaves_nothing_open(
    bot: Bot, salesforce: Salesforce, resource: str, fault: dict
):
    salesforce.fault(resource, **{"kind": "status", "times": None, **fault})

    assert bot.init().outcome == NOT_CONNECTED

    salesforce.clear_faults()
    assert salesforce.open_chats(bot.line_id) == []
    assert bot.messages().outcome == END
    chat = begin_chat(bot, salesforce)
    assert bot.send("はい").outcome == SENT
    assert chat.heard == ["はい"]


@pytest.mark.breaches("duplicate_sequence")
@pytest.mark.parametrize("duplicates", ["ignore", "409"])
def test_init_whose_answer_is_lost_opens_one_chat(
    bot: Bot, salesforce: Salesforce, duplicates: str
):
    salesforce.switch(duplicate_sequence=duplicates)
    salesforce.fault("ChasitorInit", "lose_answer")

    assert bot.init().outcome == CONNECTED

    [chat] = salesforce.chats(bot.line_id)
    chat.accept()
    assert bot.send("はい").outcome == SENT
    assert chat.heard == ["はい"]


@pytest.mark.parametrize("held_poll", ["503", "hold"])
def test_init_that_finds_its_chat_moved_leaves_nothing_open(
    bot: Bot, salesforce: Salesforce, held_poll: str
):
    salesforce.switch(handover_held_poll=held_poll)
    salesforce.fault("ChasitorInit", "lose_answer")
    salesforce.fault("ChasitorInit", "move", after=1)  # before it is sent again

    assert bot.init().outcome == NOT_CONNECTED

    [chat] = salesforce.chats(bot.line_id)
    chat.wait(ended=1)
    assert bot.messages().outcome == END
    begin_chat(bot, salesforce)


@pytest.mark.parametrize("ending", ["/close", "the idle clock"])
def test_a_chat_that_moves_while_it_is_ended_is_ended_there(
    bot: Bot, salesforce: Salesforce, ending: str
):
    seconds = 2 if ending == "the idle clock" else None
    chat = begin_chat(bot, salesforce, idle_timeout_seconds=seconds)
    salesforce.fault("ChatEnd", "move")

    if ending == "/close":
        bot.close()

    assert bot.messages().outcome == END
    chat.wait(ended=1)


def test_init_of_an_unreachable_salesforce_fails(bot: Bot, salesforce: Salesforce):
    salesforce.fault("*", "lose_request", times=None)

    assert bot.init().outcome == NOT_CONNECTED

    salesforce.clear_faults()
    assert bot.init().outcome == CONNECTED


def test_init_fails_in_time_where_no_name_server_answers(
    own_service: Callable[..., Service],
):
    service = own_service(
        application="tests.harness.silent_names_wsgi",
        LIVEAGENT_HOST="http://localhost:9",
    )
    bots = [Bot(service, new_line_id()) for _ in range(20)]

    answers = together(*[bot.init for bot in bots])

    assert [answer.outcome for answer in answers] == [NOT_CONNECTED] * 20


@pytest.mark.breaches("duplicate_sequence")
@pytest.mark.parametrize("kind", ["lose_answer", "status_after", "slow"])
def test_after_a_half_done_init_there_is_one_chat_or_none(
    bot: Bot, salesforce: Salesforce, kind: str
):
    salesforce.fault("ChasitorInit", kind, seconds=2)

    answer = bot.init()

    assert answer.outcome in (CONNECTED, NOT_CONNECTED)
    if answer.outcome == NOT_CONNECTED:
        for chat in salesforce.chats(bot.line_id):
            chat.wait(ended=1)
    assert bot.init().outcome == CONNECTED
    [chat] = salesforce.open_chats(bot.line_id)
    chat.accept().say("はい")
    assert bot.messages().outcome == words("はい")
