"""How does an operator get rid of chats that ended long ago?

`python manage.py prune --days 30`, once a day by whatever runs jobs.
"""

from argparse import ArgumentTypeError
from typing import Any

from django.core.management.base import CommandParser

from bridge.chats import retention
from bridge.management.database_command import DatabaseCommand
from bridge.storage.retention import count_ended_before

MAX_DAYS = 36_500


class Command(DatabaseCommand):
    """Remove the rows of ended chats."""

    help = "Removes chats that ended more than N days ago, with all they have."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the age, and whether only to count."""
        parser.add_argument(
            "--days",
            type=_days,
            required=True,
            metavar="N",
            help=f"how long ago they ended at least, 1 to {MAX_DAYS}",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="count them, remove nothing"
        )

    def handle(self, *args: Any, days: int, dry_run: bool, **options: Any) -> None:
        """Say how many."""
        if dry_run:
            found = count_ended_before(days)
            self.stdout.write(f"chats that would be removed: {found}")
        else:
            self.stdout.write(f"chats removed: {retention.prune(days)}")


def _days(text: str) -> int:
    if text.isascii() and text.isdigit() and 1 <= int(text) <= MAX_DAYS:
        return int(text)
    raise ArgumentTypeError(f"write a whole number from 1 to {MAX_DAYS}")
