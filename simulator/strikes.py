"""How does a fault strike a request on the wire?"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from http import HTTPStatus

from aiohttp import web

from simulator.answers import Answer, text_answer
from simulator.faults import AFTER, BEFORE, Fault, FaultBook

CHUNK_BYTES = 64 * 1024
NOT_JSON = b"<html><body>Something went wrong</body></html>"
Work = Callable[[], Awaitable[Answer]]


async def answer_through_faults(
    request: web.Request,
    faults: FaultBook,
    resource: str,
    line_id: str | None,
    work: Work,
    *,
    is_clients_own: bool = False,
    move: Callable[[], None] | None = None,
) -> web.StreamResponse:
    """Carry out ``work`` and write its answer, as far as the faults let it.

    ``is_clients_own`` says that work which comes late is not done any more once its
    client has hung up. ``move`` has the session move to another server.
    """
    match fault := faults.find(BEFORE, resource, line_id):
        case Fault(kind="lose_request"):
            return lose(request)
        case Fault(kind="status"):
            return response(_failure(fault))
        case Fault(kind="late"):
            task = asyncio.create_task(_late(work, fault.seconds))
            answer = await (task if is_clients_own else asyncio.shield(task))
        case _:
            if fault is not None and move is not None:
                move()
            answer = await work()
    fault = faults.find(AFTER, resource, line_id, is_empty=answer.status == 204)
    return response(answer) if fault is None else await _spoil(request, answer, fault)


def response(answer: Answer) -> web.Response:
    """Return the HTTP response with this answer."""
    if answer.status == 204:
        return web.Response(status=204)
    return web.Response(
        status=answer.status,
        body=answer.body,
        content_type=answer.content_type,
        charset="utf-8",
    )


def lose(request: web.Request) -> web.Response:
    """Close the connection without an answer."""
    if request.transport is not None:
        request.transport.close()
    return web.Response()  # aiohttp wants one; there is no wire left for it


async def _late(work: Work, seconds: float) -> Answer:
    await asyncio.sleep(seconds)
    return await work()


async def _spoil(
    request: web.Request, answer: Answer, fault: Fault
) -> web.StreamResponse:
    match fault.kind:
        case "lose_answer":
            return lose(request)
        case "status_after":
            return response(_failure(fault))
        case "garbage":
            body = NOT_JSON if fault.body is None else fault.body
            return response(replace(answer, status=200, body=body))
        case "pad":
            return await _pad(request, answer, fault)
        case "trickle":
            return await _trickle(request, answer, fault.seconds)
    await asyncio.sleep(fault.seconds)
    return response(answer)


async def _pad(
    request: web.Request, answer: Answer, fault: Fault
) -> web.StreamResponse:
    """Write so many spaces after the answer, which end JSON as soundly."""
    if not fault.chunked:
        return response(replace(answer, body=answer.body + b" " * fault.padding_bytes))
    endless = web.StreamResponse(status=answer.status)
    endless.content_type = answer.content_type
    endless.enable_chunked_encoding()
    await endless.prepare(request)
    # A server that is writing notices that its client has gone, and has answered.
    with suppress(ConnectionError, asyncio.CancelledError):
        await endless.write(answer.body)
        for _ in range(0, fault.padding_bytes, CHUNK_BYTES):
            await endless.write(b" " * CHUNK_BYTES)
    return endless


async def _trickle(
    request: web.Request, answer: Answer, seconds: float
) -> web.StreamResponse:
    """Write a space each second, and then the answer itself.

    JSON may begin with spaces, so whoever has the patience gets a sound answer.
    """
    status = 200 if answer.status == 204 else answer.status
    trickling = web.StreamResponse(status=status)
    trickling.content_type = answer.content_type
    trickling.content_length = int(seconds) + len(answer.body)
    await trickling.prepare(request)
    for _ in range(int(seconds)):
        await trickling.write(b" ")
        await asyncio.sleep(1)
    await trickling.write(answer.body)
    return trickling


def _failure(fault: Fault) -> Answer:
    if fault.body is None:
        return text_answer(fault.status, HTTPStatus(fault.status).phrase)
    return Answer(fault.status, fault.body)
