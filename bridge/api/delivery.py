"""When has an agent's word reached the bot?

When its answer was written to a connection that was still there. The words are
settled after that, and given back if it was not so.
"""

import logging
from collections.abc import Callable, Iterator

from django.http import HttpResponse

from bridge.domain.errors import DatabaseUnavailable
from bridge.storage import agent_messages
from bridge.storage.agent_messages import ClaimedMessage
from bridge.telemetry import metrics

logger = logging.getLogger(__name__)


class DeliveringResponse(HttpResponse):
    """An answer with an agent's words, which knows whether it got out."""

    message: ClaimedMessage
    is_connected: Callable[[], bool]

    def __iter__(self) -> Iterator[bytes]:
        """Give the server the body; it comes back for more once that is written."""
        written = False
        try:
            if self.is_connected():
                yield self.content
                written = True
        finally:
            self._settle(written)

    def _settle(self, written: bool) -> None:
        if written:
            metrics.words_delivered(self.message.at)
        try:
            (agent_messages.delivered if written else agent_messages.not_delivered)(
                self.message
            )
        except DatabaseUnavailable:
            # Delivered, they are deleted later; else the claim runs out.
            logger.warning("words %s could not be settled", self.message.id)
