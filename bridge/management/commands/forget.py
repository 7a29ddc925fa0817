"""How does an operator remove all that is known of one customer?

`python manage.py forget LINE_ID`. With `-` the line_id is read from standard input,
where no platform's log and no list of processes shows it.
"""

import sys
from typing import Any

from django.core.management.base import CommandError, CommandParser

from bridge.chats import retention
from bridge.management.database_command import DatabaseCommand


class Command(DatabaseCommand):
    """End a customer's chat and remove their rows."""

    help = (
        "Ends the customer's chat, also at Salesforce, and removes all that is "
        "known of them. May be repeated."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the customer."""
        parser.add_argument(
            "line_id", metavar="LINE_ID", help="whose; - reads it from standard input"
        )

    def handle(self, *args: Any, line_id: str, **options: Any) -> None:
        """Say how many chats there were; exits with 1 where something had to stay."""
        if line_id == "-":
            line_id = sys.stdin.readline().strip()
        if not line_id or not _is_text(line_id):
            raise CommandError("LINE_ID is empty or no UTF-8.")
        done = retention.forget(line_id)
        if done.remaining:
            raise CommandError(
                f"chats removed: {done.removed}, remaining: {done.remaining}. "
                "Salesforce could not be told in time that they are over, or a new "
                "one was opened meanwhile. Run this again in some minutes."
            )
        if done.removed:
            self.stdout.write(f"chats removed: {done.removed}")
        else:
            self.stdout.write("nothing is known of this customer")


def _is_text(line_id: str) -> bool:
    try:
        line_id.encode()
    except UnicodeEncodeError:  # bytes of the command line that are no UTF-8
        return False
    return "\0" not in line_id
