"""How does this process stand?

Whether its loops are alive: each says so after every turn that went well, and one that
hangs, has died or fails turn after turn falls silent. And whether Salesforce answers
it; a process that has no chats makes no calls, and does not know.
"""

import time

SILENT_SECONDS = 60.0  # a turn may wait for the database several times

UNKNOWN = "unknown"
REACHABLE = "reachable"
UNREACHABLE = "unreachable"
CANCELLED = "cancelled"  # the outcome of a call that we broke off ourselves

_beats: dict[str, float] = {}


def beat(loop: str) -> None:
    """Note that a loop is alive; the first time, that it is expected to be."""
    _beats[loop] = time.monotonic()


def silent_loops() -> list[str]:
    """Return the loops that have not been heard of for too long."""
    then = time.monotonic() - SILENT_SECONDS
    return [loop for loop, at in _beats.items() if at < then]


class Reachability:
    """Whether a peer answers, by the last call whose outcome says anything."""

    def __init__(self) -> None:
        self.state = UNKNOWN

    def note(self, outcome: str) -> bool:
        """Note how a call went: its answer's status, or a word where none came.

        Returns whether the peer was unreachable before already.

        A 5xx is no sign of life: a server in distress sends them to everybody. That a
        single session moves is a 503 as well, but good answers follow.
        """
        was_away = self.state == UNREACHABLE
        if outcome != CANCELLED:  # which says nothing of the peer
            is_answer = outcome.isdigit() and int(outcome) < 500
            self.state = REACHABLE if is_answer else UNREACHABLE
        return was_away


salesforce = Reachability()
