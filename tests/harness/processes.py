"""Servers as child processes: start, stop, kill, and never leave one behind."""

import atexit
import ctypes
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_running: set["Server"] = set()
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None
_SET_PARENT_DEATH_SIGNAL = 1


def _die_with_parent() -> None:
    """Ask the kernel for SIGKILL when pytest itself is killed."""
    if _libc is not None:
        _libc.prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)


def free_port() -> int:
    """Return a port nobody listens on, outside the range of outgoing connections."""
    while True:
        port = random.randint(15000, 32000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


class Server:
    """One command in a process group of its own, its output in a file."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], log: Path
    ) -> None:
        self.command = list(command)
        self.environment = dict(environment)
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the command; what it prints is added to the log."""
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self.command,
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )
        _running.add(self)

    @property
    def alive(self) -> bool:
        """Whether the first process of the group still runs."""
        return self._process is not None and self._process.poll() is None

    def text(self) -> str:
        """Everything it has printed so far."""
        if not self.log.exists():
            return ""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def wait(self, seconds: float) -> int:
        """Wait for its own exit and return the exit code."""
        if self._process is None:
            raise RuntimeError("not started")
        return self._process.wait(seconds)

    def stop(self, seconds: float = 35) -> None:
        """Ask it to end (SIGTERM), and make sure that nothing of it remains."""
        if self._process is not None and self.alive:
            self._process.terminate()
            try:
                self._process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.kill()
                raise
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


@atexit.register
def _kill_all() -> None:
    for server in list(_running):
        server.kill()
