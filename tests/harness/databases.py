"""A fresh, migrated database for each server under test.

One template is migrated per pytest worker; every database is a copy of it.
"""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit, urlunsplit

import psycopg2

from simulator.processes import ROOT
from tests.harness.environment import service_environment


@dataclass(frozen=True)
class Database:
    """Where a server under test keeps its rows."""

    url: str
    drop: Callable[[], None]

    @property
    def is_postgresql(self) -> bool:
        """Whether it is PostgreSQL rather than SQLite."""
        return self.url.startswith("postgres")

    def execute(self, statement: str, *parameters: Any) -> list[Any]:
        """Carry out a statement behind the server's back; returns its rows, if any.

        A parameter's place is `%s`.
        """
        if self.is_postgresql:
            opened: Any = psycopg2.connect(self.url)
        else:
            path = self.url.removeprefix("sqlite:///")
            opened = sqlite3.connect(path, timeout=10)
            statement = statement.replace("%s", "?")
        with closing(opened), opened, closing(opened.cursor()) as cursor:
            cursor.execute(statement, parameters)
            return list(cursor.fetchall()) if cursor.description else []


class Databases(Protocol):
    """Where fresh databases come from."""

    template_url: str

    def fresh(self) -> Database:
        """Return a new, empty, migrated database."""

    def close(self) -> None:
        """Remove the template."""


def open_databases(directory: Path, worker: str) -> Databases:
    """Use the PostgreSQL that DATABASE_URL names, else SQLite files."""
    url = os.environ.get("DATABASE_URL", "")
    if url.startswith("postgres"):
        return PostgreSQLDatabases(url, f"liveagent_test_{os.getpid()}_{worker}")
    return SQLiteDatabases(directory)


def migrate(url: str) -> None:
    """Run `manage.py migrate` on this database."""
    done = subprocess.run(
        [sys.executable, "manage.py", "migrate", "--noinput"],
        cwd=ROOT,
        env=service_environment(DATABASE_URL=url),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode:
        raise AssertionError(f"migrate failed:\n{done.stdout}{done.stderr}")


class SQLiteDatabases:
    """Files in a temporary directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._template = directory / "template.sqlite3"
        self._count = 0
        self.template_url = f"sqlite:///{self._template}"
        migrate(self.template_url)

    def fresh(self) -> Database:
        """Copy the template."""
        self._count += 1
        path = self._directory / f"{self._count}.sqlite3"
        shutil.copyfile(self._template, path)

        def drop() -> None:
            for file in self._directory.glob(f"{path.name}*"):
                file.unlink(missing_ok=True)

        return Database(f"sqlite:///{path}", drop)

    def close(self) -> None:
        """Leave the files to the temporary directory's own end."""


class PostgreSQLDatabases:
    """Databases beside the one that DATABASE_URL names."""

    def __init__(self, url: str, template: str) -> None:
        self._url = url
        self._template = template
        self._count = 0
        self._execute(f'DROP DATABASE IF EXISTS "{template}" WITH (FORCE)')
        self._execute(f'CREATE DATABASE "{template}"')
        self.template_url = self._url_of(template)
        migrate(self.template_url)

    def fresh(self) -> Database:
        """Let the server copy the template."""
        self._count += 1
        name = f"{self._template}_{self._count}"
        self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{self._template}"')
        return Database(self._url_of(name), lambda: self._drop(name))

    def close(self) -> None:
        """Drop the template."""
        self._drop(self._template)

    def _drop(self, name: str) -> None:
        self._execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def _url_of(self, name: str) -> str:
        return urlunsplit(urlsplit(self._url)._replace(path=f"/{name}"))

    def _execute(self, statement: str) -> None:
        with closing(psycopg2.connect(self._url)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
