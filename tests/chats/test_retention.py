"""Is what has ended long ago, or of one customer, removed; and nothing else?"""

import subprocess
import sys
from collections.abc import Callable

import pytest

from simulator.processes import ROOT
from tests.conftest import begin_chat, new_line_id
from tests.harness.bot import BAD_REQUEST, CLOSED, CONNECTED, END, SENT, Bot, words
from tests.harness.environment import service_environment
from tests.harness.salesforce import Chat, Salesforce
from tests.harness.service import Service
from tests.harness.waiting import until

NAME = "山田 忘子"


def manage(service: Service, *arguments: str, stdin: str = "") -> tuple[int, str]:
    """Run a command beside a service; return its exit code and all that it said."""
    environment = service_environment(
        DATABASE_URL=service.database.url,
        LIVEAGENT_HOST=service.server.environment["LIVEAGENT_HOST"],
    )
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def tables_with(service: Service, text: str) -> list[str]:
    """Return the tables with this text in any column of any row."""
    if service.database.is_postgresql:
        listed = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    else:
        listed = "SELECT name FROM sqlite_master WHERE type = 'table'"
    found = []
    for (table,) in service.database.execute(listed):
        rows = service.database.execute(f'SELECT * FROM "{table}"')
        if any(text in str(value) for row in rows for value in row):
            found.append(table)
    return sorted(found)


def chats_of(service: Service, line_id: str) -> int:
    statement = "SELECT count(*) FROM bridge_session WHERE line_id = %s"
    return int(service.database.execute(statement, line_id)[0][0])


def age(service: Service, line_id: str, ended_at: str = "2020-01-01 00:00:00") -> None:
    """Let the ended chats of a customer have ended long ago."""
    statement = (
        "UPDATE bridge_session SET ended_at = %s WHERE line_id = %s AND state = 'ended'"
    )
    service.database.execute(statement, ended_at, line_id)


@pytest.fixture
def service(own_service: Callable[..., Service]) -> Service:
    """Run a service of the test's own: the whole table is pruned."""
    return own_service()


def an_ended_chat(service: Service, salesforce: Salesforce, *unfetched: str) -> Bot:
    """Leave an ended chat behind, with words that nobody has fetched."""
    bot = Bot(service, new_line_id())
    chat = begin_chat(bot, salesforce)
    assert bot.send("はい", message_id="1").outcome == SENT
    chat.end(last_words=unfetched)
    until(lambda: bot.send("?").outcome == BAD_REQUEST, "the chat has ended")
    return bot


# --- prune --------------------------------------------------------------------


def test_old_chats_go_with_all_they_have(service: Service, salesforce: Salesforce):
    old = an_ended_chat(service, salesforce, "読まれない言葉")
    young = an_ended_chat(service, salesforce, "まだ")
    age(service, old.line_id)
    assert tables_with(service, old.line_id) == [
        *("bridge_agentmessage", "bridge_session", "bridge_visitormessage"),
    ]

    counted = manage(service, "prune", "--days", "30", "--dry-run")
    assert tables_with(service, old.line_id)
    done = manage(service, "prune", "--days", "30")

    assert counted == (0, "chats that would be removed: 1\n")
    assert done == (0, "chats removed: 1\n")
    assert tables_with(service, old.line_id) == []
    assert tables_with(service, "読まれない言葉") == []
    assert old.messages().outcome == END
    assert young.messages().outcome == words("まだ")
    assert manage(service, "prune", "--days", "30") == (0, "chats removed: 0\n")


def test_only_what_is_as_old_as_asked_goes(service: Service, salesforce: Salesforce):
    bot = an_ended_chat(service, salesforce)
    if service.database.is_postgresql:
        ago = "now() - interval '47 hours'"
    else:
        ago = "datetime('now', '-47 hours')"
    service.database.execute(f"UPDATE bridge_session SET ended_at = {ago}")

    assert manage(service, "prune", "--days", "2") == (0, "chats removed: 0\n")
    assert chats_of(service, bot.line_id) == 1
    assert manage(service, "prune", "--days", "1") == (0, "chats removed: 1\n")
    assert chats_of(service, bot.line_id) == 0


