"""How does what a poll brought get into the database?

Words, standing and ack of one answer are stored together, in one transaction: only
then does the next poll acknowledge it.
"""

import json
from dataclasses import replace
from typing import Any

from django.db import DatabaseError, connection

from bridge.models import Session
from bridge.storage import customer_messages, ending, notifications, timeline
from bridge.storage.database import in_database, in_database_stepwise
from bridge.storage.leases import MARGIN_SECONDS, Lease
from bridge.storage.marks import new_token
from bridge.storage.notifications import Broadcast
from bridge.storage.sql import Parameter, Script
from bridge.upstreams.liveagent.events import Outcome, State
from bridge.upstreams.liveagent.protocol import Batch

RECORD = (
    """
    UPDATE bridge_session
       SET ack = %(ack)s, "offset" = %(offset)s, active_at = {now},
           poll_until = {in[lease]}, answered_at = {now},
           agent_words = agent_words + %(words_count)s, batch = %(batch)s,
           visitor_idle_at = CASE WHEN %(has_no_idle_clock)s THEN NULL
                                  ELSE COALESCE({in[idle]}, visitor_idle_at) END,
           state = %(state)s, agent = %(agent)s, queue_position = %(queue_position)s,
           estimated_wait = %(estimated_wait)s,
           visitor_idle_timeout = %(visitor_idle_timeout)s,
           established_at = COALESCE(established_at,
                                     CASE WHEN %(is_established)s THEN {now} END)
     WHERE id = %(id)s AND poll_token = %(token)s AND ack = %(last_ack)s
       AND state <> 'ended'
    """,
    """
    INSERT INTO bridge_agentmessage (session_id, line_id, text, agent, at, claim)
    SELECT s.id, s.line_id, {item[text]}, {item[agent]}, {now}, 0
      FROM bridge_session s, {each[words]}
     WHERE s.id = %(id)s AND s.batch = %(batch)s
     ORDER BY item.position
    """,
    """
    UPDATE bridge_session
       SET last_word_id =
           (SELECT max(id) FROM bridge_agentmessage WHERE line_id = %(line_id)s)
     WHERE id = %(id)s AND batch = %(batch)s AND %(words_count)s > 0
    """,
)
WAS_RECORDED = """
    SELECT batch = %(batch)s FROM bridge_session
     WHERE id = %(id)s AND poll_token = %(token)s AND ack = %(ack)s
       AND state <> 'ended'
    """
RECORD_ALONE = Script(*RECORD, WAS_RECORDED)
RECORD_WITH_NOTES = Script(
    *RECORD, timeline.INSERT, WAS_RECORDED, condition="s.batch = %(batch)s"
)


def record(lease: Lease, batch: Batch, outcome: Outcome, **resync: Any) -> Lease | None:
    """Store a batch: words, standing and ack together, and the lease afresh.

    Returns the lease for the next poll. None when the chat is over or another
    process's by now: then nothing is stored, and what Salesforce did not see
    acknowledged it sends again. `resync` are the further columns that a
    reconnection sets.
    """
    at_once = not resync and outcome.standing.state != State.ENDED
    run = _record_at_once if at_once else _record
    return run(lease, batch, outcome, resync)


def _store(
    lease: Lease, batch: Batch, outcome: Outcome, resync: dict[str, Any]
) -> Lease | None:
    ack = lease.ack if batch.sequence is None else batch.sequence
    advanced = replace(
        lease,
        ack=ack,
        offset=lease.offset if batch.offset is None else batch.offset,
        standing=outcome.standing,
    )
    row = _advance_with_notes(lease, advanced, outcome)
    if row is None:
        return None
    is_new = row[0]
    if not is_new:  # carried out before the connection broke
        return advanced
    if resync:
        Session.objects.filter(pk=lease.session_id).update(**resync)
    if connection.in_atomic_block:
        timeline.note_all(lease.session_id, outcome.notes)
    _ring(lease, outcome)
    return advanced


_record = in_database(_store)
_record_at_once = in_database_stepwise(_store)


def _advance_with_notes(
    lease: Lease, advanced: Lease, outcome: Outcome
) -> tuple[object, ...] | None:
    """Store the notes along with the rest where that costs no round trip more.

    Part of a longer transaction, they are written for themselves: what fails here
    would break all of it off.
    """
    without = replace(outcome, notes=())
    if connection.in_atomic_block or not outcome.notes:
        return _advance(lease, advanced, without)
    try:
        return _advance(lease, advanced, outcome)
    except DatabaseError as exc:
        if not timeline.can_do_without(lease.session_id, exc):
            raise
    return _advance(lease, advanced, without)


def _advance(
    lease: Lease, advanced: Lease, outcome: Outcome
) -> tuple[object, ...] | None:
    """Store words and ack in one go; None when that is not ours to do any more."""
    words = [{"text": each.text, "agent": each.agent} for each in outcome.words]
    idle_timeout = outcome.standing.visitor_idle_timeout
    record = RECORD_WITH_NOTES if outcome.notes else RECORD_ALONE
    return record(
        id=lease.session_id,
        line_id=lease.line_id,
        token=lease.token,
        last_ack=lease.ack,
        ack=advanced.ack,
        offset=advanced.offset,
        batch=new_token(),
        lease=lease.client_poll_timeout + MARGIN_SECONDS,
        words=json.dumps(words, ensure_ascii=False),
        words_count=len(words),
        notes=timeline.in_json(outcome.notes),
        has_no_idle_clock=idle_timeout is None,
        idle=idle_timeout if words else None,
        **_standing_columns(lease, outcome),
    ).row


def _standing_columns(lease: Lease, outcome: Outcome) -> dict[str, Parameter]:
    """Return the parameters for a chat's standing; its end is written by `finish`."""
    ended = outcome.standing.state == State.ENDED
    now = lease.standing if ended else outcome.standing
    return {
        "state": now.state,
        "agent": now.agent,
        "queue_position": now.queue_position,
        "estimated_wait": now.estimated_wait,
        "visitor_idle_timeout": now.visitor_idle_timeout,
        "is_established": now.state == State.ESTABLISHED,
    }


def _ring(lease: Lease, outcome: Outcome) -> None:
    standing = outcome.standing
    if standing.state == State.ENDED:
        tell = standing.needs_farewell
        ending.finish(lease.session_id, standing.reason, tell=tell, facts=outcome.end)
    elif standing.state != lease.standing.state:
        notifications.publish(notifications.chat(lease.session_id))
        if standing.state == State.ESTABLISHED and customer_messages.unsent_exists(
            lease.session_id
        ):
            notifications.broadcast(
                Broadcast.SEND, lease.session_id
            )  # what was said in the queue
    if outcome.words:
        notifications.publish(notifications.messages_for(lease.line_id))
