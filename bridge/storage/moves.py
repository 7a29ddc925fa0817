"""Has a chat moved, and is its reader to put that right?"""

from bridge.domain.errors import Moved
from bridge.domain.links import LINK_COLUMNS, Link
from bridge.domain.readings import Known
from bridge.domain.timeline import Kind
from bridge.models import Session, SessionQuerySet
from bridge.storage import customer_messages, notifications, timeline
from bridge.storage.database import in_database
from bridge.storage.leases import Lease
from bridge.storage.notifications import Broadcast


@in_database
def ask_for(session_id: int, link: Link, exc: Moved) -> bool:
    """Have the chat's reader recover it; False when the chat has no reader.

    A recovery that has come in between is not asked for again.
    """
    session = Session.objects.open().filter(pk=session_id)
    here = session.filter(**{name: getattr(link, name) for name in LINK_COLUMNS})
    if here.filter(reconnecting=False).update(reconnecting=True):
        _note_begin(session_id, exc)
    if here.exists():
        notifications.broadcast(Broadcast.LOOK, session_id)
    return session.exists()


@in_database
def is_wanted(lease: Lease) -> bool:
    """Whether a recovery is still to be done, and by this reader."""
    return _own(lease).filter(reconnecting=True).exists()


@in_database
def begin(lease: Lease, exc: Moved) -> None:
    """Note that the chat's reader recovers it; nothing is sent meanwhile."""
    if _own(lease).filter(reconnecting=False).update(reconnecting=True):
        _note_begin(lease.session_id, exc)


@in_database
def end(lease: Lease) -> None:
    """Go on where the chat is: Salesforce knows of no move."""
    own = Session.objects.filter(pk=lease.session_id, poll_token=lease.token)
    if own.filter(reconnecting=True).exists():
        timeline.record(lease.session_id, Kind.STAYED)
    own.update(reconnecting=False, send_until=None)
    notifications.broadcast(Broadcast.SEND, lease.session_id)


@in_database
def known(session_id: int) -> Known:
    """Return what is stored of a conversation, to compare its transcript with."""
    session = Session.objects.filter(pk=session_id).first()
    if session is None:  # the customer has been forgotten
        return Known(0, 0)
    doubt = customer_messages.unsent(session_id).exclude(sequence=None).first()
    return Known(
        agent_messages=session.agent_words,
        customer_messages=session.customer_messages.exclude(sent_at=None).count(),
        doubt=(doubt.sequence, doubt.text) if doubt and doubt.sequence else None,
    )


def _own(lease: Lease) -> SessionQuerySet:
    return Session.objects.open().filter(pk=lease.session_id, poll_token=lease.token)


def _note_begin(session_id: int, exc: Moved) -> None:
    timeline.record(session_id, Kind.RECONNECTING, resource=exc.facts.get("resource"))
