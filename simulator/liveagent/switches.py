"""Which of the behaviours that nobody knows for sure does Live Agent show?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from simulator.switches import Switches


@dataclass
class LiveAgentSwitches(Switches):
    """The switches, with the default behaviour."""

    poll_hold_seconds: float = 30
    client_poll_timeout_seconds: int = 40
    connection_timeout_seconds: float = 45
    auto_accept: bool = False
    greeting: str | None = None
    agents_available: bool = True
    queue_position: int = 0
    estimated_wait_seconds: int = -1
    post_success_status: int = 200
    post_before_established: str = "500"
    duplicate_first: int = 204
    duplicate_sequence: str = "ignore"
    conflict_names: str = "last"
    handover_held_poll: str = "503"
    reconnect_resends: bool = False
    reconnect_without_503: str = "405"
    abandoned_poll_seconds: float | None = None
    drop_fast_messages_milliseconds: int = 0
    switch_server_url: str | None = None
    silent_polls: bool = False
    client_poll_timeout_as_text: bool = False
    first_sequence: int = 0
    sequence_counts: str = "events"
    overlap_events: int = 0
    repeat_answers: bool = False
    empty_poll_status: int = 204
    poll_when_over_status: int = 403
    after_chat_end: str = "event"

    CHOICES: ClassVar = {
        "post_success_status": (200, 202),
        "post_before_established": ("500", "accept"),
        "duplicate_first": (204, 409),
        "duplicate_sequence": ("ignore", "409"),
        "conflict_names": ("last", "next"),
        "handover_held_poll": ("503", "hold"),
        "reconnect_without_503": ("405", "accept"),
        "sequence_counts": ("events", "batches"),
        "empty_poll_status": (204, 200),
        "poll_when_over_status": (403, 204),
        "after_chat_end": ("event", "403"),
    }
