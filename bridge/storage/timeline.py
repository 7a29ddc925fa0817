"""What has happened to a chat?

A trail of notes per chat, for whoever asks later why it died. A note is one INSERT
in the transaction of what it tells of, so that the trail says nothing that did not
happen; and a trail that cannot be written harms no chat.
"""

import json
import logging
import os
import socket
import time
from collections.abc import Sequence

from django.db import DatabaseError, Error, OperationalError, connection

from bridge.domain.errors import DatabaseUnavailable, UpstreamError
from bridge.domain.timeline import LAST_KINDS, Fact, Kind, Note
from bridge.storage.database import is_database_thread, run_on_database_thread
from bridge.storage.sql import Script, Statement

logger = logging.getLogger(__name__)

MOST = 200  # notes of one chat; of its end there is always room for one

INSERT = """
    INSERT INTO bridge_sessionevent (session_id, kind, facts, at)
    SELECT s.id, {item[kind]}, {item[facts]}{jsonb}, {now}
      FROM bridge_session s, {each[notes]}
     WHERE s.id = %(id)s AND {condition}
       AND ({item[most]} IS NULL
            OR CAST({item[most]} AS integer) >= item.position +
               (SELECT count(*) FROM bridge_sessionevent e WHERE e.session_id = s.id))
     ORDER BY item.position
    """
ADD = Statement(INSERT, condition="TRUE")
# PostgreSQL breaks the whole transaction off where a statement of it fails.
ADD_OR_NOT = Script(
    "SAVEPOINT trail", INSERT, "RELEASE SAVEPOINT trail", condition="TRUE"
)
UNDO = Statement("ROLLBACK TO SAVEPOINT trail")


def note(session_id: int, kind: str, **facts: Fact) -> None:
    """Note what happened to a chat, as part of the caller's transaction if any.

    It may be dropped: when the database does not take it, or too much was noted.
    """
    note_all(session_id, (Note(kind, facts),))


def note_all(session_id: int, notes: Sequence[Note]) -> None:
    """Note several things in their order."""
    if not notes:
        return
    if is_database_thread():
        return _add(session_id, notes)
    try:
        run_on_database_thread(ADD, id=session_id, notes=in_json(notes))
    except (DatabaseUnavailable, Error) as exc:
        _lament(session_id, exc)


def in_json(notes: Sequence[Note]) -> str:
    """Return what `INSERT` takes as `notes`; facts without a value are left out."""
    return json.dumps(
        [
            {
                "kind": note.kind,
                "most": None if note.kind in LAST_KINDS else MOST,
                "facts": {
                    name: value
                    for name, value in note.facts.items()
                    if value not in ("", None)
                },
            }
            for note in notes
        ],
        ensure_ascii=False,
    )


def can_do_without(session_id: int, exc: DatabaseError) -> bool:
    """Whether what failed may be repeated without its notes, and may then work.

    A broken connection has to be replaced by whoever began the transaction.
    """
    if connection.vendor == "postgresql" and isinstance(exc, OperationalError):
        return False
    _lament(session_id, exc)
    return True


def _add(session_id: int, notes: Sequence[Note]) -> None:
    guarded = connection.vendor == "postgresql" and connection.in_atomic_block
    try:
        (ADD_OR_NOT if guarded else ADD)(id=session_id, notes=in_json(notes))
    except DatabaseError as exc:
        if not can_do_without(session_id, exc):
            raise
        if guarded:
            UNDO()


def _lament(session_id: int, exc: Exception) -> None:
    logger.warning("chat %s: nothing noted: %s", session_id, type(exc).__name__)


def process() -> str:
    """Name this process, as the platform's logs do: the dyno and the process id."""
    return f"{os.environ.get('DYNO') or socket.gethostname()}:{os.getpid()}"


class Outage:
    """A run of failed calls, noted when it begins and when it is over."""

    def __init__(self, session_id: int) -> None:
        self._session_id = session_id
        self._failures = 0
        self._began = 0.0

    def failed(self, exc: UpstreamError) -> None:
        """Note the first failure, and count the others."""
        self._failures += 1
        if self._failures == 1:
            self._began = time.monotonic()
            note(self._session_id, Kind.UNREACHABLE, **exc.facts)

    def over(self) -> None:
        """Note that it works again, if it did not."""
        if not self._failures:
            return
        failures, self._failures = self._failures, 0
        seconds = round(time.monotonic() - self._began)
        note(self._session_id, Kind.ANSWERING, failures=failures, seconds=seconds)
