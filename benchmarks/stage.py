"""What stands on the stage of a measurement: simulator, database, service?

Each is a process of its own, started for one measurement and stopped by its id.
"""

import os
import secrets
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg2

TOP = Path(__file__).resolve().parent.parent
POSTGRES = os.environ.get("DATABASE_URL", "postgres://postgres@127.0.0.1:5432/postgres")
PATIENCE_SECONDS = 30.0
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Server:
    """One server process with its children."""

    def __init__(
        self, arguments: list[str], url: str, env: dict[str, str], log: Path
    ) -> None:
        self.url = url
        self._arguments = [sys.executable, "-m", *arguments]
        self._env = {**os.environ, **env}
        self._log = log
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
        """Start, and return once it answers."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  (our own commands)
                self._arguments,
                cwd=TOP,
                env=self._env,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_for(self.url)

    def kill(self) -> None:
        """Kill it and all it started, as a crash would."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def stop(self) -> float:
        """Stop it as Heroku does; returns how long that took, in seconds."""
        assert self._process is not None
        began = time.monotonic()
        for pid in self.pids():
            os.kill(pid, signal.SIGTERM)
        self._process.wait()
        self._process = None
        return time.monotonic() - began

    def pids(self) -> list[int]:
        """Return the process and its children."""
        assert self._process is not None
        own = self._process.pid
        children = Path(f"/proc/{own}/task/{own}/children").read_text().split()
        return [own, *map(int, children)]

    def memory_mib(self) -> float:
        """Return the proportional set size of all its processes, in MiB."""
        total = 0
        for pid in self.pids():
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
        return total / 1024

    def processor_seconds(self) -> float:
        """Return the processor time that all its processes have used."""
        ticks = 0
        for pid in self.pids():
            stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(stat[11]) + int(stat[12])
        return ticks / CLOCK_TICKS


def wait_for(url: str) -> None:
    """Wait until something answers at `url`."""
    lax = ssl._create_unverified_context()  # noqa: S323  (is it there at all?)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url, timeout=2, context=lax)  # noqa: S310
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError(f"{url} does not answer")


def certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for this run; returns the files of it and of its key."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(  # noqa: S603  (fixed arguments)
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes"),
            *("-keyout", str(key), "-out", str(cert), "-days", "2"),
            *("-subj", "/CN=127.0.0.1"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
        ],
        check=True,
        capture_output=True,
    )
    return cert, key


def simulator(folder: Path, cert: tuple[Path, Path] | None, *options: str) -> Server:
    """Return a simulator in which every chat is accepted at once."""
    port = free_port()
    scheme = "https" if cert else "http"
    tls = ["--tls-cert", str(cert[0]), "--tls-key", str(cert[1])] if cert else []
    return Server(
        ["simulator", "--port", str(port), "--auto-accept", *tls, *options],
        f"{scheme}://127.0.0.1:{port}",
        {},
        folder / "simulator.log",
    )


@contextmanager
def database(folder: Path, kind: str) -> Iterator[str]:
    """Give an empty database of `kind`, `postgresql` or `sqlite`, as a URL."""
    if kind == "sqlite":
        for old in folder.glob("bench.sqlite3*"):
            old.unlink()
        yield f"sqlite:///{folder / 'bench.sqlite3'}"
        return
    name = f"liveagent_bench_{os.getpid()}_{secrets.token_hex(3)}"
    with _administration() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
    try:
        yield POSTGRES.rpartition("/")[0] + "/" + name
    finally:
        with _administration() as cursor:
            cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def _administration() -> Iterator[Any]:
    connection = psycopg2.connect(POSTGRES)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()


def connections(url: str) -> int:
    """Return how many connections there are to the database of `url`."""
    with _administration() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = %s",
            [url.rpartition("/")[2]],
        )
        return int(cursor.fetchone()[0])


def drop_connections(url: str) -> None:
    """Cut all connections to the database of `url`, once."""
    with _administration() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
            [url.rpartition("/")[2]],
        )


def service_environment(
    simulator_url: str, database_url: str, ca: Path | None
) -> dict[str, str]:
    """Return the environment of the service under test."""
    env = {
        "LIVEAGENT_HOST": simulator_url,
        "LIVEAGENT_ORGANIZATION_ID": "00D000000000001",
        "LIVEAGENT_DEPLOYMENT_ID": "572000000000001",
        "LIVEAGENT_BUTTON_ID": "573000000000001",
        "SECRET_KEY": "only-for-benchmarks",
        "DATABASE_URL": database_url,
        "WEB_CONCURRENCY": "1",
    }
    return {**env, "REQUESTS_CA_BUNDLE": str(ca)} if ca else env


def migrate(env: dict[str, str]) -> None:
    """Make the tables."""
    command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
    subprocess.run(  # noqa: S603  (our own command)
        command, cwd=TOP, env={**os.environ, **env}, check=True
    )


def service(env: dict[str, str], folder: Path, name: str = "service") -> Server:
    """Return the service as the Procfile starts it."""
    port = free_port()
    return Server(
        ["gunicorn", "-c", "gunicorn.conf.py", "liveagent_api.wsgi"],
        f"http://127.0.0.1:{port}",
        {**env, "PORT": str(port)},
        folder / f"{name}.log",
    )
