"""What does axe-core find wrong with the page that a browser shows?"""

from axe_playwright_python.base import AXE_SCRIPT
from selenium.webdriver.remote.webdriver import WebDriver

RUN = """
const done = arguments[arguments.length - 1];
Promise.all(document.getAnimations().map((each) => each.finished))
    .then(() => axe.run({resultTypes: ["violations"]}))
    .then(done, (error) => done({error: `${error}`}));
"""
GRAVE = ("serious", "critical")


def findings(browser: WebDriver, impacts: tuple[str, ...] = GRAVE) -> list[str]:
    """Return what is as grave as that: the rule and where it is broken."""
    browser.execute_script(AXE_SCRIPT)
    found = browser.execute_async_script(RUN)
    assert "violations" in found, found
    return [
        f"{rule['id']} ({rule['impact']}): {node['target']}"
        for rule in found["violations"]
        for node in rule["nodes"]
        if node["impact"] in impacts
    ]
