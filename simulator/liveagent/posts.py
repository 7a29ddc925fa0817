"""Does the session take this POST, and what does it do?"""

from __future__ import annotations

from simulator.answers import Answer, Refusal, bad_request, text_answer
from simulator.liveagent import bodies
from simulator.liveagent.bodies import Body
from simulator.liveagent.chat import CREATED, ENDED, WAITING, Chat
from simulator.liveagent.org import Org
from simulator.liveagent.refusals import SERVER_ERROR, SESSION_INVALID
from simulator.liveagent.resources import MULTI_NOUN, POSTS

INIT = "ChasitorInit"
RESYNC = "ChasitorResyncState"
BEFORE_ESTABLISHED = (INIT, "ChatEnd", RESYNC)


def take(org: Org, chat: Chat, noun: str, sequence: int | None, body: Body) -> Answer:
    """Carry out a POST; raises Refusal if it breaks a rule.

    A refused POST leaves the sequence where it was, so that it can be repeated.
    """
    if chat.state == ENDED:
        raise Refusal(SESSION_INVALID)
    accepted = text_answer(org.switches.post_success_status, "OK")
    if sequence is not None and chat.sequences.is_duplicate(sequence):
        return _duplicate(org, chat, sequence, accepted)
    if sequence is not None and not chat.sequences.is_next(sequence):
        raise _out_of_sync(org, chat, sequence, "wrong_sequence")
    parts = bodies.nouns(body) if noun == MULTI_NOUN.name else [(noun, body)]
    for part in parts:
        _check(org, chat, *part)
    if sequence is not None:
        chat.sequences.accept(sequence)
    for part in parts:
        _do(org, chat, *part, sequence)
    return accepted


def _duplicate(org: Org, chat: Chat, sequence: int, accepted: Answer) -> Answer:
    if org.switches.duplicate_sequence == "409":
        raise _out_of_sync(org, chat, sequence, "duplicate_sequence")
    for counts in (org.counts, chat.counts):
        counts.breaches["duplicate_sequence"] += 1
    return accepted


def _out_of_sync(org: Org, chat: Chat, sequence: int, breach: str) -> Refusal:
    named = chat.sequences.last + (org.switches.conflict_names == "next")
    text = f"Out of sync Ack. Expected {sequence}. Actual {named}"
    return Refusal(text_answer(409, text), breach)


def _check(org: Org, chat: Chat, noun: str, body: Body) -> None:
    """Refuse what is posted too early, or is not what the resource demands."""
    if noun not in POSTS:
        raise bad_request(f"no such noun: {noun}")
    if chat.awaits_resync and noun != RESYNC:
        raise Refusal(SERVER_ERROR, "post_before_resync")
    if _is_too_early(org, chat, noun):
        raise Refusal(SERVER_ERROR, "post_before_established")
    bodies.check(noun, body)
    if noun == INIT and chat.state != CREATED:
        raise bad_request("the chat has begun")
    if noun == INIT and body.get("sessionId", chat.id) != chat.id:
        raise bad_request("sessionId is another session's")


def _is_too_early(org: Org, chat: Chat, noun: str) -> bool:
    if chat.state == CREATED:
        return noun not in (INIT, RESYNC)
    if chat.state == WAITING and noun not in BEFORE_ESTABLISHED:
        return org.switches.post_before_established == "500"
    return False


def _do(org: Org, chat: Chat, noun: str, body: Body, sequence: int | None) -> None:
    match noun:
        case "ChasitorInit":
            org.begin(chat, body, bodies.line_id(body))
        case "ChatMessage":
            if not chat.drops_fast_message():
                chat.hear(body["text"], sequence)
        case "ChatEnd":
            org.end(chat, bodies.end_reason(body))
        case "ChasitorResyncState":
            chat.awaits_resync = False
