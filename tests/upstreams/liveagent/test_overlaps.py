"""Is every word there once, though answers begin with what was read before?"""

import pytest

from tests.conftest import begin_chat, take_all
from tests.harness.bot import Bot, words
from tests.harness.salesforce import Chat, Salesforce
from tests.harness.waiting import until


@pytest.fixture(name="overlapping", params=[1, 2, 50])
def overlapping_fixture(request: pytest.FixtureRequest, salesforce: Salesforce) -> int:
    """Let each answer begin with so many events that were read before."""
    salesforce.switch(overlap_events=request.param)
    return int(request.param)


def test_the_same_words_again_and_again(
    overlapping: int, bot: Bot, salesforce: Salesforce
):
    chat = begin_chat(bot, salesforce)
    for text in ("はい", "はい", "一", "はい", "はい"):
        chat.say(text)
        assert bot.messages().outcome == words(text)
    chat.say("はい", "はい").end(last_words=["はい", "一"])

    assert take_all(bot) == ["はい", "はい", "はい", "一"]


def test_a_chat_that_overlaps_late(bot: Bot, chat: Chat, salesforce: Salesforce):
    chat.say("一", "二")
    assert bot.messages().outcome == words("一")
    assert bot.messages().outcome == words("二")
    chat.wait_for_polls(1)
    salesforce.switch(overlap_events=2)
    chat.say("三").say("三").end(last_words=["四"])

    assert take_all(bot) == ["三", "三", "四"]


def test_a_lost_answer_that_has_grown(
    overlapping: int, bot: Bot, salesforce: Salesforce
):
    chat = begin_chat(bot, salesforce)
    salesforce.fault("Messages", "lose_answer")
    salesforce.fault("Messages", "late", seconds=1)
    chat.say("一", "二")
    until(lambda: salesforce.faults_struck == 2, "the next poll is on its way")
    chat.say("三").say("四").end()

    assert take_all(bot) == ["一", "二", "三", "四"]


@pytest.mark.mortal_service
def test_another_process_knows_what_was_read(
    overlapping: int, bot: Bot, salesforce: Salesforce
):
    chat = begin_chat(bot, salesforce)
    chat.say("一", "二")
    assert bot.messages().outcome == words("一")
    bot.service.settle()

    bot.service.restart()
    chat.say("二").end(last_words=["三"])

    assert take_all(bot) == ["二", "二", "三"]


@pytest.mark.parametrize("resends", [False, True])
@pytest.mark.parametrize("has_agent", [False, True])
def test_a_change_of_affinity(
    overlapping: int, resends: bool, has_agent: bool, bot: Bot, salesforce: Salesforce
):
    salesforce.switch(reconnect_resends=resends)
    if has_agent:
        chat = begin_chat(bot, salesforce).handover()
    else:
        assert bot.init().body["type"] == "ok"
        chat = salesforce.wait_for_chat(bot.line_id).handover()
    until(lambda: chat.calls("ChasitorResyncState"), "the chat is followed")
    if not has_agent:
        chat.accept()
    for text in ("はい", "はい", "一"):
        chat.say(text)
        assert bot.messages().outcome == words(text)
    chat.say("一", "二").end(last_words=["二"])

    assert take_all(bot) == ["一", "二", "二"]


def test_numbers_are_skipped_between(
    overlapping: int, bot: Bot, salesforce: Salesforce
):
    chat = begin_chat(bot, salesforce)
    chat.say("一", "二")
    assert bot.messages().outcome == words("一")
    assert bot.messages().outcome == words("二")
    chat.wait_for_polls(1)
    salesforce.switch(overlap_events=0)
    chat.skip_numbers(events=16).say("二", "三").end()

    assert take_all(bot) == ["二", "三"]


@pytest.mark.parametrize("repeats", [1, 3])
def test_answers_are_counted_and_the_agent_repeats_themselves(
    repeats: int, bot: Bot, salesforce: Salesforce
):
    salesforce.switch(sequence_counts="batches")
    chat = begin_chat(bot, salesforce)
    said = []
    for _ in range(4):
        polls = chat.look()["polls"]
        said += ["はい"] * repeats + ["一"]
        chat.say(*["はい"] * repeats, "一").wait(polls=polls + 1)
    chat.end(last_words=["一", "一"])

    assert take_all(bot) == [*said, "一", "一"]
