"""When has an agent's message reached the bot?

When its answer was written to a connection that was still there. The message is deleted
after that, and given back if it was not so. A bot that acknowledges says so itself.
"""

import logging
from collections.abc import Callable, Iterator

from bridge.api.answers import Answer, Message
from bridge.domain.errors import DatabaseUnavailable
from bridge.storage import agent_messages
from bridge.storage.agent_messages import ClaimedMessage
from bridge.telemetry import metrics

logger = logging.getLogger(__name__)


def answer(message: ClaimedMessage, is_connected: Callable[[], bool]) -> Answer:
    """Return the answer that takes a message to the bot."""
    body = Message(
        message=message.text,
        id=message.id,
        agent=message.agent,
        at=message.at.isoformat(),
    )
    if message.claim:
        return ClaimedMessageResponse(body, message, is_connected)
    metrics.words_delivered(message.at)
    return Answer(body)


class ClaimedMessageResponse(Answer):
    """An answer with a message on loan, which knows whether it got out."""

    def __init__(
        self, body: Message, message: ClaimedMessage, is_connected: Callable[[], bool]
    ) -> None:
        super().__init__(body)
        self._message, self._is_connected = message, is_connected

    def __iter__(self) -> Iterator[bytes]:
        """Give the server the body; it comes back for more once that is written."""
        written = False
        try:
            if self._is_connected():
                yield self.content
                written = True
        finally:
            self._settle(written)

    def _settle(self, written: bool) -> None:
        if written:
            metrics.words_delivered(self._message.at)
        settle = agent_messages.delivered if written else agent_messages.not_delivered
        try:
            settle(self._message)
        except DatabaseUnavailable:
            # Delivered, it is deleted later; else the claim runs out.
            logger.warning("words %s could not be settled", self._message.id)
