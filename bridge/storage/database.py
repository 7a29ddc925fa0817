"""How does code reach the database?

Only through `in_database`: the decorated function runs on one of a few database
threads, each with a connection that it keeps, while the caller waits. So

* a process never has more connections than threads, however many chats there are;
* who waits for anything else holds no connection, since the connection is not theirs;
* who gets no thread in time is told so (`DatabaseUnavailable`), with nothing done.

A decorated function is one transaction. When the connection breaks, it runs once
more on a new one, and whether the first commit arrived is not known: so it has to
lead to the same result when it has been carried out already. The functions of this
package see to that with conditions on tokens that their callers choose.
"""

import functools
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar, cast

from django.conf import settings
from django.db import connection, transaction
from django.db.utils import InterfaceError, InternalError, OperationalError

from bridge.domain.errors import DatabaseUnavailable
from bridge.storage.timeouts import LOCK_SECONDS, bound_this_thread
from bridge.telemetry import metrics

P = ParamSpec("P")
R = TypeVar("R")

WAIT_FOR_THREAD_SECONDS = 8.0
BEGIN_WITHIN_SECONDS = 3.0  # after so long nothing is tried again
RECONNECT_PAUSES_SECONDS = (0.0, 0.2, 1.0)
LOCKED_PAUSE_SECONDS = 0.02
PRIMARY_CODE = 0xFF  # of SQLite's, the rest says more

_here = threading.local()


def in_database(function: Callable[P, R]) -> Callable[P, R]:
    """Run `function` on a database thread, as one transaction.

    Called on a database thread already, it is part of the caller's transaction.
    Raises DatabaseUnavailable when no thread or no connection is to be had.
    """
    return _on_database_thread(_transaction, function)


def in_database_stepwise(function: Callable[P, R]) -> Callable[P, R]:
    """Run `function` on a database thread, each statement for itself.

    For what is right after every single statement: it saves the two round trips of
    a transaction. Otherwise as `in_database`.
    """
    return _on_database_thread(_stepwise, function)


def _on_database_thread(
    run: Callable[..., Any], function: Callable[P, R]
) -> Callable[P, R]:
    @functools.wraps(function)
    def on_database_thread(*args: P.args, **kwargs: P.kwargs) -> R:
        if is_database_thread():
            return cast(R, run(function, *args, **kwargs))
        return cast(R, _submit(_with_new_connection, run, function, *args, **kwargs))

    return on_database_thread


def run_on_database_thread(
    function: Callable[P, R], *args: P.args, **kwargs: P.kwargs
) -> R:
    """Run something that minds its own transactions, such as an admin page."""
    return cast(R, _submit(_plain, function, *args, **kwargs))


def threads() -> int:
    """Return how many database threads this process may have.

    PostgreSQL: all allowed connections but the listener's. SQLite lets one writer
    in at a time, so a second connection would only wait for the first.
    """
    if connection.vendor == "sqlite":
        return 1
    return max(1, settings.DATABASE_MAX_CONNECTIONS - 1)


@functools.cache
def _executor() -> ThreadPoolExecutor:
    metrics.database_threads.set(threads())
    return ThreadPoolExecutor(
        max_workers=threads(), thread_name_prefix="database", initializer=_begin
    )


def _begin() -> None:
    _here.is_database_thread = True
    bound_this_thread()


def is_database_thread() -> bool:
    """Whether the caller is on a database thread, where it may use the connection."""
    return getattr(_here, "is_database_thread", False)


@contextmanager
def patience(seconds: float) -> Iterator[None]:
    """Let the caller wait for the database no longer than that in all, in here.

    After that DatabaseUnavailable is raised, also where it is still being carried out:
    as after a broken connection, it is not known whether it was.
    """
    _here.wait_until = time.monotonic() + seconds
    try:
        yield
    finally:
        _here.wait_until = None


def _left() -> float | None:
    """Return how many seconds the caller may still wait, None for any number."""
    until: float | None = getattr(_here, "wait_until", None)
    return None if until is None else max(0.0, until - time.monotonic())


@metrics.database_callers.track_inprogress()
def _submit(run: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    try:
        future: Future[Any] = _executor().submit(_at_work, run, *args, **kwargs)
    except RuntimeError as exc:  # the interpreter is shutting down
        raise DatabaseUnavailable("the service is stopping") from exc
    try:
        left = _left()
        at_first = WAIT_FOR_THREAD_SECONDS
        return future.result(at_first if left is None else min(at_first, left))
    except FutureTimeout:
        if future.cancel():
            metrics.database_busy()
            raise DatabaseUnavailable("the database is busy; try again") from None
    try:
        return future.result(_left())  # it is being carried out: see it through
    except FutureTimeout:
        metrics.database_unreachable()
        raise DatabaseUnavailable("the database does not answer") from None


@metrics.database_threads_busy.track_inprogress()
def _at_work(run: Callable[..., R], *args: Any, **kwargs: Any) -> R:
    return run(*args, **kwargs)


def _plain(function: Callable[..., R], *args: Any, **kwargs: Any) -> R:
    connection.close_if_unusable_or_obsolete()
    if connection.vendor == "sqlite":
        # What is not repeated waits until another process has written.
        _with_new_connection(_transaction, lambda: None)
    return function(*args, **kwargs)


def _transaction(function: Callable[..., R], *args: Any, **kwargs: Any) -> R:
    if connection.in_atomic_block:
        return function(*args, **kwargs)
    with transaction.atomic():
        return function(*args, **kwargs)


def _stepwise(function: Callable[..., R], *args: Any, **kwargs: Any) -> R:
    return function(*args, **kwargs)


def _with_new_connection(run: Callable[..., R], *args: Any, **kwargs: Any) -> R:
    """Carry something out; on a broken connection, with a new one again.

    A server that only reads, after a failover, is an InternalError.
    """
    begun = time.monotonic()
    pauses = iter(RECONNECT_PAUSES_SECONDS)
    while True:
        try:
            return run(*args, **kwargs)
        except (OperationalError, InterfaceError, InternalError) as exc:
            taken = time.monotonic() - begun
            if _is_locked(exc):
                pause = LOCKED_PAUSE_SECONDS if taken < LOCK_SECONDS else None
            else:
                connection.close()
                pause = next(pauses, None) if taken < BEGIN_WITHIN_SECONDS else None
            if pause is None:
                metrics.database_unreachable()
                raise DatabaseUnavailable("the database cannot be reached") from exc
            time.sleep(pause)


def _is_locked(exc: Exception) -> bool:
    """Whether another process is writing to our SQLite file."""
    code = getattr(exc.__cause__, "sqlite_errorcode", sqlite3.SQLITE_OK)
    return code & PRIMARY_CODE in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
