"""Do words get through when servers come and go?

Bots that use `ack` and `message_id` call now one server and now another; agents and
customers talk; at the end both sides are counted.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp

from benchmarks import stage
from benchmarks.load import Words

CHATS = 40
AGENT_RATE = 8.0  # words a second
CUSTOMER_RATE = 6.0
SETTLE_SECONDS = 90.0

Disasters = Callable[[float], Awaitable[None]]


class Conversations:
    """So many chats over servers that may change at any moment."""

    def __init__(self, servers: list[stage.Server], simulator: str) -> None:
        self._servers = servers
        self._control = f"{simulator}/simulator"
        self._line_ids = [f"U{n:03}" for n in range(CHATS)]
        self._ids: dict[str, str] = {}
        self._chance = random.Random(11)  # noqa: S311  (repeatable)
        self._over = False
        self.to_bot = Words()
        self.to_agent = Words()
        self.ended = 0

    async def run(
        self,
        seconds: float,
        disasters: Disasters,
        faults: tuple[dict[str, Any], ...] = (),
    ) -> dict[str, Any]:
        """Have people talk for so long while `disasters` happen; returns the counts.

        `disasters` is given the moment (monotonic seconds) when it is all over.
        """
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, force_close=True),
            timeout=aiohttp.ClientTimeout(total=30),
        ) as http:
            self._http = http
            await self._open()
            bots = [asyncio.create_task(self._bot(one)) for one in self._line_ids]
            for fault in faults:
                await self._simulator("POST", "faults", {**fault, "times": None})
            until = time.monotonic() + seconds
            await asyncio.gather(
                self._agents(until), self._customers(until), disasters(until)
            )
            await self._simulator("DELETE", "faults")
            await self._settle()
            self._over = True
            found = await self._count()
            await asyncio.gather(*(_cancelled(bot) for bot in bots))
            return found

    async def _open(self) -> None:
        for line_id in self._line_ids:
            await self._until(line_id, "init", "ok", display_name="花子")
        for chat in await self._simulator("GET", "chats"):
            self._ids[chat["line_id"]] = chat["id"]

    async def _call(self, path: str, **body: Any) -> dict[str, Any]:
        """Call one of the servers, or say that it did not work."""
        url = self._chance.choice(self._servers).url
        try:
            async with self._http.post(f"{url}/{path}", json=body) as answer:
                found: dict[str, Any] = await answer.json()
                return {**found, "status": answer.status}
        except (TimeoutError, OSError, aiohttp.ClientError, ValueError):
            await asyncio.sleep(0.1)
            return {"type": None, "status": 0}

    async def _until(self, line_id: str, path: str, wanted: str, **body: Any) -> bool:
        """Call until it works, as a bot that retries; False when the chat is over."""
        while True:
            answer = await self._call(path, line_id=line_id, **body)
            if answer["type"] == wanted:
                return True
            if answer["status"] == 400:
                return False

    async def _bot(self, line_id: str) -> None:
        ack = 0
        while not self._over:
            answer = await self._call("messages", line_id=line_id, ack=ack)
            if answer["type"] == "message" and answer["id"] > ack:
                ack = answer["id"]
                self.to_bot.hear(line_id, answer["message"])
            elif answer["type"] == "end":
                self.ended += 1
                return

    async def _agents(self, until: float) -> None:
        while time.monotonic() < until:
            line_id = self._chance.choice(self._line_ids)
            text = {"text": self.to_bot.say(line_id)}
            await self._simulator("POST", f"chats/{self._ids[line_id]}/say", text)
            await asyncio.sleep(self._chance.expovariate(AGENT_RATE))

    async def _customers(self, until: float) -> None:
        turns = {line_id: asyncio.Lock() for line_id in self._line_ids}

        async def say(line_id: str) -> None:
            async with turns[line_id]:
                text = self.to_agent.say(line_id)
                number = text.split()[0]
                sent = await self._until(
                    line_id, "send", "send", message=text, message_id=number
                )
                self.ended += not sent

        under_way = set()
        while time.monotonic() < until:
            task = asyncio.create_task(say(self._chance.choice(self._line_ids)))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
            await asyncio.sleep(self._chance.expovariate(CUSTOMER_RATE))
        if under_way:
            await asyncio.wait(under_way)

    async def _settle(self) -> None:
        """Wait until nothing is on its way any more, or for long enough."""
        until = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < until and self.to_bot.verdict()["lost"]:
            await asyncio.sleep(0.2)

    async def _simulator(self, method: str, path: str, body: Any = None) -> Any:
        url = f"{self._control}/{path}"
        async with self._http.request(method, url, json=body) as answer:
            return await answer.json()

    async def _count(self) -> dict[str, Any]:
        for chat in await self._simulator("GET", "chats"):
            for line in chat["transcript"]:
                if line["type"] == "Chasitor":
                    number = int(line["text"].split()[0])
                    self.to_agent.heard[chat["line_id"]].append(number)
        breaches = (await self._simulator("GET", "counts"))["breaches"]
        return {
            "agent_to_bot": self.to_bot.verdict(),
            "customer_to_agent": self.to_agent.verdict(),
            "second_polls": breaches["second_poll"],
            "chats_ended": self.ended,
        }


async def _cancelled(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.wait([task])


def went_wrong(found: dict[str, Any]) -> int:
    """Return how many things happened that must not."""
    words = (found["agent_to_bot"], found["customer_to_agent"])
    wrong = sum(w["lost"] + w["repeated"] + w["out_of_order"] for w in words)
    return int(wrong + found["second_polls"] + found["chats_ended"])
