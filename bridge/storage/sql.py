"""How is a statement said that is carried out many times a second?

In SQL, once for both databases. Putting a query together with the ORM costs several
times what it costs to carry it out, so the paths that every word takes say what they
mean directly; all the rest of the service uses the ORM.
"""

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Expression
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Now

Parameter = str | int | float | None


class _About:
    """SQL about a name: `{in[lease]}` is that of `in`, with `lease` in its place."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __getitem__(self, name: str) -> str:
        return self._text.replace("NAME", name)


# What the databases say differently:
#   now, in[name]    the database's clock, and that many seconds later
#   each[name]       the items of a parameter that is a list in JSON, as a table with
#   item[key]        what each of them has under a key, and item.position, from 1
#   for_update       locks the rows of a SELECT; SQLite has one writer at a time
#   last_message_id  the highest id that any message of an agent ever had, since ids
#                    are drawn in turn and none is drawn twice
DIALECTS: dict[str, dict[str, Any]] = {
    "postgresql": {
        "true": "TRUE",
        "false": "FALSE",
        "now": "statement_timestamp()",
        "in": _About("(statement_timestamp() + %(NAME)s * interval '1 second')"),
        "each": _About(
            "json_array_elements(%(NAME)s::json)"
            " WITH ORDINALITY AS item(value, position)"
        ),
        "item": _About("(item.value ->> 'NAME')"),
        "jsonb": "::jsonb",
        "for_update": "FOR UPDATE",
        "last_message_id": "COALESCE(pg_sequence_last_value(pg_get_serial_sequence("
        "'bridge_agentmessage', 'id')::regclass), 0)",
    },
    "sqlite": {
        "true": "1",
        "false": "0",
        "now": "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now')",
        "in": _About(
            "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now', %(NAME)s || ' seconds')"
        ),
        "each": _About(
            "(SELECT value, key + 1 AS position FROM json_each(%(NAME)s)) AS item"
        ),
        "item": _About("json_extract(item.value, '$.NAME')"),
        "jsonb": "",
        "for_update": "",
        "last_message_id": "COALESCE((SELECT max(seq) FROM sqlite_sequence"
        " WHERE name = 'bridge_agentmessage'), 0)",
    },
}


@dataclass(frozen=True, slots=True)
class Result:
    """What a statement gave back, and how many rows it concerned."""

    rows: list[tuple[Any, ...]]
    count: int

    @property
    def row(self) -> tuple[Any, ...] | None:
        """The first row, None where there is none."""
        return self.rows[0] if self.rows else None


class Statement:
    """One SQL statement, with `%(name)s` for its parameters and what stands in
    `DIALECTS` in braces."""

    def __init__(self, text: str, **pieces: str) -> None:
        """Keep a statement; `pieces` are what else stands in braces in it.

        Braces in a piece are for what is in `DIALECTS`.
        """
        self._text = " ".join(text.split())
        self._pieces = pieces

    @functools.cached_property
    def _sql(self) -> str:
        dialect = DIALECTS[connection.vendor]
        pieces = {name: text.format(**dialect) for name, text in self._pieces.items()}
        return self._text.format(**pieces, **dialect)

    def __call__(self, **parameters: Parameter) -> Result:
        """Carry it out on the connection of this database thread.

        It may be given more parameters than it names.
        """
        with connection.cursor() as cursor:
            cursor.execute(self._sql, parameters)
            rows = cursor.fetchall() if cursor.description else []
            return Result(rows, cursor.rowcount)


class Script:
    """Statements that are carried out together, as one transaction.

    PostgreSQL is given all of them in one round trip, which is most of what a small
    transaction costs. The result is that of the last one.
    """

    def __init__(self, *texts: str, **pieces: str) -> None:
        """Keep statements; `pieces` are what else stands in braces in them."""
        self._together = Statement("; ".join(texts), **pieces)
        self._each = tuple(Statement(text, **pieces) for text in texts)

    def __call__(self, **parameters: Parameter) -> Result:
        """Carry them out, each with the parameters that it names."""
        if connection.vendor == "postgresql":
            return self._together(**parameters)
        with transaction.atomic():
            return [statement(**parameters) for statement in self._each][-1]


def columns(names: Iterable[str], *, of: str = "bridge_session") -> str:
    """Return column names for a SELECT; `offset` is a word of SQL's own."""
    return ", ".join(f'{of}."{name}"' for name in names)


def assignments(names: Iterable[str]) -> str:
    """Return columns that are set to the parameters of their names, for an UPDATE."""
    return ", ".join(f'"{name}" = %({name})s' for name in names)


def as_datetime(value: datetime | str) -> datetime:
    """Return a moment as read from a row; SQLite keeps it in UTC without saying so."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def from_now(seconds: float) -> Expression | CombinedExpression:
    """Return the moment `seconds` from now on the database's clock, for the ORM."""
    return Now() + timedelta(seconds=seconds)
