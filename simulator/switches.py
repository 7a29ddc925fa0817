"""Which of the behaviours that nobody knows for sure does the simulator show?

Where Salesforce's documents are silent, or clients have seen different things,
a switch chooses. All times are in seconds unless the name says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass
class Switches:
    """The switches, with the default behaviour."""

    poll_hold_seconds: float = 30
    client_poll_timeout_seconds: int = 40
    connection_timeout_seconds: float = 45
    auto_accept: bool = False
    agents_available: bool = True
    queue_position: int = 0
    estimated_wait_seconds: int = -1
    post_success_status: int = 200
    post_before_established: str = "500"
    duplicate_first: int = 204
    duplicate_sequence: str = "ignore"
    handover_held_poll: str = "503"
    reconnect_resends: bool = False
    reconnect_without_503: str = "405"
    abandoned_poll_seconds: float | None = None
    drop_fast_messages_milliseconds: int = 0
    switch_server_url: str | None = None
    silent_polls: bool = False
    client_poll_timeout_as_text: bool = False
    first_sequence: int = 0

    def patch(self, changes: Mapping[str, Any]) -> None:
        """Change some switches; all or none. Raises ValueError."""
        checked = {name: _checked(name, value) for name, value in changes.items()}
        for name, value in checked.items():
            setattr(self, name, value)

    def as_json(self) -> dict[str, Any]:
        """Return every switch by its name."""
        return asdict(self)


CHOICES: dict[str, tuple[int | str, ...]] = {
    "post_success_status": (200, 202),
    "post_before_established": ("500", "accept"),
    "duplicate_first": (204, 409),
    "duplicate_sequence": ("ignore", "409"),
    "handover_held_poll": ("503", "hold"),
    "reconnect_without_503": ("405", "accept"),
}
_TYPES = {field.name: str(field.type) for field in fields(Switches)}


def _checked(name: str, value: Any) -> Any:
    if name not in _TYPES:
        raise ValueError(f"{name}: no such switch")
    if name in CHOICES:
        return _chosen(name, value)
    if not _fits(_TYPES[name], value):
        raise ValueError(f"{name}: not {_TYPES[name]}")
    return value


def _chosen(name: str, value: Any) -> int | str:
    """Return the choice that reads like ``value``: 409 and "409" are the same."""
    for choice in CHOICES[name]:
        if str(choice) == str(value):
            return choice
    raise ValueError(f"{name}: not one of {CHOICES[name]}")


def _fits(type_name: str, value: Any) -> bool:
    if value is None:
        return "None" in type_name
    if "bool" in type_name or isinstance(value, bool):
        return "bool" in type_name and isinstance(value, bool)
    if "str" in type_name:
        return isinstance(value, str)
    allowed = (int, float) if "float" in type_name else (int,)
    return isinstance(value, allowed)
