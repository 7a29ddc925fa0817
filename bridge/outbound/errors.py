"""What happens when no answer comes?"""

from bridge.domain.errors import NoAnswer
from bridge.telemetry.process import CANCELLED


class TransportError(NoAnswer):
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
    may_hold = True


class CallCancelled(TransportError):
    """Another thread cut the call short."""

    outcome = CANCELLED
    may_hold = True


class AnswerTooLarge(TransportError):
    """More came than is read: a fault of the server, and like one it is tried again."""

    may_hold = True  # we hung up on it
