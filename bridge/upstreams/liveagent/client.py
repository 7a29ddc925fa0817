"""How is one call to Live Agent made, and what does its status mean?

`LiveAgentClient` has a method per resource. Each makes exactly one HTTP request,
with a timeout, and returns a value of `protocol` or raises one of `exceptions`.
Nothing is retried here and nothing is remembered.
"""

import json
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any
from urllib.parse import quote, urlencode

import requests
from django.conf import settings
from urllib3.exceptions import HTTPError, NewConnectionError

from bridge.outbound.calls import Call, current_call
from bridge.outbound.errors import (
    CallCancelled,
    NoAnswerInTime,
    TransportError,
    Unreachable,
)
from bridge.outbound.transport import new_session
from bridge.telemetry import metrics, reachability
from bridge.upstreams.liveagent import protocol
from bridge.upstreams.liveagent.errors import (
    AffinityChanged,
    DuplicatePoll,
    ErrorStatus,
    MethodRefused,
    OutOfSync,
    RequestRefused,
    ServerFault,
    SessionGone,
)
from bridge.upstreams.liveagent.protocol import (
    MESSAGES,
    Batch,
    Credentials,
    NewSession,
    Reconnection,
)

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT_SECONDS = 2.0
ANSWER_TIMEOUT_SECONDS = 4.0
LONGEST_CALL_SECONDS = CONNECT_TIMEOUT_SECONDS + ANSWER_TIMEOUT_SECONDS

NO_CONTENT = 204
CONFLICT = 409
ERRORS: Mapping[int, type[ErrorStatus]] = {
    403: SessionGone,
    405: MethodRefused,
    503: AffinityChanged,
}


class LiveAgentClient:
    """The visitor's side of the Chat REST API.

    Source: Chat REST API Developer Guide, "Request Resources" and "Status Codes
    and Error Responses".
    """

    def __init__(self, session: requests.Session, *, api_version: str) -> None:
        self._session = session
        self._api_version = api_version

    def create_session(self, host: str) -> NewSession:
        """GET System/SessionId; raises ServerSwitched where the org has moved."""
        answer = self._call(
            "GET", host, "System/SessionId", affinity_token=protocol.NO_AFFINITY
        )
        return protocol.read_session(answer.content)

    def chasitor_init(
        self, credentials: Credentials, *, sequence: int, body: Mapping[str, Any]
    ) -> None:
        """POST Chasitor/ChasitorInit, always the first POST of a session."""
        self._post(credentials, "Chasitor/ChasitorInit", sequence, body)

    def messages(
        self,
        credentials: Credentials,
        *,
        ack: int,
        hold: float,
        call: Call | None = None,
    ) -> Batch | None:
        """GET System/Messages, the long poll; None when it brought nothing.

        `hold` is how long Salesforce may keep it, in seconds. `call` lets another
        thread end it. Raises DuplicatePoll for a 409: the chat is over then.
        """
        answer = self._call(
            "GET",
            credentials.host,
            MESSAGES,
            affinity_token=credentials.affinity_token,
            key=credentials.key,
            query={"ack": ack},
            timeout=hold,
            call=call,
        )
        if answer.status_code == NO_CONTENT:
            return None
        return protocol.read_batch(answer.content)

    def chat_message(
        self, credentials: Credentials, *, sequence: int, text: str
    ) -> None:
        """POST Chasitor/ChatMessage; the same `sequence` again is no second one."""
        self._post(credentials, "Chasitor/ChatMessage", sequence, {"text": text})

    def chat_end(self, credentials: Credentials, *, sequence: int, reason: str) -> None:
        """POST Chasitor/ChatEnd; `reason` is `client` or `clientIdleTimeout`."""
        self._post(credentials, "Chasitor/ChatEnd", sequence, {"reason": reason})

    def delete_session(self, credentials: Credentials) -> None:
        """DELETE System/SessionId/{key}, the other way to end a chat."""
        self._call(
            "DELETE",
            credentials.host,
            "System/SessionId",
            path=f"System/SessionId/{quote(credentials.key, safe='')}",
            affinity_token=credentials.affinity_token,
            key=credentials.key,
        )

    def reconnect_session(
        self, credentials: Credentials, *, offset: int | None
    ) -> Reconnection:
        """GET System/ReconnectSession, after a 503; no affinity is sent."""
        answer = self._call(
            "GET",
            credentials.host,
            "System/ReconnectSession",
            affinity_token=protocol.NO_AFFINITY,
            key=credentials.key,
            query={"ReconnectSession.offset": 0 if offset is None else offset},
        )
        return protocol.read_reconnection(answer.content)

    def resync_state(self, credentials: Credentials, *, organization_id: str) -> None:
        """POST Chasitor/ChasitorResyncState, the one POST without a sequence."""
        body = {"organizationId": organization_id}
        self._post(credentials, "Chasitor/ChasitorResyncState", None, body)

    def availability(
        self, host: str, *, organization_id: str, deployment_id: str, button_id: str
    ) -> bool:
        """GET Visitor/Availability: is an agent to be had at this button?"""
        answer = self._call(
            "GET",
            host,
            "Visitor/Availability",
            query={
                "org_id": organization_id[:15],
                "deployment_id": deployment_id[:15],
                "Availability.ids": button_id[:15],
            },
        )
        available = protocol.read_availability(answer.content)
        return any(yes for id, yes in available.items() if id[:15] == button_id[:15])

    def _post(
        self,
        credentials: Credentials,
        resource: str,
        sequence: int | None,
        body: Mapping[str, Any],
    ) -> None:
        self._call(
            "POST",
            credentials.host,
            resource,
            affinity_token=credentials.affinity_token,
            key=credentials.key,
            sequence=sequence,
            body=json.dumps(body, ensure_ascii=False).encode(),
        )

    def _call(
        self,
        method: str,
        host: str,
        resource: str,
        *,
        path: str | None = None,
        query: Mapping[str, Any] | None = None,
        body: bytes | None = None,
        timeout: float = ANSWER_TIMEOUT_SECONDS,
        call: Call | None = None,
        affinity_token: str | None = None,
        key: str | None = None,
        sequence: int | None = None,
    ) -> requests.Response:
        """Make the one request; every failure comes out as a UpstreamError."""
        url = host + protocol.BASE_PATH + (path or resource)
        if query:
            url += "?" + urlencode(query)
        headers = protocol.headers(
            self._api_version, affinity_token=affinity_token, key=key, sequence=sequence
        )
        if body is not None:
            headers["Content-Type"] = "application/json; charset=utf-8"
        with _noted(resource) as note:
            answer = self._send(method, url, headers, body, timeout, call)
            note.status = answer.status_code
            _raise_for_status(resource, answer)
        return answer

    def _send(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        body: bytes | None,
        timeout: float,
        call: Call | None,
    ) -> requests.Response:
        call = call or Call(time.monotonic() + CONNECT_TIMEOUT_SECONDS + timeout)
        token = current_call.set(call)
        try:
            with call:
                return self._exchange(method, url, headers, body, timeout)
        except requests.ConnectTimeout:
            raise Unreachable("Salesforce could not be reached in time") from None
        except requests.Timeout:
            raise NoAnswerInTime("Salesforce did not answer in time") from None
        except (requests.RequestException, HTTPError) as exc:
            if call.cancelled:
                raise CallCancelled("the call was cut short") from None
            if isinstance(_reason(exc), NewConnectionError):
                raise Unreachable("Salesforce could not be reached") from None
            # The cause's text holds the URL, and a URL may hold the session key.
            broke = f"the connection to Salesforce broke ({type(exc).__name__})"
            raise TransportError(broke) from None
        finally:
            current_call.reset(token)

    def _exchange(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        body: bytes | None,
        timeout: float,
    ) -> requests.Response:
        """Send by the adapter, which keeps the connections, and read the answer.

        What a Session adds (redirects, cookies, the environment) is not wanted.
        """
        request = requests.Request(
            method, url, {**self._session.headers, **headers}, data=body
        ).prepare()
        answer = self._session.get_adapter(url).send(
            request, timeout=(CONNECT_TIMEOUT_SECONDS, timeout), verify=True
        )
        _ = answer.content  # read it here, where its errors are understood
        return answer


