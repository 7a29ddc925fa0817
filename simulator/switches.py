"""How are switches turned that choose among a stand-in's behaviours?

Where documents are silent, or clients have seen different things, a switch
chooses. All times are in seconds unless the name says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar


@dataclass
class Switches:
    """The switches of a stand-in, which names them in a subclass."""

    CHOICES: ClassVar[Mapping[str, tuple[int | str, ...]]] = {}

    def patch(self, changes: Mapping[str, Any]) -> None:
        """Change some switches; all or none. Raises ValueError."""
        checked = {name: self._checked(name, value) for name, value in changes.items()}
        for name, value in checked.items():
            setattr(self, name, value)

    def as_json(self) -> dict[str, Any]:
        """Return every switch by its name."""
        return asdict(self)

    def _checked(self, name: str, value: Any) -> Any:
        types = {field.name: str(field.type) for field in fields(self)}
        if name not in types:
            raise ValueError(f"{name}: no such switch")
        if name in self.CHOICES:
            return _chosen(name, value, self.CHOICES[name])
        if not _fits(types[name], value):
            raise ValueError(f"{name}: not {types[name]}")
        return value


def _chosen(name: str, value: Any, choices: tuple[int | str, ...]) -> int | str:
    """Return the choice that reads like ``value``: 409 and "409" are the same."""
    for choice in choices:
        if str(choice) == str(value):
            return choice
    raise ValueError(f"{name}: not one of {choices}")


def _fits(type_name: str, value: Any) -> bool:
    if value is None:
        return "None" in type_name
    if "bool" in type_name or isinstance(value, bool):
        return "bool" in type_name and isinstance(value, bool)
    if "str" in type_name:
        return isinstance(value, str)
    allowed = (int, float) if "float" in type_name else (int,)
    return isinstance(value, allowed)
