"""A LINE bot's backend, as the service sees it."""

import http.client
import json
import re
import select
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests

from tests.harness import described
from tests.harness.service import Service

CONNECTED = (200, "ok", "接続しました。")
NOT_CONNECTED = (200, "fail", "ただいま接続できません。")
NOTHING = (200, None, None)
END = (200, "end", "接続が終了しました。")
SENT = (200, "send", "send")
CLOSED = (200, "end", "deleted session")
BAD_REQUEST = (400, "bad", "bad request")
UNAVAILABLE = (503, "bad", "bad request")

LONGEST_ANSWER_SECONDS = 25

# JSON needs \u only for control characters, quotes and halves of surrogate pairs.
_NEEDLESS_ESCAPE = re.compile(r"(?<!\\)(?:\\\\)*\\u(?!00[01]|d[89a-f])", re.IGNORECASE)


def words(text: str) -> tuple[int, str, str]:
    """Return the outcome of /messages that carries an agent's words."""
    return (200, "message", text)


@dataclass(frozen=True)
class Answer:
    """What the service answered, and how long that took."""

    status: int
    headers: dict[str, str]
    raw: bytes
    seconds: float

    @property
    def body(self) -> dict[str, Any]:
        """The answer's JSON object."""
        value = json.loads(self.raw.decode())
        assert isinstance(value, dict), value
        return value

    @property
    def outcome(self) -> tuple[int, str | None, str | None]:
        """The HTTP code, `type` and `message`."""
        body = self.body
        return (self.status, body["type"], body["message"])

    def check_form(self) -> None:
        """Every answer is readable JSON and out in time."""
        assert self.headers["content-type"].startswith("application/json"), self
        text = self.raw.decode()
        assert not _NEEDLESS_ESCAPE.search(text), text
        assert self.seconds < LONGEST_ANSWER_SECONDS, self


def call(
    url: str, data: bytes | str, *, headers: dict[str, str] | None = None
) -> Answer:
    """POST this body as JSON, as it is."""
    if isinstance(data, str):
        data = data.encode()
    all_headers = {"content-type": "application/json", **(headers or {})}
    started = time.monotonic()
    response = requests.post(url, data=data, headers=all_headers, timeout=30)
    answer = Answer(
        response.status_code,
        {name.lower(): value for name, value in response.headers.items()},
        response.content,
        time.monotonic() - started,
    )
    answer.check_form()
    described.check(urlsplit(url).path, answer.status, answer.headers, answer.raw)
    return answer


class Held:
    """A call that is under way: its answer may be taken later, or never."""

    def __init__(self, url: str, path: str, payload: dict[str, Any]) -> None:
        self._connection = http.client.HTTPConnection(
            url.removeprefix("http://"), timeout=30
        )
        _held.append(self)
        self._started = time.monotonic()
        self._path = path
        headers = {"content-type": "application/json"}
        self._connection.request("POST", path, json.dumps(payload), headers)

    def wait(self) -> None:
        """Wait until the answer begins to come."""
        select.select([self._connection.sock], [], [], 30)

    def answer(self) -> Answer:
        """Wait for the answer and return it."""
        try:
            response = self._connection.getresponse()
            raw = response.read()
        finally:
            self._connection.close()
        headers = {name.lower(): value for name, value in response.getheaders()}
        seconds = time.monotonic() - self._started
        answer = Answer(response.status, headers, raw, seconds)
        answer.check_form()
        described.check(self._path, answer.status, headers, raw)
        return answer

    def hang_up(self) -> None:
        """Close the connection without waiting for the answer."""
        self._connection.close()


_held: list[Held] = []


def hang_up_all() -> None:
    """Close the calls whose answers nobody took."""
    while _held:
        _held.pop().hang_up()


class Bot:
    """The calls of one LINE user's bot."""

    def __init__(
        self, service: Service, line_id: str, *, token: str | None = None
    ) -> None:
        self.service = service
        self.line_id = line_id
        self.token = token

    def at(self, service: Service) -> "Bot":
        """Return the same user's bot, calling another server."""
        return Bot(service, self.line_id, token=self.token)

    def call(self, path: str, **payload: Any) -> Answer:
        """POST these keys besides the line_id."""
        data = json.dumps({"line_id": self.line_id, **payload}, ensure_ascii=False)
        headers = {}
        if self.token is not None:
            headers["authorization"] = f"Bearer {self.token}"
        return call(f"{self.service.url}{path}", data, headers=headers)

    def hold(self, path: str, **payload: Any) -> Held:
        """Begin a call whose answer is taken later."""
        return Held(self.service.url, path, {"line_id": self.line_id, **payload})

    def init(self, display_name: str = "山田 花子", **payload: Any) -> Answer:
        """Ask for an agent."""
        return self.call("/init", display_name=display_name, **payload)

    def messages(self, **payload: Any) -> Answer:
        """Ask for the agent's next words."""
        return self.call("/messages", **payload)

    def send(self, message: str, **payload: Any) -> Answer:
        """Say something."""
        return self.call("/send", message=message, **payload)

    def close(self) -> Answer:
        """End the chat."""
        return self.call("/close")


def together(*calls: Callable[[], Answer]) -> list[Answer]:
    """Make these calls at the same moment and return their answers in order."""
    answers: list[Answer | Exception | None] = [None] * len(calls)
    start = threading.Barrier(len(calls))

    def run(index: int) -> None:
        start.wait()
        try:
            answers[index] = calls[index]()
        except Exception as error:
            answers[index] = error

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    done = []
    for answer in answers:
        if not isinstance(answer, Answer):
            raise AssertionError(f"a call failed: {answer!r}") from answer
        done.append(answer)
    return done
