"""What is known of a chat, and which messages wait to go either way?

`Session` is one row a chat. An `AgentMessage` waits for the bot, a `CustomerMessage`
for Salesforce; the text is deleted once it is delivered. A `TimelineEvent` is what has
happened to a chat, without a word of what was said. Tables keep their first names,
which the SQL of older servers knows.
"""

from typing import Self

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from bridge.domain.links import DEFAULT_HOLD_SECONDS, FIRST_ACK, MAX_SECRET_LENGTH
from bridge.domain.states import Reason, State

IDENTIFIER = 255  # characters of a line_id, a name, a message_id


class SessionQuerySet(models.QuerySet["Session"]):
    """Chats, by what is asked of them most."""

    def open(self) -> Self:
        """Return the chats that go on."""
        return self.exclude(state=State.ENDED)


class Session(models.Model):
    """One chat of one customer with Salesforce Live Agent."""

    STATES = (
        (State.OPENING, _("opening")),
        (State.WAITING, _("waiting")),
        (State.ESTABLISHED, _("established")),
        (State.ENDED, _("ended")),
    )
    REASONS = (
        (Reason.AGENT, _("ended by the agent")),
        (Reason.CLIENT, _("ended by the customer")),
        (Reason.UNAVAILABLE, _("no agent available")),
        (Reason.VISITOR_IDLE, _("customer silent for too long")),
        (Reason.BOT_IDLE, _("bot silent for too long")),
        (Reason.LOST, _("lost at Salesforce")),
        (Reason.ERROR, _("error")),
    )

    UPSTREAMS = (("liveagent", "Live Agent"),)

    line_id = models.CharField(_("LINE id"), max_length=IDENTIFIER)
    display_name = models.CharField(_("display name"), max_length=IDENTIFIER)
    state = models.CharField(
        _("state"), max_length=16, choices=STATES, default=State.OPENING
    )
    reason = models.CharField(_("reason"), max_length=16, choices=REASONS, blank=True)
    agent = models.CharField(_("agent"), max_length=IDENTIFIER, blank=True)
    queue_position = models.IntegerField(_("queue position"), null=True)
    estimated_wait = models.IntegerField(
        _("estimated wait"), null=True, help_text=_("seconds")
    )

    opened_at = models.DateTimeField(_("opened at"), db_default=Now())
    established_at = models.DateTimeField(_("established at"), null=True)
    active_at = models.DateTimeField(_("active at"), db_default=Now())
    ended_at = models.DateTimeField(_("ended at"), null=True)

    # Where the chat lives at Salesforce. The key opens it: never shown anywhere.
    upstream = models.CharField(
        _("upstream"), max_length=16, choices=UPSTREAMS, db_default="liveagent"
    )
    host = models.CharField(max_length=IDENTIFIER, blank=True)
    # Of no use any more; older servers still write it.
    live_agent_id = models.CharField(
        max_length=MAX_SECRET_LENGTH, blank=True, db_default=""
    )
    key = models.CharField(max_length=MAX_SECRET_LENGTH, blank=True)
    affinity_token = models.CharField(max_length=MAX_SECRET_LENGTH, blank=True)
    client_poll_timeout = models.IntegerField(
        default=DEFAULT_HOLD_SECONDS, help_text="seconds"
    )

    # How far the conversation is: our last POST, their last batch.
    sequence = models.BigIntegerField(default=0)
    ack = models.BigIntegerField(default=FIRST_ACK)
    batch = models.BigIntegerField(default=0)
    offset = models.BigIntegerField(null=True)
    memory = models.CharField(max_length=IDENTIFIER, blank=True, db_default="")
    agent_words = models.IntegerField(default=0)
    reconnecting = models.BooleanField(default=False)

    # Who may poll, and who may POST: until when, by which token. `answered_at` is
    # when a poll was last answered well; it has no index, since it changes with each.
    poll_token = models.BigIntegerField(default=0)
    poll_until = models.DateTimeField(null=True)
    answered_at = models.DateTimeField(null=True)
    send_token = models.BigIntegerField(default=0)
    send_until = models.DateTimeField(null=True)

    # The two clocks that end a chat in silence.
    bot_until = models.DateTimeField(db_default=Now())
    visitor_idle_timeout = models.IntegerField(null=True, help_text="seconds")
    visitor_idle_at = models.DateTimeField(null=True)

    # What is left to do once it has ended.
    farewell = models.CharField(max_length=32, blank=True)
    farewell_until = models.DateTimeField(null=True)
    undelivered = models.IntegerField(_("undelivered"), default=0)
    last_word_id = models.BigIntegerField(default=0)

    objects = SessionQuerySet.as_manager()

    class Meta:
        verbose_name = _("chat")
        verbose_name_plural = _("chats")
        constraints = (
            models.UniqueConstraint(
                fields=("line_id",),
                condition=~Q(state=State.ENDED),
                name="one_open_chat_per_line_id",
            ),
        )
        indexes = (
            models.Index(fields=("line_id", "-id"), name="newest_chat_of_line_id"),
            models.Index(fields=("-opened_at",), name="newest_chats"),
            models.Index(
                fields=("poll_until",),
                condition=~Q(state=State.ENDED),
                name="open_chats_by_poll_lease",
            ),
            models.Index(
                fields=("send_until",),
                condition=~Q(farewell=""),
                name="farewells_still_to_say",
            ),
            models.Index(
                fields=("ended_at",),
                condition=Q(ended_at__isnull=False),
                name="ended_chats_by_their_end",
            ),
        )

    def __str__(self) -> str:
        return gettext("chat %(id)s") % {"id": self.pk}


