"""What has been said in a chat?"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import Any

AGENT = "Agent"
CHASITOR = "Chasitor"


@dataclass
class Line:
    """One text of a chat.

    ``at`` is in seconds since the epoch. ``sequence`` is that of the POST which
    brought it, or of the batch in which it went out; None before, or without one.
    """

    type: str
    name: str
    text: str
    sequence: int | None = None
    at: float = field(default_factory=time.time)

    def as_json(self) -> dict[str, Any]:
        """Return the line as the control API shows it."""
        return asdict(self)

    def as_chat_message(self, next_sequence: int) -> dict[str, Any]:
        """Return the line as ChasitorSessionData shows it (timestamp in ms)."""
        sequence = next_sequence if self.sequence is None else self.sequence
        return {
            "type": self.type,
            "name": self.name,
            "content": self.text,
            "timestamp": int(self.at * 1000),
            "sequence": sequence,
        }
