"""How is a reading stored, once?

The agent's messages, the standing and the cursor of one reading are stored together,
in one transaction: only then does the next read acknowledge it.
"""

import json
from dataclasses import replace

from bridge.domain.effects import Effect
from bridge.domain.links import CURSOR_COLUMNS, LINK_COLUMNS
from bridge.domain.readings import Reading
from bridge.domain.states import State
from bridge.models import Session
from bridge.storage import customer_messages, ending, notifications, timeline
from bridge.storage.database import in_database, in_database_stepwise
from bridge.storage.leases import Lease
from bridge.storage.notifications import Broadcast
from bridge.storage.sql import Parameter, Script, assignments

# Whatever is stored comes before the UPDATE that lets nothing follow on the same
# commit again. So a transaction that is repeated, since nobody knows whether it was
# carried out before the connection broke, stores nothing twice.
LAST = "poll_token = %(token)s AND batch = %(last_commit)s AND state <> 'ended'"
COMMIT = Script(
    "SELECT 1 FROM bridge_session WHERE id = %(id)s {for_update}",
    """
    INSERT INTO bridge_agentmessage (session_id, line_id, text, agent, at, claim)
    SELECT id, line_id, {item[text]}, {item[agent]}, {now}, 0
      FROM bridge_session, {each[messages]}
     WHERE id = %(id)s AND {last}
     ORDER BY item.position
    """,
    timeline.INSERT,
    """
    UPDATE bridge_session
       SET {cursor}, active_at = {now}, poll_until = {in[lease]},
           answered_at = {now}, batch = %(commit)s,
           agent_words = agent_words + %(count)s,
           last_word_id = CASE WHEN %(count)s = 0 THEN last_word_id ELSE
               (SELECT max(id) FROM bridge_agentmessage m
                 WHERE m.line_id = bridge_session.line_id) END,
           visitor_idle_at = CASE WHEN %(visitor_idle_timeout)s IS NULL THEN NULL
               WHEN %(count)s = 0 THEN visitor_idle_at
               ELSE {in[visitor_idle_timeout]} END,
           state = %(state)s, agent = %(agent)s, queue_position = %(queue_position)s,
           estimated_wait = %(estimated_wait)s,
           visitor_idle_timeout = %(visitor_idle_timeout)s,
           established_at = COALESCE(established_at,
               CASE WHEN %(state)s = 'established' THEN {now} END)
     WHERE id = %(id)s AND {last}
    """,
    """
    SELECT batch = %(commit)s FROM bridge_session
     WHERE id = %(id)s AND poll_token = %(token)s AND state <> 'ended'
    """,
    cursor=assignments(CURSOR_COLUMNS),
    condition=LAST,
    last=LAST,
)


def commit(
    lease: Lease, reading: Reading, effect: Effect, *, commit: int
) -> Lease | None:
    """Store a reading and what it led to, and start the lease afresh.

    `commit` is a new token for this reading, the same however often storing it has
    to be tried. Returns the lease for the next read; None when it is another's or the
    chat is over. Then nothing is stored, and what Salesforce did not see
    acknowledged it sends again.
    """
    alone = reading.link is None and effect.standing.state != State.ENDED
    return (_commit if alone else _commit_whole)(lease, reading, effect, commit)


@in_database_stepwise
def _commit(
    lease: Lease, reading: Reading, effect: Effect, commit: int
) -> Lease | None:
    messages = [{"text": each.text, "agent": each.agent} for each in effect.messages]
    row = COMMIT(
        id=lease.session_id,
        token=lease.token,
        last_commit=lease.commit,
        commit=commit,
        lease=lease.seconds,
        messages=json.dumps(messages, ensure_ascii=False),
        count=len(messages),
        notes=timeline.in_json(effect.notes),
        **_cursor(reading),
        **_standing(lease, effect),
    ).row
    if row is None or not row[0]:
        return None
    _publish(lease, effect)
    return replace(
        lease, cursor=reading.cursor, commit=commit, standing=effect.standing
    )


@in_database
def _commit_whole(
    lease: Lease, reading: Reading, effect: Effect, commit: int
) -> Lease | None:
    """Store a reading that ends the chat or takes it elsewhere, with all of that."""
    own = Session.objects.filter(pk=lease.session_id, poll_token=lease.token)
    was_done = own.filter(batch=commit).exists()  # before the connection broke
    after = _commit(lease, reading, effect, commit)
    if after is None or was_done:
        return after
    if reading.link is not None:
        after = _relink(after, reading, effect)
    standing = effect.standing
    if standing.state == State.ENDED:
        ending.finish(
            lease.session_id,
            standing.reason,
            tell=standing.needs_notice,
            facts=effect.end,
        )
    return after


def _relink(lease: Lease, reading: Reading, effect: Effect) -> Lease:
    """Go over to where the chat lives now; senders may go on."""
    assert reading.link is not None
    columns = {name: getattr(reading.link, name) for name in LINK_COLUMNS}
    if reading.renumber:
        columns["sequence"] = 0
    Session.objects.filter(pk=lease.session_id).update(
        reconnecting=False, send_until=None, **columns
    )
    for number in effect.arrived:
        customer_messages.note_arrival(lease.session_id, number)
    if reading.renumber:
        customer_messages.forget_numbers(lease.session_id)
    notifications.broadcast(Broadcast.SEND, lease.session_id)
    return replace(lease, link=reading.link, needs_recovery=False)


def _cursor(reading: Reading) -> dict[str, Parameter]:
    return {name: getattr(reading.cursor, name) for name in CURSOR_COLUMNS}


def _standing(lease: Lease, effect: Effect) -> dict[str, Parameter]:
    """Return the parameters for a chat's standing; its end is written by `finish`."""
    ended = effect.standing.state == State.ENDED
    now = lease.standing if ended else effect.standing
    return {
        "state": str(now.state),
        "agent": now.agent,
        "queue_position": now.queue_position,
        "estimated_wait": now.estimated_wait,
        "visitor_idle_timeout": now.visitor_idle_timeout,
    }


def _publish(lease: Lease, effect: Effect) -> None:
    """Wake who waits for the agent's messages, for the state, or to send."""
    standing = effect.standing
    if standing.state not in {lease.standing.state, State.ENDED}:
        notifications.publish(notifications.chat(lease.session_id))
        if (
            standing.state == State.ESTABLISHED
            # What was said in the queue.
            and customer_messages.unsent(lease.session_id).exists()
        ):
            notifications.broadcast(Broadcast.SEND, lease.session_id)
    if effect.messages:
        notifications.publish(notifications.messages_for(lease.line_id))
