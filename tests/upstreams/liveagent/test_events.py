"""What do Live Agent's events make of a chat?"""

import pytest

from bridge.domain import effects
from bridge.domain.events import Said
from bridge.domain.states import Reason, Standing, State
from bridge.upstreams.liveagent.events import IGNORED, TRANSLATIONS, translate
from bridge.upstreams.liveagent.protocol import Event, read_batch
from tests.samples import sample

OPENING = Standing(State.OPENING)
WAITING = Standing(State.WAITING, queue_position=3, estimated_wait=90)
ESTABLISHED = Standing(State.ESTABLISHED, agent="山本", visitor_idle_timeout=180)
ENDED = Standing(State.ENDED, reason=Reason.AGENT, agent="山本")
WRONG_TYPES = [None, True, False, 0, -1, 1.5, 2**70, float("nan"), "", "x", [], {}]


def absorb(standing, events):
    """Return what Live Agent's events lead to."""
    return effects.apply(standing, translate(events))


def after(standing, *events):
    """Return the standing after events, each a type with its fields."""
    return absorb(standing, [Event(kind, message) for kind, message in events]).standing


def said(standing, *events):
    outcome = absorb(standing, [Event(kind, message) for kind, message in events])
    return [(each.text, each.agent) for each in outcome.messages]


# The queue


@pytest.mark.parametrize("standing", [OPENING, WAITING])
@pytest.mark.parametrize(
    ("kind", "key"),
    [("ChatRequestSuccess", "queuePosition"), ("QueueUpdate", "position")],
)
def test_a_place_in_the_queue(standing, kind, key):
    now = after(standing, (kind, {key: 2, "estimatedWaitTime": 60}))
    assert now == Standing(State.WAITING, queue_position=2, estimated_wait=60)


def test_negative_numbers_mean_unknown():
    now = after(OPENING, ("QueueUpdate", {"position": 0, "estimatedWaitTime": -1}))
    assert now == Standing(State.WAITING, queue_position=0, estimated_wait=None)


def test_numbers_no_database_column_holds_are_unknown():
    now = after(OPENING, ("QueueUpdate", {"position": 2**31}))
    assert now == Standing(State.WAITING)


@pytest.mark.parametrize("kind", ["ChatRequestSuccess", "QueueUpdate"])
def test_a_late_place_in_the_queue_does_not_undo_an_agent(kind):
    event = (kind, {"position": 1, "queuePosition": 1})
    assert after(ESTABLISHED, event) == ESTABLISHED


def test_the_queue_as_salesforce_sends_it():
    batch = read_batch(sample("Messages/200_queued"))
    now = absorb(OPENING, batch.events).standing
    assert now == Standing(State.WAITING, queue_position=1, estimated_wait=30)


@pytest.mark.parametrize(
    ("reason", "ours"),
    [
        ("Unavailable", Reason.UNAVAILABLE),
        *((each, Reason.ERROR) for each in ("Blocked", "NoPost", "InternalFailure")),
        *((each, Reason.ERROR) for each in ("Unknown", "new", "", None, 7, [], {})),
    ],
)
@pytest.mark.parametrize("standing", [OPENING, WAITING, ESTABLISHED])
def test_a_failed_request_is_an_end(standing, reason, ours):
    now = after(standing, ("ChatRequestFail", {"reason": reason}))
    assert (now.state, now.reason, now.needs_notice) == (State.ENDED, ours, False)
    assert (now.queue_position, now.estimated_wait) == (None, None)


# Agents


@pytest.mark.parametrize("kind", ["ChatEstablished", "ChatTransferred"])
def test_an_agent_joins(kind):
    now = after(WAITING, (kind, {"name": "佐藤", "userId": "005"}))
    assert now == Standing(State.ESTABLISHED, agent="佐藤")


def test_an_agent_as_salesforce_sends_it():
    batch = read_batch(sample("Messages/200_established"))
    assert absorb(WAITING, batch.events).standing == ESTABLISHED


