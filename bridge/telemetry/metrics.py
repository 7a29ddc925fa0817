"""What does this process count for Prometheus?

One function or gauge for each thing that happens, named for it; who calls it need
not know of Prometheus. What is true of the whole deployment is read from the
database instead, by `bridge.operations.deployment`.

Under gunicorn PROMETHEUS_MULTIPROC_DIR names a folder in which every server process
keeps its counts, so that whichever is asked tells the sum; it has to be set before
this module is imported. Without it the counts are those of this process.
"""

import functools
import os
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from bridge.telemetry.process import CANCELLED

disable_created_metrics()  # type: ignore[no-untyped-call]
REGISTRY = CollectorRegistry()

CALL_BUCKETS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 4.0)  # seconds
POLL_BUCKETS = (0.25, 1.0, 5.0, 10.0, 20.0, 30.0, 35.0, 40.0, 45.0)
DELIVERY_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

# --- Salesforce ---------------------------------------------------------------

_calls = Counter(
    "liveagent_salesforce_calls_total",
    "Calls to Salesforce by what came of them: an HTTP status, or unreachable,"
    " timeout, broken or cancelled (by ourselves).",
    ("resource", "status"),
    registry=REGISTRY,
)
_call_seconds = Histogram(
    "liveagent_salesforce_call_seconds",
    "How long Salesforce took to answer a call that is no poll.",
    ("resource",),
    buckets=CALL_BUCKETS,
    registry=REGISTRY,
)
_poll_seconds = Histogram(
    "liveagent_salesforce_poll_seconds",
    "How long Salesforce held a poll; one that brings nothing lasts some 40 seconds.",
    buckets=POLL_BUCKETS,
    registry=REGISTRY,
)
_conflicts = Counter(
    "liveagent_conflicts_total",
    "Calls answered 409: duplicate_poll ended a chat, out_of_sync was put right.",
    ("kind",),
    registry=REGISTRY,
)
duplicate_poll = _conflicts.labels("duplicate_poll").inc
out_of_sync = _conflicts.labels("out_of_sync").inc
reconnecting = Counter(
    "liveagent_reconnections_total",
    "Reconnections begun, after a 503 or where one was left unfinished.",
    registry=REGISTRY,
).inc


def salesforce_called(
    resource: str, status: str, seconds: float, is_read: bool
) -> None:
    """Count a call; `status` is that of the answer, or a word where there is none."""
    _count(resource, status)()
    if status != CANCELLED:
        (_poll_seconds.observe if is_read else _observe(resource))(seconds)


# The children of a metric are looked up under a lock; so each is kept.
@functools.cache
def _count(resource: str, status: str) -> Callable[[], None]:
    return _calls.labels(resource, status).inc


@functools.cache
def _observe(resource: str) -> Callable[[float], None]:
    return _call_seconds.labels(resource).observe


# --- chats and words ----------------------------------------------------------

messages_held = Gauge(
    "liveagent_messages_held",
    "Calls of /messages that are being served, most of them waiting for words.",
    multiprocess_mode="livesum",
    registry=REGISTRY,
)
_delivery_seconds = Histogram(
    "liveagent_delivery_seconds",
    "From an agent's words in the database to the answer that took them to the bot.",
    buckets=DELIVERY_BUCKETS,
    registry=REGISTRY,
)
chat_taken_up = Counter(
    "liveagent_chats_taken_up_total",
    "Chats that nobody polled any more and that were taken up here.",
    registry=REGISTRY,
).inc
_chats_ended = Counter(
    "liveagent_chats_ended_total",
    "Chats ended, by the reason that the bot is told.",
    ("reason",),
    registry=REGISTRY,
)


def chats_may_end(reasons: Iterable[str]) -> None:
    """Show these reasons from the start, none counted yet."""
    for reason in reasons:
        _chats_ended.labels(reason)


def chat_ended(reason: str) -> None:
    """Count the end of a chat."""
    _chats_ended.labels(reason).inc()


def words_delivered(stored_at: datetime) -> None:
    """Note that words stored then, by the database's clock, are out by now."""
    age = (datetime.now(UTC) - stored_at).total_seconds()
    _delivery_seconds.observe(max(0.0, age))  # the two clocks may differ a little


# --- the database -------------------------------------------------------------

database_callers = Gauge(
    "liveagent_database_callers",
    "Those who wait for a database thread or are being served by one.",
    multiprocess_mode="livesum",
    registry=REGISTRY,
)
database_threads_busy = Gauge(
    "liveagent_database_threads_busy",
    "Database threads at work, each with a connection of its own.",
    multiprocess_mode="livesum",
    registry=REGISTRY,
)
database_threads = Gauge(
    "liveagent_database_threads",
    "Database threads that there may be.",
    multiprocess_mode="livesum",
    registry=REGISTRY,
)
_database_failures = Counter(
    "liveagent_database_failures_total",
    "Times when the database did not serve: busy (no thread in time), unreachable.",
    ("reason",),
    registry=REGISTRY,
)
database_busy = _database_failures.labels("busy").inc
database_unreachable = _database_failures.labels("unreachable").inc


def collector() -> Collector:
    """Return what tells the counts of all server processes of this machine."""
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        return MultiProcessCollector(None)  # type: ignore[no-untyped-call]
    return REGISTRY
