"""What is to be POSTed next for a chat, and under which number?

Whoever holds the send lease is given one parcel after the other, in order. A number
is committed before its first POST and stays until Salesforce has answered.
"""

from dataclasses import dataclass, field

from bridge.models import Session, VisitorMessage
from bridge.storage import notifications
from bridge.storage.database import in_database, in_database_stepwise
from bridge.storage.sql import Script, Statement
from bridge.upstreams.liveagent.protocol import Credentials

# Longer than one POST. Where a holder is slower all the same, the next one repeats
# its number, which Salesforce does not take twice.
LEASE_SECONDS = 7

TAKE = Statement(
    """
    UPDATE bridge_session SET send_token = %(token)s, send_until = {in[lease]}
     WHERE id = %(id)s
       AND (send_until IS NULL OR send_until < {now} OR send_token = %(token)s)
       AND (farewell <> '' OR state = 'established' AND reconnecting = {false})
    RETURNING sequence, host, key, affinity_token, farewell
    """
)
RELEASE = Statement(
    """
    UPDATE bridge_session SET send_until = NULL
     WHERE id = %(id)s AND send_token = %(token)s
    """
)
NEXT = Statement(
    """
    SELECT id, sequence, text, refused FROM bridge_visitormessage
     WHERE session_id = %(id)s AND sent_at IS NULL ORDER BY id LIMIT 2
    """
)
NUMBER_ROW = Statement(
    """
    UPDATE bridge_visitormessage SET sequence = %(sequence)s
     WHERE id = %(row_id)s AND sent_at IS NULL
    """
)
NUMBER_CHAT = Statement(
    """
    UPDATE bridge_session SET sequence = %(sequence)s, send_until = {in[lease]}
     WHERE id = %(id)s AND send_token = %(token)s
    """
)
KEEP_AWAY = Statement(
    """
    UPDATE bridge_session SET send_token = %(token)s, send_until = {in[lease]}
     WHERE id = %(id)s
       AND (send_until IS NULL OR send_until < {now} OR send_token = %(token)s)
    """
)
# The chat's row is locked before its messages' rows, as everywhere; and what is put
# in meanwhile is seen.
LOCK = "UPDATE bridge_session SET active_at = active_at WHERE id = %(id)s"
SENT = """
    UPDATE bridge_visitormessage
       SET sent_at = {now}, text = '',
           accepted = CASE WHEN %(told)s OR awaited_until > {now} AND refused = {false}
                           THEN {true} ELSE accepted END
     WHERE id = %(row_id)s AND sent_at IS NULL
    """
# A lease that there is no use for any more is given back along with it.
GO_ON = """
    UPDATE bridge_session
       SET send_until = CASE
               WHEN farewell <> '' OR EXISTS
                    (SELECT 1 FROM bridge_visitormessage
                      WHERE session_id = %(id)s AND sent_at IS NULL)
               THEN send_until ELSE NULL END
     WHERE id = %(id)s AND send_token = %(token)s
    RETURNING send_until IS NULL
    """
NOTE_SENT = Script(LOCK, SENT, GO_ON)


@dataclass(frozen=True, slots=True)
class Parcel:
    """What the sender is to POST next.

    Words, or with `farewell` the end of the chat (`row_id` is 0 then). `fresh`
    means that this number was never posted before.
    """

    row_id: int
    sequence: int
    fresh: bool
    credentials: Credentials = field(repr=False)
    text: str = field(default="", repr=False)
    farewell: str = ""


@in_database
def following(session_id: int, token: int) -> Parcel | None:
    """Take the lease or keep it, and return what to POST next.

    None when somebody else is sending, or when there is nothing to send: then the
    lease is given back.
    """
    taken = TAKE(id=session_id, token=token, lease=LEASE_SECONDS).row
    if taken is None:
        return None
    last_sequence, host, key, affinity_token, farewell = taken
    credentials = Credentials(host, key, affinity_token)
    rows = NEXT(id=session_id).rows
    if rows and not _waits_in_doubt(rows, farewell):
        row_id, sequence, text, _ = rows[0]
        if sequence is not None:
            return Parcel(row_id, sequence, False, credentials, text)
        sequence = last_sequence + 1
        if not NUMBER_ROW(
            row_id=row_id, sequence=sequence
        ).count:  # withdrawn this very moment
            return following(session_id, token)
        NUMBER_CHAT(id=session_id, token=token, sequence=sequence, lease=LEASE_SECONDS)
        return Parcel(row_id, sequence, True, credentials, text)
    if farewell:
        return Parcel(0, last_sequence + 1, True, credentials, farewell=farewell)
    release(session_id, token)
    return None


def _waits_in_doubt(rows: list[tuple[int, int, str, bool]], farewell: str) -> bool:
    """Whether all there is was refused to the bot, which may ask again."""
    refused = rows[0][3]
    return bool(refused and len(rows) == 1 and not farewell)


@in_database_stepwise
def release(session_id: int, token: int) -> None:
    """Give the lease back."""
    RELEASE(id=session_id, token=token)


@in_database
def take_lease(session_id: int, token: int, seconds: float) -> bool:
    """Keep senders away from a chat for so long; False while one is at work."""
    return bool(KEEP_AWAY(id=session_id, token=token, lease=seconds).count)


@in_database_stepwise
def sent(
    session_id: int, token: int, row_id: int, *, told: bool = False
) -> Parcel | None:
    """Note that Salesforce has the words, and return what to POST next.

    The text is forgotten. A waiter who is still there will tell the bot `send`, so
    that counts as told; `told` says that the caller is that waiter.
    """
    own = NOTE_SENT(id=session_id, token=token, row_id=row_id, told=told).row
    notifications.publish(notifications.chat(session_id))
    if own is None or own[0]:
        return None
    return following(session_id, token)


@in_database
def renumber(session_id: int, token: int, parcel: Parcel, sequence: int) -> bool:
    """Give words another number, which Salesforce has asked for."""
    if not NUMBER_CHAT(
        id=session_id, token=token, sequence=sequence, lease=LEASE_SECONDS
    ).count:
        return False
    return bool(NUMBER_ROW(row_id=parcel.row_id, sequence=sequence).count)


def note_arrival(session_id: int, row_id: int) -> None:
    """Note that words in doubt have turned out to be with Salesforce."""
    Statement(SENT)(row_id=row_id, told=False)
    notifications.publish(notifications.chat(session_id))


def take_number_back(session_id: int, token: int, parcel: Parcel) -> None:
    """Use the number of words that Salesforce refused for the next ones."""
    own = Session.objects.filter(pk=session_id, send_token=token)
    own.filter(sequence=parcel.sequence).update(sequence=parcel.sequence - 1)
    VisitorMessage.objects.filter(pk=parcel.row_id).update(sequence=None)
