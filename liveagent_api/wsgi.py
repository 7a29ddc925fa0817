"""The WSGI application, and with it the work behind it.

Whoever loads this module serves requests, so the supervisor begins here: under
gunicorn and runserver, and under no other `manage.py` command.
"""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "liveagent_api.settings")
application = get_wsgi_application()

from bridge.chats import supervisor  # noqa: E402  (needs the settings above)
from bridge.models import Session  # noqa: E402  (needs the settings above)
from bridge.telemetry import metrics, uncaught  # noqa: E402  (needs the settings above)

uncaught.install()
metrics.chats_may_end(reason for reason, _ in Session.REASONS)
supervisor.start()