def test_the_guides_spelling_of_the_idle_clock_is_read_too():
    clock = {"isEnabled": True, "timeout": "45"}
    now = after(WAITING, ("ChatEstablished", {"chasitorIdletimeout": clock}))
    assert now.visitor_idle_timeout == 45


@pytest.mark.parametrize(
    ("clock", "seconds"),
    [
        ({"isEnabled": False}, None),
        ({"isEnabled": False, "timeout": 60}, None),
        ({"isEnabled": True}, None),
        ({"isEnabled": True, "timeout": 0}, None),
        ({"isEnabled": True, "timeout": -1}, None),
        ({"isEnabled": 1, "timeout": 60}, None),
        ({"timeout": 60}, None),
        ({"isEnabled": True, "timeout": 2**40}, 2**31 - 1),
        (None, 180),
        ("soon", 180),
    ],
)
def test_the_idle_clock(clock, seconds):
    event = ("ChatTransferred", {"chasitorIdleTimeout": clock})
    assert after(ESTABLISHED, event).visitor_idle_timeout == seconds


def test_a_transfer_that_mentions_no_clock_and_no_name_keeps_them():
    assert after(ESTABLISHED, ("ChatTransferred", {})) == ESTABLISHED


def test_an_agent_who_drops_out_ends_nothing():
    now = after(ESTABLISHED, ("AgentDisconnect", {"name": "山本"}))
    assert now == Standing(State.ESTABLISHED, visitor_idle_timeout=180)
    assert after(now, ("ChatEstablished", {"name": "佐藤"})).agent == "佐藤"


def test_a_name_longer_than_its_column_is_cut():
    assert after(WAITING, ("ChatEstablished", {"name": "長" * 300})).agent == "長" * 255


# Words


def test_words_carry_their_own_name_or_the_agents():
    named, unnamed = {"text": "a", "name": "佐藤"}, {"text": "b"}
    events = ("ChatMessage", named), ("ChatMessage", unnamed)
    assert said(ESTABLISHED, *events) == [("a", "佐藤"), ("b", "山本")]


def test_all_words_of_a_mixture_come_in_order_and_then_the_end():
    batch = read_batch(sample("Messages/200_last_words"))
    outcome = absorb(ESTABLISHED, batch.events)
    assert outcome.messages == (
        Said("ご返信ありがとうございます😀", "山本"),
        Said("失礼いたします。", "山本"),
    )
    assert (outcome.standing.state, outcome.standing.reason) == ("ended", "agent")
    assert outcome.unknown == ()


def test_words_after_the_end_in_a_batch_still_come():
    events = [("ChatEnded", {"reason": "agent"}), ("ChatMessage", {"text": "bye"})]
    assert said(ESTABLISHED, *events) == [("bye", "山本")]


def test_a_whole_chat_in_one_batch():
    outcome = absorb(
        OPENING,
        [
            Event("ChatRequestSuccess", {"queuePosition": 1}),
            Event("ChatEstablished", {"name": "山本"}),
            Event("ChatMessage", {"text": "a"}),
            Event("AgentDisconnect", {}),
            Event("TransferToButtonInitiated", {}),
            Event("Fanfare", {}),
            Event("ChatTransferred", {"name": "佐藤"}),
            Event("ChatMessage", {"text": "b"}),
            Event("ChatEnded", {"reason": "agent"}),
        ],
    )
    assert outcome.standing == Standing(State.ENDED, Reason.AGENT, agent="佐藤")
    assert outcome.messages == (Said("a", "山本"), Said("b", "佐藤"))
    assert outcome.unknown == ("Fanfare",)


@pytest.mark.parametrize(
    ("text", "clean"),
    [("a\0b", "a\ufffdb"), ("\ud800", "\ufffd"), ("\ud83d\ude00", "😀"), ("", "")],
)
def test_words_and_names_are_made_storable(text, clean):
    event = ("ChatMessage", {"text": text, "name": f"{text}名"})
    assert said(ESTABLISHED, event) == [(clean, f"{clean}名")]
    joined = after(WAITING, ("ChatEstablished", {"name": f"{text}名"}))
    assert joined.agent == f"{clean}名"


