"""Answers come in time, limits hold, and nothing is left behind, whatever happens."""

import socket
from collections.abc import Callable
from urllib.parse import urlsplit

import psycopg2
import pytest

from tests.conftest import begin_chat, new_line_id
from tests.harness.bot import BAD_REQUEST, CLOSED, SENT, Bot, together, words
from tests.harness.salesforce import Chat, Salesforce
from tests.harness.service import Service
from tests.harness.waiting import until


def test_the_same_words_after_a_slow_answer_are_said_again(
    bot: Bot, chat: Chat, salesforce: Salesforce
):
    salesforce.fault("ChatMessage", "slow", seconds=3.5)

    for text in ("はい", "はい", "終わり"):
        assert bot.send(text).outcome == SENT

    assert chat.heard == ["はい", "はい", "終わり"]


@pytest.mark.breaches("duplicate_sequence", "wrong_sequence")
@pytest.mark.parametrize("resource", ["ChatMessage", "ChatEnd"])
def test_an_answer_that_trickles_in_holds_nobody_up(
    bot: Bot, chat: Chat, salesforce: Salesforce, resource: str
):
    salesforce.fault(resource, "trickle", seconds=40)

    # That it comes within 25 s is seen to for each answer.
    if resource == "ChatMessage":
        assert bot.send("はい").outcome == SENT
    assert bot.close().outcome == CLOSED

    chat.wait(ended=1)
    assert chat.heard == (["はい"] if resource == "ChatMessage" else [])


def test_a_clock_that_is_switched_off_ends_no_chat(bot: Bot, salesforce: Salesforce):
    chat = begin_chat(bot, salesforce, idle_timeout_seconds=3)
    chat.say("少々お待ちください")
    assert bot.messages().outcome == words("少々お待ちください")
    off = {"name": "Sam", "chasitorIdleTimeout": {"isEnabled": False}}
    chat.events({"type": "ChatTransferred", "message": off})

    chat.wait_for_polls(4)

    assert chat.state == "established"
    chat.say("お待たせしました")
    assert bot.messages().outcome == words("お待たせしました")


def test_no_more_chats_are_let_in_than_allowed(
    own_service: Callable[..., Service], salesforce: Salesforce
):
    first = own_service(MAX_OPEN_CHATS="3")
    second = own_service(beside=first, MAX_OPEN_CHATS="3")
    bots = [Bot((first, second)[n % 2], new_line_id()) for n in range(16)]

    answers = together(*[bot.init for bot in bots])

    refused = [answer for answer in answers if answer.body["type"] == "fail"]
    assert len(refused) == 13
    assert {answer.body["reason"] for answer in refused} == {"full"}


def test_opening_and_closing_at_once_leaves_nothing_at_salesforce(
    service: Service, salesforce: Salesforce
):
    bots = [Bot(service, new_line_id()) for _ in range(12)]
    old = {chat.id for chat in salesforce.chats()}

    together(*[call for bot in bots for call in (bot.init, bot.close)])
    for bot in bots:
        assert bot.close().outcome == CLOSED

    def left() -> list[str]:
        chats = [chat for chat in salesforce.chats() if chat.id not in old]
        return [chat.state for chat in chats if chat.state != "ended"]

    until(lambda: not left(), "every session has been ended")


@pytest.mark.parametrize("body", [b"ZZ\r\n{}\r\n0\r\n\r\n", b"5\r\n{}"])
def test_a_body_in_broken_chunks_is_the_callers_mistake(service: Service, body: bytes):
    address = urlsplit(service.url)
    request = (
        b"POST /messages HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    )
    with socket.create_connection((address.hostname, address.port), 10) as sock:
        sock.sendall(request + body)
        sock.shutdown(socket.SHUT_WR)
        status = sock.makefile("rb").readline()

    assert b" 400 " in status


def test_words_refused_for_good_are_the_callers_mistake(
    bot: Bot, chat: Chat, salesforce: Salesforce
):
    salesforce.fault("ChatMessage", "status", status=400)

    assert bot.send("これは駄目").outcome == BAD_REQUEST
    assert bot.send("これは良い").outcome == SENT
    assert chat.heard == ["これは良い"]


def test_the_database_may_cut_all_connections(
    own_service: Callable[..., Service], salesforce: Salesforce, line_id: str
):
    first = own_service()
    if not first.database.url.startswith("postgres"):
        pytest.skip("only PostgreSQL has connections to cut")
    second = own_service(beside=first)
    one, other = Bot(first, line_id), Bot(second, line_id)
    chat = begin_chat(one, salesforce)

    cut_connections(first.database.url)

    for number in range(3):
        assert one.send(f"{number}").outcome == SENT
        chat.say(f"返事 {number}")
        assert other.messages().outcome == words(f"返事 {number}")
    # The chat is polled by the first; a word of its end reaches the second at once.
    held = other.hold("/messages")
    assert one.close().outcome == CLOSED
    assert held.answer().body["type"] == "end"
    assert "listening anew" in first.log


def cut_connections(url: str) -> None:
    """Do what a restart of PostgreSQL does to its clients."""
    connection = psycopg2.connect(url.rpartition("/")[0] + "/postgres")
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = %s",
                [url.rpartition("/")[2]],
            )
    finally:
        connection.close()
