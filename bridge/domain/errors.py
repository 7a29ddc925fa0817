"""What can go wrong, as two trees.

    UpstreamError              a call to Salesforce did not go well
    ├── NoAnswer               in doubt: it may have been carried out, or not
    ├── TryLater               nothing was taken; later it may be
    ├── Refused                nothing was taken, and it never will be
    ├── WrongNumber            another number was expected; nothing was taken
    ├── Moved                  the chat lives elsewhere now; nothing was taken
    └── Gone                   Salesforce does not know the chat any more
    BridgeError                we cannot do what a caller asks
    ├── InvalidRequest         400
    │   └── NoOpenChat         400: nobody to send to
    ├── BodyTooLarge           413
    ├── Unauthorized           401
    └── TemporarilyUnavailable 503
        └── DatabaseUnavailable no database connection in time

Below the first stand, by these six meanings, the errors of `outbound` and of each
upstream. No message carries a key, a token, a customer's data or chat text.
"""

from http import HTTPStatus

from bridge.domain.timeline import Fact, Facts


class UpstreamError(Exception):
    """A call to Salesforce did not go well."""

    @property
    def facts(self) -> Facts:
        """What the timeline may say of it; `error` is a class's name."""
        facts: dict[str, Fact] = {"error": type(self).__name__}
        for name in ("resource", "status", "actual"):
            if hasattr(self, name):
                facts[name] = getattr(self, name)
        return facts


class NoAnswer(UpstreamError):
    """Whether the request was carried out cannot be known.

    `may_hold` says of a read that Salesforce may still be at it.
    """

    may_hold = False


class TryLater(UpstreamError):
    """Nothing was taken. `after` is how many seconds Salesforce asks us to wait."""

    after: float | None = None


class Refused(UpstreamError):
    """Nothing was taken; sending the same again does not help."""


class WrongNumber(UpstreamError):
    """Nothing was taken, since another number was expected.

    `candidates` are the numbers to try, the likeliest first.
    """

    candidates: tuple[int, ...] = ()


class Moved(UpstreamError):
    """Nothing was taken: the chat has moved, or there is an outage."""


class Gone(UpstreamError):
    """Salesforce does not know the chat any more."""


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
