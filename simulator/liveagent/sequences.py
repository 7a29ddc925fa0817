"""Is a POST's X-LIVEAGENT-SEQUENCE the next one, one again, or a wrong one?"""

from __future__ import annotations


class Sequences:
    """The last number accepted; 0 before ChasitorInit."""

    def __init__(self) -> None:
        self.last = 0

    def is_next(self, got: int) -> bool:
        """Tell whether ``got`` follows the last number accepted."""
        return got == self.last + 1

    def is_duplicate(self, got: int) -> bool:
        """Tell whether ``got`` is the last number accepted, once more."""
        return got == self.last and got > 0

    def accept(self, got: int) -> None:
        """Remember ``got`` as the last number accepted."""
        self.last = got

    def skip(self, numbers: int) -> None:
        """Take so many numbers for accepted that no POST has had."""
        self.last += numbers
