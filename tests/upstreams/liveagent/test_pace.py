"""Is there a pause where Salesforce answers polls at once, with nothing new?"""

import json
import time
from collections.abc import Callable

import pytest

from tests.conftest import take_all
from tests.harness.bot import Bot, words
from tests.harness.salesforce import Chat, Salesforce
from tests.harness.waiting import until

SECONDS = 5
MOST_POLLS = 12
LONGEST_PAUSE_SECONDS = 2
SAID = {"type": "ChatMessage", "message": {"name": "Riley", "text": "一"}}
TYPING = {"type": "AgentTyping", "message": {}}


def answers(salesforce: Salesforce, *events: dict, **about: int) -> None:
    """Answer all polls so, and at once, until the faults are cleared."""
    body = json.dumps({"messages": events, **about})
    salesforce.fault("Messages", "status", times=None, status=200, body=body)


def nothing_at_once(salesforce: Salesforce, chat: Chat) -> None:
    salesforce.switch(poll_hold_seconds=0)


def nothing_in_words(salesforce: Salesforce, chat: Chat) -> None:
    salesforce.switch(poll_hold_seconds=0, empty_poll_status=200)


def the_last_answer(salesforce: Salesforce, chat: Chat) -> None:
    salesforce.switch(repeat_answers=True)


def nothing_without_number(salesforce: Salesforce, chat: Chat) -> None:
    answers(salesforce)


def nothing_under_ever_higher_numbers(salesforce: Salesforce, chat: Chat) -> None:
    chat.skip_numbers(events=1000)  # beyond these
    for number in range(100, 100 + 10 * MOST_POLLS):
        body = json.dumps({"messages": [], "sequence": number})
        salesforce.fault("Messages", "status", status=200, body=body)


@pytest.mark.parametrize(
    "answer",
    [
        nothing_at_once,
        nothing_in_words,
        the_last_answer,
        nothing_without_number,
        nothing_under_ever_higher_numbers,
    ],
)
def test_polls_do_not_follow_at_once(
    bot: Bot,
    chat: Chat,
    salesforce: Salesforce,
    answer: Callable[[Salesforce, Chat], None],
):
    hold = salesforce.switches["poll_hold_seconds"]
    answer(salesforce, chat)

    assert polls_meanwhile(chat) <= MOST_POLLS

    salesforce.clear_faults()
    salesforce.switch(repeat_answers=False, poll_hold_seconds=hold)
    chat.say("二")
    answered = bot.messages()
    assert answered.outcome == words("二")
    assert answered.seconds < LONGEST_PAUSE_SECONDS + 1


def polls_meanwhile(chat: Chat) -> int:
    """Count the polls of some seconds, from the next one on."""
    held = chat.calls("Messages")
    before = until(lambda: n if (n := chat.calls("Messages")) > held else 0, "a poll")
    let_pass(SECONDS)
    return chat.calls("Messages") - before


def let_pass(seconds: float) -> None:
    end = time.monotonic() + seconds
    until(lambda: time.monotonic() > end, "time passes", seconds=seconds + 5)


def test_an_answer_without_number_that_comes_again_at_once_says_nothing_new(
    bot: Bot, chat: Chat, salesforce: Salesforce
):
    answers(salesforce, SAID)
    assert bot.messages().outcome == words("一")

    assert polls_meanwhile(chat) <= MOST_POLLS

    salesforce.clear_faults()
    answers(salesforce, SAID, TYPING, SAID)  # what cannot be acknowledged, and more
    assert bot.messages().outcome == words("一")
    assert polls_meanwhile(chat) <= MOST_POLLS
    salesforce.clear_faults()
    chat.say("二").end()
    assert take_all(bot) == ["二"]


def test_an_agent_may_say_the_same_again_without_a_number(
    bot: Bot, chat: Chat, salesforce: Salesforce
):
    for _ in range(2):
        chat.wait_for_polls(1)
        until(lambda: chat.look()["poll_open"], "a poll is held")
        let_pass(1)
        chat.raw(json.dumps({"messages": [SAID]}))
        assert bot.messages().outcome == words("一")


def test_polls_do_not_follow_at_once_where_a_chat_has_moved(
    bot: Bot, chat: Chat, salesforce: Salesforce
):
    salesforce.switch(silent_polls=True, poll_hold_seconds=0)
    chat.handover()
    until(lambda: chat.calls("ReconnectSession"), "it is reconnected")

    assert polls_meanwhile(chat) <= MOST_POLLS

    salesforce.switch(silent_polls=False)
    chat.say("二")
    assert bot.messages().outcome == words("二")
