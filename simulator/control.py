"""How is the simulator led by a test, a benchmark or the agent's page?

JSON under ``/simulator/``. Errors are ``{"error": why}`` with 400 (not
understood), 404 (no such chat) or 409 (not in this state of the chat).
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from simulator import orders
from simulator.answers import Answer, json_answer
from simulator.chat import Chat, WrongState
from simulator.org import Org
from simulator.strikes import response
from simulator.transcript import CHASITOR
from simulator.watching import Condition

DEFAULT_WAIT_SECONDS = 10.0
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Control:
    """The control API."""

    def __init__(self, org: Org) -> None:
        self._org = org

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Take the paths of the control API."""
        for method, path, handler in (
            ("GET", "chats", self.chats),
            ("GET", "chats/{id}", self.chat),
            ("GET", "chats/{id}/wait", self.wait_for_chat),
            ("POST", "chats/{id}/{order}", self.order),
            ("GET", "overview", self.overview),
            ("GET", "wait", self.wait_for_customer),
            ("GET", "switches", self.switches),
            ("PATCH", "switches", self.patch_switches),
            ("GET", "faults", self.faults),
            ("POST", "faults", self.add_fault),
            ("DELETE", "faults", self.clear_faults),
            ("GET", "counts", self.counts),
            ("POST", "reset", self.reset),
        ):
            router.add_route(method, f"/simulator/{path}", _answering(handler))
        router.add_get("/simulator/stream", self.stream)

    # Chats

    async def chats(self, request: web.Request) -> Answer:
        """List the chats, oldest first; by line_id and state if given."""
        state = request.query.get("state")
        chats = self._org.chats(request.query.get("line_id"))
        return json_answer(
            [chat.as_json() for chat in chats if state in (None, chat.state)]
        )

    async def chat(self, request: web.Request) -> Answer:
        """Show one chat."""
        return json_answer(self._chat(request).as_json())

    async def overview(self, request: web.Request) -> Answer:
        """List the chats that are not over, newest first, in a few words."""
        return json_answer(orders.overview(self._org))

    async def order(self, request: web.Request) -> Answer:
        """Do something on the agent's or Salesforce's behalf."""
        order = orders.ORDERS.get(request.match_info["order"])
        if order is None:
            raise LookupError("no such order")
        chat = self._chat(request)
        order(chat, await _body(request), self._org.switches)
        return json_answer(chat.as_json())

    async def wait_for_chat(self, request: web.Request) -> Answer:
        """Hold until the chat is as asked for; 408 when the time runs out."""
        chat = self._chat(request)
        condition = _condition(request.query)
        if not condition(chat):
            await self._org.watchers.wait(chat.id, condition, _seconds(request.query))
        return json_answer(chat.as_json(), 200 if condition(chat) else 408)

    async def wait_for_customer(self, request: web.Request) -> Answer:
        """Hold until the customer's newest chat is as asked for; else 408."""
        line_id = request.query.get("line_id", "")
        condition = _condition(request.query)

        def is_newest(chat: Chat) -> bool:
            return chat is self._org.chats(line_id)[-1] and condition(chat)

        if not any(is_newest(chat) for chat in self._org.chats(line_id)[-1:]):
            seconds = _seconds(request.query)
            if not await self._org.watchers.wait(line_id, is_newest, seconds):
                return self._not_in_time(line_id)
        return json_answer(self._org.chats(line_id)[-1].as_json())

    def _not_in_time(self, line_id: str) -> Answer:
        newest = self._org.chats(line_id)[-1:]
        shown = newest[0].as_json() if newest else {"error": "no such chat"}
        return json_answer(shown, 408)

    def _chat(self, request: web.Request) -> Chat:
        chat = self._org.chat(request.match_info["id"])
        if chat is None:
            raise LookupError("no such chat")
        return chat

    # Behaviour

    async def switches(self, request: web.Request) -> Answer:
        """Show the switches."""
        return json_answer(self._org.switches.as_json())

    async def patch_switches(self, request: web.Request) -> Answer:
        """Change some switches, all or none."""
        changes = await _body(request)
        self._org.switches.patch(changes)
        if "queue_position" in changes:
            self._org.set_queue_position(changes["queue_position"])
        return await self.switches(request)

    async def faults(self, request: web.Request) -> Answer:
        """List the faults, with how often each has struck."""
        return json_answer(self._org.faults.as_json())

    async def add_fault(self, request: web.Request) -> Answer:
        """Take up a fault."""
        fault = self._org.faults.add(await _body(request))
        return json_answer({"id": fault.id})

    async def clear_faults(self, request: web.Request) -> Answer:
        """Drop all faults."""
        self._org.faults.clear()
        return json_answer({})

    async def counts(self, request: web.Request) -> Answer:
        """Show calls, breaches, and how many polls and chats there are."""
        org = self._org
        polls = {
            "open_polls": org.open_polls,
            "highest_open_polls": org.highest_open_polls,
        }
        return json_answer({**org.counts.as_json(), **polls, "chats": org.states()})

    async def reset(self, request: web.Request) -> Answer:
        """Begin anew."""
        self._org.reset()
        return json_answer({})

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Write a line of JSON for each thing that happens, as it happens."""
        reader = self._org.stream.open()
        stream = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        try:
            await stream.prepare(request)
            while True:
                await stream.write(await reader.get())
        finally:
            self._org.stream.close(reader)


def _answering(handler: Callable[[web.Request], Awaitable[Answer]]) -> Handler:
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


async def _body(request: web.Request) -> dict[str, Any]:
    content = await request.read()
    body = json.loads(content) if content.strip() else {}
    if not isinstance(body, dict):
        raise ValueError("not a JSON object")
    return body


def _seconds(query: Mapping[str, str]) -> float:
    return float(query.get("timeout", DEFAULT_WAIT_SECONDS))


def _condition(query: Mapping[str, str]) -> Condition:
    """Return what is asked of the chat; all that the query names must be so."""
    wanted: list[Condition] = []
    if "state" in query:
        wanted.append(lambda chat: chat.state == query["state"])
    if _is_true(query.get("ended", "0")):
        wanted.append(lambda chat: chat.is_over)
    if "texts" in query:
        texts = int(query["texts"])
        wanted.append(lambda chat: _texts_heard(chat) >= texts)
    if "polls" in query:
        polls = int(query["polls"])
        wanted.append(lambda chat: chat.polls >= polls)
    if "poll_open" in query:
        is_open = _is_true(query["poll_open"])
        wanted.append(lambda chat: (chat.poll is not None) == is_open)
    return lambda chat: all(condition(chat) for condition in wanted)


def _texts_heard(chat: Chat) -> int:
    return sum(line.type == CHASITOR for line in chat.transcript)


def _is_true(text: str) -> bool:
    return text.lower() in ("1", "true")