class AgentMessage(models.Model):
    """An agent's message on its way to the bot; gone once it has it.

    `claim` names the answer they are being written into, until `claimed_until`.
    """

    session = models.ForeignKey(Session, models.CASCADE, related_name="agent_messages")
    line_id = models.CharField(max_length=IDENTIFIER)
    text = models.TextField()
    agent = models.CharField(max_length=IDENTIFIER)
    at = models.DateTimeField(db_default=Now())
    claim = models.BigIntegerField(default=0)
    claimed_until = models.DateTimeField(null=True)

    class Meta:
        indexes = (models.Index(fields=("line_id", "id"), name="inbox_in_order"),)

    def __str__(self) -> str:
        return f"agent message {self.pk}"


class CustomerMessage(models.Model):
    """A customer's message on its way to Salesforce.

    `accepted` says that the bot was told `send`; `refused` that it was told `bad`
    while it was not known what became of it. Once sent it leaves at most a
    `message_id` or, where the bot may ask again, a `digest` behind.
    """

    session = models.ForeignKey(
        Session, models.CASCADE, related_name="customer_messages"
    )
    line_id = models.CharField(max_length=IDENTIFIER)
    request = models.BigIntegerField(unique=True)
    message_id = models.CharField(max_length=IDENTIFIER, null=True)  # noqa: DJ001
    text = models.TextField()
    digest = models.CharField(max_length=64)
    sequence = models.BigIntegerField(null=True)
    accepted = models.BooleanField(default=False)
    refused = models.BooleanField(default=False)
    awaited_until = models.DateTimeField(null=True)
    at = models.DateTimeField(db_default=Now())
    sent_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "bridge_visitormessage"
        constraints = (
            models.UniqueConstraint(
                fields=("line_id", "message_id"),
                name="one_message_per_message_id",
            ),
        )
        indexes = (
            models.Index(
                fields=("session", "id"),
                condition=Q(sent_at=None),
                name="outbox_in_order",
            ),
            models.Index(
                fields=("session", "digest"),
                condition=Q(accepted=False),
                name="outbox_in_doubt",
            ),
        )

    def __str__(self) -> str:
        return f"customer message {self.pk}"


class TimelineEvent(models.Model):
    """One thing that has happened to a chat; `kind` is a `domain.timeline.Kind`."""

    session = models.ForeignKey(
        Session, models.CASCADE, related_name="timeline", db_index=False
    )
    kind = models.CharField(max_length=32)
    facts = models.JSONField(default=dict)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "bridge_sessionevent"
        indexes = (models.Index(fields=("session", "id"), name="trail_in_order"),)

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"
