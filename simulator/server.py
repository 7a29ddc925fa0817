"""How does the simulator listen?"""

from __future__ import annotations

import asyncio.sslproto
import ssl
from dataclasses import dataclass

from aiohttp import web

from simulator import pages
from simulator.control import Behaviour
from simulator.liveagent.control import ChatControl
from simulator.liveagent.files import Uploads
from simulator.liveagent.org import Org
from simulator.liveagent.rest import RestApi
from simulator.liveagent.switches import LiveAgentSwitches

BACKLOG = 4096
LARGEST_BODY_BYTES = 16 * 1024 * 1024
KEEP_ALIVE_SECONDS = 3600.0
TLS_BUFFER_BYTES = 32 * 1024


@dataclass(frozen=True)
class Address:
    """Where to listen (port 0: any free one), and with which certificate."""

    host: str
    port: int
    tls_cert: str | None = None
    tls_key: str | None = None


async def listen(address: Address, switches: LiveAgentSwitches) -> str:
    """Start to serve; return the URL at which the simulator is found."""
    org = Org(switches)
    app = web.Application(client_max_size=LARGEST_BODY_BYTES)
    for part in (RestApi(org), Behaviour(org), ChatControl(org), Uploads(org)):
        part.add_routes(app.router)
    pages.add_routes(app.router)
    runner = web.AppRunner(
        app,
        access_log=None,
        handler_cancellation=True,  # else nobody would know who has hung up
        keepalive_timeout=KEEP_ALIVE_SECONDS,
    )
    await runner.setup()
    context = _tls_context(address)
    site = web.TCPSite(
        runner, address.host, address.port, ssl_context=context, backlog=BACKLOG
    )
    await site.start()
    port = runner.addresses[0][1]
    return f"{'http' if context is None else 'https'}://{address.host}:{port}"


def _tls_context(address: Address) -> ssl.SSLContext | None:
    if address.tls_cert is None:
        return None
    # asyncio reserves and clears this much for every connection; its default
    # of 256 KiB would make half a gigabyte of two thousand polls.
    asyncio.sslproto.SSLProtocol.max_size = TLS_BUFFER_BYTES
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(address.tls_cert, address.tls_key)
    return context
