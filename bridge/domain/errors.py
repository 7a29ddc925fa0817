"""What can go wrong, as one tree.

    LiveAgentError                 a call to Salesforce did not go well
    ├── TransportError             no answer came
    │   ├── Unreachable            … and nothing was sent
    │   ├── NoAnswerInTime         … our own patience ended; theirs may not have
    │   └── CallCancelled          … we cut the call short ourselves
    ├── MalformedAnswer            an answer came that cannot be read
    ├── ServerSwitched             this organisation lives on another host
    └── ErrorStatus                an answer came, with a status that says no
        ├── RequestRefused         4xx that a repetition does not help
        │   ├── MethodRefused      405
        │   └── SessionGone        403: the chat is over
        ├── DuplicatePoll          409 to a poll: the chat is over
        ├── OutOfSync              409 to a POST: the sequence was not expected
        ├── ServerFault            5xx
        └── AffinityChanged        503: reconnect, then go on
    BridgeError                    we cannot do what a caller asks
    ├── InvalidRequest             400
    │   └── NoOpenChat             400: nobody to send to
    ├── BodyTooLarge               413
    ├── Unauthorized               401
    └── TemporarilyUnavailable     503
        └── DatabaseUnavailable    no database connection in time

No message carries a key, an affinity token, a customer's data or chat text.
"""

import logging
from http import HTTPStatus

from bridge.telemetry.logs import error_of


class LiveAgentError(Exception):
    """A call to Salesforce did not go well."""


class TransportError(LiveAgentError):
    """No answer came; whether the request was carried out is unknown.

    `outcome` is the word for it where an answer would have a status.
    """

    outcome = "broken"


class Unreachable(TransportError):
    """No connection could be made, so nothing was sent."""

    outcome = "unreachable"


class NoAnswerInTime(TransportError):
    """We stopped waiting; Salesforce may still be at it."""

    outcome = "timeout"


class CallCancelled(TransportError):
    """Another thread cut the call short."""

    outcome = "cancelled"


class MalformedAnswer(LiveAgentError):
    """The answer's body is not what the protocol says."""


class ServerSwitched(LiveAgentError):
    """Salesforce names another host for this organisation."""

    def __init__(self, url: str) -> None:
        super().__init__("Salesforce sends us to another host")
        self.url = url


class ErrorStatus(LiveAgentError):
    """Salesforce answered with a status that is not a success."""

    def __init__(self, resource: str, status: int) -> None:
        super().__init__(f"{resource} answered {status}")
        self.resource = resource
        self.status = status


class RequestRefused(ErrorStatus):
    """A 4xx: sending the same again does not help."""


class MethodRefused(RequestRefused):
    """405."""


class SessionGone(RequestRefused):
    """403: Salesforce knows this session no more."""


class DuplicatePoll(ErrorStatus):
    """409 to a poll: another one was open, and Salesforce ended the chat."""


class OutOfSync(ErrorStatus):
    """409 to a POST: Salesforce expected another sequence number.

    `actual` is the number its text names, None where it names none.
    """

    def __init__(self, resource: str, status: int, actual: int | None) -> None:
        super().__init__(resource, status)
        self.actual = actual


class ServerFault(ErrorStatus):
    """A 5xx other than 503, or a status nobody knows: try again."""


class AffinityChanged(ErrorStatus):
    """503: the session moved to another server, or there is an outage."""


class BridgeError(Exception):
    """We cannot do what a caller asks; `errors` is safe to show."""

    status = HTTPStatus.INTERNAL_SERVER_ERROR

    def __init__(self, reason: str, *, field: str | None = None) -> None:
        super().__init__(reason)
        self.errors: list[dict[str, str | None]] = [{"field": field, "reason": reason}]


class InvalidRequest(BridgeError):
    """The request is not what the contract says."""

    status = HTTPStatus.BAD_REQUEST


class NoOpenChat(InvalidRequest):
    """This customer has no open chat."""


class BodyTooLarge(BridgeError):
    """The body is larger than the service reads."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class Unauthorized(BridgeError):
    """The token is missing or wrong."""

    status = HTTPStatus.UNAUTHORIZED


class TemporarilyUnavailable(BridgeError):
    """It may work if tried again a little later."""

    status = HTTPStatus.SERVICE_UNAVAILABLE


class DatabaseUnavailable(TemporarilyUnavailable):
    """No database connection was to be had in time."""


def log_fault(
    logger: logging.Logger, exc: BaseException, message: str, *arguments: object
) -> None:
    """Log a fault of our own by its type and place.

    Its text may hold a customer's words or ids, and a traceback would print it.
    """
    logger.error(f"{message}: unexpected fault", *arguments, extra=error_of(exc))
