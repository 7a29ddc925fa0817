"""How often was each resource called, and each rule broken?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any


class Counts:
    """The calls and breaches of one chat, or of all of them."""

    def __init__(self, breaches: Iterable[str]) -> None:
        self.breaches: Counter[str] = Counter(dict.fromkeys(breaches, 0))
        self.calls: Counter[str] = Counter()

    def as_json(self) -> dict[str, Any]:
        """Return ``{"breaches": {name: n}, "calls": {resource: n}}``."""
        return {"breaches": dict(self.breaches), "calls": dict(self.calls)}
