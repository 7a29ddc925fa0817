"""What does one measurement do, from an empty stage to figures?"""

import asyncio
import ssl
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks import cost, stage
from benchmarks.load import Load, percentiles
from benchmarks.ways import Direct, ThroughService, Way

TALK_SECONDS = 20.0
LIMIT_CHATS = 1000  # at which it is seen how many messages a second are too many
IDLE_SECONDS = 30.0  # one whole hold of Salesforce's
POLL_HOLD_SECONDS = 30.0
SAMPLE_SECONDS = 1.0


def floor(folder: Path, chats: int, *, tls: bool) -> dict[str, Any]:
    """Measure bots that poll the simulator themselves."""
    with ExitStack() as stack:
        cert = stage.certificate(folder) if tls else None
        simulator = stack.enter_context(stage.simulator(folder, cert))
        return asyncio.run(_floor(simulator.url, chats, cert))


async def _floor(
    url: str, chats: int, cert: tuple[Path, Path] | None
) -> dict[str, Any]:
    tls_trust = trust(cert)
    async with http_session() as http:
        way = Direct(url, http, tls_trust)
        load = Load(way, url, chats, tls_trust)
        found = await _run(load, http, idle=None)
        await load.close()
        return found


def through_service(
    folder: Path,
    chats: int,
    *,
    tls: bool,
    database: str,
    servers: int = 1,
    processes: int = 1,
    only_cost: bool = False,
) -> dict[str, Any]:
    """Measure the service: so many servers, each with so many processes."""
    with ExitStack() as stack:
        cert = stage.certificate(folder) if tls else None
        simulator = stack.enter_context(stage.simulator(folder, cert))
        url = stack.enter_context(stage.database(folder, database))
        env = stage.service_environment(simulator.url, url, cert[0] if cert else None)
        env["WEB_CONCURRENCY"] = str(processes)
        stage.migrate(env)
        running = [
            stack.enter_context(stage.service(env, folder, f"service{n}"))
            for n in range(servers)
        ]
        watch = _Watch(running, url if database == "postgresql" else None)
        stack.enter_context(watch)
        found = asyncio.run(
            _service(running, simulator.url, chats, cert, watch, only_cost=only_cost)
        )
        return found | watch.found(chats)


async def _service(
    running: list[stage.Server],
    simulator: str,
    chats: int,
    cert: tuple[Path, Path] | None,
    watch: "_Watch",
    *,
    only_cost: bool,
) -> dict[str, Any]:
    async with http_session() as http:
        way: Way = ThroughService([server.url for server in running], http)
        load = Load(way, simulator, chats, trust(cert))
        found: dict[str, Any] = {}
        if only_cost:
            await _open(load, http)
        else:
            found = await _run(load, http, idle=watch)
        watch.look_no_more()
        found["cost"] = await cost.of_messages(load, http, watch.processor_now)
        if only_cost or chats == LIMIT_CHATS:
            found["cost"]["limit_per_second"] = await cost.limit(load, http)
        await load.close()
        return found


async def _open(load: Load, http: aiohttp.ClientSession) -> float:
    opened = await load.open()
    await load.find_chats(http)
    await asyncio.sleep(2)
    return opened


async def _run(
    load: Load, http: aiohttp.ClientSession, idle: "_Watch | None"
) -> dict[str, Any]:
    opened = await _open(load, http)
    if idle is not None:
        await idle.idle()
    await load.talk(
        http,
        seconds=TALK_SECONDS,
        agent_rate=cost.AGENT_RATE,
        customer_rate=cost.CUSTOMER_RATE,
    )
    breaches = await load.count(http)
    return {
        "opened_per_second": opened,
        "errors": load.errors,
        "ended": load.ended,
        "second_polls": breaches["second_poll"],
        "wrong_sequences": breaches["wrong_sequence"],
        "to_bot": load.to_bot.verdict() | percentiles(load.to_bot.took),
        "to_agent": load.to_agent.verdict() | percentiles(load.sends),
    }


class _Watch:
    """Looks at the service's processes and connections from outside."""

    def __init__(self, running: list[stage.Server], url: str | None) -> None:
        self._running = running
        self._url = url
        self._connections = 0
        self._memory = 0.0
        self._before = self._memory_now()
        self._idle_ms = float("nan")
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> "_Watch":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(SAMPLE_SECONDS):
            self._memory = max(self._memory, self._memory_now())
            if self._url is not None:
                now = stage.connections(self._url)
                self._connections = max(self._connections, now)

    def _memory_now(self) -> float:
        return sum(server.memory_mib() for server in self._running)

    def processor_now(self) -> float:
        """Return the processor time used so far, in seconds."""
        return sum(server.processor_seconds() for server in self._running)

    def look_no_more(self) -> None:
        """Leave the peaks of memory and connections as they are."""
        self._over.set()

    async def idle(self) -> None:
        """Measure what it costs to hold all chats while nothing is said."""
        before, began = self.processor_now(), time.monotonic()
        await asyncio.sleep(IDLE_SECONDS)
        used = self.processor_now() - before
        self._idle_ms = used * 1000 * POLL_HOLD_SECONDS / (time.monotonic() - began)

    def found(self, chats: int) -> dict[str, Any]:
        """Return the figures; the idle cycle holds a poll and a bot's call or more."""
        return {
            "memory_mib": self._memory,
            "memory_per_chat_kib": (self._memory - self._before) * 1024 / chats,
            "idle_cycle_ms": self._idle_ms / chats,
            "database_connections": self._connections,
        }


def trust(cert: tuple[Path, Path] | None) -> ssl.SSLContext | bool:
    """Return what trusts this certificate, the usual ones without."""
    return ssl.create_default_context(cafile=str(cert[0])) if cert else True


def http_session() -> aiohttp.ClientSession:
    """Return a session in which any number of bots can wait."""
    # An idle connection is dropped before the server does so, which keeps it for 5 s.
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=4)
    return aiohttp.ClientSession(
        connector=connector, timeout=aiohttp.ClientTimeout(total=60)
    )