def test_more_chats_than_one_transaction_takes(
    service: Service, salesforce: Salesforce, bot: Bot
):
    an_ended_chat(service, salesforce)
    columns = [
        name
        for name in column_names(service, "bridge_session")
        if name not in {"id", "line_id"}
    ]
    listed = ", ".join(f'"{name}"' for name in columns)
    numbers = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<450)"
    )
    service.database.execute(
        f"{numbers} INSERT INTO bridge_session (line_id, {listed})"
        f" SELECT 'old', {listed} FROM bridge_session CROSS JOIN n",
    )
    age(service, "old")

    assert manage(service, "prune", "--days", "30") == (0, "chats removed: 450\n")
    assert chats_of(service, "old") == 0


def column_names(service: Service, table: str) -> list[str]:
    if service.database.is_postgresql:
        listed = "SELECT column_name FROM information_schema.columns"
        return [
            name
            for (name,) in service.database.execute(
                f"{listed} WHERE table_name = '{table}'"
            )
        ]
    return [row[1] for row in service.database.execute(f"PRAGMA table_info({table})")]


def test_an_open_chat_is_left_alone(bot: Bot, service: Service, chat: Chat):
    service.database.execute(
        "UPDATE bridge_session SET opened_at = %s, active_at = %s",
        *["2020-01-01 00:00:00"] * 2,
    )

    assert manage(service, "prune", "--days", "1") == (0, "chats removed: 0\n")

    assert bot.send("続き").outcome == SENT
    chat.say("はい")
    assert bot.messages().outcome == words("はい")
    assert chat.heard == ["続き"]


def test_a_conversation_goes_on_while_others_are_pruned(
    bot: Bot, service: Service, salesforce: Salesforce
):
    an_ended_chat(service, salesforce, "古い")
    age_all = "UPDATE bridge_session SET ended_at = %s WHERE state = 'ended'"
    service.database.execute(age_all, "2020-01-01 00:00:00")
    chat = begin_chat(bot, salesforce)
    with subprocess.Popen(
        [sys.executable, "manage.py", "prune", "--days", "1"],
        cwd=ROOT,
        env=service_environment(DATABASE_URL=service.database.url),
        stdout=subprocess.PIPE,
        text=True,
    ) as pruning:
        turns = []
        while pruning.poll() is None or not turns:
            turn = str(len(turns))
            chat.say(turn)
            assert bot.messages().outcome == words(turn)
            assert bot.send(turn).outcome == SENT
            turns.append(turn)
        assert pruning.stdout is not None
        assert pruning.stdout.read() == "chats removed: 1\n"
    assert pruning.returncode == 0
    assert chat.heard == turns