@pytest.mark.parametrize("text", [None, True, 7, 1.5, [], {}])
def test_a_message_without_a_text_says_nothing(text):
    assert said(ESTABLISHED, ("ChatMessage", {"text": text})) == []
    assert said(ESTABLISHED, ("ChatMessage", {})) == []


# Ends


@pytest.mark.parametrize(
    ("reason", "ours"),
    [
        ("agent", Reason.AGENT),
        ("client", Reason.CLIENT),
        ("clientIdleTimeout", Reason.VISITOR_IDLE),
        ("agentsUnavailable", Reason.UNAVAILABLE),
        ("agentPushTimeout", Reason.UNAVAILABLE),
        *((each, Reason.ERROR) for each in ("NoPost", "unknown", "", "Agent")),
        *((each, Reason.ERROR) for each in (None, True, 7, ["agent"], {"agent": 1})),
    ],
)
def test_reasons_of_an_end(reason, ours):
    now = after(ESTABLISHED, ("ChatEnded", {"reason": reason}))
    assert (now.state, now.reason, now.needs_notice) == (State.ENDED, ours, False)


@pytest.mark.parametrize("standing", [OPENING, WAITING, ESTABLISHED])
@pytest.mark.parametrize(
    "event",
    [
        ("AsyncResult", {"isSuccess": False}),
        ("AsyncResult", {"isSuccess": True, "error": "deployment not found"}),
        ("AsyncResult", {"error": {"code": 1}}),
        ("SwitchServer", {"newUrl": "https://d.la2-c2-xxx.salesforceliveagent.com"}),
    ],
)
def test_what_we_give_up_is_to_be_ended_at_salesforce_too(standing, event):
    now = after(standing, event)
    assert (now.state, now.reason) == (State.ENDED, Reason.ERROR)
    assert now.needs_notice


@pytest.mark.parametrize(
    "message", [{}, {"isSuccess": True}, {"isSuccess": True, "error": None}]
)
def test_an_async_result_without_error_changes_nothing(message):
    assert after(ESTABLISHED, ("AsyncResult", message)) == ESTABLISHED


@pytest.mark.parametrize("kind", sorted(TRANSLATIONS))
def test_once_ended_a_chat_stays_ended(kind):
    message = {"reason": "client", "name": "佐藤", "position": 1, "error": "x"}
    assert after(ENDED, (kind, message)) is ENDED


def test_the_first_end_of_a_batch_counts():
    ends = ("ChatEnded", {"reason": "agent"}), ("ChatEnded", {"reason": "client"})
    assert after(ESTABLISHED, *ends).reason == Reason.AGENT


# Whatever comes


@pytest.mark.parametrize("kind", sorted(IGNORED))
def test_events_of_no_consequence(kind):
    message = {"name": "佐藤", "reason": "agent", "text": "x", "error": "x"}
    outcome = absorb(ESTABLISHED, [Event(kind, message)])
    assert (outcome.standing, outcome.messages, outcome.unknown) == (
        ESTABLISHED,
        (),
        (),
    )


def test_unknown_types_are_told_in_order_and_cut():
    events = [Event(kind, {}) for kind in ("B", "A\0", "C" * 300)]
    outcome = absorb(ESTABLISHED, events)
    assert outcome.standing is ESTABLISHED
    assert outcome.unknown == ("B", "A\ufffd", "C" * 255)


@pytest.mark.parametrize("kind", sorted(TRANSLATIONS))
@pytest.mark.parametrize("wrong", WRONG_TYPES, ids=repr)
@pytest.mark.parametrize("standing", [OPENING, WAITING, ESTABLISHED, ENDED])
def test_a_field_of_any_type_is_survived(standing, kind, wrong):
    clock = {"isEnabled": wrong, "timeout": wrong}
    fields = (
        "position",
        "queuePosition",
        "estimatedWaitTime",
        "name",
        "reason",
        "text",
    )
    message = {
        **dict.fromkeys((*fields, "isSuccess", "error", "newUrl"), wrong),
        "chasitorIdleTimeout": clock,
    }
    outcome = absorb(standing, [Event(kind, message)])
    now = outcome.standing
    for number in (now.queue_position, now.estimated_wait, now.visitor_idle_timeout):
        assert number is None or (type(number) is int and 0 <= number < 2**31)
    assert isinstance(now.agent, str)
    assert all(isinstance(each.text, str) for each in outcome.messages)


