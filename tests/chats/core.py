"""The core, `chats` and `storage`, in this process: on a real database, and a fake.

What it does is done in threads of its own, as in a server, which have to be over when a
test is. Another process of the deployment is played by `take_over`: it shares
nothing with the first but the database.
"""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import connection

from bridge.chats import opening, services, supervisor
from bridge.domain.errors import BridgeError
from bridge.domain.links import Cursor
from bridge.models import AgentMessage, CustomerMessage, Session, TimelineEvent
from bridge.storage import agent_messages, database
from bridge.storage.database import in_database
from bridge.storage.leases import new_token
from bridge.storage.sql import from_now
from bridge.storage.summary import ChatSummary
from bridge.upstreams.base import Customer
from tests.harness.waiting import until
from tests.upstreams.fake import FakeSalesforce

THREADS = 4


@contextmanager
def database_threads() -> Iterator[ThreadPoolExecutor]:
    """Give database threads whose connections are closed at the end."""
    count = min(THREADS, database.threads())
    name = {"thread_name_prefix": "database", "initializer": database._begin}
    with ThreadPoolExecutor(count, **name) as executor:
        yield executor
        together = threading.Barrier(count)

        def close():
            together.wait(10)
            connection.close()

        for closed in [executor.submit(close) for _ in range(count)]:
            closed.result(10)


@dataclass
class Core:
    """The core as the bot of one customer has it."""

    salesforce: FakeSalesforce
    line_id: str

    # What the bot asks for

    def init(self) -> ChatSummary | None:
        """Open a chat, or find it open."""
        return opening.open_chat(Customer(self.line_id, "花子"))

    def send(self, text: str, message_id: str | None = None) -> str:
        """Send a message; returns "sent" or the name of what was raised."""
        try:
            services.send_message(
                line_id=self.line_id, text=text, message_id=message_id
            )
        except BridgeError as exc:
            return type(exc).__name__
        return "sent"

    def fetch(self) -> list[str]:
        """Fetch all messages that there are."""
        texts = []
        while True:
            claim = new_token()
            found = agent_messages.fetch(self.line_id, claim=claim, hold_seconds=0)
            if found.message is None:
                return texts
            texts.append(found.message.text)
            agent_messages.delivered(found.message)

    def wait_for(self, *texts: str) -> None:
        """Fetch messages until these have come, and no other."""
        found: list[str] = []

        def look():
            found.extend(self.fetch())
            return len(found) >= len(texts)

        until(look, f"{texts} come")
        assert found == list(texts)

    def close(self) -> None:
        """End the chat."""
        services.close_chat(line_id=self.line_id)

    # What is stored

    @property
    @in_database
    def row(self) -> Session:
        """The customer's newest chat."""
        return Session.objects.filter(line_id=self.line_id).latest("id")

    @property
    def cursor(self) -> Cursor:
        """How far the chat has been read, as it is committed."""
        return cursor_of(self.row)

    @in_database
    def messages(self) -> list[CustomerMessage]:
        """Return the customer's messages that are kept."""
        return list(CustomerMessage.objects.filter(line_id=self.line_id).order_by("id"))

    @in_database
    def stored(self) -> list[str]:
        """Return the agent's messages that are kept."""
        kept = AgentMessage.objects.filter(line_id=self.line_id).order_by("id")
        return list(kept.values_list("text", flat=True))

    @in_database
    def kinds(self) -> list[str]:
        """Return what the chat's timeline tells, in order."""
        notes = TimelineEvent.objects.filter(session__line_id=self.line_id)
        return list(notes.order_by("id").values_list("kind", flat=True))

    def wait_until(self, what: str, **columns: Any) -> None:
        """Wait until the row has these values."""
        until(
            lambda: all(getattr(self.row, name) == columns[name] for name in columns),
            what,
        )

    # Processes

    @in_database
    def expire(self, *, reading: bool = True) -> None:
        """Let the leases of the chat run out, and the time of who waits for a send."""
        past = from_now(-1)
        chats = Session.objects.filter(line_id=self.line_id)
        chats.update(send_until=past)
        if reading:
            chats.update(poll_until=past)
        waited_for = CustomerMessage.objects.filter(line_id=self.line_id)
        waited_for.update(awaited_until=past)

    def take_over(self) -> None:
        """Have another process take up what nobody does, once leases have run out."""
        self.expire()
        supervisor.look_after_chats()


def cursor_of(row: Session) -> Cursor:
    return Cursor(row.ack, row.offset, row.memory)
