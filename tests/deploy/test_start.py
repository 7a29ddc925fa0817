"""Starting: what is wrong with the environment is said in one line."""

import subprocess
import sys
from collections.abc import Callable

import pytest

from simulator.processes import ROOT, free_port
from tests.harness.databases import Databases
from tests.harness.environment import service_environment
from tests.harness.service import COMMAND, Service

MALFORMED = {
    "LIVEAGENT_HOST": ["", "ftp://chat.example", "https://", "a host", "http://a/b?c"],
    "LIVEAGENT_ORGANIZATION_ID": ["", "00D", "00D0000000000012", "00D00000000000_"],
    "LIVEAGENT_DEPLOYMENT_ID": ["", "5720000000000010000"],
    "LIVEAGENT_BUTTON_ID": ["", "573"],
    "SECRET_KEY": [""],
    "DATABASE_URL": ["nonsense", "mysterious://a/b"],
    "BOT_IDLE_SECONDS": ["soon", "-1", "0", "1.5"],
    "DATABASE_MAX_CONNECTIONS": ["many", "0"],
    "MAX_OPEN_CHATS": ["all", "-1"],
    "API_VERSION": ["latest"],
    "SSL": ["perhaps"],
    "DEBUG": ["perhaps"],
    "LOG_FORMAT": ["xml"],
    "LOG_LEVEL": ["LOUD"],
    "PORT": ["front door"],
    "WEB_CONCURRENCY": ["0", "two", "1.5"],
}
NEEDED = (
    "LIVEAGENT_HOST",
    "LIVEAGENT_ORGANIZATION_ID",
    "LIVEAGENT_DEPLOYMENT_ID",
    "LIVEAGENT_BUTTON_ID",
    "SECRET_KEY",
)


def run(command: tuple[str, ...], **environment: str | None) -> tuple[int, str]:
    """Run a command that should end by itself; return its exit code and output."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=service_environment(**environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=30,
        check=False,
    )
    return done.returncode, done.stdout


def assert_refused(code: int, output: str, name: str) -> None:
    assert code != 0, output
    assert "Traceback" not in output
    lines = [line for line in output.splitlines() if name in line]
    assert len(lines) == 1, output


@pytest.fixture
def database_url(databases: Databases) -> str:
    """Return a database that is all right."""
    return databases.template_url


@pytest.mark.parametrize("name", NEEDED)
def test_the_server_refuses_to_start_without(name: str, database_url: str):
    environment = {"DATABASE_URL": database_url, "PORT": str(free_port()), name: None}

    code, output = run(COMMAND, **environment)

    assert_refused(code, output, name)


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name, values in MALFORMED.items() for value in values],
)
def test_the_server_refuses_to_start_with(name: str, value: str, database_url: str):
    environment = {"DATABASE_URL": database_url, "PORT": str(free_port()), name: value}

    code, output = run(COMMAND, **environment)

    assert_refused(code, output, name)


@pytest.mark.parametrize("name", NEEDED)
def test_migrate_refuses_without(name: str, database_url: str):
    command = (sys.executable, "manage.py", "migrate", "--noinput")

    code, output = run(command, **{"DATABASE_URL": database_url, name: None})

    assert_refused(code, output, name)


def test_identifiers_of_18_characters_are_as_good(own_service: Callable[..., Service]):
    service = own_service(
        LIVEAGENT_ORGANIZATION_ID="00D000000000001AAA",
        LIVEAGENT_DEPLOYMENT_ID="572000000000001AAA",
        LIVEAGENT_BUTTON_ID="573000000000001AAA",
    )

    assert service.server.alive


def test_a_variable_that_is_set_to_nothing_is_unset(
    own_service: Callable[..., Service],
):
    service = own_service(WEB_CONCURRENCY="", API_VERSION="")

    assert service.server.alive


def test_debug_needs_no_secret_key(own_service: Callable[..., Service]):
    service = own_service(DEBUG="True", SECRET_KEY=None)

    assert service.server.alive
