"""Is anything lost when servers are killed, or replaced, and Salesforce stumbles?

Two servers on one database, as two dynos. `make chaos` kills one of them with -9
every few seconds and starts it again, while the simulator drops answers, says 500
and is slow, and once the database cuts all its connections. Then it deploys: each
server is told to stop as Heroku does it, while its successor starts beside it.

`CHAOS_SECONDS` (180) is how long the kills go on, `DEPLOY_SECONDS` (60) how long the
deploys after that.
"""

import asyncio
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks import stage
from benchmarks.conversations import Conversations, went_wrong

KILL_SECONDS = (4.0, 8.0)
SIMULATOR = ("--poll-hold-seconds=5", "--client-poll-timeout-seconds=6")
FAULTS = (
    {"resource": "Messages", "kind": "lose_answer", "probability": 0.02},
    {"resource": "Messages", "kind": "status", "status": 500, "probability": 0.02},
    {"resource": "Messages", "kind": "slow", "seconds": 1, "probability": 0.03},
    {"resource": "ChatMessage", "kind": "lose_answer", "probability": 0.05},
    {"resource": "ChatMessage", "kind": "lose_request", "probability": 0.05},
    {"resource": "ChatMessage", "kind": "status", "status": 500, "probability": 0.05},
    {"resource": "ChatMessage", "kind": "slow", "seconds": 1, "probability": 0.05},
)


class Dynos:
    """Two servers on one database, which come and go."""

    def __init__(self, folder: Path, database: str, env: dict[str, str]) -> None:
        self._folder = folder
        self._database = database
        self._env = env
        self._started = 0
        self._chance = random.Random(5)  # noqa: S311  (repeatable)
        self.running: list[stage.Server] = []
        self.kills = 0
        self.stops: list[float] = []

    def start(self) -> None:
        """Start one more."""
        self._started += 1
        server = stage.service(self._env, self._folder, f"service{self._started}")
        server.start()
        self.running.append(server)

    def kill_all(self) -> None:
        """Leave nothing behind."""
        for server in self.running:
            server.kill()

    async def crash(self, until: float) -> None:
        """Kill one at random every few seconds; once cut off the database."""
        middle = time.monotonic() + (until - time.monotonic()) / 2
        while time.monotonic() < until:
            await asyncio.sleep(self._chance.uniform(*KILL_SECONDS))
            server = self._chance.choice(self.running)
            await asyncio.to_thread(server.kill)
            self.kills += 1
            print(f"  kill {self.kills}, {until - time.monotonic():.0f} s to go")
            await asyncio.to_thread(server.start)
            if middle and time.monotonic() > middle:
                await asyncio.to_thread(stage.drop_connections, self._database)
                middle = 0.0
                print("  the database cut all connections")

    async def deploy(self, until: float) -> None:
        """Replace one after the other: SIGTERM, and a successor at the same moment."""
        while time.monotonic() < until:
            old = self.running[0]
            stopping = asyncio.create_task(asyncio.to_thread(old.retire))
            await asyncio.to_thread(self.start)
            self.running.remove(old)
            self.stops.append(await stopping)
            print(f"  deploy {len(self.stops)}: old gone in {self.stops[-1]:.1f} s")


@contextmanager
def _dynos() -> Iterator[tuple[Dynos, str]]:
    """Set the stage; gives the servers and the simulator's address."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        simulator = stack.enter_context(stage.simulator(folder, None, *SIMULATOR))
        database = stack.enter_context(stage.database(folder, "postgresql"))
        env = stage.service_environment(simulator.url, database, None)
        stage.migrate(env)
        dynos = Dynos(folder, database, env)
        stack.callback(dynos.kill_all)
        dynos.start()
        dynos.start()
        yield dynos, simulator.url


def crashes(seconds: float) -> dict[str, Any]:
    """Let chaos reign for `seconds`; returns the counts."""
    with _dynos() as (dynos, simulator):
        talk = Conversations(dynos.running, simulator)
        found = asyncio.run(talk.run(seconds, dynos.crash, FAULTS))
        return {"kills": dynos.kills, **found}


def deploys(seconds: float) -> dict[str, Any]:
    """Deploy under load, again and again for `seconds`; returns the counts."""
    with _dynos() as (dynos, simulator):
        talk = Conversations(dynos.running, simulator)
        found = asyncio.run(talk.run(seconds, dynos.deploy))
        return {"deploys": len(dynos.stops), "longest_stop": max(dynos.stops), **found}


def main() -> None:
    """Crash, deploy, print the counts; exits with 1 if anything went wrong."""
    found = {
        "crashes": crashes(float(os.environ.get("CHAOS_SECONDS", "180"))),
        "deploys": deploys(float(os.environ.get("DEPLOY_SECONDS", "60"))),
    }
    print(json.dumps(found, indent=2))
    wrong = sum(map(went_wrong, found.values()))
    sys.exit("words or chats were lost, or came twice" if wrong else 0)


if __name__ == "__main__":
    main()
