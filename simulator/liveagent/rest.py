"""What does Salesforce's side do with each HTTP request?"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from aiohttp import web

from simulator.answers import Answer, Refusal, bad_request, json_answer, text_answer
from simulator.liveagent import bodies, posts, resources, visitor
from simulator.liveagent.chat import Chat
from simulator.liveagent.events import event
from simulator.liveagent.org import Org
from simulator.liveagent.polls import Poll
from simulator.liveagent.refusals import INVALID_AFFINITY, SESSION_INVALID
from simulator.liveagent.resources import AFFINITY, KEY, SEQUENCE, VERSION, Resource
from simulator.liveagent.switches import LiveAgentSwitches
from simulator.strikes import answer_through_faults, response

PREFIX = "/chat/rest/"
NO_AFFINITY = "null"


@dataclass
class Call:
    """One request, as far as it has been read."""

    request: web.Request
    resource: Resource
    content: bytes
    chat: Chat | None
    poll: Poll | None = None

    @property
    def line_id(self) -> str | None:
        """Whose call it is; ChasitorInit says so in its body."""
        if self.resource is not resources.POSTS["ChasitorInit"]:
            return None if self.chat is None else self.chat.line_id
        try:
            return bodies.line_id(bodies.parse(self.content))
        except Refusal:
            return None


class RestApi:
    """The resources under ``/chat/rest/``."""

    def __init__(self, org: Org) -> None:
        self._org = org

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Take every path of the API, also those that it does not have."""
        router.add_route("*", PREFIX + "{path:.*}", self.handle)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a request, and count it."""
        try:
            call = await self._read(request)
        except Refusal as refusal:
            self._count_breach(refusal, None)
            return response(refusal.answer)
        self._count_call(call)
        try:
            return await self._answer_through_faults(call)
        except asyncio.CancelledError:  # the client has hung up
            if call.poll is not None:
                call.poll.abandon(self._org.switches.abandoned_poll_seconds)
                call.poll = None
            raise
        finally:
            if call.poll is not None:
                call.poll.close()

    # Reading and counting

    async def _read(self, request: web.Request) -> Call:
        path = request.match_info["path"]
        resource = resources.find(request.method, path)
        key = request.headers.get(KEY, "")
        if resource is resources.DELETE_SESSION:
            key = path.removeprefix(resources.DELETE_PATH)
        content = await request.read() if request.body_exists else b""
        return Call(request, resource, content, self._org.chat_with_key(key))

    def _count_call(self, call: Call) -> None:
        self._org.counts.calls[call.resource.name] += 1
        if call.chat is not None:
            call.chat.counts.calls[call.resource.name] += 1

    def _count_breach(self, refusal: Refusal, chat: Chat | None) -> None:
        if refusal.breach is None:
            return
        self._org.counts.breaches[refusal.breach] += 1
        if chat is not None:
            chat.counts.breaches[refusal.breach] += 1

    # Carrying out

    async def _answer_through_faults(self, call: Call) -> web.StreamResponse:
        async def work() -> Answer:
            try:
                return await self._carry_out(call)
            except Refusal as refusal:
                self._count_breach(refusal, call.chat)
                return refusal.answer

        return await answer_through_faults(
            call.request,
            self._org.faults,
            call.resource.name,
            call.line_id,
            work,
            is_clients_own=call.resource is resources.MESSAGES,
            move=lambda: self._move(call.chat),
        )

    async def _carry_out(self, call: Call) -> Answer:
        _check_headers(call)
        if call.resource is resources.SESSION_ID:
            return self._create_session()
        if KEY not in call.resource.headers and (
            call.resource is not resources.DELETE_SESSION
        ):
            query = call.request.query
            return visitor.answer(call.resource.name, query, self._org.switches)
        chat = _session(call, self._org.switches)
        if call.resource is resources.RECONNECT_SESSION:
            return self._reconnect(call, chat)
        _check_affinity(call, chat)
        if call.resource is resources.MESSAGES:
            return await self._messages(call, chat)
        if call.resource is resources.DELETE_SESSION:
            return self._delete(chat)
        sequence = _number(call.request.headers.get(SEQUENCE), SEQUENCE)
        body = bodies.parse(call.content)
        return posts.take(self._org, chat, call.resource.name, sequence, body)

    def _create_session(self) -> Answer:
        switches = self._org.switches
        if switches.switch_server_url is not None:
            return visitor.switch_server(switches.switch_server_url)
        chat = self._org.new_chat()
        seconds = switches.client_poll_timeout_seconds
        as_text = switches.client_poll_timeout_as_text
        return json_answer(
            {
                "id": chat.id,
                "key": chat.key,
                "affinityToken": chat.affinity,
                "clientPollTimeout": str(seconds) if as_text else seconds,
            }
        )

    async def _messages(self, call: Call, chat: Chat) -> Answer:
        ack = _number(call.request.query.get("ack"), "ack")
        call.poll = self._org.open_poll(chat, ack)
        # shielded: hanging up ends this request, not the poll
        return await asyncio.shield(call.poll.answered)

    def _delete(self, chat: Chat) -> Answer:
        self._org.delete(chat)
        return text_answer(200, "OK")

    def _move(self, chat: Chat | None) -> None:
        if chat is not None and not chat.is_over:
            held = self._org.switches.handover_held_poll
            chat.hand_over(hold_poll=held == "hold")

    def _reconnect(self, call: Call, chat: Chat) -> Answer:
        if call.request.headers[AFFINITY] != NO_AFFINITY:
            raise Refusal(INVALID_AFFINITY)
        allowed = self._org.switches.reconnect_without_503 == "accept"
        if not (chat.may_reconnect or allowed):
            raise Refusal(text_answer(405, "Method Not Allowed"), "wrong_method")
        name = "ReconnectSession.offset"
        offset = _number(call.request.query.get(name), name)
        if offset is None and chat.batches.has_sent:
            raise bad_request(f"{name} is required")
        affinity = chat.reconnect()
        message = event("ReconnectSession", resetSequence=True, affinityToken=affinity)
        return json_answer({"messages": [message]})


def _check_headers(call: Call) -> None:
    for name in call.resource.headers:
        if not call.request.headers.get(name):
            raise bad_request(f"{name} is required", "missing_header")
    if not call.request.headers[VERSION].isdigit():
        raise bad_request(f"{VERSION} is not a number", "missing_header")


def _session(call: Call, switches: LiveAgentSwitches) -> Chat:
    if call.chat is None:
        raise Refusal(SESSION_INVALID, "unknown_session")
    is_poll = call.resource is resources.MESSAGES
    if call.chat.is_gone and not (is_poll and switches.poll_when_over_status == 204):
        raise Refusal(SESSION_INVALID)
    return call.chat


def _check_affinity(call: Call, chat: Chat) -> None:
    """Answer 503 to a token that is not, or no longer, that of the session."""
    is_known = call.request.headers[AFFINITY] == chat.affinity
    chat.may_reconnect = not is_known
    if not is_known:
        raise Refusal(INVALID_AFFINITY)


def _number(text: str | None, name: str) -> int | None:
    if text is None:
        return None
    try:
        return int(text)
    except ValueError as error:
        raise bad_request(f"{name} is not a number") from error
