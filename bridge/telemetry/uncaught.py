"""What becomes of a failure that nobody catches?

Python and gevent would print it, with its text, to standard error. Here it becomes a
log line with its type and place.
"""

import logging
import sys
import threading
import warnings
from types import TracebackType
from typing import Any, TextIO

import gevent

logger = logging.getLogger(__name__)


def install() -> None:
    """See to it for this process, and for gevent's loop in this thread."""
    sys.excepthook = _in_process
    sys.unraisablehook = _unraisable
    threading.excepthook = _in_thread
    warnings.showwarning = _warning
    gevent.get_hub().print_exception = _in_greenlet


def _log(exc: BaseException | None, where: str) -> None:
    # Where there is no exception there is nothing to say but this.
    logger.error("nobody caught a failure in %s", where, exc_info=exc)


def _in_process(
    cls: type[BaseException], exc: BaseException, trace: TracebackType | None
) -> None:
    if issubclass(cls, KeyboardInterrupt):
        return sys.__excepthook__(cls, exc, trace)
    _log(exc, "the process")


def _in_thread(args: Any) -> None:
    if not issubclass(args.exc_type, SystemExit):
        _log(args.exc_value, "a thread")


def _unraisable(args: Any) -> None:
    _log(args.exc_value, "a finalizer")


def _in_greenlet(context: object, cls: Any, exc: Any, trace: object) -> None:
    if isinstance(exc, SystemExit | KeyboardInterrupt):
        return  # a process that is told to end
    _log(exc if isinstance(exc, BaseException) else None, "a greenlet")


def _warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    logger.warning("%s at %s:%s", category.__name__, filename, lineno)
