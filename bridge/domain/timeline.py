"""What can happen to a chat that is worth a note?

Notes are for whoever asks later why a chat died. They carry statuses, numbers and
names of resources, and never a word that was said, a customer's name, a key or a
token. Pure.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

Fact = str | int | bool | None
Facts = Mapping[str, Fact]

# What Salesforce names by a word of its own; whatever is longer may be a text.
SHORT_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,39}")


class Kind(StrEnum):
    """What happened."""

    TAKEN = "taken"  # Salesforce has taken the request
    QUEUE_MOVED = "queue_moved"
    AGENT_JOINED = "agent_joined"
    TRANSFERRED = "transferred"
    AGENT_LEFT = "agent_left"
    RECONNECTING = "reconnecting"
    RECONNECTED = "reconnected"
    STAYED = "stayed"  # a 503 was no change of affinity
    UNREACHABLE = "unreachable"  # the first of a run of failed polls
    ANSWERING = "answering"  # the first poll that worked again
    SEND_FAILED = "send_failed"  # the first try of words
    SEND_RECOVERED = "send_recovered"  # words that had to be tried again
    WORDS_REFUSED = "words_refused"
    OUT_OF_SYNC = "out_of_sync"  # and put right
    TAKEN_UP = "taken_up"  # nobody polled it any more, and now a process does
    ENDED = "ended"
    NOTICE_GIVEN = "farewell_said"
    NOTICE_FAILED = "farewell_failed"


# They come once a chat, and are kept however much was noted before.
LAST_KINDS = frozenset({Kind.ENDED, Kind.NOTICE_GIVEN, Kind.NOTICE_FAILED})


class EndedBy(StrEnum):
    """Who or what ended a chat, where its reason does not say so."""

    BOT = "bot"  # called /close
    ADMIN = "admin"
    OPENER_DIED = "opener died"
    DEADLINE = "deadline"  # of /init


@dataclass(frozen=True, slots=True)
class Note:
    """One thing that happened, with what else is to be known of it."""

    kind: str
    facts: Facts = field(default_factory=dict)


def short_name(value: object) -> str:
    """Return a word by which Salesforce names something, "" if it may be a text."""
    is_name = isinstance(value, str) and SHORT_NAME.fullmatch(value)
    return str(value) if is_name else ""
