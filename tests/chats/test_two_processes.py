"""Two servers on one database serve one chat, each call to the other than before."""

from collections.abc import Callable

import pytest

from tests.conftest import begin_chat
from tests.harness.bot import CLOSED, CONNECTED, END, SENT, Bot, together, words
from tests.harness.salesforce import Chat, Salesforce
from tests.harness.service import Service
from tests.harness.waiting import until

AT_ONCE_SECONDS = 3


@pytest.fixture
def services(own_service: Callable[..., Service]) -> tuple[Service, Service]:
    """Run two servers."""
    first = own_service()
    return first, own_service(beside=first)


@pytest.fixture
def bots(services: tuple[Service, Service], line_id: str) -> tuple[Bot, Bot]:
    """Be one customer's bot at both servers."""
    first, second = services
    return Bot(first, line_id), Bot(second, line_id)


@pytest.fixture
def chat(bots: tuple[Bot, Bot], salesforce: Salesforce) -> Chat:
    """Open a chat at the first server."""
    return begin_chat(bots[0], salesforce)


def test_each_call_goes_to_the_other_server(
    bots: tuple[Bot, Bot], salesforce: Salesforce
):
    one, other = bots
    assert one.init().outcome == CONNECTED
    assert other.init().outcome == CONNECTED
    [chat] = salesforce.chats(one.line_id)
    assert one.send("一").outcome == SENT
    assert other.send("二").outcome == SENT
    chat.accept().say("あ", "い", "う")
    for bot, text in ((one, "あ"), (other, "い"), (one, "う")):
        assert bot.messages().outcome == words(text)
    assert other.send("三").outcome == SENT
    assert one.send("四").outcome == SENT
    chat.end(last_words=["え"])
    assert other.messages().outcome == words("え")
    assert one.messages().outcome == END
    assert other.messages().outcome == END

    assert chat.heard == ["一", "二", "三", "四"]
    assert chat.sequences == [2, 3, 4, 5]


def test_words_wake_the_call_that_waits_at_the_other_server(
    bots: tuple[Bot, Bot], services: tuple[Service, Service], chat: Chat
):
    for number, bot in enumerate((bots[1], bots[0], bots[1])):
        held = bot.hold("/messages")
        services[0].settle()
        services[1].settle()

        chat.say(f"{number}")

        answer = held.answer()
        assert answer.outcome == words(f"{number}")
        assert answer.seconds < AT_ONCE_SECONDS


def test_calls_at_both_servers_never_make_a_second_poll(
    bots: tuple[Bot, Bot], services: tuple[Service, Service], chat: Chat
):
    held = [bot.hold("/messages") for bot in bots * 2]
    services[0].settle()
    services[1].settle()
    texts = [f"{number}" for number in range(4)]

    for text in texts:
        chat.say(text)

    assert sorted(h.answer().body["message"] for h in held) == texts
    chat.wait_for_polls(3)
    assert chat.state == "established"


def test_init_at_both_servers_makes_one_chat(
    bots: tuple[Bot, Bot], salesforce: Salesforce
):
    answers = together(*[bot.init for bot in bots * 3])

    assert [answer.outcome for answer in answers] == [CONNECTED] * 6
    [chat] = salesforce.chats(bots[0].line_id)
    chat.accept().say("はい")
    assert bots[1].messages().outcome == words("はい")


def test_twenty_sends_over_both_servers_arrive_once_each(
    bots: tuple[Bot, Bot], chat: Chat
):
    texts = [f"{number}" for number in range(20)]

    answers = together(
        *[
            lambda bot=bots[number % 2], text=text: bot.send(text)
            for number, text in enumerate(texts)
        ]
    )

    assert [answer.outcome for answer in answers] == [SENT] * 20
    assert sorted(chat.heard) == sorted(texts)
    assert chat.sequences == list(range(2, 22))


def test_one_message_id_at_both_servers_is_delivered_once(
    bots: tuple[Bot, Bot], chat: Chat
):
    answers = together(
        *[lambda bot=bot: bot.send("一", message_id="100") for bot in bots * 3]
    )

    assert [answer.outcome for answer in answers] == [SENT] * 6
    assert chat.heard == ["一"]


def test_close_at_one_ends_the_call_that_waits_at_the_other(
    bots: tuple[Bot, Bot], services: tuple[Service, Service], chat: Chat
):
    held = [bot.hold("/messages") for bot in bots]
    services[0].settle()
    services[1].settle()

    assert bots[1].close().outcome == CLOSED

    answers = [call.answer() for call in held]
    assert [answer.outcome for answer in answers] == [END, END]
    assert all(answer.seconds < AT_ONCE_SECONDS for answer in answers)
    assert chat.ended_by == "client"


def test_a_handover_is_survived_at_both(bots: tuple[Bot, Bot], chat: Chat):
    chat.handover()

    answers = together(
        *[
            lambda bot=bots[number % 2], number=number: bot.send(f"{number}")
            for number in range(8)
        ]
    )

    assert [answer.outcome for answer in answers] == [SENT] * 8
    assert sorted(chat.heard) == [f"{number}" for number in range(8)]
    chat.say("はい")
    assert bots[1].messages().outcome == words("はい")
    assert chat.calls("ReconnectSession") == 1


def test_when_one_is_killed_the_other_goes_on(
    bots: tuple[Bot, Bot], services: tuple[Service, Service], chat: Chat
):
    held = bots[1].hold("/messages")
    services[1].settle()
    services[0].kill()
    chat.say("一")

    assert held.answer().outcome == words("一")
    services[1].settle()
    assert bots[1].send("二").outcome == SENT
    services[0].start()
    services[1].kill()
    chat.say("三")
    assert bots[0].messages().outcome == words("三")
    assert bots[0].send("四").outcome == SENT
    assert chat.heard == ["二", "四"]


@pytest.mark.breaches("duplicate_sequence")
@pytest.mark.parametrize("payload", [{}, {"message_id": "100"}], ids=["text", "id"])
def test_what_one_left_in_doubt_the_other_finishes(
    bots: tuple[Bot, Bot],
    services: tuple[Service, Service],
    chat: Chat,
    salesforce: Salesforce,
    payload: dict,
):
    salesforce.fault("ChatMessage", "slow", seconds=3)
    bots[0].hold("/send", message="一", **payload)
    until(lambda: chat.heard, "the message is under way")
    services[0].kill()

    assert bots[1].send("一", **payload).outcome == SENT
    assert bots[1].send("二").outcome == SENT
    assert chat.heard == ["一", "二"]


def test_two_workers_of_one_server_do_the_same(
    own_service: Callable[..., Service], salesforce: Salesforce, line_id: str
):
    service = own_service(WEB_CONCURRENCY="2")
    bot = Bot(service, line_id)
    answers = together(*[bot.init] * 6)
    assert [answer.outcome for answer in answers] == [CONNECTED] * 6
    [chat] = salesforce.chats(line_id)
    chat.accept()
    texts = [f"{number}" for number in range(12)]
    chat.say(*texts)

    together(*[lambda text=text: bot.send(text) for text in texts])
    fetched = [bot.messages().body["message"] for _ in texts]

    assert fetched == texts
    assert sorted(chat.wait(texts=12).heard) == sorted(texts)
    chat.wait_for_polls(2)
