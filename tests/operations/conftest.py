"""Fixtures: a browser, and an operator who is logged in."""

import shutil

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from tests.operations.test_admin import LIST, PASSWORD, USER, make_user

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
OPTIONS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic"),
    *("--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--lang=en"),
    "--window-size=1400,900",
)


@pytest.fixture
def language():
    """Name the language that the browser asks for."""
    return "en"


@pytest.fixture
def browser(tmp_path, language):
    """Open a browser that nobody has used before."""
    if not (CHROMIUM and DRIVER):
        pytest.skip("needs chromium and chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for option in (*OPTIONS, f"--user-data-dir={tmp_path / 'profile'}"):
        options.add_argument(option)
    options.add_experimental_option("prefs", {"intl.accept_languages": language})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with webdriver.Chrome(options, webdriver.ChromeService(DRIVER)) as browser:
        yield browser


def narrow_to(browser, width):
    """Have the browser show its page as a screen of that width would."""
    screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)


def let_in(browser, service):
    """Make a user of this service and log in as him; ends on the list of chats."""
    make_user(
        service,
        *("createsuperuser", "--noinput"),
        *("--username", USER, "--email", "o@example.com"),
    )
    browser.get(f"{service.url}{LIST}")
    browser.find_element(By.ID, "id_username").send_keys(USER)
    browser.find_element(By.ID, "id_password").send_keys(PASSWORD)
    browser.find_element(By.CSS_SELECTOR, "[type=submit]").click()
    wait = WebDriverWait(browser, 10)
    wait.until(lambda _: browser.find_element(By.ID, "changelist"))
