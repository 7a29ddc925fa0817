"""How did one call go, and who is told?

Each call is exactly one HTTP request: nothing is repeated here, no redirect is
followed, and nothing is remembered. Every failure comes out as a TransportError, and
every call is counted, timed and has its line in the log.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.client import IncompleteRead
from typing import NamedTuple

import requests
from urllib3.exceptions import (
    HTTPError,
    InvalidChunkLength,
    NewConnectionError,
    ReadTimeoutError,
)

from bridge.outbound import errors
from bridge.outbound.calls import Call, current_call
from bridge.telemetry import metrics, process

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT_SECONDS = 2.0
ANSWER_TIMEOUT_SECONDS = 4.0
MAX_CALL_SECONDS = CONNECT_TIMEOUT_SECONDS + ANSWER_TIMEOUT_SECONDS
# Far more than any answer has, and little enough for a process with many chats.
MAX_ANSWER_BYTES = 8 * 1024 * 1024
CHUNK_BYTES = 64 * 1024

NO_CONTENT = 204
# urllib3's word where a connection was closed instead of sending the next chunk.
ENDED_BETWEEN_CHUNKS = "Response ended prematurely"


@dataclass(frozen=True, slots=True)
class Peer:
    """Whom calls go to, and who is told how they went.

    `count` gets the resource, the outcome (a status, or a word where no answer came),
    the seconds and whether it was a read. `note` gets the outcome alone, and returns
    whether the peer was known not to answer before already.
    """

    name: str
    count: Callable[[str, str, float, bool], None]
    note: Callable[[str], bool]


SALESFORCE = Peer("Salesforce", metrics.salesforce_called, process.salesforce.note)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Request:
    """What is to be sent; never printed, since URL and headers hold secrets.

    `resource` names it in log and metrics. `timeout` is the longest wait for a byte, in
    seconds. `is_read` says that it waits for what may come, and that there is one such
    for each chat. `headers` go before those that every call has.
    """

    method: str
    url: str
    resource: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    timeout: float = ANSWER_TIMEOUT_SECONDS
    is_read: bool = False


class Answer(NamedTuple):
    """What came back, whatever its status says."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Caller:
    """Makes the calls to one peer."""

    def __init__(self, session: requests.Session, peer: Peer = SALESFORCE) -> None:
        self._session = session
        self._peer = peer

    def ask(
        self,
        request: Request,
        *,
        check: Callable[[Answer], None],
        call: Call | None = None,
    ) -> Answer:
        """Return the answer, after `check` has raised what its status means.

        `call` lets another thread end it, and says by when it is over; otherwise that
        is `MAX_CALL_SECONDS` if `timeout` is the usual. Raises TransportError.
        """
        deadline = time.monotonic() + CONNECT_TIMEOUT_SECONDS + request.timeout
        with self._noted(request) as note:
            with self._exchange(request, call or Call(deadline)) as response:
                body = _whole(response)
            answer = Answer(response.status_code, response.headers, body)
            note.status = answer.status
            check(answer)
        return answer

    def stream(
        self, request: Request, *, check: Callable[[Answer], None], call: Call
    ) -> Iterator[bytes]:
        """Yield what comes, as it comes, until the answer ends or `call` is cut.

        The wait for each piece is `timeout` at most. To end it early, close the
        iterator. `check` is asked about a status that is no success. The line in the
        log and the count are made once it is over.
        """
        with self._noted(request) as note, self._exchange(request, call) as response:
            note.status = response.status_code
            if not 200 <= note.status < 300:
                check(Answer(note.status, response.headers, _whole(response)))
                return
            self._peer.note(str(note.status))
            read = partial(response.raw.read1, CHUNK_BYTES, decode_content=True)
            while not call.cancelled and (chunk := read()):
                yield chunk

    @contextmanager
    def _exchange(self, request: Request, call: Call) -> Iterator[requests.Response]:
        """Send the request and hand out the response, to be read within."""
        try:
            # What is left of an answer goes with its connection.
            with call, closing(self._send(request, call)) as response:
                yield response
            # What ends when the connection does looks whole when that was cut.
            if call.cancelled:
                raise errors.CallCancelled("the call was cut short")
        except (requests.RequestException, HTTPError) as exc:
            # Without its cause, whose text holds the URL and that perhaps a key.
            failure = _failure(exc, call, self._peer.name)
            # A call that we cut looks as if the other end had closed it.
            let_go = not call.cancelled and _has_let_go(exc)
            failure.may_hold = request.is_read and call.has_begun and not let_go
            raise failure from None

    def _send(self, request: Request, call: Call) -> requests.Response:
        """Send by the adapter, which keeps the connections.

        What a Session adds (redirects, cookies, the environment) is not wanted.
        """
        prepared = requests.Request(
            request.method,
            request.url,
            {**self._session.headers, **request.headers},
            data=request.body,
        ).prepare()
        timeout = (CONNECT_TIMEOUT_SECONDS, request.timeout)
        token = current_call.set(call)
        try:
            return self._session.get_adapter(request.url).send(
                prepared, stream=True, timeout=timeout, verify=True
            )
        finally:
            current_call.reset(token)

    @contextmanager
    def _noted(self, request: Request) -> Iterator["_Note"]:
        """Note how a call went and how long it took. Every call comes through here."""
        note, started = _Note(), time.monotonic()
        failure: BaseException | None = None
        try:
            yield note
        except GeneratorExit:  # whoever read the stream has had enough
            raise
        except BaseException as exc:
            failure = exc
            raise
        finally:
            self._tell(request, note.status, failure, time.monotonic() - started)
            failure = None  # it leads here by its frames, and would outlive the call

    def _tell(
        self,
        request: Request,
        status: int,
        failure: BaseException | None,
        seconds: float,
    ) -> None:
        otherwise = str(status) if status else errors.TransportError.outcome
        outcome = getattr(failure, "outcome", otherwise)
        self._peer.count(request.resource, outcome, seconds, request.is_read)
        was_away = self._peer.note(outcome)
        level = logging.INFO
        if failure is not None and not isinstance(failure, errors.CallCancelled):
            # In an outage all chats are read again and again, and each of these reads
            # fails; the first of these lines has said it.
            is_known = was_away and request.is_read
            level = logging.DEBUG if is_known else logging.WARNING
        elif request.is_read and status == NO_CONTENT:
            level = logging.DEBUG
        if logger.isEnabledFor(level):
            logger.log(
                level,
                "call failed" if failure else "call answered",
                extra={
                    "resource": request.resource,
                    "status": status or None,
                    "ms": round(1000 * seconds, 1),
                    "error": type(failure).__name__ if failure else None,
                },
            )


