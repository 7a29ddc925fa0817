"""Who sees to it that every open chat is looked after?

One supervisor in each server process: it takes up chats that nobody polls, so that
a restart goes on by itself, ends the chats whose time is up, restarts senders whose
process died, and publishes again what may have been lost.
"""

import functools
import logging
import threading
import time
from collections.abc import Callable

from django.db import DatabaseError

from bridge.chats import reader, sender, shutdown
from bridge.domain.errors import DatabaseUnavailable
from bridge.outbound import calls
from bridge.storage import agent_messages, ending, notifications, worklist
from bridge.storage.notifications import Broadcast
from bridge.telemetry import logs, process

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
CUT_SECONDS = 0.5
SAFETY_NET_SECONDS = 5.0


@functools.cache
def start() -> None:
    """Begin to look after chats in this process; a second call changes nothing."""
    handle_broadcasts()
    for loop, seconds in (
        (look_after_chats, LOOK_SECONDS),
        (calls.cut_overdue, CUT_SECONDS),
        (republish_lost, SAFETY_NET_SECONDS),
    ):
        threading.Thread(target=_every, args=(seconds, loop), daemon=True).start()
    threading.Thread(target=notifications.follow_other_processes, daemon=True).start()


def handle_broadcasts() -> None:
    """Do in this process what is broadcast about chats."""
    notifications.on_broadcast(Broadcast.SEND, sender.wake)
    notifications.on_broadcast(Broadcast.LOOK, reader.recheck)


def _every(seconds: float, work: Callable[[], None]) -> None:
    process.beat(work.__name__)
    while True:
        time.sleep(seconds)
        try:
            work()
            process.beat(work.__name__)
        except (DatabaseUnavailable, DatabaseError) as exc:
            # An unmigrated database is one of these; it is said, and tried again.
            logger.warning("the supervisor waits: %s", type(exc).__name__)
        except Exception as exc:
            logs.log_fault(logger, exc, "the supervisor goes on after a failure")


def look_after_chats() -> None:
    """Do once what has to be done for chats that nobody is working on."""
    agent_messages.delete_delivered()
    if shutdown.is_stopping():
        return
    for session_id in worklist.unpolled():
        reader.adopt(session_id)
    for clock in worklist.clocks():
        for session_id in worklist.silent(clock):
            ending.finish(session_id, clock.reason, only=clock.has_run_out)
    for session_id in worklist.unsent():
        sender.wake(session_id)


def republish_lost() -> None:
    """Notify those who still wait here although there is something for them."""
    if awaited := notifications.awaited_line_ids():
        for line_id in worklist.awaited_in_vain(awaited):
            notifications.publish_here(notifications.messages_for(line_id))
