"""Which faults are to strike, and is this request's turn?"""

from __future__ import annotations

import base64
import random
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from types import NoneType
from typing import Any

ANY = "*"
BEFORE = ("lose_request", "status", "late", "move")
AFTER = ("lose_answer", "status_after", "garbage", "pad", "slow", "trickle")
NEEDS_CONTENT = ("lose_answer", "status_after", "garbage", "pad")


@dataclass
class Fault:
    """One fault: what it does, to which requests, and how often (None: always).

    Those in ``BEFORE`` strike when a request arrives, those in ``AFTER`` when it
    is answered. ``NEEDS_CONTENT`` leave the empty answer of a poll alone.
    """

    id: int
    resource: str
    kind: str
    times: int | None = 1
    line_id: str | None = None
    probability: float = 1.0
    after: int = 0
    status: int = 500
    body: bytes | None = None
    seconds: float = 1.0
    padding_bytes: int = 0
    chunked: bool = False
    passed: int = field(default=0)
    struck: int = field(default=0)

    def meets(self, resource: str, line_id: str | None) -> bool:
        """Tell whether the fault is meant for such a request."""
        if self.times is not None and self.struck >= self.times:
            return False
        return self.resource in (ANY, resource) and self.line_id in (None, line_id)

    def strikes(self) -> bool:
        """Tell whether the fault strikes a request for which it is meant."""
        if self.passed < self.after:
            self.passed += 1
            return False
        if random.random() >= self.probability:  # noqa: S311
            return False
        self.struck += 1
        return True

    def as_json(self) -> dict[str, Any]:
        """Return the fault as the control API lists it."""
        shown = dict(self.__dict__)
        body = shown.pop("body")
        return {**shown, "body": body and body.decode(errors="replace")}


class FaultBook:
    """All faults that have been asked for."""

    def __init__(self, resources: Collection[str]) -> None:
        self._resources = {ANY, *resources}
        self._faults: list[Fault] = []
        self._last_id = 0

    def add(self, wanted: Mapping[str, Any]) -> Fault:
        """Take up a fault; raises ValueError if it is none."""
        if wanted.get("resource") not in self._resources:
            raise ValueError(f"resource: not one of {sorted(self._resources)}")
        fault = _fault(self._last_id + 1, wanted)
        self._last_id = fault.id
        self._faults.append(fault)
        return fault

    def clear(self) -> None:
        """Drop all faults."""
        self._faults.clear()

    def as_json(self) -> list[dict[str, Any]]:
        """Return all faults, with how often each has struck."""
        return [fault.as_json() for fault in self._faults]

    def find(
        self,
        kinds: tuple[str, ...],
        resource: str,
        line_id: str | None,
        *,
        is_empty: bool = False,
    ) -> Fault | None:
        """Return the fault that strikes this request, if one does."""
        for fault in self._faults:
            if fault.kind not in kinds or not fault.meets(resource, line_id):
                continue
            if is_empty and fault.kind in NEEDS_CONTENT:
                continue
            if fault.strikes():
                return fault
        return None


def _fault(number: int, wanted: Mapping[str, Any]) -> Fault:
    _check(wanted)
    values = {**wanted, "body": _body(wanted)}
    values.pop("base64", None)
    try:
        return Fault(id=number, **values)
    except TypeError as error:  # an argument that Fault does not have
        raise ValueError(str(error)) from error


def _body(wanted: Mapping[str, Any]) -> bytes | None:
    if "base64" in wanted:
        return base64.b64decode(str(wanted["base64"]), validate=True)
    body = wanted.get("body")
    return None if body is None else str(body).encode()


def _check(values: Mapping[str, Any]) -> None:
    if values.get("kind") not in BEFORE + AFTER:
        raise ValueError(f"kind: not one of {BEFORE + AFTER}")
    for name in ("status", "seconds", "after", "probability", "padding_bytes"):
        if name in values and not isinstance(values[name], (int, float)):
            raise ValueError(f"{name}: not a number")
    if not isinstance(values.get("times", 1), (int, NoneType)):
        raise ValueError("times: not a whole number or null")
    HTTPStatus(values.get("status", 500))  # a ValueError if there is none such
    if set(values) & {"id", "passed", "struck"}:
        raise ValueError("id, passed and struck are not for the caller")
