"""How do an agent's words get from the inbox to the bot, once and in order?

The oldest words are claimed, written into an answer, and deleted when the answer
is out. Nothing younger is handed out meanwhile. A claim whose process died runs
out, and the words are there again. A bot that acknowledges needs no claims: it is
given the oldest words until it names their id.
"""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import F, Q
from django.db.models.functions import Greatest, Now

from bridge import wakeups
from bridge.database import in_database
from bridge.exceptions import InvalidRequest
from bridge.marks import digest, from_now
from bridge.models import AgentMessage, Session

CLAIM_SECONDS = 10


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
    chat: Session | None
    on_loan: bool = False

    @property
    def is_end(self) -> bool:
        """Whether there is nothing any more, and nothing to come."""
        over = self.chat is None or self.chat.is_over
        return self.words is None and not self.on_loan and over


@in_database
def take(line_id: str, *, claim: int, ack: int | None, alone: bool = False) -> Look:
    """Return the oldest words, claimed for the caller unless he acknowledges.

    `alone` says that no other call of this bot is waiting: with this one answered
    its absence begins.

    Raises InvalidRequest for an `ack` above the highest id handed out.
    """
    chat = Session.objects.newest(line_id)
    if ack is not None:
        _acknowledge(line_id, ack, chat)
    waiting = AgentMessage.objects.filter(line_id=line_id)
    oldest = waiting.order_by("id").first()
    if oldest is None:
        return Look(None, chat)
    if ack is None and not _claim(oldest, claim):
        return Look(None, chat, on_loan=True)
    _note_handed_out(oldest, alone=alone)
    return Look(
        Handout(
            id=oldest.pk,
            line_id=line_id,
            text=oldest.text,
            agent=oldest.agent,
            at=oldest.at,
            claim=0 if ack is not None else claim,
        ),
        chat,
    )


def _acknowledge(line_id: str, ack: int, chat: Session | None) -> None:
    highest = chat.handed_out_id if chat else 0
    if ack > highest:
        raise InvalidRequest("is above the highest id handed out", field="ack")
    AgentMessage.objects.filter(line_id=line_id, id__lte=ack).delete()


def _claim(oldest: AgentMessage, claim: int) -> bool:
    free = Q(claimed_until=None) | Q(claimed_until__lt=Now()) | Q(claim=claim)
    claimed = AgentMessage.objects.filter(free, pk=oldest.pk)
    return bool(claimed.update(claim=claim, claimed_until=from_now(CLAIM_SECONDS)))


def _note_handed_out(oldest: AgentMessage, *, alone: bool) -> None:
    bot_until = Now() if alone else Greatest(F("bot_until"), Now())
    newest = Session.objects.filter(line_id=oldest.line_id).order_by("-id")[:1]
    Session.objects.filter(pk__in=newest.values("pk")).update(
        handed_out_id=Greatest(F("handed_out_id"), oldest.pk), bot_until=bot_until
    )


@in_database
def delivered(words: Handout) -> None:
    """Delete words whose answer is out."""
    AgentMessage.objects.filter(pk=words.id).delete()
    wakeups.ring(wakeups.words(digest(words.line_id)))


@in_database
def not_delivered(words: Handout) -> None:
    """Give words back whose answer went nowhere."""
    lent = AgentMessage.objects.filter(pk=words.id, claim=words.claim)
    lent.update(claimed_until=None)
    wakeups.ring(wakeups.words(digest(words.line_id)))


@in_database
def undelivered_of(line_ids: list[str]) -> set[str]:
    """Return which of these customers have words waiting: the safety net's look."""
    waiting = AgentMessage.objects.filter(line_id__in=line_ids)
    return set(waiting.values_list("line_id", flat=True).distinct())
