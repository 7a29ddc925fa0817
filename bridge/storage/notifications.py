"""How does whoever waits learn that there is something for him?

A waiter holds a `Bell` for a topic and looks at the table; `ring` inside a
transaction rings, when it commits, the bells of that topic in this process and,
over PostgreSQL's NOTIFY, in every other. SQLite is for one machine: there a look
at its change counter a few times a second stands in for NOTIFY.

A bell says "look again", never what there is to see: rung once too often it does
no harm, and rung once too seldom the safety net of the supervisor rings it.
"""

import contextlib
import logging
import secrets
import select
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from django.db import connection, transaction

from bridge.storage.database import run_on_database_thread
from bridge.telemetry import heartbeats

logger = logging.getLogger(__name__)

CHANNEL = "bridge"
RELAY = "relay"  # the loop's name
GREETING = "hello"
GREET_SECONDS = 2.0
PEER_SECONDS = 10.0  # how long a process counts as there after its last word
RECONNECT_SECONDS = 1.0
SQLITE_LOOK_SECONDS = 0.25

# Marks our own notifications: their bells were rung already.
PROCESS = secrets.token_hex(4)

_lock = threading.Lock()
_bells: dict[str, set["Bell"]] = defaultdict(set)
_handlers: dict[str, Callable[[int], None]] = {}


class Bell:
    """What one waiter waits on."""

    __slots__ = ("_event",)

    def __init__(self) -> None:
        self._event = threading.Event()

    def wait(self, seconds: float) -> bool:
        """Wait for a ring, at most `seconds`; False when none came."""
        rung = self._event.wait(max(0.0, seconds))
        self._event.clear()
        return rung

    def ring(self) -> None:
        """Wake the waiter, now or when it next waits."""
        self._event.set()


@contextmanager
def listening(*topics: str) -> Iterator[Bell]:
    """Hold a bell for `topics`. Listen first, then look, then wait."""
    bell = Bell()
    with _lock:
        for topic in topics:
            _bells[topic].add(bell)
    try:
        yield bell
    finally:
        with _lock:
            for topic in topics:
                _bells[topic].discard(bell)
                if not _bells[topic]:
                    del _bells[topic]


def awaited(prefix: str) -> list[str]:
    """Return the topics with this prefix that somebody in this process awaits."""
    with _lock:
        return [topic for topic in _bells if topic.startswith(prefix)]


def listeners(topic: str) -> int:
    """Return how many in this process wait for `topic`."""
    with _lock:
        return len(_bells.get(topic, ()))


def words(line_id_digest: str) -> str:
    """Return the topic of one customer's inbox and the end of his chat."""
    return f"words:{line_id_digest}"


def chat(session_id: int) -> str:
    """Return the topic of one chat's state and of its outbox."""
    return f"chat:{session_id}"


def command(name: str, handler: Callable[[int], None]) -> None:
    """Call `handler` with a session's id wherever `tell(name, id)` is said."""
    _handlers[name] = handler


def tell(name: str, session_id: int) -> None:
    """Have the handler of `name` called in every process, once this commits."""
    ring(f"{name}:{session_id}")


class _Peers:
    """Which other processes there are: alone, one need not notify anybody."""

    def __init__(self) -> None:
        # Until the others have had time to greet, they are taken to be there.
        self._until = time.monotonic() + PEER_SECONDS
        self._known: dict[str, float] = {}

    def are_there(self) -> bool:
        """Whether anybody has been heard of lately."""
        return time.monotonic() < self._until

    def heard(self, process: str) -> bool:
        """Note a word of another process; True when that is new to us."""
        now = time.monotonic()
        is_new = self._known.get(process, 0.0) < now
        self._until = self._known[process] = now + PEER_SECONDS
        return is_new


_peers = _Peers()


def ring(topic: str) -> None:
    """Ring the bells of `topic` everywhere, once the transaction commits."""
    if connection.vendor == "postgresql" and _peers.are_there():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, f"{PROCESS}:{topic}"])
    transaction.on_commit(partial(ring_here, topic))


def ring_here(topic: str) -> None:
    """Ring the bells of `topic` in this process."""
    name, _, session_id = topic.partition(":")
    if name in _handlers:
        _handlers[name](int(session_id))
    with _lock:
        bells = list(_bells.get(topic, ()))
    for bell in bells:
        bell.ring()


def ring_all_here() -> None:
    """Ring every bell in this process, after something may have been missed."""
    with _lock:
        bells = {bell for group in _bells.values() for bell in group}
    for bell in bells:
        bell.ring()


def relay() -> None:
    """Bring the rings of other processes here, for as long as this one lives."""
    heartbeats.beat(RELAY)
    listen = _follow_sqlite if connection.vendor == "sqlite" else _follow_postgresql
    while True:
        try:
            listen()
        except Exception as exc:  # the driver's own errors come through here as well
            logger.warning("wake-ups: listening anew after %s", type(exc).__name__)
        with contextlib.suppress(Exception):
            connection.close()
        ring_all_here()
        time.sleep(RECONNECT_SECONDS)


def _follow_postgresql() -> None:
    """Listen on a connection of our own until it breaks."""
    with connection.cursor() as cursor:
        cursor.execute(f"LISTEN {CHANNEL}")
        ring_all_here()
        greet_at = 0.0
        while True:
            if time.monotonic() >= greet_at:
                # It also shows whether the other end of the connection is there.
                cursor.execute(f"NOTIFY {CHANNEL}, '{PROCESS}:{GREETING}'")
                greet_at = time.monotonic() + GREET_SECONDS
                heartbeats.beat(RELAY)
            if _readable(connection.connection.fileno()):
                connection.connection.poll()
            if _deliver(connection.connection.notifies):
                greet_at = 0.0


def _readable(fd: int) -> bool:
    return bool(select.select([fd], [], [], GREET_SECONDS)[0])


def _deliver(notifies: list[object]) -> bool:
    """Ring for what others have said; whether somebody new was among them."""
    somebody_new = False
    while notifies:
        payload: str = notifies.pop(0).payload  # type: ignore[attr-defined]
        process, _, topic = payload.partition(":")
        if process == PROCESS:
            continue
        somebody_new |= _peers.heard(process)
        if topic != GREETING:
            ring_here(topic)
    return somebody_new


def _follow_sqlite() -> None:
    """Look whether another process has written; our own writes do not show."""
    seen = run_on_database_thread(_data_version)
    while True:
        time.sleep(SQLITE_LOOK_SECONDS)
        version = run_on_database_thread(_data_version)
        heartbeats.beat(RELAY)
        if version != seen:
            ring_all_here()
        seen = version


def _data_version() -> int:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA data_version")
        return int(cursor.fetchone()[0])
