"""Which events of a poll's answer have been read before?

Salesforce's `sequence` numbers events: an answer of n events with the sequence S holds
the numbers S-n+1 to S, and those up to our `ack` were read already. But no document
says so, and to a server that numbers answers two new events under `ack + 1` look just
like an old one and a new one. A lost word is worse than a doubled one, so numbers
alone make nothing old. It takes all of this:

* The numbers say that the first k events were read.
* Those k are, word for word, the last k that were read. Digests of these are kept;
  they begin anew where numbers were skipped.
* The server is known to count events: it once raised `sequence` by the two events or
  more that its answer held, or the k hold an event that comes once in a chat. One that
  raises it by one for several events that are not those read last counts answers, and
  is held to do so from then on.

So nothing is taken for old that is new, unless a server that counts answers skipped
numbers just so and its agent then repeats themselves word for word. What is left: in a
chat whose answers held one event each so far, plain words that come again together
with one new event are taken for new.

What has to be remembered is a short text, the chat's own, good for one `ack`. Pure.
"""

import hashlib
import json
import re
from base64 import urlsafe_b64encode
from dataclasses import replace

from bridge.domain.links import Cursor
from bridge.upstreams.liveagent.protocol import Batch, Event

MAX_DIGESTS = 32
DIGEST_BYTES = 4
DIGEST_LENGTH = 6  # of those bytes in base64
MAX_MEMORY = 20 + 1 + MAX_DIGESTS * DIGEST_LENGTH

UNKNOWN, COUNTS_EVENTS, COUNTS_ANSWERS = "?", "e", "a"
FORM = re.compile(rf"(-?[0-9]{{1,19}})([?ea])((?:[\w-]{{{DIGEST_LENGTH}}})*)", re.ASCII)
# Not twice in a row, at any rate: once in a chat, once after a change of affinity.
COMES_ONCE = frozenset({"ChatRequestSuccess", "ChatEstablished", "ChasitorSessionData"})


def read_on(
    batch: Batch, cursor: Cursor, *, secret: str
) -> tuple[tuple[Event, ...], Cursor]:
    """Return what is new in an answer, and how far the chat is read with it.

    `secret` keeps the digests from being guessed. An answer whose `sequence` is not
    above `ack` is for the caller to drop as a whole; one without is new as a whole.
    """
    events, size, sequence, ack = batch.events, batch.size, batch.sequence, cursor.ack
    offset = cursor.offset if batch.offset is None else batch.offset
    if sequence is None:
        return events, replace(cursor, offset=offset)
    counts, read = _recalled(cursor.memory, ack)
    if size != len(events):  # which has which number is not known
        return events, Cursor(sequence, offset, f"{sequence}{counts}")
    came = [_digest(event, secret) for event in events]
    old = max(0, ack - (sequence - size))
    can_tell = 0 < old <= len(read)
    is_again = can_tell and came[:old] == read[-old:]
    comes_once = any(event.type in COMES_ONCE for event in events[:old])
    raised_by_size = ack >= 0 and sequence - ack == size > 1
    if can_tell and not is_again and sequence == ack + 1:
        counts = COUNTS_ANSWERS
    elif counts == UNKNOWN and (raised_by_size or (is_again and comes_once)):
        counts = COUNTS_EVENTS
    begin = old if is_again and counts == COUNTS_EVENTS else 0
    before = read if sequence - size <= ack else []
    digests = [*before, *came[begin:]][-MAX_DIGESTS:]
    memory = f"{sequence}{counts}{''.join(digests)}"
    return events[begin:], Cursor(sequence, offset, memory)


def _recalled(memory: str, ack: int) -> tuple[str, list[str]]:
    """Return how the server counts and what was read last.

    Numbers may have begun anew, or the row moved on by an older version of this
    program, which keeps no memory: what was read last is not known then.
    """
    found = FORM.fullmatch(memory)
    if found is None:
        return UNKNOWN, []
    if int(found[1]) != ack:
        return found[2], []
    digests = found[3]
    starts = range(0, len(digests), DIGEST_LENGTH)
    return found[2], [digests[at : at + DIGEST_LENGTH] for at in starts]


def _digest(event: Event, secret: str) -> str:
    """Return a short keyed hash of all that an event says."""
    said = json.dumps([event.type, event.message], sort_keys=True).encode()
    key = hashlib.sha256(secret.encode()).digest()
    hashed = hashlib.blake2b(said, digest_size=DIGEST_BYTES, key=key)
    return urlsafe_b64encode(hashed.digest()).decode().rstrip("=")
