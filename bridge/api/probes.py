"""Does this process live, is it ready, and what has it counted?

`/healthz` and `/readyz` are for the platform, `/metrics` is for Prometheus.
"""

from collections.abc import Callable
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from prometheus_client import (
    CONTENT_TYPE_PLAIN_0_0_4,
    CollectorRegistry,
    generate_latest,
)

from bridge.api import auth
from bridge.api.endpoint import answer, bad, reading
from bridge.domain.errors import Unauthorized
from bridge.operations import deployment, readiness
from bridge.telemetry import metrics, process

_deployment = deployment.DeploymentCollector()


@reading
def healthz(request: HttpRequest) -> HttpResponse:
    """Say that this process lives; nothing else is asked."""
    response: HttpResponse = answer({"status": "alive"})
    return response


@reading
def readyz(request: HttpRequest) -> HttpResponse:
    """Say whether this process does its work, and if not, why.

    How Salesforce stands is said as well, and is no reason.
    """
    found = readiness.look()
    body = {
        "status": "not ready" if found.reasons else "ready",
        "reasons": found.reasons,
        "salesforce": {
            "state": process.salesforce.state,
            "unanswered_chats": found.unanswered_chats,
        },
    }
    status = HTTPStatus.SERVICE_UNAVAILABLE if found.reasons else HTTPStatus.OK
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


Probe = Callable[[HttpRequest], HttpResponse]
PROBES: dict[str, Probe] = {"/healthz": healthz, "/readyz": readyz}


class Probes:
    """Answer the platform's probes before anything else can refuse them.

    They come over plain http and name an address instead of a host, so neither the
    redirect to https nor HOST is for them.
    """

    def __init__(self, get_response: Probe) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return PROBES.get(request.path_info, self._get_response)(request)
