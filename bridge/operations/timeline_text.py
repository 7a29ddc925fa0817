"""How is what has happened to a chat told to an operator?

In sentences, in the language of their browser. Statuses, numbers and names of
resources stand beside them, as Salesforce calls them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from bridge.domain.states import Reason
from bridge.domain.timeline import LAST_KINDS, EndedBy, Fact, Facts, Kind
from bridge.models import Session, TimelineEvent
from bridge.storage.timeline import MAX_EVENTS

# How a line is coloured; the ends that nobody wanted stand out.
PLAIN, GOOD, BAD, END, BAD_END = "plain", "good", "bad", "end", "end bad"
WANTED_ENDS = frozenset({Reason.AGENT, Reason.CLIENT})

SENTENCES: dict[str, tuple[str, Promise]] = {
    Kind.TAKEN: (PLAIN, _("Salesforce took the request")),
    Kind.QUEUE_MOVED: (PLAIN, _("At the head of the queue")),
    Kind.AGENT_JOINED: (GOOD, _("An agent joined")),
    Kind.TRANSFERRED: (GOOD, _("The chat was transferred to another agent")),
    Kind.AGENT_LEFT: (BAD, _("The agent was disconnected")),
    Kind.RECONNECTING: (BAD, _("Salesforce answered 503: reconnecting")),
    Kind.RECONNECTED: (GOOD, _("Reconnected")),
    Kind.STAYED: (GOOD, _("No reconnection was needed: the chat had not moved")),
    Kind.UNREACHABLE: (BAD, _("Salesforce does not answer as it should: trying again")),
    Kind.ANSWERING: (GOOD, _("Salesforce answers again")),
    Kind.SEND_FAILED: (BAD, _("A message could not be sent: trying again")),
    Kind.SEND_RECOVERED: (GOOD, _("The message held up has reached Salesforce")),
    Kind.WORDS_REFUSED: (BAD, _("Salesforce refused a message")),
    Kind.OUT_OF_SYNC: (GOOD, _("Sequence numbers were out of sync (409): put right")),
    Kind.TAKEN_UP: (PLAIN, _("A process took up the chat, which nobody polled")),
    Kind.NOTICE_GIVEN: (PLAIN, _("Salesforce was told of the end")),
    Kind.NOTICE_FAILED: (BAD, _("Salesforce could not be told of the end")),
}
PLACES: dict[str, Promise] = {
    Kind.TAKEN: _("Salesforce took the request: number %(position)s in the queue"),
    Kind.QUEUE_MOVED: _("Number %(position)s in the queue"),
}
NOT_OPENED = _("The chat could not be opened at Salesforce")
ENDS: dict[str, Promise] = {
    Reason.AGENT: _("The agent ended the chat"),
    Reason.CLIENT: _("The customer ended the chat"),
    Reason.UNAVAILABLE: _("No agent was available"),
    Reason.VISITOR_IDLE: _("Ended because the customer was silent for too long"),
    Reason.BOT_IDLE: _("Ended because the bot was silent for too long"),
    Reason.LOST: _("Salesforce lost the chat"),
    Reason.ERROR: _("Ended by an error"),
}
# Where more is known than the reason; the first that fits.
ENDS_WITH: dict[tuple[str, str, Fact], Promise] = {
    (Reason.CLIENT, "by", EndedBy.BOT): _("The customer ended the chat (/close)"),
    (Reason.CLIENT, "by", EndedBy.ADMIN): _("The chat was ended here in the admin"),
    (Reason.LOST, "by", EndedBy.OPENER_DIED): _("The process opening the chat died"),
    (Reason.LOST, "status", 403): _("Salesforce does not know the chat any more"),
    (Reason.LOST, "status", 409): _(
        "Salesforce took a poll for a duplicate and ended the chat"
    ),
    (Reason.ERROR, "by", EndedBy.DEADLINE): _("Salesforce did not take it in time"),
    (Reason.ERROR, "event", "ChatRequestFail"): _(
        "Salesforce refused the request for a chat"
    ),
    (Reason.ERROR, "event", "ChatEnded"): _("Salesforce ended the chat"),
    (Reason.ERROR, "event", "AsyncResult"): _("Salesforce reported an error"),
    (Reason.ERROR, "event", "SwitchServer"): _(
        "Salesforce moved the organization to another server"
    ),
    (Reason.ERROR, "resource", "System/SessionId"): NOT_OPENED,
    (Reason.ERROR, "resource", "Chasitor/ChasitorInit"): NOT_OPENED,
}
ERRORS: dict[str, Promise] = {
    "TransportError": _("the connection broke"),
    "Unreachable": _("no connection"),
    "NoAnswerInTime": _("no answer in time"),
    "CallCancelled": _("no answer in time"),
    "AnswerTooLarge": _("an answer that cannot be read"),
    "MalformedAnswer": _("an answer that cannot be read"),
    "ServerSwitched": _("sent to another host"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the timeline; `elapsed` is since the opening, as `0:42`."""

    at: datetime | None
    elapsed: str
    sentence: str
    details: tuple[str, ...] = ()
    colour: str = PLAIN


