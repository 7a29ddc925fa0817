"""The service on a database where all is carried out twice.

Whatever a transaction is, its connection breaks when it has been committed.
"""

from liveagent_api.wsgi import application
from tests.harness.breaks import break_connections

__all__ = ["application"]

break_connections(after=True)
