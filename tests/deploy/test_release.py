"""Does a release migrate, and does the code before it go on working on its tables?"""

import json
import shlex

import pytest
from django.db import models
from django.db.migrations import operations
from django.db.migrations.loader import MigrationLoader

from simulator.processes import ROOT
from tests.harness.service import COMMAND

# The last migration of which dynos may still be running when a release migrates.
OLD = ("bridge", "0003_session_event")
VALUES = {
    models.BooleanField: False,
    models.DateTimeField: "2026-01-01 00:00:00+00:00",
    models.ForeignKey: 1,
    models.JSONField: "{}",
}
GONE = (operations.DeleteModel, operations.RemoveField, operations.RenameField)


@pytest.fixture(scope="module")
def loader():
    return MigrationLoader(connection=None)


def later_operations(loader):
    """Return what the migrations after OLD do, each with the migration's name."""
    return [
        (key[1], operation)
        for key, migration in sorted(loader.disk_migrations.items())
        if key[0] == "bridge" and key[1] > OLD[1]
        for operation in migration.operations
    ]


def is_optional(field):
    """Whether a row may be inserted by who does not know of this column."""
    return field.null or field.has_db_default() or field.many_to_many


def test_nothing_is_taken_from_the_code_before(loader):
    for name, operation in later_operations(loader):
        assert not isinstance(operation, GONE), f"{name}: leave it for a later release"
        if isinstance(operation, operations.AddField):
            assert is_optional(operation.field), f"{name}: {operation.name}"


def old_models(loader):
    """Return the models as they were, a chat's first."""
    apps = loader.project_state(OLD).apps
    return sorted(
        apps.get_app_config("bridge").get_models(),
        key=lambda model: model.__name__ != "Session",
    )


def value_of(field):
    """Return what the column takes: NULL where it took that."""
    if field.null:
        return None
    kinds = (value for kind, value in VALUES.items() if isinstance(field, kind))
    text = "x" if isinstance(field, models.CharField | models.TextField) else 7
    return next(kinds, text)


def test_who_knows_the_old_columns_alone_can_insert(loader, databases):
    database = databases.fresh()
    for model in old_models(loader):
        fields = model._meta.local_fields
        values = [1 if field.primary_key else value_of(field) for field in fields]
        columns = ", ".join(f'"{field.column}"' for field in fields)
        places = ", ".join(["%s"] * len(fields))
        table = model._meta.db_table
        statement = f"INSERT INTO {table} ({columns}) VALUES ({places})"
        database.execute(statement, *values)
        assert database.execute(f"SELECT {columns} FROM {table}")
    database.drop()


def procfile():
    lines = (ROOT / "Procfile").read_text().splitlines()
    return {
        kind: shlex.split(line) for kind, _, line in (x.partition(":") for x in lines)
    }


def test_a_release_migrates_once():
    assert procfile()["release"] == ["python", "manage.py", "migrate", "--noinput"]
    assert "scripts" not in json.loads((ROOT / "app.json").read_text())


def test_the_tests_start_what_the_procfile_starts():
    assert procfile()["web"][1:] == list(COMMAND[1:2])
