"""How is a server started, waited for and stopped, and never left behind?

For whoever needs servers as processes of their own: tests, benchmarks, `make run`.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import random
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).resolve().parent.parent
SIMULATOR = (sys.executable, "-m", "simulator")
SERVICE = (sys.executable, "serve.py")

PATIENCE_SECONDS = 30.0  # from the start to the first answer
STOP_SECONDS = 35.0  # the service lets its calls end for 28
LOOK_SECONDS = 0.05

_running: set[Server] = set()
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None
_SET_PARENT_DEATH_SIGNAL = 1


class NotStarted(Exception):
    """A server has died, or does not answer."""


class Server:
    """One command in a process group of its own.

    What it prints is added to the file ``log``, or goes where our own output goes.
    With a ``url`` it has started once something answers there.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        log: Path | None = None,
        url: str | None = None,
    ) -> None:
        self.command = list(command)
        self.environment = dict(environment)
        self.log = log
        self.url = url
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    def start(self) -> None:
        """Start the command; raises NotStarted if it is not what answers at its URL."""
        if self.url and answers(self.url):
            raise NotStarted(f"{self.url} is in use")
        output = self.log.open("ab") if self.log else None
        self._process = subprocess.Popen(  # noqa: S603  (our own commands)
            self.command,
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output and subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )
        if output:
            output.close()
        _running.add(self)
        if self.url:
            self._await_answer(self.url)

    @property
    def alive(self) -> bool:
        """Whether the first process of the group still runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def pids(self) -> list[int]:
        """The first process and its children; empty when it is not running."""
        if self._process is None:
            return []
        own = self._process.pid
        children = Path(f"/proc/{own}/task/{own}/children").read_text().split()
        return [own, *map(int, children)]

    def text(self) -> str:
        """Everything that it has printed into its log so far."""
        if self.log is None or not self.log.exists():
            return ""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def wait(self, seconds: float) -> int:
        """Wait for its own exit and return the exit code."""
        if self._process is None:
            raise RuntimeError("not started")
        return self._process.wait(seconds)

    def stop(
        self, seconds: float = STOP_SECONDS, *, all_at_once: bool = False
    ) -> int | None:
        """Ask it to end with SIGTERM, and see that nothing of it remains.

        Heroku asks all processes at once, others the first one, which tells its
        children. Returns the exit code, None where it was not running. Raises
        subprocess.TimeoutExpired, after a kill, when it takes longer than ``seconds``.
        """
        if self._process is None:
            return None
        try:
            for pid in self.pids if all_at_once and self.alive else ():
                os.kill(pid, signal.SIGTERM)
            self._process.terminate()
            return self._process.wait(seconds)
        finally:
            self.kill()

    def kill(self) -> None:
        """Kill the whole group with SIGKILL, workers and all."""
        if self._process is not None:
            # A group that is gone already is "not permitted" to macOS.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(10)
            self._process = None
        _running.discard(self)

    def _await_answer(self, url: str) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not answers(url):
            if not self.alive or time.monotonic() > deadline:
                self.kill()
                raise NotStarted(f"{url} does not answer")
            time.sleep(LOOK_SECONDS)


def answers(url: str) -> bool:
    """Whether anything answers HTTP at ``url``, whatever it says."""
    lax = ssl._create_unverified_context()  # noqa: S323  (is it there at all?)
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=lax)
    )
    try:
        opener.open(url, timeout=2).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def free_port() -> int:
    """Return a port nobody listens on, outside the range of outgoing connections."""
    while True:
        port = random.randint(15000, 32000)  # noqa: S311
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


def _die_with_parent() -> None:
    """Ask the kernel for SIGKILL when we are killed ourselves."""
    if _libc is not None:
        _libc.prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)


@atexit.register
def _kill_all() -> None:
    for server in list(_running):
        server.kill()
