"""How does a command say that there is no database to work on?"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from bridge.domain.errors import DatabaseUnavailable
from bridge.operations import readiness


class DatabaseCommand(BaseCommand):
    """A command that needs the tables: one line and exit code 1 without them."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Look at the database first."""
        try:
            if not readiness.are_migrated():
                raise CommandError("the tables are missing: run manage.py migrate")
            return super().execute(*args, **options)
        except DatabaseUnavailable as exc:
            raise CommandError(str(exc)) from None
