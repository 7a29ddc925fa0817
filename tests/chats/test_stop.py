"""A process that is told to stop answers who waits, and is gone in time."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import requests

from tests.conftest import begin_chat
from tests.harness.bot import NOTHING, SENT, Bot, words
from tests.harness.salesforce import Salesforce
from tests.harness.service import Service

GONE_WITHIN_SECONDS = 28
ANSWERED_WITHIN_SECONDS = 5


def test_waiting_bots_are_answered_at_once(
    own_service: Callable[..., Service], salesforce: Salesforce, line_id: str
):
    service = own_service()
    bot = Bot(service, line_id)
    begin_chat(bot, salesforce)
    held = bot.hold("/messages")

    began = time.monotonic()
    with ThreadPoolExecutor() as reader:
        answering = reader.submit(held.answer)
        service.stop()
        answer = answering.result()

    assert answer.outcome == NOTHING
    assert answer.seconds < ANSWERED_WITHIN_SECONDS
    assert time.monotonic() - began < GONE_WITHIN_SECONDS


def test_an_idle_connection_does_not_hold_a_stop_up(
    own_service: Callable[..., Service],
):
    service = own_service()
    with requests.Session() as kept:
        assert kept.post(f"{service.url}/messages", json={}).status_code == 400

        began = time.monotonic()
        service.stop()

        assert time.monotonic() - began < GONE_WITHIN_SECONDS / 2


def test_the_successor_goes_on_at_once_with_no_second_poll(
    own_service: Callable[..., Service], salesforce: Salesforce, line_id: str
):
    old = own_service()
    chat = begin_chat(Bot(old, line_id), salesforce)
    new = own_service(beside=old)

    old.stop()

    bot = Bot(new, line_id)
    assert bot.send("まだいます").outcome == SENT
    chat.say("はい")
    assert bot.messages().outcome == words("はい")
    assert chat.breaches.get("second_poll", 0) == 0
