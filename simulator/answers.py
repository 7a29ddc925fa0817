"""What can an outside party's side answer to a request?"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

JSON = "application/json"
TEXT = "text/plain"


@dataclass(frozen=True)
class Answer:
    """One HTTP answer, not yet written."""

    status: int
    body: bytes = b""
    content_type: str = TEXT


def dumps(value: Any) -> bytes:
    """Return ``value`` as JSON in UTF-8."""
    try:
        return json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # a lone surrogate has no UTF-8, but an escape
        return json.dumps(value).encode()


def json_answer(value: Any, status: int = 200) -> Answer:
    """Return an answer with ``value`` as its JSON body."""
    return Answer(status, dumps(value), JSON)


def text_answer(status: int, text: str) -> Answer:
    """Return an answer in plain text."""
    return Answer(status, text.encode())


NO_CONTENT = Answer(204)


class Refusal(Exception):
    """A request that is answered with an error, and perhaps counted as a breach."""

    def __init__(self, answer: Answer, breach: str | None = None) -> None:
        super().__init__(answer.status)
        self.answer = answer
        self.breach = breach


def bad_request(reason: str, breach: str = "bad_json") -> Refusal:
    """Return the refusal of a request that cannot be understood."""
    return Refusal(text_answer(400, reason), breach)


class WrongState(Exception):
    """Things are not in a state in which this can be done."""
