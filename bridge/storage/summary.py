"""What may a bot know of a chat, and when may it be told the end?"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from bridge.domain.states import Reason, State
from bridge.storage.sql import as_datetime

# An end that is ours is told to Salesforce before the bot, as far as it can be
# reached in this time.
NOTICE_FIRST = timedelta(seconds=10)

# The columns of a session that a summary is made of, in this order.
COLUMNS = """s.id, s.state, s.reason, s.queue_position, s.estimated_wait, s.undelivered,
             s.farewell, s.ended_at"""


@dataclass(frozen=True, slots=True)
class ChatSummary:
    """How a chat stands; `id` is ours, `estimated_wait` is in seconds.

    `farewell` is what Salesforce is still to be told of the end.
    """

    id: int
    state: str
    reason: str
    queue_position: int | None
    estimated_wait: int | None
    undelivered: int
    farewell: str
    ended_at: datetime | str | None

    @property
    def is_open(self) -> bool:
        """Whether the chat goes on."""
        return self.state != State.ENDED

    @property
    def is_begun(self) -> bool:
        """Whether it goes on, and Salesforce has taken the request for it."""
        return self.state in {State.WAITING, State.ESTABLISHED}

    @property
    def is_over(self) -> bool:
        """Whether the bot may be told the end.

        A customer who has closed the chat himself is not kept waiting for it.
        """
        if self.is_open:
            return False
        if not self.farewell or self.reason == Reason.CLIENT or not self.ended_at:
            return True
        return timezone.now() - as_datetime(self.ended_at) > NOTICE_FIRST