class _Note:
    """What is known of a call while it goes on; `status` is 0 without an answer."""

    status = 0


def _whole(response: requests.Response) -> bytes:
    """Read a body; raises AnswerTooLarge, before the rest of it is here."""
    chunks, size = [], 0
    for chunk in response.iter_content(CHUNK_BYTES):
        chunks.append(chunk)
        size += len(chunk)
        if size > MAX_ANSWER_BYTES:
            raise errors.AnswerTooLarge("the answer is larger than any should be")
    return b"".join(chunks)


def _failure(exc: Exception, call: Call, name: str) -> errors.TransportError:
    """Return what a library's failure means."""
    if isinstance(exc, requests.ConnectTimeout):
        return errors.Unreachable(f"{name} could not be reached in time")
    if isinstance(exc, (requests.Timeout, ReadTimeoutError)):
        return errors.NoAnswerInTime(f"{name} did not answer in time")
    if call.cancelled:
        return errors.CallCancelled("the call was cut short")
    reason = getattr(exc.args[0], "reason", None) if exc.args else None
    if isinstance(reason, NewConnectionError):
        return errors.Unreachable(f"{name} could not be reached")
    return errors.TransportError(
        f"the connection to {name} broke ({type(exc).__name__})"
    )


def _has_let_go(exc: object) -> bool:
    """Whether the other end has closed the connection, and so answers no more.

    What breaks otherwise, in the network or in TLS, breaks for us alone: the other
    end may not have noticed. A library's failure has its cause for its last argument.
    """
    if isinstance(exc, InvalidChunkLength) or not isinstance(exc, Exception):
        return exc == ENDED_BETWEEN_CHUNKS
    is_closed = isinstance(exc, (ConnectionResetError, IncompleteRead))
    return is_closed or _has_let_go((None, *exc.args)[-1])
