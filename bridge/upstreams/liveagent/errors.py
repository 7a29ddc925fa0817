"""What does Live Agent say when it says no?

Source: Chat REST API Developer Guide, "Status Codes and Error Responses".
"""

from bridge.domain import errors


class MalformedAnswer(errors.NoAnswer):
    """The answer's body is not what the protocol says."""


class ServerSwitched(errors.Refused):
    """Salesforce names another host for this organisation."""

    def __init__(self, url: str) -> None:
        super().__init__("Salesforce sends us to another host")
        self.url = url


class ErrorStatus(errors.UpstreamError):
    """Salesforce answered with a status that is not a success."""

    def __init__(self, resource: str, status: int) -> None:
        super().__init__(f"{resource} answered {status}")
        self.resource = resource
        self.status = status


class RequestRefused(ErrorStatus, errors.Refused):
    """A 4xx: sending the same again does not help."""


class MethodRefused(RequestRefused):
    """405."""


class SessionGone(ErrorStatus, errors.Gone):
    """403: Salesforce knows this session no more."""


class DuplicatePoll(ErrorStatus, errors.Gone):
    """409 to a poll: another one was open, and Salesforce ended the chat."""


class OutOfSync(ErrorStatus, errors.WrongNumber):
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


class ServerFault(ErrorStatus, errors.NoAnswer):
    """A 5xx other than 503, or a status nobody knows: try again."""


class AffinityChanged(ErrorStatus, errors.Moved):
    """503: the session moved to another server, or there is an outage."""
