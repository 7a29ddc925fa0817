"""What does a message cost the service, and how many a second are too many?

With all chats open, the agents alone talk, then the customers alone: the processor
time of the service over that while, less what the waiting alone costs, by message.
Then both talk faster and faster, until one in a hundred takes more than half a second.
"""

import asyncio
import time
from collections.abc import Callable

import aiohttp

from benchmarks.load import Load, percentiles

SECONDS = 15.0
AGENT_RATE = 50.0  # words a second, all agents together
CUSTOMER_RATE = 20.0

RISE_SECONDS = 8.0  # at each rate
RISE = 1.25  # from one rate to the next
HIGHEST_RATE = 2_000.0
TOO_LONG_MS = 500.0

Processor = Callable[[], float]  # the seconds used so far


async def of_messages(
    load: Load, http: aiohttp.ClientSession, processor: Processor
) -> dict[str, float]:
    """Return what an agent's message costs, and a `/send`, in ms of the processor."""
    before, began = processor(), time.monotonic()
    await asyncio.sleep(SECONDS)
    idle = (processor() - before) / (time.monotonic() - began)

    async def each(agent_rate: float, customer_rate: float) -> float:
        load.count_anew()
        before, began = processor(), time.monotonic()
        await load.talk(
            http, seconds=SECONDS, agent_rate=agent_rate, customer_rate=customer_rate
        )
        used = processor() - before - idle * (time.monotonic() - began)
        return 1000 * used / (len(load.to_bot.took) + len(load.sends))

    return {
        "agent_message_ms": await each(AGENT_RATE, 0),
        "send_ms": await each(0, CUSTOMER_RATE),
    }


async def limit(load: Load, http: aiohttp.ClientSession) -> float:
    """Return how many messages a second, both ways together, are too many."""
    rate = AGENT_RATE + CUSTOMER_RATE
    while rate < HIGHEST_RATE and await _slowest(load, http, rate) < TOO_LONG_MS:
        rate *= RISE
    return rate


async def _slowest(load: Load, http: aiohttp.ClientSession, rate: float) -> float:
    """Return the longer p99 of both ways, in ms, at so many messages a second."""
    load.count_anew()
    part = AGENT_RATE / (AGENT_RATE + CUSTOMER_RATE)
    await load.talk(
        http,
        seconds=RISE_SECONDS,
        agent_rate=rate * part,
        customer_rate=rate * (1 - part),
    )
    times = (percentiles(load.to_bot.took), percentiles(load.sends))
    slowest = max(found["p99_ms"] for found in times)
    print(f"  {rate:.0f} messages a second: p99 {slowest:.0f} ms", flush=True)
    return slowest
