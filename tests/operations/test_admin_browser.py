"""Is the admin styled and usable in a browser, with nothing collected at build?"""

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

from tests.conftest import begin_chat, new_line_id
from tests.harness.bot import CONNECTED, END, Bot
from tests.operations.conftest import let_in


def eventful_chat(bot, salesforce):
    """Let much happen to a chat, until its agent ends it."""
    salesforce.switch(queue_position=3, estimated_wait_seconds=90)
    assert bot.init().outcome == CONNECTED
    chat = salesforce.wait_for_chat(bot.line_id)
    update = {"position": 1, "estimatedWaitTime": 30}
    chat.events({"type": "QueueUpdate", "message": update}).wait_for_polls(1)
    chat.accept(agent="佐藤").wait_for_polls(1)
    chat.accept(agent="鈴木").wait_for_polls(1)
    chat.handover().wait_for_polls(2)
    chat.end()
    assert bot.messages().outcome == END


TIMELINES = {
    "en": (
        "What has happened",
        "Why it ended",
        "Opened by the bot",
        "Salesforce took the request: number 3 in the queue",
        "Number 1 in the queue",
        "An agent joined",
        "The chat was transferred to another agent",
        "Salesforce answered 503: reconnecting",
        "Reconnected",
        "The agent ended the chat",
    ),
    "ja": (
        "チャットの経過",
        "終了した理由",
        "接続が開始されました",
        "Salesforce が受け付けました（順番待ち 3 番目）",
        "順番待ち（1 番目）",
        "担当者が参加しました",
        "別の担当者に転送されました",
        "Salesforce が 503 を返したため、再接続しています",
        "再接続しました",
        "担当者がチャットを終了しました",
    ),
}


@pytest.mark.parametrize("language", list(TIMELINES))
def test_an_operator_sees_what_has_happened(
    browser, own_service, salesforce, tmp_path, language
):
    service = own_service(DISABLE_COLLECTSTATIC="1")
    bot = Bot(service, new_line_id())
    eventful_chat(bot, salesforce)
    title, why, *told = TIMELINES[language]
    let_in(browser, service)
    browser.save_screenshot(tmp_path / "list.png")
    browser.find_element(By.LINK_TEXT, bot.line_id).click()

    def texts(selector):
        found = browser.find_elements(By.CSS_SELECTOR, selector)
        return [each.text for each in found]

    WebDriverWait(browser, 10).until(lambda _: texts(".timeline li"))
    assert texts(".timeline h2") == [f"{title} JST, UTC+0900"]
    assert texts(".ending strong, .ending > span:first-of-type") == [why, told[-1]]
    steps = texts(".timeline .what")
    assert [step[: len(text)] for step, text in zip(steps, told, strict=True)] == told
    assert "佐藤" in steps[3]
    assert texts(".timeline .elapsed")[0] == "+0:00"
    for width, name in ((1400, "wide"), (500, "narrow")):
        browser.set_window_size(width, 1300)
        time, what = (
            browser.find_element(
                By.CSS_SELECTOR, f".timeline li:last-child {part}"
            ).rect
            for part in ("time", ".what")
        )
        beside = what["y"] < time["y"] + time["height"] / 2
        assert beside == (name == "wide"), "the style sheet is there"
        page = browser.find_element(By.TAG_NAME, "html")
        assert page.get_property("scrollWidth") <= page.get_property("clientWidth")
        browser.save_screenshot(tmp_path / f"{name}.png")


def test_an_operator_ends_a_chat(browser, own_service, salesforce, tmp_path):
    service = own_service(DISABLE_COLLECTSTATIC="1")
    bot, other = Bot(service, new_line_id()), Bot(service, new_line_id())
    begin_chat(bot, salesforce)
    begin_chat(other, salesforce)

    def find(selector):
        return browser.find_element(By.CSS_SELECTOR, selector)

    let_in(browser, service)
    wait = WebDriverWait(browser, 10)
    found = browser.find_elements(By.CSS_SELECTOR, "td.field-line_id, th.field-line_id")
    assert [cell.text for cell in found] == [other.line_id, bot.line_id]

    # The colour is of Django's own style sheet; unstyled it is transparent.
    colour = find("#header").value_of_css_property("background-color")
    assert colour not in ("rgba(0, 0, 0, 0)", "transparent")
    assert find("#header").value_of_css_property("display") == "flex"
    browser.save_screenshot(tmp_path / "list.png")

    row = next(cell for cell in found if cell.text == bot.line_id)
    row.find_element(By.XPATH, "..").find_element(By.NAME, "_selected_action").click()
    Select(find("select[name=action]")).select_by_value("end_chat")
    find("button[name=index]").click()
    wait.until(lambda _: find(".messagelist .success"))
    (chat,) = salesforce.chats(bot.line_id)
    assert chat.wait(ended=1).ended_by == "client"
    assert bot.messages().outcome == END

    browser.find_element(By.LINK_TEXT, other.line_id).click()
    wait.until(lambda _: find(".field-undelivered"))
    assert not browser.find_elements(By.CSS_SELECTOR, "form input:not([type=hidden])")
    browser.save_screenshot(tmp_path / "chat.png")
    failed = [line["message"] for line in browser.get_log("browser")]
    assert [each for each in failed if "/favicon.ico" not in each] == []
