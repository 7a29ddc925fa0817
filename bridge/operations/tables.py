"""Are the tables those that this code was written for?"""

import functools

from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from bridge.storage.database import in_database_stepwise


@in_database_stepwise
def are_migrated() -> bool:
    """Whether all migrations have run; others may have, of newer code."""
    applied = MigrationRecorder(connection).applied_migrations()
    return _newest_migrations() <= applied.keys()


@functools.cache
def _newest_migrations() -> frozenset[tuple[str, str]]:
    """Return what this code's last migrations are, an app and a name each."""
    return frozenset(MigrationLoader(None).graph.leaf_nodes())