@pytest.mark.parametrize("days", ["0", "-1", "1.5", "soon", "", "36501", "9" * 5000])
def test_nonsense_is_no_number_of_days(days: str):
    done = subprocess.run(
        [sys.executable, "manage.py", "prune", f"--days={days}"],
        cwd=ROOT,
        env=service_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 2
    assert "--days" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_a_bot_comes_back_with_its_old_ack(service: Service, salesforce: Salesforce):
    bot = an_ended_chat(service, salesforce, "一", "二")
    first = bot.messages(ack=0).body["id"]
    ack = bot.messages(ack=first).body["id"]
    assert bot.messages(ack=ack).outcome == END
    age(service, bot.line_id)
    assert manage(service, "prune", "--days", "30")[0] == 0

    assert bot.messages(ack=ack).outcome == END
    assert bot.messages(ack=ack + 1_000_000).outcome == BAD_REQUEST
    assert bot.init().outcome == CONNECTED
    chat = salesforce.wait_for_chat(bot.line_id).accept().say("三")

    answer = bot.messages(ack=ack)
    assert answer.outcome == words("三")
    assert answer.body["id"] > ack
    chat.say("四")
    assert bot.messages(ack=answer.body["id"]).outcome == words("四")


def test_the_very_first_ack_is_still_too_high(bot: Bot, salesforce: Salesforce):
    assert bot.messages(ack=1).outcome == BAD_REQUEST
    assert bot.init().outcome == CONNECTED
    assert bot.messages(ack=1).outcome == BAD_REQUEST


# --- forget -------------------------------------------------------------------


def test_all_that_is_known_of_a_customer_goes(service: Service, salesforce: Salesforce):
    bot = an_ended_chat(service, salesforce, "読まれない言葉")
    other = an_ended_chat(service, salesforce, "他の人の言葉")
    bot.init(NAME)
    chat = salesforce.wait_for_chat(bot.line_id).accept()
    assert bot.send("秘密の質問", message_id="2").outcome == SENT
    chat.say("秘密の返事")
    texts = (bot.line_id, NAME, "読まれない言葉", "秘密の返事")
    for text in texts:
        until(lambda text=text: tables_with(service, text), f"{text} is stored")
    secrets = secrets_of(service, bot.line_id)
    held = bot.hold("/messages", ack=10**6)  # refused: only to have been there

    code, said = manage(service, "forget", bot.line_id)

    assert held.answer().outcome == BAD_REQUEST
    assert code == 0, said
    assert "chats removed: 2\n" in said
    assert bot.line_id not in said
    assert chat.state == "ended"
    assert chat.ended_by == "client"
    assert chat.heard == ["秘密の質問"]
    for text in (*texts, *secrets, "秘密の質問"):
        assert tables_with(service, text) == []
    assert bot.messages().outcome == END
    assert bot.close().outcome == CLOSED
    assert other.messages().outcome == words("他の人の言葉")


def secrets_of(service: Service, line_id: str) -> tuple[str, ...]:
    """Return what opens the customer's open chat at Salesforce."""
    statement = (
        "SELECT key, affinity_token FROM bridge_session"
        " WHERE line_id = %s AND state <> 'ended'"
    )
    [secrets] = service.database.execute(statement, line_id)
    assert all(secrets)
    return tuple(secrets)


def test_who_waits_is_told_the_end(bot: Bot, service: Service, chat: Chat):
    held = bot.hold("/messages")
    service.settle()

    assert manage(service, "forget", bot.line_id)[0] == 0

    assert held.answer().outcome == END
    assert chat.state == "ended"


def test_without_a_service_salesforce_is_told_as_well(
    bot: Bot, service: Service, chat: Chat
):
    service.kill()

    code, said = manage(service, "forget", bot.line_id)

    assert code == 0, said
    assert chat.state == "ended"
    assert tables_with(service, bot.line_id) == []


def test_a_chat_that_waits_for_an_agent_is_ended(
    bot: Bot, service: Service, salesforce: Salesforce
):
    bot.init()
    chat = salesforce.wait_for_chat(bot.line_id)
    assert bot.send("待っています").outcome == SENT

    assert manage(service, "forget", bot.line_id)[0] == 0

    assert chat.state == "ended"
    assert tables_with(service, bot.line_id) == []
    assert tables_with(service, "待っています") == []


def test_what_salesforce_could_not_be_told_of_stays_until_it_can(
    bot: Bot, service: Service, chat: Chat, salesforce: Salesforce
):
    for resource in ("ChatEnd", "DeleteSession"):
        salesforce.fault(resource, "status", times=None)

    code, said = manage(service, "forget", bot.line_id)

    assert code == 1
    assert "chats removed: 0, remaining: 1" in said
    assert "Traceback" not in said
    assert bot.line_id not in said
    assert chat.state == "established"
    service.kill()  # the command alone brings it to an end
    salesforce.clear_faults()
    code, said = manage(service, "forget", bot.line_id)
    assert (code, chat.state) == (0, "ended"), said
    assert tables_with(service, bot.line_id) == []


def test_a_stranger_is_forgotten_any_number_of_times(service: Service, line_id: str):
    for _ in range(2):
        assert manage(service, "forget", line_id) == (
            0,
            "nothing is known of this customer\n",
        )


def test_the_line_id_may_come_from_standard_input(
    service: Service, salesforce: Salesforce
):
    bot = an_ended_chat(service, salesforce)

    done = manage(service, "forget", "-", stdin=f"{bot.line_id}\n")

    assert done == (0, "chats removed: 1\n")
    assert chats_of(service, bot.line_id) == 0


def test_nobody_is_no_customer(service: Service):
    code, said = manage(service, "forget", "-")

    assert code == 1
    assert "LINE_ID is empty" in said


def test_a_forgotten_customer_may_come_again(
    bot: Bot, service: Service, chat: Chat, salesforce: Salesforce
):
    chat.say("一")
    ack = bot.messages(ack=0).body["id"]
    assert manage(service, "forget", bot.line_id)[0] == 0

    again = begin_chat(bot, salesforce)
    again.say("二")

    assert again.id != chat.id
    assert bot.messages(ack=ack).outcome == words("二")
