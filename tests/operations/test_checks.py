"""What does `manage.py check --deploy` say, and when is it silent?"""

import subprocess
import sys

import pytest
from django.core.checks import Error, run_checks

from bridge.operations import checks
from simulator.processes import ROOT
from tests.harness.environment import service_environment

TOKEN = "pWx0Yx1yFqk3Jv7bT2s9hQ"
SOUND = {
    "BRIDGE_TOKENS": [TOKEN],
    "ALLOWED_HOSTS": ["bridge.example"],
    "LIVEAGENT_HOST": "https://d.la1-c1-xxx.salesforceliveagent.com",
    "SECURE_SSL_REDIRECT": True,
    "SECURE_HSTS_SECONDS": 3600,
    "SESSION_COOKIE_SECURE": True,
    "CSRF_COOKIE_SECURE": True,
    "LIVEAGENT_ORGANIZATION_ID": "00D000000000001",
    "LIVEAGENT_DEPLOYMENT_ID": "572000000000001",
    "LIVEAGENT_BUTTON_ID": "573000000000001",
}
SQLITE, POSTGRESQL = "django.db.backends.sqlite3", "django.db.backends.postgresql"

# The same as variables, for a process.
ENVIRONMENT = {
    "BRIDGE_TOKEN": TOKEN,
    "HOST": "bridge.example",
    "LIVEAGENT_HOST": "d.la1-c1-xxx.salesforceliveagent.com",
    "SSL": "True",
    "DATABASE_URL": "postgres://nobody@127.0.0.1:9/nothing",
}


@pytest.fixture
def found(settings, monkeypatch):
    """Return the ids of what is found wrong with sound settings and these changes."""
    monkeypatch.delenv("DYNO", raising=False)

    def find(**changes):
        for name, value in {**SOUND, **changes}.items():
            setattr(settings, name, value)
        messages = run_checks(include_deployment_checks=True)
        shown = [message for message in messages if not message.is_silenced()]
        assert all(message.hint for message in shown)
        return [message.id for message in shown]

    return find


def test_sound_settings_are_passed_over_in_silence(found):
    assert found() == []


def test_a_service_open_to_all(found):
    assert found(BRIDGE_TOKENS=[]) == ["bridge.W001"]


@pytest.mark.parametrize("tokens", [["short"], [TOKEN[:-1]], [TOKEN, "0a" * 40]])
def test_a_weak_token(found, tokens):
    assert found(BRIDGE_TOKENS=tokens) == ["bridge.W008"]


def test_several_strong_tokens(found):
    assert found(BRIDGE_TOKENS=[TOKEN, TOKEN[::-1]]) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SECURE_SSL_REDIRECT", False),
        ("SECURE_HSTS_SECONDS", 0),
        ("SESSION_COOKIE_SECURE", False),
        ("CSRF_COOKIE_SECURE", False),
    ],
)
def test_plain_http_is_said_once(found, name, value):
    assert found(**{name: value}) == ["bridge.W002"]


@pytest.mark.parametrize("hosts", [["*"], ["bridge.example", "*"]])
def test_any_host(found, hosts):
    assert found(ALLOWED_HOSTS=hosts) == ["bridge.W003"]


