"""How does gunicorn run the service?

The gevent worker turns the blocking code into greenlets just before it loads
the application, so nothing here may import Django's database layer, requests or
the application itself.
"""

import atexit
import gc
import os
import shutil
import sys
import tempfile
from logging.config import dictConfig
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from gunicorn import glogging

from bridge.telemetry import logs

try:
    from liveagent_api import settings
except ImproperlyConfigured as exc:
    sys.exit(f"liveagent-api cannot start: {exc}")

wsgi_app = "liveagent_api.wsgi"
bind = f"0.0.0.0:{settings.PORT}"
worker_class = "gevent"
workers = settings.PROCESSES
worker_connections = 10_000  # held requests per process; each costs memory only
preload_app = False
timeout = 60  # seconds without a heartbeat of the worker, not of a request
graceful_timeout = 28  # seconds; Heroku kills after 30
# Seconds; bots come back on the same connection at once. A connection that is kept
# counts as busy when the worker is told to stop, so it must not be kept for long.
keepalive = 5
# A caller's SCRIPT_NAME would be taken for ours, and answered with a fault.
forwarder_headers = ""
control_socket_disable = True
loglevel = "info" if settings.LOG_LEVEL == "DEBUG" else settings.LOG_LEVEL.lower()


class logger_class(glogging.Logger):
    """Its lines look like ours, and go where ours go.

    There is no access log, also where the platform asks for one (Heroku does): a
    URL may hold anything, and each request has a line of bridge.api.access_log.
    """

    access_log_enabled = False

    def warning(self, msg, *args, **kwargs):
        """Say along with it what it is about: the type of what is being handled."""
        kwargs.setdefault("exc_info", sys.exc_info()[0] is not None)
        kwargs.setdefault("stacklevel", 3)
        super().warning(msg, *args, **kwargs)

    def setup(self, cfg):
        super().setup(cfg)
        self.access_log.handlers.clear()
        dictConfig(settings.LOGGING)
        logs.gunicorn_masters.add(os.getpid())


# Objects made before Python looks for cycles among the young, and how often the next
# older ones are looked at along with them. What waits here lives for half a minute, and
# a word leaves no cycle behind; with Python's own numbers (700, 10, 10) a thousand
# waiting chats were gone through every few seconds, each time standing still for 0.1 s.
COLLECT_AFTER = (5_000, 10, 200)

# Where the server processes keep their counts, so that each can tell the sum. A new
# folder, since counts left over from another run would be added.
counts = os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="liveagent-")
master = os.getpid()


def remove_counts():
    """Remove the counts when the process that made the folder ends, and no worker."""
    if os.getpid() == master:
        shutil.rmtree(counts, ignore_errors=True)


atexit.register(remove_counts)


def post_worker_init(worker):
    """Answer waiting bots and begin no more polls from SIGTERM on."""
    from bridge.chats import shutdown

    shutdown.on_sigterm()
    gc.collect()
    gc.freeze()  # what was loaded stays, and need not be gone through again
    gc.set_threshold(*COLLECT_AFTER)


def worker_exit(server, worker):
    """Let the polls under way come to their end, so that nobody waits for leases."""
    from bridge.chats import reader, shutdown

    if shutdown.is_stopping():
        shutdown.finish(reader.is_idle)


def child_exit(server, worker):
    """Take a dead worker out of what counts the living: what it held, it holds no more.

    So does prometheus_client's mark_process_dead. Imported here, though, it would be
    handed on to later workers as it was before gevent's changes.
    """
    for gauge in Path(counts).glob(f"gauge_live*_{worker.pid}.db"):
        gauge.unlink()


def post_fork(server, worker):
    """Change what gunicorn has no setting for: in the workers, and only there."""
    hide_server_header()


def hide_server_header():
    """Leave `Server: gunicorn` out of every answer.

    gunicorn has no setting for it, and with an empty name the header would stay.
    """
    from gunicorn.http.wsgi import Response

    with_name = Response.default_headers

    def without_name(response):
        lines = with_name(response)
        return [line for line in lines if not line.startswith("Server:")]

    Response.default_headers = without_name
