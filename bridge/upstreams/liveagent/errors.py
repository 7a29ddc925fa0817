"""What does Live Agent say when it says no?

    MalformedAnswer            an answer came that cannot be read
    ServerSwitched             this organisation lives on another host
    ErrorStatus                an answer came, with a status that says no
    ├── RequestRefused         4xx that a repetition does not help
    │   └── MethodRefused      405
    ├── SessionGone            403: the chat is over
    ├── DuplicatePoll          409 to a poll: the chat is over
    ├── OutOfSync              409 to a POST: the sequence was not expected
    ├── ServerFault            5xx
    └── AffinityChanged        503: reconnect, then go on

Source: Chat REST API Developer Guide, "Status Codes and Error Responses".
"""

from bridge.domain.errors import (
    Gone,
    Moved,
    NoAnswer,
    Refused,
    UpstreamError,
    WrongNumber,
)


class MalformedAnswer(NoAnswer):
    """The answer's body is not what the protocol says."""


class ServerSwitched(Refused):
    """Salesforce names another host for this organisation."""

    def __init__(self, url: str) -> None:
        super().__init__("Salesforce sends us to another host")
        self.url = url


class ErrorStatus(UpstreamError):
    """Salesforce answered with a status that is not a success."""

    def __init__(self, resource: str, status: int) -> None:
        super().__init__(f"{resource} answered {status}")
        self.resource = resource
        self.status = status


class RequestRefused(ErrorStatus, Refused):
    """A 4xx: sending the same again does not help."""


class MethodRefused(RequestRefused):
    """405."""


class SessionGone(ErrorStatus, Gone):
    """403: Salesforce knows this session no more."""


class DuplicatePoll(ErrorStatus, Gone):
    """409 to a poll: another one was open, and Salesforce ended the chat."""


class OutOfSync(ErrorStatus, WrongNumber):
    """409 to a POST: Salesforce expected another sequence number.

    `actual` is the number its text names, None where it names none.
    """

    def __init__(self, resource: str, status: int, actual: int | None) -> None:
        super().__init__(resource, status)
        self.actual = actual
        if actual is not None:
            # It is the last number taken. Whether some servers name the next one
            # instead is not proven, so that is tried too (reference: 409 of a POST).
            self.candidates = (actual + 1, actual, actual + 2)


class ServerFault(ErrorStatus, NoAnswer):
    """A 5xx other than 503, or a status nobody knows: try again."""


class AffinityChanged(ErrorStatus, Moved):
    """503: the session moved to another server, or there is an outage."""
