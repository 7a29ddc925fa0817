"""What stands on the stage of a measurement: simulator, database, service?

Each is a process of its own, started for one measurement and stopped by its id.
"""

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2

from simulator import processes
from simulator.processes import ROOT, SERVICE, SIMULATOR, free_port

POSTGRES = os.environ.get("DATABASE_URL", "postgres://postgres@127.0.0.1:5432/postgres")
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


class Server(processes.Server):
    """One server process with its children, looked at from outside."""

    url: str

    def __init__(
        self, command: Sequence[str], url: str, env: dict[str, str], log: Path
    ) -> None:
        super().__init__(command, {**os.environ, **env}, log, url)

    def retire(self) -> float:
        """Stop it as Heroku does; returns how long that took, in seconds."""
        began = time.monotonic()
        self.stop(all_at_once=True)
        return time.monotonic() - began

    def memory_mib(self) -> float:
        """Return the proportional set size of all its processes, in MiB."""
        total = 0
        for pid in self.pids:
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
        return total / 1024

    def processor_seconds(self) -> float:
        """Return the processor time that all its processes have used."""
        ticks = 0
        for pid in self.pids:
            stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(stat[11]) + int(stat[12])
        return ticks / CLOCK_TICKS


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
        [*SIMULATOR, "--port", str(port), "--auto-accept", *tls, *options],
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
        command, cwd=ROOT, env={**os.environ, **env}, check=True
    )


def service(env: dict[str, str], folder: Path, name: str = "service") -> Server:
    """Return the service as the Procfile starts it."""
    port = free_port()
    return Server(
        SERVICE,
        f"http://127.0.0.1:{port}",
        {**env, "PORT": str(port)},
        folder / f"{name}.log",
    )
