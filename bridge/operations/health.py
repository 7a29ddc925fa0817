"""Does this process live, is it ready, and what has it counted?

`/healthz` and `/readyz` are for the platform, `/metrics` is for Prometheus. None of
them calls Salesforce, and each answers in a few seconds whatever has broken.

Not ready is what another process could do better or what makes this one useless. An
unreachable Salesforce is neither: that is said in the body, and no reason.
"""

from dataclasses import dataclass
from http import HTTPStatus

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from prometheus_client import (
    CONTENT_TYPE_PLAIN_0_0_4,
    CollectorRegistry,
    generate_latest,
)

from bridge.api import auth
from bridge.api.endpoint import answer, bad, reading
from bridge.chats import shutdown
from bridge.domain.errors import DatabaseUnavailable, Unauthorized
from bridge.operations import deployment, tables
from bridge.operations.singleflight import SharedLook
from bridge.storage.database import in_database_stepwise
from bridge.telemetry import heartbeats, metrics, reachability

ANSWER_SECONDS = 2.0

STOPPING = "stopping"
UNREACHABLE = "database unreachable"
UNMIGRATED = "migrations missing"
STANDS_STILL = "supervisor stands still"


@reading
def healthz(request: HttpRequest) -> HttpResponse:
    """Say that this process lives; nothing else is asked."""
    response: HttpResponse = answer({"status": "alive"})
    return response


@reading
def readyz(request: HttpRequest) -> HttpResponse:
    """Say whether this process does its work, and if not, why."""
    database = _look_at_database()
    silent = [f"{STANDS_STILL}: {loop}" for loop in heartbeats.silent()]
    reasons = [*database.reasons, *silent]
    if shutdown.is_stopping():
        reasons.append(STOPPING)
    salesforce = {
        "state": reachability.state(),
        "unanswered_chats": database.unanswered_chats,
    }
    status = HTTPStatus.SERVICE_UNAVAILABLE if reasons else HTTPStatus.OK
    body = {
        "status": "not ready" if reasons else "ready",
        "reasons": reasons,
        "salesforce": salesforce,
    }
    response: HttpResponse = answer(body, status)
    return response


@reading
def prometheus(request: HttpRequest) -> HttpResponse:
    """Tell what was counted here, and how the deployment stands."""
    try:
        auth.authorize(request)
    except Unauthorized as exc:
        return bad(exc.status, exc.errors)
    registry = CollectorRegistry()
    registry.register(_deployment)
    registry.register(metrics.collector())
    return HttpResponse(
        generate_latest(registry), content_type=CONTENT_TYPE_PLAIN_0_0_4
    )


_deployment = deployment.DeploymentCollector()


# --- the database -------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Database:
    """What a look at the database has shown; None: it could not be counted."""

    reasons: tuple[str, ...] = ()
    unanswered_chats: int | None = None


def _look_at_database() -> _Database:
    try:
        return _shared.within(ANSWER_SECONDS)
    except (DatabaseUnavailable, DatabaseError, TimeoutError):
        return _Database((UNREACHABLE,))


@in_database_stepwise
def _look() -> _Database:
    if not tables.are_migrated():
        return _Database((UNMIGRATED,))
    open_chats = deployment.open_chats().values()
    return _Database(unanswered_chats=sum(of.unanswered for of in open_chats))


_shared = SharedLook(_look)
