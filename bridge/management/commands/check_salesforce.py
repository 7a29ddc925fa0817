"""Is Salesforce to be reached with these settings, and is an agent there?

`python manage.py check_salesforce`, after a deploy or when chats fail to open.
"""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from bridge.domain.errors import UpstreamError
from bridge.upstreams.registry import for_new_chats


class Command(BaseCommand):
    """Ask Visitor/Availability; nothing is opened."""

    help = "Asks Salesforce whether an agent is available at the button."

    def handle(self, *args: Any, **options: Any) -> None:
        """Say it in a line; exits with 1 where Salesforce does not answer so."""
        try:
            available = for_new_chats().is_available()
        except UpstreamError as exc:
            raise CommandError(f"{settings.LIVEAGENT_HOST}: {exc}") from None
        state = "an agent is available" if available else "no agent is available"
        self.stdout.write(f"{settings.LIVEAGENT_HOST} answers: {state}")
