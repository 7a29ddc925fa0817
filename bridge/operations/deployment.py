"""How does the whole deployment stand?

Read from the database when somebody asks, so that every process of every dyno says
the same.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Count, F, FloatField, Func, Min, Q, QuerySet
from django.db.models.functions import Coalesce
from django.db.models.sql.compiler import SQLCompiler
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from bridge.domain.errors import DatabaseUnavailable
from bridge.domain.states import State
from bridge.models import AgentMessage, CustomerMessage, Session
from bridge.operations.singleflight import SingleFlight
from bridge.storage.database import in_database_stepwise

ANSWER_SECONDS = 3.0
# Added to `clientPollTimeout`, by which Salesforce answers every poll: 60 in all
# with its usual 40.
UNANSWERED_MARGIN_SECONDS = 20
# A lease is taken up within a second or two after it has run out.
UNPOLLED_SECONDS = 15

OPEN_STATES = (State.OPENING, State.WAITING, State.ESTABLISHED)
STATES = (*OPEN_STATES, State.ENDED)


class Age(Func):
    """Seconds since a moment, on the database's clock."""

    output_field = FloatField()
    template = "EXTRACT(EPOCH FROM statement_timestamp() - %(expressions)s)"

    def as_sqlite(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra: Any
    ) -> Any:
        """Say it for SQLite."""
        days = "(julianday('now') - julianday(%(expressions)s))"
        return self.as_sql(
            compiler, connection, template=f"({days} * 86400.0)", **extra
        )


@dataclass(frozen=True, slots=True)
class Chats:
    """The open chats of one state; `unanswered` and `unpolled` are among them."""

    count: int = 0
    unanswered: int = 0
    unpolled: int = 0


@dataclass(frozen=True, slots=True)
class Messages:
    """Messages on their way; `oldest` is in seconds."""

    count: int = 0
    oldest: float = 0.0


@dataclass(frozen=True, slots=True)
class Deployment:
    """All of it, each by the state of the chats."""

    chats: dict[str, Chats]
    unfetched: dict[str, Messages]
    unsent: dict[str, Messages]


@in_database_stepwise
def open_chats() -> dict[str, Chats]:
    """Count the open chats, and those of them that are not as they should be."""
    patience = F("client_poll_timeout") + UNANSWERED_MARGIN_SECONDS
    rows = (
        Session.objects.open()
        .annotate(
            silence=Age(Coalesce("answered_at", "opened_at")),
            overdue=Age(Coalesce("poll_until", "opened_at")),
        )
        .values_list("state")
        .annotate(
            count=Count("pk"),
            unanswered=Count("pk", filter=Q(silence__gt=patience)),
            unpolled=Count("pk", filter=Q(overdue__gt=UNPOLLED_SECONDS)),
        )
    )
    return {state: Chats(*counts) for state, *counts in rows}


@in_database_stepwise
def look() -> Deployment:
    """Count chats and messages, in three cheap statements."""
    unfetched = AgentMessage.objects.all()
    unsent = CustomerMessage.objects.filter(sent_at=None)
    return Deployment(open_chats(), _messages(unfetched), _messages(unsent))


def _messages(rows: QuerySet[Any]) -> dict[str, Messages]:
    counted = rows.values_list("session__state").annotate(
        count=Count("pk"), oldest=Age(Min("at"))
    )
    return {state: Messages(count, max(0.0, age)) for state, count, age in counted}


class DeploymentCollector(Collector):
    """What Prometheus is told of it; without a database, just that."""

    def __init__(self) -> None:
        self._look = SingleFlight(look)

    def collect(self) -> Iterator[Metric]:
        """Look, and name what there is to see."""
        try:
            now = self._look.within(ANSWER_SECONDS)
        except (DatabaseUnavailable, DatabaseError, TimeoutError):
            yield _gauge("database_up", "Whether the database answers.", 0)
            return
        yield _gauge("database_up", "Whether the database answers.", 1)
        yield from _of_chats(now.chats)
        yield from _of_messages(
            "undelivered_words",
            "agents' words that no bot has fetched",
            now.unfetched,
        )
        yield from _of_messages(
            "unsent_words",
            "customers' words that Salesforce does not have",
            now.unsent,
        )


def _of_chats(chats: dict[str, Chats]) -> Iterator[Metric]:
    by_state = {state: chats.get(state, Chats()) for state in OPEN_STATES}
    yield _by_state(
        "chats",
        "Open chats: opening, waiting for an agent, established with one.",
        {state: of.count for state, of in by_state.items()},
    )
    yield _gauge(
        "unanswered_chats",
        "Open chats of which no poll was answered for clientPollTimeout + 20 seconds,"
        " 60 as a rule: Salesforce is not to be reached, or nobody polls.",
        sum(of.unanswered for of in by_state.values()),
    )
    yield _gauge(
        "unpolled_chats",
        "Open chats that nobody has taken up for 15 seconds: the fault is ours.",
        sum(of.unpolled for of in by_state.values()),
    )


def _of_messages(
    name: str, what: str, messages: dict[str, Messages]
) -> Iterator[Metric]:
    by_state = {state: messages.get(state, Messages()) for state in STATES}
    yield _by_state(
        name,
        f"How many {what}, by the state of their chats.",
        {state: of.count for state, of in by_state.items()},
    )
    yield _by_state(
        f"{name}_oldest_seconds",
        f"How old the oldest {what} are, 0 where there are none.",
        {state: of.oldest for state, of in by_state.items()},
    )


def _gauge(name: str, help: str, value: float) -> Metric:
    return GaugeMetricFamily(f"liveagent_{name}", help, value=value)


def _by_state(name: str, help: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(f"liveagent_{name}", help, labels=["state"])
    for state, value in values.items():
        family.add_metric([state], value)
    return family
