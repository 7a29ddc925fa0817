"""How is the simulator started from the command line?"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import signal
from collections.abc import Sequence

from simulator.liveagent.switches import LiveAgentSwitches
from simulator.server import Address, listen


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the options, with the switches' defaults where none is given."""
    parser = argparse.ArgumentParser(prog="python -m simulator", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8100, help="0: any free one")
    parser.add_argument("--tls-cert", metavar="FILE")
    parser.add_argument("--tls-key", metavar="FILE")
    parser.add_argument("--poll-hold-seconds", type=float, default=30)
    parser.add_argument("--client-poll-timeout-seconds", type=int, default=40)
    parser.add_argument("--connection-timeout-seconds", type=float, default=45)
    parser.add_argument("--auto-accept", action="store_true")
    parser.add_argument("--greeting", help="what is said where chats are accepted so")
    options = parser.parse_args(arguments)
    if options.tls_key and not options.tls_cert:
        parser.error("--tls-key needs --tls-cert")
    return options


async def serve(options: argparse.Namespace) -> None:
    """Listen, say where, and go on until a signal comes."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        # At once, whatever is held: there is nothing to be put in order.
        loop.add_signal_handler(number, os._exit, 0)
    switches = LiveAgentSwitches(
        poll_hold_seconds=options.poll_hold_seconds,
        client_poll_timeout_seconds=options.client_poll_timeout_seconds,
        connection_timeout_seconds=options.connection_timeout_seconds,
        auto_accept=options.auto_accept,
        greeting=options.greeting,
    )
    address = Address(options.host, options.port, options.tls_cert, options.tls_key)
    print(f"simulator: {await listen(address, switches)}", flush=True)
    await asyncio.Event().wait()


def allow_many_connections() -> None:
    """Raise the limit of open files, which is often 1,024, as far as allowed."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    allow_many_connections()
    asyncio.run(serve(parse()))
