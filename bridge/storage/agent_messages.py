"""How does the bot get an agent's messages, once and in order?

The oldest one is claimed, written into an answer, and deleted when the answer is out.
Nothing younger is handed out meanwhile. A claim whose process died runs out, and the
message is there again. A bot that acknowledges needs no claims: it is given the
oldest message until it names its id.
"""

from dataclasses import dataclass, field
from datetime import datetime

from django.conf import settings

from bridge.domain.errors import InvalidRequest
from bridge.storage import notifications
from bridge.storage.database import in_database_stepwise
from bridge.storage.sql import Script, Statement, as_datetime
from bridge.storage.summary import COLUMNS, ChatSummary

CLAIM_SECONDS = 10
NO_CLAIM = 0
# What marks a message that was handed out without a claim.
HANDED_OUT = 1

# Whether all up to an `ack` was handed out. Of a customer without chats nothing is
# known: the older ones may have been removed, and the bot comes back with the ack of
# then. What is to come has higher ids than any message ever had.
IS_KNOWN = """
    %(ack)s <= COALESCE((SELECT last_word_id FROM bridge_session
                          WHERE line_id = %(line_id)s ORDER BY id DESC LIMIT 1),
                        {last_message_id})
    AND NOT EXISTS (SELECT 1 FROM bridge_agentmessage
                     WHERE line_id = %(line_id)s AND claim = 0 AND id <= %(ack)s)
    """
ACKNOWLEDGE = """
    DELETE FROM bridge_agentmessage
     WHERE line_id = %(line_id)s AND id <= %(ack)s AND {is_known}
    """
OLDEST = """
    (SELECT id FROM bridge_agentmessage
      WHERE line_id = %(line_id)s ORDER BY id LIMIT 1)
    """
MARK = """
    UPDATE bridge_agentmessage SET claim = {handed_out}
     WHERE id = {oldest} AND claim = 0 AND {is_known}
    """
CLAIM = """
    UPDATE bridge_agentmessage SET claim = %(claim)s, claimed_until = {in[claimed]}
     WHERE id = {oldest}
       AND (claimed_until IS NULL OR claimed_until < {now} OR claim = %(claim)s)
    """
LOOK = """
    SELECT {is_known}, s.bot_until < {in[late]}, m.id, m.text, m.agent, m.at, m.claim,
           {summary}
      FROM (SELECT 1) AS always
      LEFT JOIN bridge_agentmessage m ON m.id = {oldest}
      LEFT JOIN bridge_session s ON s.id =
           (SELECT id FROM bridge_session
             WHERE line_id = %(line_id)s ORDER BY id DESC LIMIT 1)
    """
PIECES = {"oldest": OLDEST, "summary": COLUMNS, "handed_out": str(HANDED_OUT)}
FETCH_CLAIMED = Script(CLAIM, LOOK, is_known="{true}", **PIECES)
FETCH = Script(MARK, LOOK, is_known="{true}", **PIECES)
ACKNOWLEDGE_AND_FETCH = Script(ACKNOWLEDGE, MARK, LOOK, is_known=IS_KNOWN, **PIECES)

GIVE_BACK = Statement(
    """
    UPDATE bridge_agentmessage SET claimed_until = NULL
     WHERE id = %(id)s AND claim = %(claim)s
    """
)
DELETE = Statement("DELETE FROM bridge_agentmessage WHERE id = %(id)s")
BOT_SEEN = Statement(
    "UPDATE bridge_session SET bot_until = {in[hold]} WHERE id = %(id)s"
)


@dataclass(frozen=True, slots=True)
class ClaimedMessage:
    """An agent's message, claimed for one answer; `claim` is NO_CLAIM without one."""

    id: int
    line_id: str = field(repr=False)
    text: str = field(repr=False)
    agent: str = field(repr=False)
    at: datetime
    claim: int = NO_CLAIM


