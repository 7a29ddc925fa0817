"""How does whoever waits learn that there is something for them?

They subscribe to a topic and look at the table; `publish` inside a transaction has
all subscribers of the topic look again once it commits, in this process and in every
other. A notification never says what there is to see: one too many does no harm, and
what one too few has hidden is published again by the supervisor.

A broadcast is for a process that works on chats rather than for one who waits. What
is to be done then is said when such a process starts: see `on_broadcast`.
"""

import math
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import TypeVar

from django.db import transaction

from bridge.storage import relay
from bridge.storage.digests import digest

R = TypeVar("R")

LOOK_AGAIN_SECONDS = 1.0  # should a notification be lost


class Broadcast(StrEnum):
    """What is to be done about one chat by the process that can."""

    SEND = "deliver"  # there is something for a sender
    LOOK = "interrupt"  # the reader is to look at the row, instead of waiting


@dataclass(frozen=True, slots=True, repr=False)
class Topic:
    """What one may wait for; its `name` may be shown, `line_id` may not."""

    name: str
    line_id: str = ""


def messages_for(line_id: str) -> Topic:
    """Return the topic of a customer's agent messages and of the end of the chat."""
    return Topic(f"words:{digest(line_id)}", line_id)


def chat(session_id: int) -> Topic:
    """Return the topic of one chat's state and of what is sent for it."""
    return Topic(f"chat:{session_id}")


class Subscription:
    """What one waiter waits on."""

    __slots__ = ("_event", "topics")

    def __init__(self, topics: tuple[Topic, ...]) -> None:
        self._event = threading.Event()
        self.topics = topics

    def wait(self, seconds: float) -> bool:
        """Wait for a notification, at most `seconds`; False when none came."""
        notified = self._event.wait(max(0.0, seconds))
        self._event.clear()
        return notified

    def notify(self) -> None:
        """Wake the waiter, now or when they next wait."""
        self._event.set()


_lock = threading.Lock()
_subscriptions: dict[str, set[Subscription]] = defaultdict(set)
_handlers: dict[str, Callable[[int], None]] = {}


@contextmanager
def subscribe(*topics: Topic) -> Iterator[Subscription]:
    """Be notified of `topics`. Subscribe first, then look, then wait."""
    subscription = Subscription(topics)
    with _lock:
        for topic in topics:
            _subscriptions[topic.name].add(subscription)
    try:
        yield subscription
    finally:
        with _lock:
            for topic in topics:
                _subscriptions[topic.name].discard(subscription)
                if not _subscriptions[topic.name]:
                    del _subscriptions[topic.name]


def wait_until(
    is_enough: Callable[[R], bool],
    look: Callable[[], R],
    *topics: Topic,
    deadline: float,
    every: float = math.inf,
) -> R:
    """Look until that is enough or `deadline` (monotonic seconds) is over.

    Returns what the last look has brought. There is one at once, one after each
    notification, one `every` so many seconds, should one be lost, and one at the end.
    """
    with subscribe(*topics) as subscription:
        while True:
            left = deadline - time.monotonic()
            found = look()
            if left <= 0 or is_enough(found):
                return found
            subscription.wait(min(left, every))


def awaited_line_ids() -> set[str]:
    """Return the customers whose agent messages somebody in this process awaits."""
    with _lock:
        return {
            topic.line_id
            for subscriptions in _subscriptions.values()
            for subscription in subscriptions
            for topic in subscription.topics
            if topic.line_id
        }


def publish(topic: Topic) -> None:
    """Notify the subscribers of `topic` everywhere, once the transaction commits."""
    relay.send(topic.name)
    transaction.on_commit(partial(publish_here, topic))


def publish_here(topic: Topic) -> None:
    """Notify the subscribers of `topic` in this process."""
    _notify(topic.name)


def _notify(topic_name: str) -> None:
    with _lock:
        subscriptions = list(_subscriptions.get(topic_name, ()))
    for subscription in subscriptions:
        subscription.notify()


def notify_all_here() -> None:
    """Notify everybody in this process, after something may have been missed."""
    with _lock:
        subscriptions = set[Subscription]().union(*_subscriptions.values())
    for subscription in subscriptions:
        subscription.notify()


def on_broadcast(name: Broadcast, handler: Callable[[int], None]) -> None:
    """Have `handler` called with a chat's id wherever it is broadcast."""
    _handlers[name] = handler


def broadcast(name: Broadcast, session_id: int) -> None:
    """Have every process do what is named for a chat, once the transaction commits."""
    relay.send(f"{name}:{session_id}")
    transaction.on_commit(partial(_broadcast_here, name, session_id))


def _broadcast_here(name: str, session_id: int) -> None:
    """A process without a handler does not work on chats: others do."""
    if handler := _handlers.get(name):
        handler(session_id)


def _receive(message: str) -> None:
    """Do here what another process has published or broadcast."""
    name, _, session_id = message.partition(":")
    if name in frozenset(Broadcast):
        _broadcast_here(name, int(session_id))
    else:
        _notify(message)


def follow_other_processes() -> None:
    """Do here what other processes publish and broadcast, as long as this one lives."""
    relay.run(_receive, notify_all_here)
