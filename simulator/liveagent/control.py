"""How is a chat of the simulated org looked at, waited for and led?

JSON under ``/simulator/``, for tests, benchmarks and the agent's page.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from aiohttp import web

from simulator.answers import Answer, json_answer
from simulator.control import answering, body_of
from simulator.liveagent import orders
from simulator.liveagent.chat import Chat
from simulator.liveagent.org import Org
from simulator.liveagent.transcript import CHASITOR

DEFAULT_WAIT_SECONDS = 10.0
Condition = Callable[[Chat], bool]


class ChatControl:
    """The control API of the chats."""

    def __init__(self, org: Org) -> None:
        self._org = org

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Take the paths of the chats."""
        for method, path, handler in (
            ("GET", "chats", self.chats),
            ("GET", "chats/{id}", self.chat),
            ("GET", "chats/{id}/wait", self.wait_for_chat),
            ("POST", "chats/{id}/{order}", self.order),
            ("GET", "overview", self.overview),
            ("GET", "wait", self.wait_for_customer),
        ):
            router.add_route(method, f"/simulator/{path}", answering(handler))

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
        order(chat, await body_of(request), self._org.switches)
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
