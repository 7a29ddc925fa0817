"""A POST is answered 409: is what it says there once, and never lost?"""

import pytest

from tests.harness.bot import SENT, UNAVAILABLE, Bot, words
from tests.harness.salesforce import Chat, Salesforce

names = pytest.mark.parametrize("names", ["last", "next"])
pytestmark = pytest.mark.breaches("wrong_sequence", "duplicate_sequence")


@names
def test_a_number_too_high_is_none_of_a_message_that_never_arrived(
    bot: Bot, chat: Chat, salesforce: Salesforce, names: str
):
    salesforce.switch(conflict_names=names)
    salesforce.fault("ChatMessage", "lose_request")
    chat.skip_numbers(posts=3)

    assert bot.send("一").outcome == bot.send("二").outcome == SENT

    assert chat.heard == ["一", "二"]


@names
def test_a_number_too_low_is_none_either(
    bot: Bot, chat: Chat, salesforce: Salesforce, names: str
):
    salesforce.switch(conflict_names=names)
    assert bot.send("一").outcome == SENT
    salesforce.fault("ChatMessage", "lose_request")
    chat.skip_numbers(posts=-1)

    assert bot.send("二").outcome == bot.send("三").outcome == SENT

    assert chat.heard == ["一", "二", "三"]


@names
def test_a_message_whose_answer_is_lost_is_there(
    bot: Bot, chat: Chat, salesforce: Salesforce, names: str
):
    salesforce.switch(conflict_names=names, duplicate_sequence="409")
    salesforce.fault("ChatMessage", "lose_answer")

    assert bot.send("一").outcome == bot.send("二").outcome == SENT

    # Nothing is known to name the next number; there it would be doubled, not lost.
    assert chat.heard == ["一"] * (1 if names == "last" else 2) + ["二"]


def test_slow_conflicts_do_not_hold_the_bot(
    bot: Bot, chat: Chat, salesforce: Salesforce
):
    salesforce.switch(conflict_names="next")
    salesforce.fault("ChatMessage", "slow", times=None, seconds=3.8)
    chat.skip_numbers(posts=3)

    answer = bot.send("一")

    assert answer.outcome == UNAVAILABLE
    assert answer.seconds < 11
    salesforce.clear_faults()
    assert bot.send("一").outcome == bot.send("二").outcome == SENT
    assert chat.heard == ["一", "二"]
    chat.say("三")
    assert bot.messages().outcome == words("三")
