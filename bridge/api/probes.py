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

from bridge.api import answers, auth
from bridge.api.endpoint import read_only
from bridge.api.errors import Refusal
from bridge.domain.errors import Unauthorized
from bridge.operations import deployment, readiness
from bridge.telemetry import metrics, process

_deployment = deployment.DeploymentCollector()


@read_only("/healthz")
def healthz(request: HttpRequest) -> HttpResponse:
    """Say that the process lives."""
    return answers.Answer(answers.Alive())


@read_only("/readyz")
def readyz(request: HttpRequest) -> HttpResponse:
    """Say whether the process does its work."""
    found = readiness.look()
    state, chats = process.salesforce.state, found.unanswered_chats
    if not found.reasons:
        salesforce = answers.Salesforce(state=state, unanswered_chats=chats)
        return answers.Answer(answers.Ready(salesforce=salesforce))
    uncounted = answers.SalesforceUncounted(state=state, unanswered_chats=chats)
    not_ready = answers.NotReady(reasons=found.reasons, salesforce=uncounted)
    return answers.Answer(not_ready, HTTPStatus.SERVICE_UNAVAILABLE)


@read_only("/metrics")
def prometheus(request: HttpRequest) -> HttpResponse:
    """Say what was counted, for Prometheus."""
    try:
        auth.authorize(request)
    except Unauthorized as exc:
        return Refusal(request, exc.status, exc.errors)
    registry = CollectorRegistry()
    registry.register(_deployment)
    registry.register(metrics.collector())
    return HttpResponse(
        generate_latest(registry), content_type=CONTENT_TYPE_PLAIN_0_0_4
    )


PROBES = {view.path: view for view in (healthz, readyz)}


class Probes:
    """Answer the platform's probes before anything else can refuse them.

    They come over plain http and name an address instead of a host, so neither the
    redirect to https nor HOST is for them.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return (PROBES.get(request.path_info) or self._get_response)(request)
