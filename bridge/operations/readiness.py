"""Can this process do its work, and if not, why?

Not ready is what another process could do better or what makes this one useless. An
unreachable Salesforce is neither, and is not called. The answer is there in a few
seconds whatever has broken.
"""

import functools
from dataclasses import dataclass

from django.db import DatabaseError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from bridge.chats import shutdown
from bridge.domain.errors import DatabaseUnavailable
from bridge.operations import deployment
from bridge.operations.singleflight import SingleFlight
from bridge.storage.database import in_database_stepwise
from bridge.telemetry import process

ANSWER_SECONDS = 2.0

STOPPING = "stopping"
UNREACHABLE = "database unreachable"
UNMIGRATED = "migrations missing"
STANDS_STILL = "supervisor stands still"  # and which loop of it
PATTERN = f"^({STOPPING}|{UNREACHABLE}|{UNMIGRATED}|{STANDS_STILL}: .*)$"


@dataclass(frozen=True, slots=True)
class Readiness:
    """Why a process is not ready, and the deployment's chats that Salesforce does not
    answer for; None: they could not be counted."""

    reasons: tuple[str, ...] = ()
    unanswered_chats: int | None = None


def look() -> Readiness:
    """Look at the database, the supervisor's loops and whether the process stops."""
    database = _look_at_database()
    silent = [f"{STANDS_STILL}: {loop}" for loop in process.silent_loops()]
    stopping = [STOPPING] if shutdown.is_stopping() else []
    return Readiness((*database.reasons, *silent, *stopping), database.unanswered_chats)


def _look_at_database() -> Readiness:
    try:
        return _shared.within(ANSWER_SECONDS)
    except (DatabaseUnavailable, DatabaseError, TimeoutError):
        return Readiness((UNREACHABLE,))


@in_database_stepwise
def are_migrated() -> bool:
    """Whether all migrations have run; others may have, of newer code."""
    applied = MigrationRecorder(connection).applied_migrations()
    return _newest_migrations() <= applied.keys()


@functools.cache
def _newest_migrations() -> frozenset[tuple[str, str]]:
    """Return what this code's last migrations are, an app and a name each."""
    return frozenset(MigrationLoader(None).graph.leaf_nodes())


@in_database_stepwise
def _look() -> Readiness:
    if not are_migrated():
        return Readiness((UNMIGRATED,))
    open_chats = deployment.open_chats().values()
    return Readiness(unanswered_chats=sum(of.unanswered for of in open_chats))


_shared = SingleFlight(_look)