# Messages whose answer is out and which may be there still, by their ids: the database
# could not be told, and no process died that would make a repetition excusable.
_delivered: dict[int, ClaimedMessage] = {}


@dataclass(frozen=True, slots=True)
class Fetch:
    """What there is for a bot: a message or else how its newest chat stands.

    With `is_claimed_elsewhere` another answer is taking the oldest message: whatever
    comes after it, an end as well, has to wait until that one is out.
    """

    message: ClaimedMessage | None
    chat: ChatSummary | None
    is_claimed_elsewhere: bool = False

    @property
    def is_end(self) -> bool:
        """Whether there is nothing any more, and nothing to come."""
        over = self.chat is None or self.chat.is_over
        return self.message is None and not self.is_claimed_elsewhere and over


def bot_absence_margin() -> float:
    """Return by how many seconds the note of a bot's last call may be behind.

    It is not written anew for every call, and the chat of a bot that is gone is
    ended that much later.
    """
    return min(60.0, float(settings.BOT_IDLE_SECONDS) / 10)


@in_database_stepwise
def fetch(
    line_id: str, *, claim: int, hold_seconds: float, ack: int | None = None
) -> Fetch:
    """Return the oldest message, under this `claim` unless the bot acknowledges.

    With `ack` all up to there is deleted first. `hold_seconds` is how long the bot
    will still be here when there is none. Raises InvalidRequest for an `ack` above the
    highest id handed out.
    """
    if ack is not None:
        script = ACKNOWLEDGE_AND_FETCH
    else:
        script = FETCH_CLAIMED if claim else FETCH
    late = hold_seconds - bot_absence_margin()
    [row] = script(
        line_id=line_id, ack=ack, claim=claim, claimed=CLAIM_SECONDS, late=late
    ).rows
    is_known, bot_is_late, message_id, text, agent, at, claimed_by, *columns = row
    if not is_known:
        raise InvalidRequest("is above the highest id handed out", field="ack")
    chat = ChatSummary(*columns) if columns[0] is not None else None
    if bot_is_late and chat and chat.is_open:
        BOT_SEEN(hold=hold_seconds, id=chat.id)
    if message_id is None:
        return Fetch(None, chat)
    if claim and claimed_by != claim:
        return Fetch(None, chat, is_claimed_elsewhere=True)
    if not claim and claimed_by == NO_CLAIM:
        # It was stored between the script's statements, and is not marked yet; handed
        # out like this, its own acknowledgement would be refused.
        return fetch(line_id, claim=claim, hold_seconds=hold_seconds)
    if delivered_before := _delivered.get(message_id):
        _delete(delivered_before)
        return fetch(line_id, claim=claim, hold_seconds=hold_seconds)
    if chat and late > 0:
        # It is gone with this answer. Another call of it, if there is one, is notified
        # when this one is out, and says again how long it will be here.
        BOT_SEEN(hold=0, id=chat.id)
    message = ClaimedMessage(message_id, line_id, text, agent, as_datetime(at), claim)
    return Fetch(message, chat)


def delivered(message: ClaimedMessage) -> None:
    """Delete a message whose answer is out.

    Raises DatabaseUnavailable; then it is not handed out again by this process, and
    deleted as soon as that can be done.
    """
    _delivered[message.id] = message
    _delete(message)


def delete_delivered() -> None:
    """Delete what could not be deleted when its answer was out."""
    for message in list(_delivered.values()):
        _delete(message)


@in_database_stepwise
def _delete(message: ClaimedMessage) -> None:
    DELETE(id=message.id)
    _delivered.pop(message.id, None)
    notifications.publish(notifications.messages_for(message.line_id))


@in_database_stepwise
def not_delivered(message: ClaimedMessage) -> None:
    """Give a message back whose answer went nowhere."""
    GIVE_BACK(id=message.id, claim=message.claim)
    notifications.publish(notifications.messages_for(message.line_id))
