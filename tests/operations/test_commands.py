"""Does a command say plainly what keeps it from its work, and in which language?"""

import subprocess
import sys

import pytest

from simulator.processes import ROOT
from tests.harness.environment import service_environment

COMMANDS = [
    ("forget", "U1"),
    ("prune", "--days", "30"),
    ("prune", "--days", "30", "--dry-run"),
]


def manage(*arguments, **environment):
    """Run a command; return its exit code, its output and its errors."""
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=service_environment(**environment),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def empty(databases, tmp_path):
    """Return the URL of a database without tables."""
    database = databases.fresh()
    if not database.is_postgresql:
        yield f"sqlite:///{tmp_path / 'empty.sqlite3'}"
    else:
        database.execute("DROP SCHEMA public CASCADE")
        database.execute("CREATE SCHEMA public")
        yield database.url
    database.drop()


@pytest.mark.parametrize("command", COMMANDS)
def test_without_tables_a_command_says_so_in_a_line(empty, command):
    code, output, errors = manage(*command, DATABASE_URL=empty)

    assert (code, output) == (1, "")
    assert len(errors.splitlines()) == 1
    assert "manage.py migrate" in errors


@pytest.mark.parametrize("command", COMMANDS)
def test_without_a_database_a_command_says_so_in_a_line(command):
    nowhere = "postgres://nobody@127.0.0.1:9/nothing"

    code, output, errors = manage(*command, DATABASE_URL=nowhere)

    assert (code, output) == (1, "")
    assert errors == "CommandError: the database cannot be reached\n"


def test_salesforce_is_asked_without_tables(empty, salesforce):
    code, output, errors = manage(
        "check_salesforce", DATABASE_URL=empty, LIVEAGENT_HOST=salesforce.url
    )

    assert (code, errors) == (0, "")
    assert output.endswith("an agent is available\n")


JAPANESE = "パスワード"


@pytest.mark.parametrize(
    ("locale", "is_japanese"),
    [
        ({}, False),
        ({"LANG": "C.UTF-8"}, False),
        ({"LANG": "en_US.UTF-8"}, False),
        ({"LANG": "ja_JP.UTF-8"}, True),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "ja_JP.UTF-8"}, True),
        ({"LANG": "ja_JP.UTF-8", "LC_MESSAGES": "C"}, False),
        ({"LANG": "ja_JP.UTF-8", "LC_ALL": "C.UTF-8"}, False),
        ({"LANG": "ja_JP.UTF-8", "LC_ALL": ""}, True),
    ],
)
def test_commands_speak_the_operators_language(databases, locale, is_japanese):
    database = databases.fresh()
    unset = dict.fromkeys(("LC_ALL", "LC_MESSAGES", "LANG", "LANGUAGE"))
    code = (
        "from django.contrib.auth.password_validation import *\n"
        "print(*password_validators_help_texts())"
    )

    done = manage("shell", "-c", code, DATABASE_URL=database.url, **unset | locale)

    database.drop()
    assert (JAPANESE in done[1]) == is_japanese, done