def test_words_do_not_print_themselves():
    event = Event("ChatMessage", {"text": "SECRET", "name": "SECRET"})
    assert "SECRET" not in repr(absorb(ESTABLISHED, [event]).messages)


# What is worth a note


def noted(standing, *events):
    outcome = absorb(standing, [Event(kind, message) for kind, message in events])
    return [(note.kind, dict(note.facts)) for note in outcome.notes]


TAKEN = ("ChatRequestSuccess", {"queuePosition": 3, "estimatedWaitTime": 90})
ACCEPTED = ("ChatEstablished", {"name": "山本"})


def test_a_taken_request_and_an_agent_are_noted():
    assert noted(OPENING, TAKEN, ACCEPTED) == [
        ("taken", {"position": 3, "wait": 90}),
        ("agent_joined", {"agent": "山本"}),
    ]


@pytest.mark.parametrize(
    ("positions", "expected"),
    [([2], [2]), ([3], []), ([2, 1], [1]), ([None], []), (["x"], []), ([0], [0])],
)
def test_a_place_in_the_queue_is_noted_when_it_changes(positions, expected):
    events = [("QueueUpdate", {"position": position}) for position in positions]
    found = noted(WAITING, *events)
    assert [(kind, facts["position"]) for kind, facts in found] == [
        ("queue_moved", position) for position in expected
    ]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([("ChatEstablished", {"name": "山本"})], []),
        ([("ChatEstablished", {"name": "佐藤"})], [("agent_joined", "佐藤")]),
        ([("ChatTransferred", {"name": "佐藤"})], [("transferred", "佐藤")]),
        (
            [("AgentDisconnect", {}), ("ChatEstablished", {"name": "佐藤"})],
            [("agent_left", "山本"), ("agent_joined", "佐藤")],
        ),
    ],
)
def test_agents_who_come_and_go_are_noted(events, expected):
    found = noted(ESTABLISHED, *events)
    assert [(kind, facts["agent"]) for kind, facts in found] == expected


def test_words_and_small_events_are_not_noted():
    message = {"name": "山本", "text": "秘密"}
    events = [("ChatMessage", message), *((kind, message) for kind in IGNORED)]
    assert noted(ESTABLISHED, *events, ("AsyncResult", {"isSuccess": True})) == []


@pytest.mark.parametrize(
    ("kind", "message", "said"),
    [
        ("ChatEnded", {"reason": "agentsUnavailable"}, "agentsUnavailable"),
        ("ChatEnded", {"reason": "もう結構です"}, ""),
        ("ChatEnded", {"reason": "no thank you, goodbye"}, ""),
        ("ChatRequestFail", {"reason": "Blocked"}, "Blocked"),
        ("AsyncResult", {"isSuccess": False, "error": "deployment not found"}, ""),
        ("SwitchServer", {"newUrl": "https://x"}, ""),
    ],
)
def test_an_end_says_what_brought_it(kind, message, said):
    later = ("ChatEnded", {"reason": "agent"})
    events = [Event(*each) for each in ((kind, message), later)]
    outcome = absorb(ESTABLISHED, events)
    assert outcome.end == {"event": kind, "said": said}
    assert outcome.notes == ()


@pytest.mark.parametrize("kind", list(TRANSLATIONS))
@pytest.mark.parametrize("value", WRONG_TYPES, ids=repr)
def test_notes_hold_numbers_and_names_whatever_comes(kind, value):
    keys = ("reason", "error", "name", "position", "queuePosition", "estimatedWaitTime")
    outcome = absorb(WAITING, [Event(kind, dict.fromkeys(keys, value))])
    facts = [*outcome.end.values()]
    facts += [fact for note in outcome.notes for fact in note.facts.values()]
    assert all(fact is None or isinstance(fact, str | int) for fact in facts)
