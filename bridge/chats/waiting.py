"""How long does a caller wait for Salesforce to hear of an end?"""

from bridge.storage import ending, notifications

LOOK_AGAIN_SECONDS = 1.0  # should a wake-up be lost


def wait_until_told(session_id: int, *, deadline: float) -> None:
    """Wait until Salesforce knows of a chat's end; monotonic seconds."""
    notifications.wait_until(
        lambda chat: chat is None or not chat.farewell,
        lambda: ending.look(session_id),
        notifications.chat(session_id),
        deadline=deadline,
        every=LOOK_AGAIN_SECONDS,
    )
