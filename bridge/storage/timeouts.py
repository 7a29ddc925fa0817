"""How long may a statement take?

PostgreSQL is told to break off what takes too long. Should it not say even that, the
connection is given up on our side; it may be that nobody is there any more.

Only threads that serve are bound. A command such as migrate may take its time.
"""

import math
import select
import threading
import time
from typing import Any

import psycopg2
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from psycopg2 import extensions

LOCK_SECONDS = 4
STATEMENT_SECONDS = 6
SILENCE_SECONDS = 7.0

EVENTS = {
    extensions.POLL_READ: select.POLLIN,
    extensions.POLL_WRITE: select.POLLOUT,
}

_here = threading.local()


def bound_this_thread() -> None:
    """Let no statement of this thread take long from now on."""
    _here.is_bound = True
    if connection.vendor == "postgresql":
        extensions.set_wait_callback(_wait)


def _is_bound() -> bool:
    return getattr(_here, "is_bound", False)


def _bound_statements(connection: BaseDatabaseWrapper, **kwargs: object) -> None:
    if not _is_bound():
        return
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT set_config('lock_timeout', %s, false),"
                " set_config('statement_timeout', %s, false)",
                [f"{LOCK_SECONDS}s", f"{STATEMENT_SECONDS}s"],
            )
        else:
            # SQLite waits for another process's write without letting a greenlet run:
            # we had better come back.
            cursor.execute("PRAGMA busy_timeout = 0")


connection_created.connect(_bound_statements)


def _wait(connection: Any) -> None:
    """Wait until the server has answered, as psycopg2 asks.

    gevent's `poll` lets other greenlets run meanwhile; and `select` would not do for
    a file descriptor above 1023.
    """
    until = time.monotonic() + (SILENCE_SECONDS if _is_bound() else math.inf)
    while (state := connection.poll()) != extensions.POLL_OK:
        left = until - time.monotonic()
        # Looked at last thing, so that nothing is given up that has come meanwhile.
        if left <= 0:
            raise psycopg2.OperationalError("no answer in time")
        poll = select.poll()
        poll.register(connection.fileno(), EVENTS[state])
        poll.poll(None if left == math.inf else left * 1000)
