"""How is a statement said that is carried out many times a second?

In SQL, once for both databases. Putting a query together with the ORM costs several
times what it costs to carry it out, so the paths that every word takes say what they
mean directly; all the rest of the service uses the ORM.
"""

import functools
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import connection

# The database's clock, now and `%s` seconds from now; and what differs besides.
DIALECTS = {
    "postgresql": {
        "true": "TRUE",
        "false": "FALSE",
        "now": "statement_timestamp()",
        "soon": "(statement_timestamp() + %s * interval '1 second')",
    },
    "sqlite": {
        "true": "1",
        "false": "0",
        "now": "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now')",
        "soon": "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now', %s || ' seconds')",
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
    """One SQL statement, with `{now}`, `{soon}` (takes seconds), `{true}`,
    `{false}` and `%s`."""

    def __init__(self, text: str) -> None:
        self._text = " ".join(text.split())

    @functools.cached_property
    def _sql(self) -> str:
        return self._text.format(**DIALECTS[connection.vendor])

    def __call__(self, *parameters: Any) -> Result:
        """Carry it out on the connection of this database thread."""
        with connection.cursor() as cursor:
            cursor.execute(self._sql, parameters)
            rows = cursor.fetchall() if cursor.description else []
            return Result(rows, cursor.rowcount)


def moment(value: datetime | str) -> datetime:
    """Return a moment as read from a row; SQLite keeps it in UTC without saying so."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return value if value.tzinfo else value.replace(tzinfo=UTC)
