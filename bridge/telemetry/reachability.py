"""Does Salesforce answer this process?

Judged by the last call whose outcome says anything. A process that has no chats
makes no calls, and does not know.
"""

UNKNOWN = "unknown"
REACHABLE = "reachable"
UNREACHABLE = "unreachable"
CANCELLED = "cancelled"  # the outcome of a call that we broke off ourselves

_last = [UNKNOWN]


def note(status: str) -> bool:
    """Note how a call went: its answer's status, or a word where none came.

    Returns whether Salesforce was unreachable before already.

    A 5xx is no sign of life: a server in distress sends them to everybody. That a
    single session moves is a 503 as well, but good answers follow.
    """
    was_away = _last[0] == UNREACHABLE
    if status != CANCELLED:  # which says nothing of Salesforce
        is_answer = status.isdigit() and int(status) < 500
        _last[0] = REACHABLE if is_answer else UNREACHABLE
    return was_away


def state() -> str:
    """Return `reachable`, `unreachable` or `unknown`."""
    return _last[0]
