"""How does a reader put right that a chat has moved?

Holding the send lease as well, so that nothing is sent meanwhile. All that has
changed is stored in one transaction; until then the row is as it was, so that
whoever takes the chat up after a crash begins anew.
"""

import logging
import math
import time
from dataclasses import replace
from functools import partial

from bridge.domain.effects import apply
from bridge.domain.errors import Gone, NoAnswer, UpstreamError
from bridge.domain.readings import Reading
from bridge.domain.timeline import Kind, Note
from bridge.outbound.backoff import Backoff
from bridge.storage import leases, moves, readings, timeline
from bridge.storage.leases import STALE_SECONDS, Lease, new_token
from bridge.upstreams.base import TOO_SOON_SECONDS, Recovery

logger = logging.getLogger(__name__)

LEASE_WAIT_SECONDS = 0.2


class Recovering:
    """One recovery, under both leases of a chat."""

    def __init__(self, lease: Lease, recovery: Recovery) -> None:
        self._lease = lease
        self._recovery = recovery
        self._send_token = new_token()
        self._pause = Backoff()
        self._too_soon = Backoff(longest=2.0)
        self._read_at = -math.inf
        self._outage = timeline.Outage(lease.session_id)

    def carry_out(self) -> Lease | None:
        """Follow the chat to where it is; None when it is over or another's.

        Raises `Gone` when Salesforce has ended the chat meanwhile.
        """
        logger.info("chat %s: reconnecting", self._lease.session_id)
        while self._hold_both():
            try:
                if not self._recovery.is_needed():
                    # No move is known: it was an outage, and it is over.
                    moves.end(self._lease)
                    return replace(self._lease, needs_recovery=False)
                reading = self._recovery.carry_out(
                    hold=self._hold_for_read,
                    known=partial(moves.known, self._lease.session_id),
                    failed=self._failed,
                )
            except Gone:
                raise
            except UpstreamError as exc:
                self._failed(exc)
            else:
                return None if reading is None else self._store(reading)
        return None

    def _failed(self, exc: UpstreamError) -> None:
        logger.debug(
            "chat %s: reconnecting again after: %s", self._lease.session_id, exc
        )
        self._outage.failed(exc)
        if isinstance(exc, NoAnswer) and exc.may_hold:
            # A second read beside the abandoned one would end the chat.
            over = self._read_at + self._lease.seconds
            time.sleep(max(0.0, over - time.monotonic()))
        self._pause()
        self._read_at = -math.inf

    def _hold_for_read(self) -> bool:
        """Hold both leases for a read; not at once after one that was not held."""
        if time.monotonic() - self._read_at < TOO_SOON_SECONDS:
            self._too_soon()
        is_held = self._hold_both()
        self._read_at = time.monotonic()
        return is_held

    def _hold_both(self) -> bool:
        """Start both leases afresh; waits until a sender under way is done."""
        while True:
            started = time.monotonic()
            if not leases.renew(self._lease):
                return False
            is_alone = leases.block_senders(
                self._lease.session_id, self._send_token, self._lease.seconds
            )
            if is_alone and time.monotonic() - started < STALE_SECONDS:
                return True
            time.sleep(LEASE_WAIT_SECONDS)

    def _store(self, reading: Reading) -> Lease | None:
        effect = apply(self._lease.standing, reading.events)
        recovered = Note(Kind.RECONNECTED, {"reset": reading.renumber})
        effect = replace(effect, notes=(recovered, *effect.notes))
        return readings.commit(self._lease, reading, effect, commit=new_token())
