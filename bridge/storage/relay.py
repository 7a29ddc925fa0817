"""How does what one process says reach the others?

Over PostgreSQL's NOTIFY. SQLite is for one machine: there a look at its change
counter a few times a second stands in for it, and says only that something was
written.
"""

import contextlib
import logging
import secrets
import select
import time
from collections.abc import Callable

from django.db import connection

from bridge.storage.database import in_database_stepwise
from bridge.storage.timeouts import bound_this_thread
from bridge.telemetry import process

logger = logging.getLogger(__name__)

CHANNEL = "bridge"
RELAY = "relay"  # the loop's name
GREETING = "hello"
GREET_SECONDS = 2.0
PEER_SECONDS = 10.0  # how long a process counts as there after its last word
RECONNECT_SECONDS = 1.0
SQLITE_LOOK_SECONDS = 0.25

# Marks what we have said ourselves.
PROCESS = secrets.token_hex(4)


class _Peers:
    """Which other processes there are: alone, one need not tell anybody."""

    def __init__(self) -> None:
        # Until the others have had time to greet, they are taken to be there.
        self._until = time.monotonic() + PEER_SECONDS
        self._known: dict[str, float] = {}

    def are_there(self) -> bool:
        """Whether anybody has been heard of lately."""
        return time.monotonic() < self._until

    def heard(self, sender: str) -> bool:
        """Note a word of another process; True when that is new to us."""
        now = time.monotonic()
        is_new = self._known.get(sender, 0.0) < now
        self._until = self._known[sender] = now + PEER_SECONDS
        return is_new


_peers = _Peers()


def send(message: str) -> None:
    """Tell all other processes, once the transaction commits."""
    # A transaction that notifies lets no other one commit that does, until it is on the
    # disk: with a flush of 3 ms 190 a second, where the same UPDATEs are 1,370 and
    # those with a NOTIFY of its own behind them 1,080. So nobody is told without need,
    # and what is written at each message is committed first.
    if connection.vendor == "postgresql" and _peers.are_there():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_notify(%s, %s)", [CHANNEL, f"{PROCESS}:{message}"]
            )


def run(receive: Callable[[str], None], missed: Callable[[], None]) -> None:
    """Call `receive` with what others send, for as long as this process lives.

    `missed` is called whenever something may have been sent unheard.
    """
    process.beat(RELAY)
    bound_this_thread()
    while True:
        try:
            if connection.vendor == "sqlite":
                _follow_sqlite(missed)
            else:
                _follow_postgresql(receive, missed)
        except Exception as exc:  # the driver's own errors come through here as well
            logger.warning("wake-ups: listening anew after %s", type(exc).__name__)
        with contextlib.suppress(Exception):
            connection.close()
        missed()
        time.sleep(RECONNECT_SECONDS)


def _follow_postgresql(
    receive: Callable[[str], None], missed: Callable[[], None]
) -> None:
    """Listen on a connection of our own until it breaks."""
    with connection.cursor() as cursor:
        cursor.execute(f"LISTEN {CHANNEL}")
        missed()
        greet_at = 0.0
        while True:
            if time.monotonic() >= greet_at:
                # It also shows whether the other end of the connection is there.
                cursor.execute(f"NOTIFY {CHANNEL}, '{PROCESS}:{GREETING}'")
                greet_at = time.monotonic() + GREET_SECONDS
                process.beat(RELAY)
            ours = connection.connection
            # `select` would not do for a file descriptor above 1023.
            waiting = select.poll()
            waiting.register(ours.fileno(), select.POLLIN)
            if waiting.poll(GREET_SECONDS * 1000):
                ours.poll()
            if _hear(ours.notifies, receive):
                greet_at = 0.0


def _hear(notifies: list[object], receive: Callable[[str], None]) -> bool:
    """Pass on what others have said; whether somebody new was among them."""
    somebody_new = False
    while notifies:
        payload: str = notifies.pop(0).payload  # type: ignore[attr-defined]
        sender, _, message = payload.partition(":")
        if sender == PROCESS:
            continue
        somebody_new |= _peers.heard(sender)
        if message != GREETING:
            receive(message)
    return somebody_new


def _follow_sqlite(missed: Callable[[], None]) -> None:
    """Look whether another process has written; our own writes do not show."""
    seen = _data_version()
    while True:
        time.sleep(SQLITE_LOOK_SECONDS)
        version = _data_version()
        process.beat(RELAY)
        if version != seen:
            missed()
        seen = version


@in_database_stepwise
def _data_version() -> int:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA data_version")
        return int(cursor.fetchone()[0])
