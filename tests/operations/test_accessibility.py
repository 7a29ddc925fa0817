"""Can everybody use the pages, on a phone as well, and with a long name on them?"""

from itertools import product

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from tests.conftest import begin_chat, new_line_id
from tests.harness.axe import findings
from tests.harness.bot import CONNECTED, Bot
from tests.operations.conftest import let_in, narrow_to
from tests.operations.test_admin import LIST

WIDTHS = (1400, 390)
GRAVE = ("serious", "critical")
LONG = "U" + "0123456789" * 25 + "0123"


def look(browser, impacts):
    """Return what is wrong with the page that is shown, in each way of showing it."""
    found = []
    for width, scheme in product(WIDTHS, ("light", "dark")):
        narrow_to(browser, width)
        prefers = {"name": "prefers-color-scheme", "value": scheme}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [prefers]})
        found += [f"{width} {scheme} {each}" for each in findings(browser, impacts)]
        page = browser.find_element(By.TAG_NAME, "html")
        if page.get_property("scrollWidth") > page.get_property("clientWidth"):
            found.append(f"{width} wider than the screen")
    return found


@pytest.mark.parametrize("language", ["en", "ja"])
def test_the_admin_is_for_everybody(browser, own_service, salesforce, language):
    service = own_service()
    begin_chat(Bot(service, new_line_id()), salesforce).end()
    assert Bot(service, LONG).init().outcome == CONNECTED

    browser.get(f"{service.url}/admin/")
    assert look(browser, GRAVE) == [], "login"
    let_in(browser, service)
    for path in (LIST, "/admin/", f"{LIST}1/change/", f"{LIST}2/change/"):
        browser.get(f"{service.url}{path}")
        assert browser.find_element(By.TAG_NAME, "html").get_attribute("lang") == (
            language
        )
        assert look(browser, GRAVE) == [], path


@pytest.mark.parametrize("language", ["en", "ja"])
def test_the_agents_page_is_for_everybody(browser, service, salesforce, simulator):
    assert Bot(service, f"{LONG[:200]}{new_line_id()}").init().outcome == CONNECTED
    impacts = ("moderate", *GRAVE)
    browser.get(simulator.url)
    wait = WebDriverWait(browser, 10)

    wait.until(lambda _: browser.find_elements(By.CSS_SELECTOR, ".entry"))
    assert look(browser, impacts) == [], "the list"
    browser.find_elements(By.CSS_SELECTOR, "#waiting .entry")[-1].click()
    accept = browser.find_element(By.ID, "accept")
    wait.until(lambda _: accept.is_displayed())
    assert look(browser, impacts) == [], "before the agent joins"
    assert accept.rect["x"] + accept.rect["width"] < WIDTHS[-1]
    accept.click()
    wait.until(lambda _: browser.find_element(By.ID, "text").is_displayed())
    assert look(browser, impacts) == [], "a chat"


def test_a_long_line_id_leaves_the_list_its_columns(browser, own_service, salesforce):
    service = own_service()
    assert Bot(service, LONG).init("山" * 255).outcome == CONNECTED
    let_in(browser, service)
    table = browser.find_element(By.CSS_SELECTOR, "#changelist .results")

    assert table.get_property("scrollWidth") <= table.get_property("clientWidth")
    (cell,) = browser.find_elements(By.CSS_SELECTOR, ".field-line_id span")
    assert cell.get_attribute("title") == LONG
    assert LONG.startswith(cell.text.rstrip("…"))
    narrow_to(browser, 390)
    state = browser.find_element(By.CSS_SELECTOR, "td.field-state")
    assert state.rect["x"] + state.rect["width"] < 390


def test_a_chats_page_leaves_out_what_the_chat_does_not_have(
    browser, own_service, salesforce
):
    service = own_service()
    bot = Bot(service, new_line_id())
    assert bot.init().outcome == CONNECTED
    let_in(browser, service)

    browser.find_element(By.LINK_TEXT, bot.line_id).click()

    rows = WebDriverWait(browser, 10).until(
        lambda _: browser.find_elements(By.CSS_SELECTOR, ".form-row .readonly")
    )
    assert [row.text for row in rows if row.text in {"", "-"}] == []
    assert len(rows) > 5
