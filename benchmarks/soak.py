"""Does memory grow with time? See `make soak`.

So many customers at a time, each for a minute or two: his chat is opened, he and the
agent talk, it is closed, and the next customer comes. `SOAK_MINUTES` (20) is how long
that goes on, `SOAK_CHATS` (500) how many are there at a time.

The memory of the gunicorn master and its workers is looked at every few seconds. The
first quarter is left out: until then the process has not done everything once.
"""

import asyncio
import itertools
import json
import os
import random
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks import measure, report, stage
from benchmarks.ways import ThroughService

LIFE_SECONDS = (60.0, 180.0)
WORDS_SECONDS = (5.0, 25.0)  # between two exchanges of one chat
SAMPLE_SECONDS = 5.0
WARM_UP = 0.25  # of the whole time
LAST_SECONDS = 15.0  # in which all chats end at once; not looked at any more
FAILURES = (OSError, aiohttp.ClientError, TimeoutError)


class Soak:
    """Customers who come and go."""

    def __init__(
        self, way: ThroughService, http: aiohttp.ClientSession, simulator: str, tls: Any
    ) -> None:
        self._way = way
        self._http = http
        self._control = f"{simulator}/simulator"
        self._tls = tls
        self._numbers = itertools.count()
        self._chance = random.Random(3)  # noqa: S311  (repeatable)
        self.chats = self.words = self.errors = 0

    async def go_on(self, until: float) -> None:
        """Be one customer after the other."""
        await asyncio.sleep(self._chance.uniform(0, 10))
        while time.monotonic() < until:
            line_id = f"U{next(self._numbers):07}"
            try:
                await self._live(line_id, until)
                self.chats += 1
            except FAILURES:
                self.errors += 1

    async def _live(self, line_id: str, until: float) -> None:
        if not await self._way.open(line_id):
            raise OSError("no chat")
        chat_id = await self._chat_id(line_id)
        over = min(until, time.monotonic() + self._chance.uniform(*LIFE_SECONDS))
        bot = asyncio.create_task(self._receive(line_id))
        try:
            while time.monotonic() < over:
                await self._exchange(line_id, chat_id)
                pause = self._chance.uniform(*WORDS_SECONDS)
                await asyncio.sleep(min(pause, max(0.0, over - time.monotonic())))
        finally:
            await self._way.close(line_id)
            await bot

    async def _chat_id(self, line_id: str) -> str:
        url = f"{self._control}/chats"
        async with self._http.get(
            url, params={"line_id": line_id}, ssl=self._tls
        ) as answer:
            [chat] = await answer.json()
            return str(chat["id"])

    async def _exchange(self, line_id: str, chat_id: str) -> None:
        url = f"{self._control}/chats/{chat_id}/say"
        text = {"text": "お待たせしております。" * 5}
        async with self._http.post(url, json=text, ssl=self._tls) as answer:
            await answer.read()
        if not await self._way.send(line_id, "ありがとうございます。" * 5):
            self.errors += 1

    async def _receive(self, line_id: str) -> None:
        while True:
            try:
                words = await self._way.receive(line_id)
            except EOFError:
                return
            except FAILURES:
                self.errors += 1
                words = []
            self.words += len(words)


def slope(samples: list[tuple[float, float]]) -> float:
    """Return by how many MiB an hour memory grows, after the warm-up."""
    kept = samples[int(len(samples) * WARM_UP) :]
    times, sizes = zip(*kept, strict=True)
    return statistics.linear_regression(times, sizes).slope * 3600


async def _soak(
    servers: list[stage.Server],
    simulator: str,
    cert: tuple[Path, Path],
    seconds: float,
    chats: int,
) -> dict[str, Any]:
    trust = measure.trust(cert)
    samples: list[tuple[float, float]] = []
    async with measure.http_session() as http:
        way = ThroughService([server.url for server in servers], http)
        soak = Soak(way, http, simulator, trust)
        began = time.monotonic()
        people = [
            asyncio.create_task(soak.go_on(began + seconds + LAST_SECONDS))
            for _ in range(chats)
        ]
        while time.monotonic() < began + seconds:
            await asyncio.sleep(SAMPLE_SECONDS)
            memory = sum(server.memory_mib() for server in servers)
            samples.append((time.monotonic() - began, memory))
            if len(samples) % 12 == 0:
                print(f"  {samples[-1][0]:.0f} s: {memory:.1f} MiB", flush=True)
        await asyncio.gather(*people)
    sizes = [size for _, size in samples]
    kept = sizes[int(len(sizes) * WARM_UP) :]
    return {
        "taken_on": time.strftime("%Y-%m-%d"),
        "machine": report.machine(),
        "minutes": seconds / 60,
        "chats_at_a_time": chats,
        "chats": soak.chats,
        "words": soak.words,
        "errors": soak.errors,
        "memory_mib": {"least": min(kept), "most": max(kept), "last": sizes[-1]},
        "slope_mib_per_hour": slope(samples),
        "samples": [[round(at), round(size, 1)] for at, size in samples[::6]],
    }


def soak(seconds: float, chats: int) -> dict[str, Any]:
    """Set the stage, let customers come and go, and return the figures."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        cert = stage.certificate(folder)
        simulator = stack.enter_context(stage.simulator(folder, cert))
        url = stack.enter_context(stage.database(folder, "postgresql"))
        env = stage.service_environment(simulator.url, url, cert[0])
        stage.migrate(env)
        server = stack.enter_context(stage.service(env, folder))
        return asyncio.run(_soak([server], simulator.url, cert, seconds, chats))


if __name__ == "__main__":
    found = soak(
        60 * float(os.environ.get("SOAK_MINUTES", "20")),
        int(os.environ.get("SOAK_CHATS", "500")),
    )
    (Path(__file__).parent / "soak.json").write_text(json.dumps(found) + "\n")
    report.write_soak(found)
    shown = {key: value for key, value in found.items() if key != "samples"}
    print(json.dumps(shown, indent=2))