class _Note:
    """What is known of a call while it goes on; `status` is 0 without an answer."""

    status = 0


@contextmanager
def _noted(resource: str) -> Iterator[_Note]:
    """Note how a call went and how long it took. Every call comes through here."""
    note, started = _Note(), time.monotonic()
    failure: BaseException | None = None
    try:
        yield note
    except BaseException as exc:
        failure = exc
        raise
    finally:
        seconds = time.monotonic() - started
        outcome = str(note.status) if note.status else _without_answer(failure)
        metrics.salesforce_called(resource, outcome, seconds)
        was_away = reachability.note(outcome)
        _log(resource, note.status, failure, 1000 * seconds, was_away)
        failure = None  # it leads here by its frames, and would outlive the call


def _without_answer(failure: BaseException | None) -> str:
    return getattr(failure, "outcome", TransportError.outcome)


def _log(
    resource: str,
    status: int,
    failure: BaseException | None,
    ms: float,
    was_away: bool,
) -> None:
    """Write a call's line.

    A poll that brought nothing is of no interest. Nor is, in an outage, each of the
    polls that fail: all chats are polled again and again, and the first of these lines
    has said it.
    """
    level = logging.INFO
    if failure is not None and not isinstance(failure, CallCancelled):
        level = logging.DEBUG if was_away and resource == MESSAGES else logging.WARNING
    elif resource == MESSAGES and status == NO_CONTENT:
        level = logging.DEBUG
    if logger.isEnabledFor(level):
        said = {"resource": resource, "status": status or None, "ms": round(ms, 1)}
        what = "call failed" if failure else "call answered"
        error = type(failure).__name__ if failure else None
        logger.log(level, what, extra={**said, "error": error})


def _reason(exc: Exception) -> object:
    """Return what urllib3 names as the reason of a failure."""
    return getattr(exc.args[0], "reason", None) if exc.args else None


def _raise_for_status(resource: str, answer: requests.Response) -> None:
    """Raise what a status means; 202 and every other 2xx is a success."""
    status = answer.status_code
    if 200 <= status < 300:
        return
    if status == CONFLICT:
        raise _conflict(resource, answer)
    if status in ERRORS:
        raise ERRORS[status](resource, status)
    if 400 <= status < 500 and status not in {408, 429}:
        raise RequestRefused(resource, status)
    raise ServerFault(resource, status)


def _conflict(resource: str, answer: requests.Response) -> ErrorStatus:
    """Tell the two kinds of 409 apart: a duplicate poll, a wrong sequence."""
    if resource == MESSAGES:
        metrics.duplicate_poll()
        return DuplicatePoll(resource, CONFLICT)
    metrics.out_of_sync()
    text = answer.content[:1000].decode(errors="replace")
    return OutOfSync(resource, CONFLICT, protocol.out_of_sync_actual(text))


@cache
def live_agent() -> LiveAgentClient:
    """Return this process's client, as the settings describe it."""
    session = new_session(user_agent=settings.USER_AGENT, ca_bundle=settings.CA_BUNDLE)
    return LiveAgentClient(session, api_version=settings.API_VERSION)
