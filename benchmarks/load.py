"""What do so many bots and agents do in one measurement, and what did it come to?

Every word carries its number and the moment it was said, so that the other end can
tell what was lost, what came twice, what came late and in which order.
"""

import asyncio
import contextlib
import itertools
import random
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from benchmarks.ways import Way

OPENING_AT_ONCE = 40
SETTLE_SECONDS = 20.0  # at most, for what is still on its way
LOOK_SECONDS = 0.2


@dataclass
class Words:
    """What was said one way: to whom, and how long each took (seconds)."""

    said: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    heard: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    took: list[float] = field(default_factory=list)

    def say(self, line_id: str) -> str:
        """Return the next words for a customer."""
        self.said[line_id] += 1
        return f"{self.said[line_id]} {time.monotonic()} こんにちは"

    def hear(self, line_id: str, text: str) -> None:
        """Note words that have arrived."""
        number, said_at, *_ = text.split()
        self.heard[line_id].append(int(number))
        self.took.append(time.monotonic() - float(said_at))

    def verdict(self) -> dict[str, int]:
        """Return how many were said, and how many went wrong."""
        lost = repeated = disordered = 0
        for line_id, said in self.said.items():
            heard = self.heard[line_id]
            lost += said - len(set(heard))
            repeated += len(heard) - len(set(heard))
            pairs = itertools.pairwise(heard)
            disordered += sum(a > b for a, b in pairs)
        return {
            "said": sum(self.said.values()),
            "lost": lost,
            "repeated": repeated,
            "out_of_order": disordered,
        }


def percentiles(seconds: list[float]) -> dict[str, float]:
    """Return p50 and p99 in milliseconds."""
    if len(seconds) < 2:
        return {"p50_ms": float("nan"), "p99_ms": float("nan")}
    cuts = statistics.quantiles(seconds, n=100)
    return {"p50_ms": cuts[49] * 1000, "p99_ms": cuts[98] * 1000}


class Load:
    """So many chats over one way, with the simulator as the agents' side."""

    def __init__(self, way: Way, simulator: str, chats: int, tls: Any) -> None:
        self._way = way
        self._control = f"{simulator}/simulator"
        self._tls = tls
        self._line_ids = [f"U{n:05}" for n in range(chats)]
        self._ids: dict[str, str] = {}
        self._bots: list[asyncio.Task[None]] = []
        self._turns: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._over = False
        self.to_bot = Words()
        self.to_agent = Words()
        self.sends: list[float] = []
        self.errors = 0
        self.ended = 0

    async def open(self) -> float:
        """Open all chats; returns chats per second.

        Each bot waits for words as soon as its chat is open, as real ones do.
        """
        gate = asyncio.Semaphore(OPENING_AT_ONCE)

        async def one(line_id: str) -> None:
            async with gate:
                if not await self._way.open(line_id):
                    self.errors += 1
                    return
            self._bots.append(asyncio.create_task(self._bot(line_id)))

        began = time.monotonic()
        await asyncio.gather(*map(one, self._line_ids))
        return len(self._line_ids) / (time.monotonic() - began)

    async def find_chats(self, http: aiohttp.ClientSession) -> None:
        """Ask the simulator for its names of the chats, for the agents to use."""
        async with http.get(f"{self._control}/chats", ssl=self._tls) as answer:
            for chat in await answer.json():
                self._ids[chat["line_id"]] = chat["id"]

    async def _bot(self, line_id: str) -> None:
        while not self._over:
            try:
                for text in await self._way.receive(line_id):
                    self.to_bot.hear(line_id, text)
            except EOFError:
                self.ended += 1
                return
            except (TimeoutError, OSError, aiohttp.ClientError):
                if not self._over:
                    self.errors += 1
                    await asyncio.sleep(0.5)

    def count_anew(self) -> None:
        """Forget what has been said, once all of it has arrived."""
        self.to_bot, self.to_agent, self.sends = Words(), Words(), []

    async def talk(
        self,
        http: aiohttp.ClientSession,
        *,
        seconds: float,
        agent_rate: float,
        customer_rate: float,
    ) -> None:
        """Let agents and customers talk at these rates (words a second).

        Returns when all that the agents said has arrived, or will not any more.
        """
        until = time.monotonic() + seconds

        async def agent_says(line_id: str) -> None:
            url = f"{self._control}/chats/{self._ids[line_id]}/say"
            body = {"text": self.to_bot.say(line_id)}
            async with http.post(url, json=body, ssl=self._tls) as answer:
                await answer.read()

        async def customer_says(line_id: str) -> None:
            # Who says two things says the second after the first.
            async with self._turns[line_id]:
                text = self.to_agent.say(line_id)
                began = time.monotonic()
                try:
                    sent = await self._way.send(line_id, text)
                except (TimeoutError, OSError, aiohttp.ClientError):
                    sent = False
                self.sends.append(time.monotonic() - began)
                self.errors += not sent

        await asyncio.gather(
            self._at_rate(agent_rate, until, agent_says),
            self._at_rate(customer_rate, until, customer_says),
        )
        settled = time.monotonic() + SETTLE_SECONDS
        while self.to_bot.verdict()["lost"] and time.monotonic() < settled:
            await asyncio.sleep(LOOK_SECONDS)

    async def _at_rate(
        self,
        rate: float,
        until: float,
        say: Callable[[str], Coroutine[Any, Any, None]],
    ) -> None:
        """Begin one a moment, whether or not those before are done; with 0, none."""
        if not rate:
            return
        under_way: set[asyncio.Task[None]] = set()
        chance = random.Random(7)  # noqa: S311  (the same load every time)
        moment = time.monotonic()
        while moment < until:
            task = asyncio.create_task(say(chance.choice(self._line_ids)))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
            moment += chance.expovariate(rate)
            await asyncio.sleep(max(0.0, moment - time.monotonic()))
        if under_way:
            await asyncio.wait(under_way)

    async def count(self, http: aiohttp.ClientSession) -> dict[str, int]:
        """Hear what reached the agents; returns Salesforce's counts of broken rules."""
        async with http.get(f"{self._control}/chats", ssl=self._tls) as answer:
            for chat in await answer.json():
                for line in chat["transcript"]:
                    if line["type"] == "Chasitor":
                        number = int(line["text"].split()[0])
                        self.to_agent.heard[chat["line_id"]].append(number)
        async with http.get(f"{self._control}/counts", ssl=self._tls) as answer:
            breaches: dict[str, int] = (await answer.json())["breaches"]
        return breaches

    async def close(self) -> None:
        """Stop the bots."""
        self._over = True
        for bot in self._bots:
            bot.cancel()
        for bot in self._bots:
            with contextlib.suppress(asyncio.CancelledError):
                await bot
