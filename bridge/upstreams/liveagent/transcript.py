"""What does a transcript hold that we did not have?

After a reconnection Salesforce sends the conversation so far. It is compared by
number, since our own texts are deleted once they are delivered: the first so many
lines of each side are known. Pure.
"""

from collections.abc import Sequence

from bridge.domain.events import Said
from bridge.upstreams.liveagent.protocol import TranscriptEntry


def new_messages(
    transcript: Sequence[TranscriptEntry], said: Sequence[Said], known: int
) -> tuple[Said, ...]:
    """Return what the agent has said that we do not have.

    `said` came as events beside the transcript, and `known` of the agent's are
    stored already. Events that were not acknowledged may come once more, stored or
    not; the transcript, where it holds all that is known, tells.
    """
    lines = [Said(line.text, line.name) for line in transcript if line.by_agent]
    if len(lines) < known:
        return tuple(said)
    return joined(lines, said)[known:]


def has_arrived(transcript: Sequence[TranscriptEntry], text: str, known: int) -> bool:
    """Whether the customer's `text` is there beyond the first `known` lines."""
    said = [line.text for line in transcript if not line.by_agent]
    return text in said[known:]


def last_speaker(transcript: Sequence[TranscriptEntry]) -> str | None:
    """Return the agent who spoke last; None when none has.

    `ChatEstablished` may have been lost together with the old server.
    """
    speakers = [line.name for line in transcript if line.by_agent]
    return speakers[-1] if speakers else None


def joined(first: Sequence[Said], then: Sequence[Said]) -> tuple[Said, ...]:
    """Append `then`, less what it repeats of the end of `first`."""
    texts = [each.text for each in first], [each.text for each in then]
    overlap = min(len(first), len(then))
    while overlap and texts[0][-overlap:] != texts[1][:overlap]:
        overlap -= 1
    return (*first, *then[overlap:])
