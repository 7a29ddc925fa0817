"""What may be forgotten, and when?

The rows of ended chats are of use to the admin alone. `prune` removes those that
ended long ago, `forget` all there are of one customer. Both may run beside the
service: an open chat's row is never removed, nor, by `forget`, one whose end
Salesforce has not been told of, since nobody could tell it without the row.

The ids of agents' messages rise for a customer also when nothing is left of them:
see `agent_messages.IS_KNOWN`.
"""

import time

from bridge.chats import sender, supervisor
from bridge.storage import ending, notifications, retention
from bridge.storage.retention import Forgotten

PAUSE_SECONDS = 0.05  # between two transactions, in which others may write
TOLD_WITHIN_SECONDS = 20.0  # longer than opening a chat keeps senders away from it
LOOK_AGAIN_SECONDS = 0.5


def prune(days: int) -> int:
    """Remove chats that ended over `days` ago, with all they have; returns how many.

    Words that nobody has fetched, and notices that nobody has given, in so long a
    time are among it: Salesforce has ended such a chat itself long ago.
    """
    removed, last = 0, 0
    while ids := retention.remove_ended_before(days, after=last):
        removed, last = removed + len(ids), ids[-1]
        time.sleep(PAUSE_SECONDS)
    return removed


def forget(line_id: str) -> Forgotten:
    """End a customer's chat, see that Salesforce hears of it, and remove all of them.

    Whoever is first gives the notice, this process or the service: the send lease
    lets one of them do it. Chats that Salesforce could not be told of in time stay,
    so that it can be told later.
    """
    supervisor.handle_broadcasts()
    ending.close(line_id)

    def see_to_it() -> list[int]:
        untold = retention.untold(line_id)
        for session_id in untold:
            sender.wake(session_id)
        return untold

    notifications.wait_until(
        lambda untold: not untold,
        see_to_it,
        *map(notifications.chat, retention.untold(line_id)),
        deadline=time.monotonic() + TOLD_WITHIN_SECONDS,
        every=LOOK_AGAIN_SECONDS,
    )
    return retention.remove_told(line_id)
