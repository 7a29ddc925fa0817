"""Does the bot work that the documents show?"""

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType

import pytest

from tests.harness.salesforce import Salesforce
from tests.harness.service import Service
from tests.harness.waiting import until

DOCS = Path(__file__).resolve().parents[2] / "docs"
PROGRAM = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CONNECTED = "接続しました。"
OVER = "接続が終了しました。"


class _Push(BaseHTTPRequestHandler):
    """Fails at the first try of each push and takes the second."""

    server: "Line"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        key = self.headers["X-Line-Retry-Key"]
        again = key in self.server.keys
        self.server.keys.append(key)
        if again:
            self.server.pushed += [each["text"] for each in body["messages"]]
        self.send_response(200 if again else 500)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        """Be quiet."""


class Line(ThreadingHTTPServer):
    """What the bot needs of LINE: its push messages."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Push)
        self.keys: list[str] = []
        self.pushed: list[str] = []


@pytest.fixture
def line() -> Iterator[Line]:
    """Run LINE's part of it."""
    with Line() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(params=["bots.md", "bots.ja.md"])
def example(
    request: pytest.FixtureRequest,
    service: Service,
    line: Line,
    monkeypatch: pytest.MonkeyPatch,
) -> ModuleType:
    """Load the page's program with the variables that it reads."""
    monkeypatch.setenv("BRIDGE_URL", service.url)
    monkeypatch.setenv("LINE_API", f"http://127.0.0.1:{line.server_port}")
    monkeypatch.setenv("LINE_CHANNEL_ACCESS_TOKEN", "secret")
    page = (DOCS / request.param).read_text(encoding="utf-8")
    module = ModuleType("example")
    exec("\n".join(PROGRAM.findall(page)), vars(module))
    vars(module)["PAUSE"] = 0.05
    return module


def test_it_carries_a_chat_from_the_wish_to_the_end(
    example: ModuleType, line: Line, salesforce: Salesforce, line_id: str
):
    example.on_person_wanted(line_id, "花子")
    until(lambda: line.pushed == [CONNECTED], "the customer is told")
    chat = salesforce.wait_for_chat(line_id)
    for number, text in enumerate(("一", "二", "二")):
        example.on_text(line_id, text, f"m{number}")
    example.on_text(line_id, "二", "m2")
    chat.accept().say("お待たせしました。", "あ" * 6000)

    until(lambda: chat.heard == ["一", "二", "二"], "the agent hears each once")
    said = [CONNECTED, "お待たせしました。", "あ" * 5000, "あ" * 1000]
    until(lambda: line.pushed == said, "the customer hears each once")

    example.on_enough(line_id)
    until(lambda: line_id not in example.speakers, "the bot is done")
    assert line.pushed == [*said, OVER]
    assert chat.wait(state="ended").ended_by
    assert len(line.keys) == 2 * len(set(line.keys))


def test_it_parts_no_character(example: ModuleType):
    assert list(example.split("a👍", most=2)) == ["a", "👍"]
    assert list(example.split("👍👍", most=2)) == ["👍", "👍"]
    assert list(example.split("")) == []
