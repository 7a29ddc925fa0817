"""Does a chat's timeline say what really happened, and not a word of what was said?"""

import json

import pytest

from tests.conftest import begin_chat
from tests.harness.bot import (
    CLOSED,
    CONNECTED,
    END,
    NOT_CONNECTED,
    SENT,
    UNAVAILABLE,
    Bot,
    words,
)
from tests.harness.waiting import until
from tests.operations.test_admin import secrets_of
from tests.operations.test_health import reasons

TAKEN = ("taken", {"position": 0})
JOINED = ("agent_joined", {"agent": "Riley"})
BEGIN = [TAKEN, JOINED]
MOST = 200
AT_ONCE = 20


def timeline_of(service, line_id):
    """Return what is noted of this customer's chats: kinds and facts."""
    found = service.database.execute(
        "SELECT e.kind, e.facts FROM bridge_sessionevent e"
        " JOIN bridge_session s ON s.id = e.session_id"
        f" WHERE s.line_id = '{line_id}' ORDER BY e.id",
    )
    return [
        (kind, json.loads(facts) if isinstance(facts, str) else facts)
        for kind, facts in found
    ]


def wait_for(bot, kind):
    """Return the chat's timeline once this has been noted."""

    def look():
        found = timeline_of(bot.service, bot.line_id)
        return found if kind in [noted for noted, _ in found] else None

    return until(look, f"{kind} is noted", seconds=30)


def kinds(found):
    return [kind for kind, _ in found]


def test_from_the_queue_to_the_agents_end(bot, service, salesforce):
    salesforce.switch(queue_position=3, estimated_wait_seconds=90)
    assert bot.init().outcome == CONNECTED
    chat = salesforce.wait_for_chat(bot.line_id)
    for position in (2, 2, 1):
        update = {"position": position, "estimatedWaitTime": 30 * position}
        chat.events({"type": "QueueUpdate", "message": update}).wait_for_polls(1)
    chat.accept().say("こんにちは", "はい")
    assert bot.messages().outcome == words("こんにちは")
    assert bot.send("もしもし").outcome == SENT
    chat.events({"type": "ChatTransferred", "message": {"name": "佐藤"}})
    wait_for(bot, "transferred")
    chat.disconnect_agent()
    wait_for(bot, "agent_left")
    chat.wait_for_polls(2).end(last_words=["さようなら"])

    assert wait_for(bot, "ended") == [
        ("taken", {"position": 3, "wait": 90}),
        ("queue_moved", {"position": 2, "wait": 60}),
        ("queue_moved", {"position": 1, "wait": 30}),
        JOINED,
        ("transferred", {"agent": "佐藤"}),
        ("agent_left", {"agent": "佐藤"}),
        ("ended", {"reason": "agent", "event": "ChatEnded", "said": "agent"}),
    ]


def test_the_customer_closes(bot, chat):
    assert bot.close().outcome == CLOSED
    ended = ("ended", {"reason": "client", "by": "bot"})
    assert wait_for(bot, "farewell_said") == [*BEGIN, ended, ("farewell_said", {})]


def test_nobody_is_there(bot, salesforce):
    salesforce.switch(agents_available=False)
    assert bot.init().outcome == NOT_CONNECTED
    facts = {"reason": "unavailable", "event": "ChatRequestFail", "said": "Unavailable"}
    assert wait_for(bot, "ended") == [TAKEN, ("ended", facts)]


def test_salesforce_refuses_to_open(bot, salesforce):
    salesforce.fault("SessionId", "status", times=None, status=502)
    assert bot.init().outcome == NOT_CONNECTED
    facts = {"resource": "System/SessionId", "status": 502, "error": "ServerFault"}
    assert timeline_of(bot.service, bot.line_id) == [
        ("ended", {"reason": "error", **facts})
    ]


def test_the_customer_falls_silent(bot, salesforce):
    begin_chat(bot, salesforce, idle_timeout_seconds=1)
    assert bot.messages().outcome == END
    end = [("ended", {"reason": "visitor_idle"}), ("farewell_said", {})]
    assert wait_for(bot, "farewell_said") == [*BEGIN, *end]


def test_the_bot_falls_silent(own_service, salesforce, line_id):
    bot = Bot(own_service(BOT_IDLE_SECONDS="2"), line_id)
    assert bot.init().outcome == CONNECTED
    end = [("ended", {"reason": "bot_idle"}), ("farewell_said", {})]
    assert wait_for(bot, "farewell_said") == [TAKEN, *end]


def test_a_change_of_affinity(bot, chat):
    chat.handover()
    assert wait_for(bot, "reconnected") == [
        *BEGIN,
        ("reconnecting", {"resource": "System/Messages"}),
        ("reconnected", {"reset": True}),
    ]


@pytest.mark.breaches("wrong_method")
def test_a_503_to_words_that_was_none(bot, chat, salesforce):
    salesforce.fault("ChatMessage", "status", status=503)
    assert bot.send("はい").outcome == SENT
    found = wait_for(bot, "send_recovered")
    assert found == [
        *BEGIN,
        ("reconnecting", {"resource": "Chasitor/ChatMessage"}),
        ("stayed", {}),
        ("send_recovered", {}),
    ]


@pytest.mark.parametrize(
    ("status", "error"), [(409, "DuplicatePoll"), (403, "SessionGone")]
)
def test_a_poll_that_is_refused(bot, chat, salesforce, status, error):
    salesforce.fault("Messages", "status", status=status)
    assert bot.messages().outcome == END
    facts = {"resource": "System/Messages", "status": status, "error": error}
    assert wait_for(bot, "ended") == [*BEGIN, ("ended", {"reason": "lost", **facts})]


