"""Are the loops of this process alive?

Each says so after every turn that went well. One that hangs, has died or fails turn
after turn falls silent.
"""

import time

SILENT_SECONDS = 60.0  # a turn may wait for the database several times

_beats: dict[str, float] = {}


def beat(loop: str) -> None:
    """Note that a loop is alive; the first time, that it is expected to be."""
    _beats[loop] = time.monotonic()


def silent() -> list[str]:
    """Return the loops that have not been heard of for too long."""
    then = time.monotonic() - SILENT_SECONDS
    return [loop for loop, at in _beats.items() if at < then]
