"""How does an operator get rid of chats that ended long ago?

`python manage.py prune --days 30`, once a day by whatever runs jobs.
"""

from argparse import ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from bridge.chats import retention
from bridge.domain.errors import DatabaseUnavailable

MOST_DAYS = 36_500


class Command(BaseCommand):
    """Remove the rows of ended chats."""

    help = "Removes chats that ended more than N days ago, with all they have."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the age, and whether only to count."""
        parser.add_argument(
            "--days",
            type=_days,
            required=True,
            metavar="N",
            help=f"how long ago they ended at least, 1 to {MOST_DAYS}",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="count them, remove nothing"
        )

    def handle(self, *args: Any, days: int, dry_run: bool, **options: Any) -> None:
        """Say how many; exits with 1 where the database cannot be reached."""
        try:
            if dry_run:
                found = retention.count_prunable(days)
                self.stdout.write(f"chats that would be removed: {found}")
            else:
                self.stdout.write(f"chats removed: {retention.prune(days)}")
        except DatabaseUnavailable as exc:
            raise CommandError(str(exc)) from None


def _days(text: str) -> int:
    if text.isascii() and text.isdigit() and 1 <= int(text) <= MOST_DAYS:
        return int(text)
    raise ArgumentTypeError(f"write a whole number from 1 to {MOST_DAYS}")
