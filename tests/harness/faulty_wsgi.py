"""The service with faults of its own, which a test cannot bring about from outside.

Each failure's text is LEAKING_WORDS, as an exception's text may hold a customer's.
"""

import logging
import os
import threading
import warnings
from typing import Any

import gevent
from django.contrib.admin.sites import AdminSite

from liveagent_api.wsgi import application as service  # isort: skip
from bridge.chats import reader
from bridge.domain.events import Said
from bridge.storage import ending

WORDS = os.environ["LEAKING_WORDS"]


def fail(*_: object, **__: object) -> None:
    """Fail as code fails that quotes what it was given."""
    try:
        raise KeyError(WORDS)
    except KeyError as exc:
        raise RuntimeError(f"cannot do {WORDS}") from exc


class Unfinished:
    """Fails when it is thrown away."""

    def __del__(self) -> None:
        """Fail."""
        fail()


def in_thread() -> None:
    """Fail in a thread."""
    threading.Thread(target=fail).start()


def in_greenlet() -> None:
    """Fail in a greenlet that nobody looks after."""
    gevent.spawn(fail)


def in_loop() -> None:
    """Fail in gevent's own loop."""
    gevent.get_hub().loop.run_callback(fail)


def in_finalizer() -> None:
    """Fail where Python cannot raise."""
    Unfinished()


def as_warning() -> None:
    """Warn."""
    warnings.warn(f"do not {WORDS}", RuntimeWarning, stacklevel=1)


def in_library() -> None:
    """Have a library say what it was given, in each way there is."""
    library = logging.getLogger("some.library")
    library.warning("filled in later: %s", WORDS)
    library.warning(f"filled in before: {WORDS}")
    library.warning("with more", extra={"resource": WORDS, "error": WORDS})
    try:
        fail()
    except RuntimeError:
        library.exception(f"with a traceback: {WORDS}", stack_info=True)


def in_log_line() -> None:
    """Log what does not fit its format."""
    logging.getLogger("bridge.anything").warning("%d things", WORDS)


FAULTS = {
    "thread": in_thread,
    "greenlet": in_greenlet,
    "loop": in_loop,
    "finalizer": in_finalizer,
    "warning": as_warning,
    "library": in_library,
    "log_line": in_log_line,
    "request": fail,
}


def application(environ: dict[str, Any], start_response: Any) -> Any:
    """Serve, or bring the fault about that the path names."""
    fault = FAULTS.get(environ["PATH_INFO"].removeprefix("/fault/"))
    if fault is None:
        return service(environ, start_response)
    fault()
    start_response("204 No Content", [])
    return []


def _failing(sound: Any, when: Any) -> Any:
    def perhaps(*args: Any, **kwargs: Any) -> Any:
        return fail() if when(*args, **kwargs) else sound(*args, **kwargs)

    return perhaps


_polls_to_fail = [1]


def _first_words(standing: object, events: Any) -> bool:
    """Whether an agent's words have come for the first time."""
    if not any(isinstance(event, Said) for event in events) or not _polls_to_fail:
        return False
    _polls_to_fail.pop()
    return True


ending.close = _failing(ending.close, lambda line_id: line_id.startswith("broken"))
reader.apply = _failing(reader.apply, _first_words)
AdminSite.login = _failing(
    AdminSite.login, lambda site, request, *_, **__: "broken" in request.GET
)
