"""What has happened to a chat?

A timeline of events per chat, for whoever asks later why it died. An event is written
in the transaction of what it tells of, so that the timeline says nothing that did not
happen, and misses nothing that did.
"""

import json
import logging
import os
import socket
import time
from collections.abc import Sequence

from django.db import DatabaseError

from bridge.domain.errors import DatabaseUnavailable, UpstreamError
from bridge.domain.timeline import LAST_KINDS, Fact, Kind, Note
from bridge.storage.database import in_database_stepwise, is_database_thread
from bridge.storage.sql import Statement

logger = logging.getLogger(__name__)

MAX_EVENTS = 200  # notes of one chat; of its end there is always room for one

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


def record(session_id: int, kind: str, **facts: Fact) -> None:
    """Record what happened to a chat, as part of the caller's transaction if any.

    Outside of one it may be dropped, when the database does not take it.
    """
    if is_database_thread():
        return _add(session_id, Note(kind, facts))
    try:
        _add(session_id, Note(kind, facts))
    except (DatabaseUnavailable, DatabaseError) as exc:
        logger.warning("chat %s: nothing noted: %s", session_id, type(exc).__name__)


@in_database_stepwise
def _add(session_id: int, note: Note) -> None:
    ADD(id=session_id, notes=in_json([note]))


def in_json(notes: Sequence[Note]) -> str:
    """Return what `INSERT` takes as `notes`; facts without a value are left out."""
    return json.dumps(
        [
            {
                "kind": note.kind,
                "most": None if note.kind in LAST_KINDS else MAX_EVENTS,
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
            record(self._session_id, Kind.UNREACHABLE, **exc.facts)

    def over(self) -> None:
        """Note that it works again, if it did not."""
        if not self._failures:
            return
        failures, self._failures = self._failures, 0
        seconds = round(time.monotonic() - self._began)
        record(self._session_id, Kind.ANSWERING, failures=failures, seconds=seconds)