def timeline(session: Session) -> list[Line]:
    """Return what happened to a chat, oldest first; one query."""
    first = Line(session.opened_at, elapsed(timedelta()), gettext("Opened by the bot"))
    return [first, *lines(session, list(session.timeline.order_by("id")))]


def ending(timeline: list[Line]) -> Line | None:
    """Return how a chat ended, None where its timeline does not say so."""
    return next((line for line in timeline if line.colour in {END, BAD_END}), None)


def lines(session: Session, events: list[TimelineEvent]) -> Iterator[Line]:
    """Tell of these events, oldest first, and where some were not kept."""
    counted = 0
    for event in events:
        yield _line(session, event)
        counted += event.kind not in LAST_KINDS
        if counted == MAX_EVENTS and event.kind not in LAST_KINDS:
            yield Line(None, "", gettext("What came next was too much to be kept"))


def _line(session: Session, event: TimelineEvent) -> Line:
    colour, sentence = _sentence(event.kind, event.facts)
    since = elapsed(event.at - session.opened_at)
    return Line(event.at, since, sentence, tuple(_details(event.facts)), colour)


def elapsed(time: timedelta) -> str:
    """Return a time as minutes and seconds, with hours where there are some."""
    minutes, seconds = divmod(max(0, int(time.total_seconds())), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def _sentence(kind: str, facts: Facts) -> tuple[str, str]:
    """Return the colour and the words for an event."""
    if kind == Kind.ENDED:
        wanted = facts.get("reason") in WANTED_ENDS
        return END if wanted else BAD_END, _end(facts)
    if kind in PLACES and facts.get("position"):
        return PLAIN, str(PLACES[kind]) % facts
    colour, sentence = SENTENCES.get(kind, (PLAIN, kind))
    return colour, str(sentence)


def _end(facts: Facts) -> str:
    reason = str(facts.get("reason"))
    for (ours, name, value), sentence in ENDS_WITH.items():
        if ours == reason and facts.get(name) == value:
            return str(sentence)
    return str(ENDS.get(reason, reason))


def _details(facts: Facts) -> Iterator[str]:
    """Tell the facts beside the sentence."""
    if "agent" in facts:
        yield str(facts["agent"])
    if "resource" in facts:
        yield ": ".join(
            str(facts[key]) for key in ("resource", "status") if key in facts
        )
    elif "error" in facts:
        yield str(ERRORS.get(str(facts["error"]), facts["error"]))
    if "event" in facts:
        yield ": ".join(str(facts[key]) for key in ("event", "said") if key in facts)
    if "wait" in facts:
        yield gettext("estimated wait: %(wait)s s") % facts
    if "failures" in facts:
        yield gettext("%(failures)s failed in %(seconds)s s") % facts
    if {"sent", "actual", "used"} <= facts.keys():
        yield gettext("ours %(sent)s, Salesforce %(actual)s, now %(used)s") % facts
    if "process" in facts:
        yield str(facts["process"])
    if facts.get("reset"):
        yield gettext("sequence numbers begin anew")
