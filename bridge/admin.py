"""What may an operator see of the chats?

Whose chat it is, how it stands and what has happened to it, in Japanese or English.
No key, no token and no chat text is shown anywhere, and nothing can be edited; a
chat can be ended.
"""

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import BadRequest
from django.db import DataError
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from bridge.domain.states import Reason
from bridge.domain.timeline import EndedBy
from bridge.models import Session
from bridge.operations import timeline_text
from bridge.storage import ending

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Session]
else:
    ModelAdmin = admin.ModelAdmin

# What the links of the list may ask of a column.
LOOKUPS = {"", "exact", "isnull", "gte", "lt", "year", "month", "day"}
MAX_ID_DIGITS = 18

admin.site.site_header = admin.site.site_title = "Liveagent API"
admin.site.index_title = _("Chats")
admin.site.enable_nav_sidebar = False
admin.site.site_url = None  # there is no other page to view
MAX_SHOWN = 40  # characters in a column of the list; a line_id of LINE's has 33


def _shown(text: str) -> str:
    """Return a text that leaves room for the other columns; the whole is its title."""
    if len(text) <= MAX_SHOWN:
        return text
    return format_html('<span title="{}">{}…</span>', text, text[: MAX_SHOWN - 1])


@admin.display(description=_("LINE id"), ordering="line_id")
def line_id(session: Session) -> str:
    """Return the LINE id for the list."""
    return _shown(session.line_id)


@admin.display(description=_("display name"), ordering="display_name")
def display_name(session: Session) -> str:
    """Return the customer's name for the list."""
    return _shown(session.display_name)


@admin.register(Session)
class SessionAdmin(ModelAdmin):
    """The chats, newest first."""

    list_display = (
        line_id,
        display_name,
        "state",
        "reason",
        "opened_at",
        "active_at",
        "messages_to_bot",
        "messages_to_agent",
    )
    list_display_links = (line_id,)
    list_filter = ("state", "reason", "opened_at")
    search_fields = ("line_id",)
    search_help_text = _("LINE id")
    date_hierarchy = "opened_at"
    ordering = ("-opened_at",)
    actions = ("end_chat",)
    list_per_page = 50
    show_full_result_count = False
    fields = (
        "line_id",
        "display_name",
        "state",
        "reason",
        "agent",
        "queue_position",
        "estimated_wait",
        "opened_at",
        "established_at",
        "active_at",
        "ended_at",
        "messages_to_bot",
        "messages_to_agent",
        "undelivered",
    )
    readonly_fields = fields

    class Media:
        css = {"all": ("bridge/admin.css",)}

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Leave out what a chat does not have: its timeline is to stand high."""
        return [name for name in self.fields if getattr(obj, name, 0) not in ("", None)]

    def lookup_allowed(self, lookup: str, *args: Any, **kwargs: Any) -> bool:
        """Only what the list offers: else a key could be guessed, piece by piece."""
        column, _dunder, how = lookup.partition("__")
        return column in ("line_id", *self.list_filter) and how in LOOKUPS

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Refuse what nobody can have chosen on this page."""
        chosen = request.POST.getlist(ACTION_CHECKBOX_NAME)
        if not all(each.isdecimal() and len(each) <= MAX_ID_DIGITS for each in chosen):
            raise BadRequest("no chat has such an id")
        try:
            return super().changelist_view(request, *args, **kwargs)
        except (OverflowError, DataError) as exc:
            raise BadRequest("no such time") from exc

    def get_queryset(self, request: HttpRequest) -> QuerySet[Session]:
        """Count the messages on their way along with the chats."""
        unsent = Count(
            "customer_messages",
            filter=Q(customer_messages__sent_at=None),
            distinct=True,
        )
        waiting = Count("agent_messages", distinct=True)
        return super().get_queryset(request).annotate(to_bot=waiting, to_agent=unsent)

    @admin.display(description=_("to bot"))
    def messages_to_bot(self, session: Any) -> int:
        """Return how many of an agent's messages the bot has not fetched."""
        return int(session.to_bot)

    @admin.display(description=_("to agent"))
    def messages_to_agent(self, session: Any) -> int:
        """Return how many of the customer's messages Salesforce does not have."""
        return int(session.to_agent)

    @admin.action(description=_("End chat"), permissions=["end"])
    def end_chat(self, request: HttpRequest, queryset: QuerySet[Session]) -> None:
        """End the chosen chats; Salesforce is told in the background."""
        chosen = list(queryset.values_list("pk", flat=True))
        ended = sum(
            ending.finish(pk, Reason.CLIENT, facts={"by": EndedBy.ADMIN})
            for pk in chosen
        )
        said = gettext("%(count)d ended") % {"count": ended}
        self.message_user(request, said, messages.SUCCESS)

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        *args: Any,
        **kwargs: Any,
    ) -> HttpResponse:
        """Show what has happened to the chat, and above all why it ended."""
        timeline = timeline_text.timeline(context["original"])
        context |= {
            "timeline": timeline,
            "timeline_title": _("What has happened"),
            "ending": timeline_text.ending(timeline),
            "ending_title": _("Why it ended"),
        }
        return super().render_change_form(request, context, *args, **kwargs)

    def has_end_permission(self, request: HttpRequest) -> bool:
        """Whether this user may end chats: who could change them, may."""
        return bool(request.user.has_perm("bridge.change_session"))

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Chats are opened by bots."""
        return False

    def has_change_permission(
        self, request: HttpRequest, obj: Session | None = None
    ) -> bool:
        """Nothing is editable."""
        return False

    def has_delete_permission(
        self, request: HttpRequest, obj: Session | None = None
    ) -> bool:
        """A deleted row would leave its chat open at Salesforce."""
        return False
