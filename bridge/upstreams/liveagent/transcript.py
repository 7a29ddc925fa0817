"""What does a transcript hold that we did not have?

After a reconnection Salesforce sends the conversation so far. It is compared by
number, since our own texts are deleted once they are delivered: the first so many
lines of each side are known. Pure.
"""

from collections.abc import Sequence
from dataclasses import replace

from bridge.upstreams.liveagent.events import Standing, State, Words
from bridge.upstreams.liveagent.protocol import Line


def new_words(
    transcript: Sequence[Line], words: Sequence[Words], known: int
) -> tuple[Words, ...]:
    """Return what the agent has said that we do not have.

    `words` came as events beside the transcript, and `known` of the agent's are
    stored already. Events that were not acknowledged may come once more, stored or
    not; the transcript, where it holds all that is known, tells.
    """
    said = [Words(line.text, line.name) for line in transcript if line.by_agent]
    if len(said) < known:
        return tuple(words)
    return joined(said, words)[known:]


def has_arrived(transcript: Sequence[Line], text: str, known: int) -> bool:
    """Whether the customer's `text` is there beyond the first `known` lines."""
    said = [line.text for line in transcript if not line.by_agent]
    return text in said[known:]


def with_agent_joined(standing: Standing, transcript: Sequence[Line]) -> Standing:
    """Return the standing, established where an agent has spoken already.

    `ChatEstablished` may have been lost together with the old server.
    """
    speakers = [line.name for line in transcript if line.by_agent]
    if not speakers or standing.state not in {State.OPENING, State.WAITING}:
        return standing
    return replace(standing, state=State.ESTABLISHED, agent=speakers[-1])


def joined(first: Sequence[Words], then: Sequence[Words]) -> tuple[Words, ...]:
    """Append `then`, less what it repeats of the end of `first`."""
    texts = [words.text for words in first], [words.text for words in then]
    overlap = min(len(first), len(then))
    while overlap and texts[0][-overlap:] != texts[1][:overlap]:
        overlap -= 1
    return (*first, *then[overlap:])
