"""May somebody try another password?

To check one takes a fifth of a second of a process that serves bots, and whoever
guesses tries many. So few may fail in a minute, and they are checked one by one.
"""

import threading
import time
from typing import Any

from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.http import HttpRequest
from gevent import get_hub

WINDOW_SECONDS = 60.0
MAX_OF_ONE_ADDRESS = 5
MAX_OF_ALL = 20

one_at_a_time = threading.Lock()  # before a database thread is taken, not on it

_lock = threading.Lock()
_tries: list[tuple[float, str]] = []  # that failed, or are being checked: oldest first


def begin(request: HttpRequest) -> float:
    """Count a try; returns how many seconds it has to wait instead, 0.0 for none."""
    now, address = time.monotonic(), _address(request)
    with _lock:
        _tries[:] = [each for each in _tries if each[0] > now - WINDOW_SECONDS]
        theirs = [each for each in _tries if each[1] == address]
        for tries, most in ((theirs, MAX_OF_ONE_ADDRESS), (_tries, MAX_OF_ALL)):
            if len(tries) >= most:
                return tries[0][0] + WINDOW_SECONDS - now
        _tries.append((now, address))
    return 0.0


def succeeded(request: HttpRequest) -> None:
    """Forget the tries from this address: they were the operator's own."""
    address = _address(request)
    with _lock:
        _tries[:] = [each for each in _tries if each[1] != address]


def _address(request: HttpRequest) -> str:
    """Return whom the router in front has seen, or who is connected to us.

    Without a router the header may be invented; the bound for all holds then.
    """
    seen = request.META.get("HTTP_X_FORWARDED_FOR") or request.META["REMOTE_ADDR"]
    return str(seen).rpartition(",")[2].strip()


class Hasher(PBKDF2PasswordHasher):
    """Django's own, in a thread of the system: greenlets would all stand still."""

    def encode(self, *args: Any, **kwargs: Any) -> str:
        """Return the hash of a password."""
        return str(get_hub().threadpool.apply(super().encode, args, kwargs))
