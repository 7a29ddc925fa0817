"""How do an agent's words get from the inbox to the bot, once and in order?

The oldest words are claimed, written into an answer, and deleted when the answer
is out. Nothing younger is handed out meanwhile. A claim whose process died runs
out, and the words are there again. A bot that acknowledges needs no claims: it is
given the oldest words until it names their id.
"""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from bridge.domain.errors import InvalidRequest
from bridge.storage import notifications
from bridge.storage.database import in_database_stepwise
from bridge.storage.sql import Script, Statement, moment
from bridge.storage.summary import COLUMNS, ChatStatus

CLAIM_SECONDS = 10
# What marks words that were handed out without a claim.
HANDED_OUT = 1

LOOK = """
    SELECT s.id, s.bot_until < {in[late]}, {status},
           m.id, m.text, m.agent, m.at, m.claim
      FROM bridge_session s
      LEFT JOIN bridge_agentmessage m ON m.id =
           (SELECT id FROM bridge_agentmessage
             WHERE line_id = %(line_id)s ORDER BY id LIMIT 1)
     WHERE s.id =
           (SELECT id FROM bridge_session
             WHERE line_id = %(line_id)s ORDER BY id DESC LIMIT 1)
    """
TAKE = Script(
    """
    UPDATE bridge_agentmessage SET claim = %(claim)s, claimed_until = {in[claimed]}
     WHERE id =
           (SELECT id FROM bridge_agentmessage
             WHERE line_id = %(line_id)s ORDER BY id LIMIT 1)
       AND (claimed_until IS NULL OR claimed_until < {now} OR claim = %(claim)s)
    """,
    LOOK,
    status=COLUMNS,
)
READ = Script(
    """
    UPDATE bridge_agentmessage SET claim = {handed_out}
     WHERE id =
           (SELECT id FROM bridge_agentmessage
             WHERE line_id = %(line_id)s ORDER BY id LIMIT 1)
       AND claim = 0
    """,
    LOOK,
    status=COLUMNS,
    handed_out=str(HANDED_OUT),
)
GIVE_BACK = Statement(
    """
    UPDATE bridge_agentmessage SET claimed_until = NULL
     WHERE id = %(id)s AND claim = %(claim)s
    """
)
DELETE = Statement("DELETE FROM bridge_agentmessage WHERE id = %(id)s")
NEVER_HANDED_OUT = Statement(
    """
    SELECT (SELECT last_word_id FROM bridge_session
             WHERE line_id = %(line_id)s ORDER BY id DESC LIMIT 1),
           (SELECT min(id) FROM bridge_agentmessage
             WHERE line_id = %(line_id)s AND claim = 0)
    """
)
HIGHEST_ID = Statement("SELECT {last_message_id}")
ACKNOWLEDGE = Statement(
    "DELETE FROM bridge_agentmessage WHERE line_id = %(line_id)s AND id <= %(ack)s"
)
BOT_SEEN = Statement(
    "UPDATE bridge_session SET bot_until = {in[hold]} WHERE id = %(id)s"
)


@dataclass(frozen=True, slots=True)
class Handout:
    """An agent's words, on loan for one answer. `claim` is 0 without a claim."""

    id: int
    line_id: str
    text: str
    agent: str
    at: datetime
    claim: int = 0

    def __repr__(self) -> str:
        return f"<Handout {self.id}>"


@dataclass(frozen=True, slots=True)
class Look:
    """What there is for a bot: words or else how its newest chat stands.

    `on_loan` says that another answer is taking the oldest words: whatever comes
    after them, an end as well, has to wait until that one is out.
    """

    words: Handout | None
    chat: ChatStatus | None
    on_loan: bool = False

    @property
    def is_end(self) -> bool:
        """Whether there is nothing any more, and nothing to come."""
        over = self.chat is None or self.chat.is_over
        return self.words is None and not self.on_loan and over


def bot_absence_margin() -> float:
    """Return by how many seconds the note of a bot's last call may be behind.

    It is not written anew for every call, and the chat of a bot that is gone is
    ended that much later.
    """
    return min(60.0, float(settings.BOT_IDLE_SECONDS) / 10)


@in_database_stepwise
def take(
    line_id: str,
    *,
    claim: int,
    ack: int | None,
    hold_seconds: float,
) -> Look:
    """Return the oldest words, claimed for the caller unless he acknowledges.

    `hold_seconds` is how long the bot will still be here when there are none.
    Raises InvalidRequest for an `ack` above the highest id handed out.
    """
    if ack is not None:
        _acknowledge(line_id, ack)
    late = hold_seconds - bot_absence_margin()
    if ack is None:
        row = TAKE(line_id=line_id, claim=claim, claimed=CLAIM_SECONDS, late=late).row
    else:
        row = READ(line_id=line_id, late=late).row
    if row is None:
        return Look(None, None)
    session_id, bot_is_late, *chat, word_id, text, agent, at, claimed_by = row
    status = ChatStatus(*chat)
    if bot_is_late and status.is_open:
        BOT_SEEN(hold=hold_seconds, id=session_id)
    if word_id is None:
        return Look(None, status)
    if ack is not None:
        claim = 0
    elif claimed_by != claim:
        return Look(None, status, on_loan=True)
    if hold_seconds > bot_absence_margin():
        # It is gone with this answer. Another call of it, if there is one, is notified
        # when this one is out, and says again how long it will be here.
        BOT_SEEN(hold=0, id=session_id)
    return Look(Handout(word_id, line_id, text, agent, moment(at), claim), status)


def highest_id() -> int:
    """Return the highest id that any words ever had, 0 before the first.

    It stands in for that of a customer of whom nothing is known: his older chats may
    have been removed, and the bot comes back with the ack of then. Words to come
    have higher ids.
    """
    [(drawn,)] = HIGHEST_ID().rows
    return int(drawn)


def _acknowledge(line_id: str, ack: int) -> None:
    last_id, waiting_id = NEVER_HANDED_OUT(line_id=line_id).rows[0]
    if last_id is None:
        last_id = highest_id()
    if ack > last_id or (waiting_id is not None and ack >= waiting_id):
        raise InvalidRequest("is above the highest id handed out", field="ack")
    ACKNOWLEDGE(line_id=line_id, ack=ack)


@in_database_stepwise
def delivered(words: Handout) -> None:
    """Delete words whose answer is out."""
    DELETE(id=words.id)
    notifications.publish(notifications.messages_for(words.line_id))


@in_database_stepwise
def not_delivered(words: Handout) -> None:
    """Give words back whose answer went nowhere."""
    GIVE_BACK(id=words.id, claim=words.claim)
    notifications.publish(notifications.messages_for(words.line_id))
