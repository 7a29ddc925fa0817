"""The service under test: the real server process on a database of its own."""

import sys
from pathlib import Path

import requests

from simulator.processes import Server, free_port
from tests.harness.databases import Database
from tests.harness.environment import service_environment
from tests.harness.waiting import until

COMMAND = (sys.executable, "serve.py", "liveagent_api.wsgi")


class Service:
    """A gunicorn that can be stopped, killed and started again."""

    def __init__(
        self,
        *,
        database: Database,
        log: Path,
        application: str = COMMAND[-1],
        **environment: str | None,
    ) -> None:
        self.database = database
        self.port = free_port()
        self.server = Server(
            (*COMMAND[:-1], application),
            service_environment(
                **{
                    "DATABASE_URL": database.url,
                    "PORT": str(self.port),
                    "TMPDIR": str(log.parent),
                    **environment,
                }
            ),
            log,
        )

    @property
    def url(self) -> str:
        """Where a bot finds it."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """What it has printed so far, over all its lives."""
        return self.server.text()

    def start(self) -> None:
        """Start it and wait until it answers HTTP."""
        self.server.start()
        until(self._answers_or_died, "the service answers", seconds=30)
        assert self.server.alive, f"the service did not start:\n{self.log}"

    def stop(self) -> None:
        """End it as a platform does, with SIGTERM."""
        self.server.stop()

    def kill(self) -> None:
        """Kill the master and its workers with SIGKILL."""
        self.server.kill()

    def restart(self) -> None:
        """Kill it and start it again."""
        self.kill()
        self.start()

    def settle(self) -> None:
        """Return once requests sent before this call are surely being served."""
        for _ in range(4):
            assert self._answers()

    def _answers_or_died(self) -> bool:
        return not self.server.alive or self._answers()

    def _answers(self) -> bool:
        try:
            requests.post(
                f"{self.url}/messages", json={}, timeout=5, allow_redirects=False
            )
        except requests.RequestException:
            return False
        return True