@pytest.mark.parametrize(
    ("host", "ids"),
    [
        ("https://d.la1-c1-xxx.salesforceliveagent.com", []),
        ("https://d.la1-c1-xxx.salesforceliveagent.com:8443", []),
        ("https://chat.my.salesforcescrt.com", []),
        ("http://d.la1-c1-xxx.salesforceliveagent.com", ["bridge.W004"]),
        ("https://proxy.example", ["bridge.W005"]),
        ("https://salesforceliveagent.com.example", ["bridge.W005"]),
        ("https://evilsalesforceliveagent.com", ["bridge.W005"]),
        ("http://proxy.example", ["bridge.W004", "bridge.W005"]),
        ("http://192.168.0.1:8100", ["bridge.W004", "bridge.W005"]),
        ("http://127.0.0.1:8100", ["bridge.W005"]),
        ("http://localhost", ["bridge.W005"]),
        ("http://[::1]:8100", ["bridge.W005"]),
    ],
)
def test_where_salesforce_is(found, host, ids):
    assert found(LIVEAGENT_HOST=host) == ids


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LIVEAGENT_ORGANIZATION_ID", "572000000000001"),
        ("LIVEAGENT_ORGANIZATION_ID", "00d000000000001"),
        ("LIVEAGENT_DEPLOYMENT_ID", "573000000000001"),
        ("LIVEAGENT_BUTTON_ID", "572000000000001AAA"),
    ],
)
def test_the_id_of_something_else(found, name, value):
    assert found(**{name: value}) == ["bridge.W006"]


@pytest.mark.parametrize("value", ["00D000000000001EAA", "00D000000000001eaa"])
def test_an_id_of_18_characters(found, value):
    assert found(LIVEAGENT_ORGANIZATION_ID=value) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LIVEAGENT_ORGANIZATION_ID", "00D000000000001AAA"),
        ("LIVEAGENT_DEPLOYMENT_ID", "57200000000ab01AAI"),
        ("LIVEAGENT_BUTTON_ID", "573000000000001AA6"),
    ],
)
def test_an_id_whose_end_does_not_fit(found, name, value):
    assert found(**{name: value}) == ["bridge.W007"]


@pytest.mark.parametrize(
    "value", ["001xx000003DHurAAG", "a0D30000001n7PiEAI", "0019000000B98deAAB"]
)
def test_the_end_of_an_id_as_others_have_worked_it_out(value):
    """The first is Salesforce's own example."""
    assert checks.suffix_of(value[:15]) == value[15:]


@pytest.fixture
def database_check(settings, monkeypatch):
    """Return what is said of such a database on such a dyno (None: not on Heroku)."""

    def check(engine, dyno):
        monkeypatch.setitem(settings.DATABASES["default"], "ENGINE", engine)
        monkeypatch.delenv("DYNO", raising=False)
        if dyno:
            monkeypatch.setenv("DYNO", dyno)
        return list(checks.check_database())

    return check


def test_sqlite_on_heroku_is_an_error(database_check):
    (message,) = database_check(SQLITE, "web.1")

    assert message.id == "bridge.E001"
    assert isinstance(message, Error)


@pytest.mark.parametrize(("engine", "dyno"), [(SQLITE, None), (POSTGRESQL, "web.1")])
def test_any_other_database_is_right(database_check, engine, dyno):
    assert database_check(engine, dyno) == []


def manage_check(*arguments, **environment):
    """Run the command as an operator does; return its exit code and what it said."""
    done = subprocess.run(
        [sys.executable, "manage.py", "check", *arguments],
        cwd=ROOT,
        env=service_environment(**{"DYNO": None, **environment}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_an_operator_with_a_sound_environment_hears_nothing():
    code, said = manage_check("--deploy", "--fail-level", "WARNING", **ENVIRONMENT)

    assert code == 0, said
    assert "no issues" in said


def test_an_operator_with_nothing_set_hears_of_each_variable_once():
    code, said = manage_check(
        "--deploy",
        BRIDGE_TOKEN=None,
        DYNO="run.1234",
        LIVEAGENT_HOST="http://proxy.example",
        LIVEAGENT_BUTTON_ID="572000000000001AAB",
        DATABASE_URL=None,
    )

    assert code == 1
    for number in ("W001", "W002", "W003", "W004", "W005", "W006", "W007", "E001"):
        assert said.count(f"(bridge.{number})") == 1, said
    assert "(security." not in said
    assert "proxy.example" not in said


def test_without_deploy_nothing_is_said():
    code, said = manage_check()

    assert code == 0, said
    assert "bridge." not in said
