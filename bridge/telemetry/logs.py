"""What does a log line look like?

One JSON object in production, the same keys as `key=value` for reading. Each line has

    time      ISO 8601, UTC, with milliseconds
    level     DEBUG, INFO, WARNING, ERROR, CRITICAL
    logger    who says it
    pid       the process
    message   what happened

and, where there is something to say,

    request_id  the request that it was done for
    chat        our id of the chat, the number in its address in the admin
    method      of the request: POST
    resource    our path (`/send`), or Salesforce's (`Chasitor/ChatMessage`)
    status      HTTP's
    type        of our answer: message, null, end, send, ok, fail, bad
    ms          how long it took, in milliseconds
    error       the type of what went wrong
    trace       where: exception types, and the lines that led there

and never another. This list is what keeps private things out: nothing is copied from a
record that is not named here, an exception's text never is, and of what libraries
have to say only the part that was written by their authors.
"""

import json
import logging
import re
import secrets
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from traceback import walk_tb
from types import CodeType
from typing import Any

OURS = ("bridge.", "liveagent_api.")
GUNICORN = "gunicorn.error"
EXTRAS = (
    *("request_id", "chat", "method", "resource", "status", "type", "ms"),
    *("error", "trace"),
)
MAX_MESSAGE = 500  # characters
MAX_FRAMES = 12  # of one exception, the innermost
MAX_EXCEPTIONS = 4  # of a chain

TOP = str(Path(__file__).resolve().parents[2]) + "/"
PACKAGES = "/site-packages/"

# Heroku's router takes over a caller's id of this form, and makes one otherwise.
REQUEST_ID = re.compile(r"[A-Za-z0-9+/=-]{20,200}", re.ASCII)

PHRASES = frozenset(status.phrase for status in HTTPStatus)

# What gunicorn says there may be shown: no request is seen by its master.
gunicorn_masters: set[int] = set()
_request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
_chat: ContextVar[int | None] = ContextVar("chat", default=None)


# --- what a line is about -----------------------------------------------------


def begin_request(given: str) -> str:
    """Have this thread's lines carry `given`, or a new id; returns what they do."""
    request_id = given if REQUEST_ID.fullmatch(given) else secrets.token_hex(16)
    _request_id.set(request_id)
    _chat.set(None)
    return request_id


def begin_work(session_id: int) -> None:
    """Have the lines of a thread of its own carry this chat, and no request."""
    _request_id.set(None)
    _chat.set(session_id)


def note_chat(session_id: int | None) -> None:
    """Have this thread's lines carry this chat from now on."""
    _chat.set(session_id)


# --- what is in it ------------------------------------------------------------


def fields(record: logging.LogRecord) -> dict[str, Any]:
    """Return what may be said of a record, by the keys above."""
    time = datetime.fromtimestamp(record.created, UTC)
    said = {
        "time": time.isoformat(timespec="milliseconds"),
        "level": record.levelname,
        "logger": record.name,
        "pid": record.process,
        "message": _message(record),
        "request_id": _request_id.get(),
        "chat": _chat.get(),
    }
    said.update(_extras(record))
    if record.exc_info and record.exc_info[1] is not None:
        said.update(error_of(record.exc_info[1]))
        if record.name == GUNICORN and record.levelno < logging.ERROR:
            del said["trace"]  # a caller's fault, not one of the code
    return {key: value for key, value in said.items() if value is not None}


def _extras(record: logging.LogRecord) -> Mapping[str, Any]:
    given = record.__dict__
    if _is_ours(record):
        return {key: given[key] for key in EXTRAS if key in given}
    request = given.get("request")  # Django's own loggers hand it over
    if request is None:
        return {}
    return {"resource": resource_of(request), "status": given.get("status_code")}


def _message(record: logging.LogRecord) -> str:
    """Return the text of our own lines; of others' what their authors wrote.

    A format is theirs, what is filled into it may be anybody's, unless it is a number
    or HTTP's name for a status. A text without arguments may have been filled in
    before, so that it is not shown.
    """
    try:
        if _is_ours(record):
            return record.getMessage()[:MAX_MESSAGE]
        if isinstance(record.args, tuple) and record.args:
            safe = tuple(map(_harmless, record.args))
            return (str(record.msg) % safe)[:MAX_MESSAGE]
    except Exception:  # its arguments do not fit its format
        return f"(malformed: {record.module}:{record.lineno})"
    return f"(not shown: {record.module}:{record.lineno})"


def _is_ours(record: logging.LogRecord) -> bool:
    if record.name.startswith(OURS):
        return True
    return record.name == GUNICORN and record.process in gunicorn_masters


def _harmless(argument: object) -> object:
    """Return what a library fills into its text, if it cannot be a caller's."""
    is_phrase = isinstance(argument, str) and argument in PHRASES
    return argument if is_phrase or isinstance(argument, int | float) else "?"


def resource_of(request: Any) -> str | None:
    """Return the route of a Django request, None for a path that leads nowhere.

    The path itself would be the caller's words.
    """
    match = request.resolver_match
    return None if match is None else f"/{match.route}"


def error_of(exc: BaseException) -> dict[str, Any]:
    """Return an exception's type, and how it came about, without its text."""
    trace = [line for each in _chain(exc) for line in _places(each)]
    return {"error": _name(type(exc)), "trace": trace}


def _chain(exc: BaseException) -> Iterator[BaseException]:
    """Yield an exception, then what it was raised from or during."""
    each: BaseException | None = exc
    for _ in range(MAX_EXCEPTIONS):
        if each is None:
            return
        yield each
        each = each.__cause__ or (
            None if each.__suppress_context__ else each.__context__
        )


def _places(exc: BaseException) -> Iterator[str]:
    frames = list(walk_tb(exc.__traceback__))[-MAX_FRAMES:]
    yield _name(type(exc))
    for frame, line in reversed(frames):
        yield _place(frame.f_code, line)


def _name(cls: type[BaseException]) -> str:
    module = "" if cls.__module__ == "builtins" else f"{cls.__module__}."
    return module + cls.__qualname__


def _place(code: CodeType, line: int) -> str:
    file = code.co_filename.rpartition(PACKAGES)[2].removeprefix(TOP)
    return f"{file}:{line} {code.co_name}"


def log_fault(
    logger: logging.Logger, exc: BaseException, message: str, *arguments: object
) -> None:
    """Log a fault of our own by its type and place.

    Its text may hold a customer's words or ids, and a traceback would print it.
    """
    logger.error(f"{message}: unexpected fault", *arguments, extra=error_of(exc))


# --- how it is written --------------------------------------------------------


class JsonLine(logging.Formatter):
    """One JSON object, in ASCII."""

    def format(self, record: logging.LogRecord) -> str:
        return _encode(fields(record))


class TextLine(logging.Formatter):
    """For reading: time of day, level, logger, message, and then the rest."""

    def format(self, record: logging.LogRecord) -> str:
        said = fields(record)
        del said["pid"]
        time = datetime.fromtimestamp(record.created).strftime("%H:%M:%S")
        head = (
            f"{time} {said.pop('level'):7} {said.pop('logger')}: {said.pop('message')}"
        )
        trace = said.pop("trace", [])
        del said["time"]
        rest = [f"{key}={value}" for key, value in said.items()]
        return "\n    ".join([" ".join([head, *rest]), *trace])


class ErrorsOnly(logging.Filter):
    """Let through what comes with an exception."""

    def filter(self, record: logging.LogRecord) -> bool:
        return bool(record.exc_info)


_encode = json.JSONEncoder(separators=(",", ":"), default=lambda value: "?").encode
