"""Where is a host, and how long is that asked?

getaddrinfo has no time-out and nothing can cut it. A name server that is silent holds
it for 10 s and more; under gevent ten such keep the process from finding any host. So
one thread asks for all who want to know the same, and each waits as long as it may.
"""

import socket
import threading
from concurrent.futures import Future
from typing import Any

Addresses = list[tuple[Any, ...]]  # as getaddrinfo returns them

_lock = threading.Lock()
_asked: dict[tuple[str, int], Future[Addresses]] = {}


def addresses(host: str, port: int, timeout: float | None) -> Addresses:
    """Return the addresses of a host, waiting for `timeout` seconds at most.

    Raises TimeoutError, another OSError where there is no such host, or UnicodeError
    where there cannot be one.
    """
    with _lock:
        answer = _asked.get((host, port))
        if answer is None:
            answer = _asked[host, port] = Future()
            ask = (host, port, answer)
            threading.Thread(target=_ask, args=ask, daemon=True).start()
    return answer.result(timeout)


def _ask(host: str, port: int, answer: Future[Addresses]) -> None:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except Exception as exc:
        answer.set_exception(exc)
    else:
        answer.set_result(list(found))
    finally:
        with _lock:
            del _asked[host, port]
