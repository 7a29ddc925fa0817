"""What the tests of storage need: a database thread whose connection gets closed."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from bridge.storage import database


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch):
    """Give the test a database thread of its own, and close its connection."""
    with ThreadPoolExecutor(1, initializer=database._begin) as executor:
        monkeypatch.setattr(database, "_executor", lambda: executor)
        yield
        executor.submit(lambda: connection.close()).result(10)
