"""Is the admin styled and usable in a browser, with nothing collected at build?"""

import shutil

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

from tests.conftest import begin_chat, new_line_id
from tests.harness.bot import END, Bot
from tests.test_admin import LIST, PASSWORD, USER, make_user

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
OPTIONS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic"),
    *("--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--lang=en"),
    "--window-size=1400,900",
)


@pytest.fixture
def browser(tmp_path):
    """Open a browser that nobody has used before."""
    if not (CHROMIUM and DRIVER):
        pytest.skip("needs chromium and chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for option in (*OPTIONS, f"--user-data-dir={tmp_path / 'profile'}"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with webdriver.Chrome(options, webdriver.ChromeService(DRIVER)) as browser:
        yield browser


def test_an_operator_ends_a_chat(browser, own_service, salesforce, tmp_path):
    service = own_service(DISABLE_COLLECTSTATIC="1")
    make_user(
        service,
        *("createsuperuser", "--noinput"),
        *("--username", USER, "--email", "o@example.com"),
    )
    bot, other = Bot(service, new_line_id()), Bot(service, new_line_id())
    begin_chat(bot, salesforce)
    begin_chat(other, salesforce)

    def find(selector):
        return browser.find_element(By.CSS_SELECTOR, selector)

    browser.get(f"{service.url}{LIST}")
    find("#id_username").send_keys(USER)
    find("#id_password").send_keys(PASSWORD)
    find("[type=submit]").click()
    wait = WebDriverWait(browser, 10)
    wait.until(lambda _: find("#result_list"))
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
