"""How is one call to Live Agent made, and what does its status mean?

`LiveAgentClient` has a method per resource. Each makes exactly one HTTP request,
with a timeout, and returns a value of `protocol` or raises one of `errors`.
Nothing is retried here and nothing is remembered.
"""

import json
from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import quote, urlencode

import requests

from bridge.domain.links import Link
from bridge.outbound import http
from bridge.outbound.calls import Call
from bridge.telemetry import metrics
from bridge.upstreams.liveagent import errors, protocol

CONFLICT = 409
# After `clientPollTimeout` Salesforce has answered a poll, or will not any more.
PATIENCE_SECONDS = 1.0
ERRORS: Mapping[int, type[errors.ErrorStatus]] = {
    403: errors.SessionGone,
    405: errors.MethodRefused,
    503: errors.AffinityChanged,
}


class LiveAgentClient:
    """The visitor's side of the Chat REST API.

    Source: Chat REST API Developer Guide, "Request Resources" and "Status Codes
    and Error Responses".
    """

    def __init__(self, session: requests.Session, *, api_version: str) -> None:
        self._caller = http.Caller(session)
        self._api_version = api_version

    def create_session(self, host: str) -> protocol.NewSession:
        """GET System/SessionId; raises ServerSwitched where the org has moved."""
        answer = self._call(
            "GET", host, "System/SessionId", affinity_token=protocol.NO_AFFINITY
        )
        return protocol.read_session(answer.body)

    def chasitor_init(
        self, link: Link, *, sequence: int, body: Mapping[str, Any]
    ) -> None:
        """POST Chasitor/ChasitorInit, always the first POST of a session."""
        self._post(link, "Chasitor/ChasitorInit", sequence, body)

    def messages(
        self,
        link: Link,
        *,
        ack: int,
        hold: float,
        call: Call | None = None,
    ) -> protocol.Batch | None:
        """GET System/Messages, the long poll; None when it brought nothing.

        `hold` is how long Salesforce may keep it, in seconds. `call` lets another
        thread end it. Raises DuplicatePoll for a 409: the chat is over then.
        """
        answer = self._call(
            "GET",
            link.host,
            protocol.MESSAGES,
            affinity_token=link.affinity_token,
            key=link.key,
            query={"ack": ack},
            timeout=hold,
            call=call,
        )
        if answer.status == http.NO_CONTENT:
            return None
        return protocol.read_batch(answer.body)

    def chat_message(self, link: Link, *, sequence: int, text: str) -> None:
        """POST Chasitor/ChatMessage; the same `sequence` again is no second one."""
        self._post(link, "Chasitor/ChatMessage", sequence, {"text": text})

    def chat_end(self, link: Link, *, sequence: int, reason: str) -> None:
        """POST Chasitor/ChatEnd; `reason` is `client` or `clientIdleTimeout`."""
        self._post(link, "Chasitor/ChatEnd", sequence, {"reason": reason})

    def delete_session(self, link: Link) -> None:
        """DELETE System/SessionId/{key}, the other way to end a chat."""
        self._call(
            "DELETE",
            link.host,
            "System/SessionId",
            path=f"System/SessionId/{quote(link.key, safe='')}",
            affinity_token=link.affinity_token,
            key=link.key,
        )

    def reconnect_session(
        self, link: Link, *, offset: int | None
    ) -> protocol.Reconnection:
        """GET System/ReconnectSession, after a 503; no affinity is sent."""
        answer = self._call(
            "GET",
            link.host,
            "System/ReconnectSession",
            affinity_token=protocol.NO_AFFINITY,
            key=link.key,
            query={"ReconnectSession.offset": 0 if offset is None else offset},
        )
        return protocol.read_reconnection(answer.body)

    def resync_state(self, link: Link, *, organization_id: str) -> None:
        """POST Chasitor/ChasitorResyncState, the one POST without a sequence."""
        body = {"organizationId": organization_id}
        self._post(link, "Chasitor/ChasitorResyncState", None, body)

    def availability(self, org: protocol.Organization) -> bool:
        """GET Visitor/Availability: is an agent to be had at this button?"""
        button = org.button_id[:15]
        answer = self._call(
            "GET",
            org.host,
            "Visitor/Availability",
            query={
                "org_id": org.organization_id[:15],
                "deployment_id": org.deployment_id[:15],
                "Availability.ids": button,
            },
        )
        available = protocol.read_availability(answer.body)
        return any(yes for id, yes in available.items() if id[:15] == button)

    def _post(
        self,
        link: Link,
        resource: str,
        sequence: int | None,
        body: Mapping[str, Any],
    ) -> None:
        self._call(
            "POST",
            link.host,
            resource,
            affinity_token=link.affinity_token,
            key=link.key,
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
        timeout: float = http.ANSWER_TIMEOUT_SECONDS,
        call: Call | None = None,
        affinity_token: str | None = None,
        key: str | None = None,
        sequence: int | None = None,
    ) -> http.Answer:
        """Make the one request; every failure comes out as an UpstreamError."""
        url = host + protocol.BASE_PATH + (path or resource)
        if query:
            url += "?" + urlencode(query)
        headers = protocol.headers(
            self._api_version, affinity_token=affinity_token, key=key, sequence=sequence
        )
        if body is not None:
            headers["Content-Type"] = "application/json; charset=utf-8"
        request = http.Request(
            method=method,
            url=url,
            resource=resource,
            headers=headers,
            body=body,
            timeout=timeout,
            is_read=resource == protocol.MESSAGES,
        )
        return self._caller.ask(
            request, check=partial(_raise_for_status, method, resource), call=call
        )


def _raise_for_status(method: str, resource: str, answer: http.Answer) -> None:
    """Raise what a status means; 202 and every other 2xx is a success."""
    status = answer.status
    if 200 <= status < 300:
        return
    if status == CONFLICT and resource == protocol.MESSAGES:
        metrics.duplicate_poll()
        raise errors.DuplicatePoll(resource, status)
    if status == CONFLICT and method == "POST":
        metrics.out_of_sync()
        text = answer.body[:1000].decode(errors="replace")
        raise errors.OutOfSync(resource, status, protocol.out_of_sync_actual(text))
    if status in ERRORS:
        raise ERRORS[status](resource, status)
    if 400 <= status < 500 and status not in {408, 429}:
        raise errors.RequestRefused(resource, status)
    raise errors.ServerFault(resource, status)
