"""How is the behaviour of a stand-in looked at and changed?

JSON under ``/simulator/``. Errors are ``{"error": why}`` with 400 (not
understood), 404 (no such thing) or 409 (not as things stand).
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from aiohttp import web

from simulator.answers import Answer, WrongState, json_answer
from simulator.faults import FaultBook
from simulator.strikes import response
from simulator.switches import Switches
from simulator.watching import Stream

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class StandIn(Protocol):
    """One outside party that is simulated."""

    @property
    def switches(self) -> Switches:
        """Which of its possible behaviours it shows."""

    @property
    def faults(self) -> FaultBook:
        """What is to go wrong."""

    @property
    def stream(self) -> Stream:
        """Who reads along."""

    def turn(self, changes: Mapping[str, Any]) -> None:
        """Change some switches, all or none. Raises ValueError."""

    def figures(self) -> dict[str, Any]:
        """Return calls, breaches and whatever else is counted."""

    def reset(self) -> None:
        """Begin anew."""


class Behaviour:
    """The control API of a stand-in's switches, faults and counts."""

    def __init__(self, stand_in: StandIn) -> None:
        self._stand_in = stand_in

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Take the paths that every stand-in has."""
        for method, path, handler in (
            ("GET", "switches", self.switches),
            ("PATCH", "switches", self.patch_switches),
            ("GET", "faults", self.faults),
            ("POST", "faults", self.add_fault),
            ("DELETE", "faults", self.clear_faults),
            ("GET", "counts", self.counts),
            ("POST", "reset", self.reset),
        ):
            router.add_route(method, f"/simulator/{path}", answering(handler))
        router.add_get("/simulator/stream", self.stream)

    async def switches(self, request: web.Request) -> Answer:
        """Show the switches."""
        return json_answer(self._stand_in.switches.as_json())

    async def patch_switches(self, request: web.Request) -> Answer:
        """Change some switches, all or none."""
        self._stand_in.turn(await body_of(request))
        return await self.switches(request)

    async def faults(self, request: web.Request) -> Answer:
        """List the faults, with how often each has struck."""
        return json_answer(self._stand_in.faults.as_json())

    async def add_fault(self, request: web.Request) -> Answer:
        """Take up a fault."""
        fault = self._stand_in.faults.add(await body_of(request))
        return json_answer({"id": fault.id})

    async def clear_faults(self, request: web.Request) -> Answer:
        """Drop all faults."""
        self._stand_in.faults.clear()
        return json_answer({})

    async def counts(self, request: web.Request) -> Answer:
        """Show what has been counted."""
        return json_answer(self._stand_in.figures())

    async def reset(self, request: web.Request) -> Answer:
        """Begin anew."""
        self._stand_in.reset()
        return json_answer({})

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Write a line of JSON for each thing that happens, as it happens."""
        lines = self._stand_in.stream
        reader = lines.open()
        stream = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        try:
            await stream.prepare(request)
            while True:
                await stream.write(await reader.get())
        finally:
            lines.close(reader)


def answering(handler: Callable[[web.Request], Awaitable[Answer]]) -> Handler:
    """Turn a handler's answer, or its exception, into an HTTP response."""

    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            return response(await handler(request))
        except LookupError as error:
            return response(json_answer({"error": str(error.args[0])}, 404))
        except WrongState as error:
            return response(json_answer({"error": str(error)}, 409))
        except ValueError as error:
            return response(json_answer({"error": str(error)}, 400))

    return handle


async def body_of(request: web.Request) -> dict[str, Any]:
    """Return the JSON object of a request; raises ValueError."""
    content = await request.read()
    body = json.loads(content) if content.strip() else {}
    if not isinstance(body, dict):
        raise ValueError("not a JSON object")
    return body
