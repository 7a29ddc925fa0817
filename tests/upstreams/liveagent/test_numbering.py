"""Is every word there once, however Salesforce numbers what it sends?"""

import pytest

from tests.conftest import begin_chat, take_all
from tests.harness.bot import Bot, words
from tests.harness.salesforce import Chat, Salesforce
from tests.harness.waiting import until

COUNTS = ("events", "batches")


@pytest.fixture(name="counts", params=COUNTS)
def counts_fixture(request: pytest.FixtureRequest, salesforce: Salesforce) -> str:
    """Let `sequence` number events, or answers."""
    salesforce.switch(sequence_counts=request.param)
    return str(request.param)


def test_several_words_in_an_answer(counts: str, bot: Bot, salesforce: Salesforce):
    chat = begin_chat(bot, salesforce)
    chat.say("はい", "はい").say("はい", "一").say("一").end(last_words=["一", "はい"])

    assert take_all(bot) == ["はい", "はい", "はい", "一", "一", "一", "はい"]


def test_a_lost_answer_that_has_grown(counts: str, bot: Bot, salesforce: Salesforce):
    chat = begin_chat(bot, salesforce)
    salesforce.fault("Messages", "lose_answer")
    salesforce.fault("Messages", "late", seconds=1)
    chat.say("一", "二")
    until(lambda: salesforce.faults_struck == 2, "the next poll is on its way")
    chat.say("三").say("四").end()

    assert take_all(bot) == ["一", "二", "三", "四"]


def test_numbers_are_skipped(counts: str, bot: Bot, salesforce: Salesforce):
    assert bot.init().body["type"] == "ok"
    chat = salesforce.wait_for_chat(bot.line_id)
    chat.skip_numbers(events=16).accept()
    for text in ("一", "二"):
        chat.say(text)
        assert bot.messages().outcome == words(text)
    chat.skip_numbers(events=1).say("二", "三").end()

    assert take_all(bot) == ["二", "三"]


@pytest.mark.parametrize("first", [0, 1])
def test_the_first_number(counts: str, first: int, bot: Bot, salesforce: Salesforce):
    salesforce.switch(first_sequence=first)
    chat = begin_chat(bot, salesforce)
    chat.say("一").end(last_words=["二"])

    assert take_all(bot) == ["一", "二"]


def test_the_same_answer_again_and_again(bot: Bot, chat: Chat, salesforce: Salesforce):
    polls = chat.look()["polls"]
    salesforce.switch(repeat_answers=True)
    chat.say("一")
    chat.wait(polls=polls + 3)
    salesforce.switch(repeat_answers=False)
    chat.say("二").end()

    assert take_all(bot) == ["一", "二"]
