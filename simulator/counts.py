"""How often was each resource called, and each rule broken?"""

from __future__ import annotations

from collections import Counter
from typing import Any

BREACHES = (
    "missing_header",
    "second_poll",
    "wrong_sequence",
    "duplicate_sequence",
    "post_before_established",
    "post_before_resync",
    "bad_json",
    "unknown_session",
    "wrong_method",
    "unknown_path",
)


class Counts:
    """The calls and breaches of one chat, or of all of them."""

    def __init__(self) -> None:
        self.breaches: Counter[str] = Counter(dict.fromkeys(BREACHES, 0))
        self.calls: Counter[str] = Counter()

    def as_json(self) -> dict[str, Any]:
        """Return ``{"breaches": {name: n}, "calls": {resource: n}}``."""
        return {"breaches": dict(self.breaches), "calls": dict(self.calls)}
