"""How is a statement said that is carried out many times a second?

In SQL, once for both databases. Putting a query together with the ORM costs several
times what it costs to carry it out, so the paths that every word takes say what they
mean directly; all the rest of the service uses the ORM.
"""

import functools
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import connection, transaction

# The database's clock, now and `%s` seconds from now; the highest id that any words of
# an agent ever had, since ids are drawn in turn and none is drawn twice; and what
# differs besides.
DIALECTS = {
    "postgresql": {
        "true": "TRUE",
        "false": "FALSE",
        "now": "statement_timestamp()",
        "soon": "(statement_timestamp() + %s * interval '1 second')",
        "drawn": "COALESCE(pg_sequence_last_value(pg_get_serial_sequence("
        "'bridge_agentmessage', 'id')::regclass), 0)",
    },
    "sqlite": {
        "true": "1",
        "false": "0",
        "now": "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now')",
        "soon": "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now', %s || ' seconds')",
        "drawn": "COALESCE((SELECT max(seq) FROM sqlite_sequence"
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
    """One SQL statement, with `{now}`, `{soon}` (takes seconds), `{drawn}`,
    `{true}`, `{false}` and `%s`."""

    def __init__(self, text: str, **pieces: str) -> None:
        """Keep a statement; `pieces` are what else stands in braces in it."""
        self._text = " ".join(text.split())
        self._pieces = pieces

    @functools.cached_property
    def _sql(self) -> str:
        return self._text.format(**self._pieces, **DIALECTS[connection.vendor])

    def __call__(self, *parameters: Any) -> Result:
        """Carry it out on the connection of this database thread."""
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
        self._counts = tuple(text.count("%s") + text.count("{soon}") for text in texts)

    def __call__(self, *parameters: Any) -> Result:
        """Carry them out; the parameters are those of the statements in turn."""
        if connection.vendor == "postgresql":
            return self._together(*parameters)
        with transaction.atomic():
            for statement, count in zip(self._each, self._counts, strict=True):
                own, parameters = parameters[:count], parameters[count:]
                result = statement(*own)
        return result


def moment(value: datetime | str) -> datetime:
    """Return a moment as read from a row; SQLite keeps it in UTC without saying so."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return value if value.tzinfo else value.replace(tzinfo=UTC)