@pytest.mark.breaches("wrong_sequence")
def test_numbers_out_of_sync(bot, service, chat):
    mine = f"WHERE line_id = '{bot.line_id}'"
    service.database.execute(f"UPDATE bridge_session SET sequence = 5 {mine}")
    assert bot.send("はい").outcome == SENT
    noted = dict(wait_for(bot, "out_of_sync"))["out_of_sync"]
    assert (noted["sent"], noted["actual"], noted["used"]) == (6, 1, 2)
    assert chat.sequences == [2]


def test_an_outage_is_two_notes(bot, chat, salesforce):
    salesforce.fault("Messages", "lose_request", times=4)
    *begin, (kind, facts) = wait_for(bot, "answering")
    assert begin == [*BEGIN, ("unreachable", {"error": "TransportError"})]
    assert (kind, facts["failures"]) == ("answering", 4)


def test_an_outage_with_a_status_says_it(bot, chat, salesforce):
    salesforce.fault("Messages", "status", times=2, status=500)
    facts = {"resource": "System/Messages", "status": 500, "error": "ServerFault"}
    assert ("unreachable", facts) in wait_for(bot, "answering")


@pytest.mark.breaches("duplicate_sequence")
def test_words_that_are_held_up(bot, chat, salesforce):
    salesforce.fault("ChatMessage", "lose_answer", times=None)
    assert bot.send("はい").outcome == UNAVAILABLE
    salesforce.clear_faults()
    assert bot.send("はい").outcome == SENT
    assert bot.send("次").outcome == SENT
    assert kinds(wait_for(bot, "send_recovered")) == [
        *kinds(BEGIN),
        "send_failed",
        "send_recovered",
    ]


def test_words_that_salesforce_refuses(bot, chat, salesforce):
    salesforce.fault("ChatMessage", "status", status=400)
    assert bot.send("はい").status == 400
    facts = {
        "resource": "Chasitor/ChatMessage",
        "status": 400,
        "error": "RequestRefused",
    }
    assert wait_for(bot, "words_refused") == [*BEGIN, ("words_refused", facts)]


@pytest.mark.mortal_service
def test_another_process_takes_over(bot, service, chat):
    service.kill()
    service.start()
    *begin, (kind, facts) = wait_for(bot, "taken_up")
    assert begin == BEGIN
    assert kind == "taken_up"
    assert facts["process"].rpartition(":")[2].isdigit()


@pytest.mark.mortal_service
def test_a_farewell_that_nobody_hears(bot, service, chat, salesforce):
    salesforce.fault("ChatEnd", "status", times=None, status=500)
    salesforce.fault("DeleteSession", "status", times=None, status=502)
    held = bot.hold("/close")
    wait_for(bot, "ended")
    service.database.execute(
        "UPDATE bridge_session SET farewell_until = '2020-01-01 00:00:00'"
    )
    assert held.answer().outcome == CLOSED
    facts = {"resource": "System/SessionId", "status": 502, "error": "ServerFault"}
    found = wait_for(bot, "farewell_failed")
    assert found[-1] == ("farewell_failed", facts)
    assert "farewell_said" not in kinds(found)


def test_not_a_word_and_no_secret(bot, service, chat, salesforce):
    chat.say("係の言葉")
    assert bot.messages().outcome == words("係の言葉")
    salesforce.fault("ChatMessage", "status", times=1)
    assert bot.send("客の言葉").outcome == SENT
    chat.handover()
    wait_for(bot, "reconnected")
    hidden = ["係の言葉", "客の言葉", "こんにちは", "山田", bot.line_id, chat.id]
    hidden += secrets_of(service, bot.line_id)
    chat.events({"type": "ChatEnded", "message": {"reason": "山田さんの 秘密"}})
    found = wait_for(bot, "ended")
    assert len(found) > len(BEGIN) + 3
    assert [
        each for each in hidden if each in json.dumps(found, ensure_ascii=False)
    ] == []


def test_it_is_bounded_and_the_end_has_its_place(bot, chat):
    transfer = {"type": "ChatTransferred", "message": {"name": "佐藤"}}
    for _ in range(MOST // AT_ONCE + 1):
        chat.events(*[transfer] * (AT_ONCE + 1)).wait_for_polls(1)
    assert len(timeline_of(bot.service, bot.line_id)) == MOST
    assert bot.close().outcome == CLOSED
    found = wait_for(bot, "farewell_said")
    assert kinds(found)[MOST:] == ["ended", "farewell_said"]


@pytest.mark.mortal_service
@pytest.mark.tracebacks
def test_a_database_of_before_is_told_and_costs_no_message(bot, service, chat):
    """Each release migrates first; should it be left out, nothing is lost by it."""
    execute = service.database.execute
    execute("ALTER TABLE bridge_sessionevent RENAME TO not_yet")
    execute("UPDATE django_migrations SET app = 'not_yet' WHERE app = 'bridge'")
    until(lambda: reasons(service) == ["migrations missing"], "/readyz says so")
    transfer = {"type": "ChatTransferred", "message": {"name": "佐藤"}}
    answered = service.log.count("System/Messages")
    chat.say("二").events(transfer)
    until(lambda: service.log.count("System/Messages") > answered, "it has come")

    execute("ALTER TABLE not_yet RENAME TO bridge_sessionevent")
    execute("UPDATE django_migrations SET app = 'bridge' WHERE app = 'not_yet'")

    assert bot.messages().outcome == words("二")
    wait_for(bot, "transferred")
    assert bot.close().outcome == CLOSED
    assert kinds(wait_for(bot, "ended"))[:3] == [*kinds(BEGIN), "transferred"]
