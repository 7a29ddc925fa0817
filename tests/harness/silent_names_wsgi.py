"""The service on a machine whose name server is silent.

gevent has its names looked up by native threads, ten of them, and each is held up.
"""

import socket
from typing import Any

import gevent
from gevent.monkey import get_original

from liveagent_api.wsgi import application  # noqa: F401

SECONDS = 60


def _nobody_answers(*_: Any, **__: Any) -> None:
    gevent.get_hub().threadpool.apply(get_original("time", "sleep"), (SECONDS,))
    raise socket.gaierror(socket.EAI_AGAIN, "nobody answers")


socket.getaddrinfo = _nobody_answers
