"""What the environment variables promise, and what is true in all of them."""

import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
import requests

from tests.conftest import begin_chat, new_line_id
from tests.harness.bot import (
    BAD_REQUEST,
    CONNECTED,
    NOT_CONNECTED,
    SENT,
    Bot,
    call,
    together,
    words,
)
from tests.harness.salesforce import Chat, Salesforce, Simulator
from tests.harness.service import Service

OwnService = Callable[..., Service]


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Make a certificate of 127.0.0.1 that nobody has signed."""
    command = [
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
        *("-keyout", str(tmp_path / "key.pem"), "-out", str(tmp_path / "cert.pem")),
        *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
    ]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=60)
    except FileNotFoundError:
        pytest.skip("needs the openssl command")
    return tmp_path / "cert.pem"


@pytest.fixture
def tls_simulator(certificate: Path, run_directory: Path) -> Iterator[Simulator]:
    """Run a simulator that speaks TLS."""
    simulator = Simulator(
        run_directory / f"{certificate.parent.name}.log",
        f"--tls-cert={certificate}",
        f"--tls-key={certificate.with_name('key.pem')}",
    )
    simulator.start()
    yield simulator
    simulator.stop()


def test_the_host_is_https_unless_it_says_otherwise(
    own_service: OwnService,
    tls_simulator: Simulator,
    certificate: Path,
    line_id: str,
):
    service = own_service(
        LIVEAGENT_HOST=tls_simulator.url.removeprefix("https://"),
        REQUESTS_CA_BUNDLE=str(certificate),
    )

    chat = begin_chat(
        Bot(service, line_id), Salesforce(tls_simulator.url, verify=str(certificate))
    )

    assert Bot(service, line_id).send("はい").outcome == SENT
    assert chat.heard == ["はい"]


def test_a_certificate_nobody_knows_is_not_trusted(
    own_service: OwnService, tls_simulator: Simulator, line_id: str
):
    service = own_service(LIVEAGENT_HOST=tls_simulator.url.removeprefix("https://"))

    assert Bot(service, line_id).init().outcome == NOT_CONNECTED


def test_a_host_that_does_not_answer_is_a_failure(
    own_service: OwnService, line_id: str
):
    service = own_service(LIVEAGENT_HOST="http://127.0.0.1:9")

    assert Bot(service, line_id).init().outcome == NOT_CONNECTED


def test_ssl_redirects_behind_the_router(own_service: OwnService, line_id: str):
    service = own_service(SSL="True")

    plain = requests.post(
        f"{service.url}/close", json={}, timeout=30, allow_redirects=False
    )
    routed = call(
        f"{service.url}/close",
        f'{{"line_id": "{line_id}"}}',
        headers={"x-forwarded-proto": "https"},
    )

    assert plain.status_code == 301
    assert plain.headers["location"] == f"https://127.0.0.1:{service.port}/close"
    assert routed.status == 200


def test_without_ssl_nothing_is_redirected(bot: Bot):
    assert bot.close().status == 200


@pytest.mark.parametrize("hosts", ["bridge.example", "a.example,bridge.example"])
def test_only_the_allowed_hosts_are_answered(
    own_service: OwnService, line_id: str, hosts: str
):
    service = own_service(HOST=hosts)
    payload = f'{{"line_id": "{line_id}"}}'

    for host, expected in (("bridge.example", 200), ("other.example", 400)):
        answer = call(f"{service.url}/close", payload, headers={"host": host})
        assert answer.status == expected
        if expected == 400:
            assert answer.outcome == BAD_REQUEST


def test_the_user_agent_is_told_to_salesforce(
    own_service: OwnService, salesforce: Salesforce, line_id: str
):
    service = own_service(USER_AGENT="架け橋/1.0")

    assert Bot(service, line_id).init().outcome == CONNECTED

    init = salesforce.wait_for_chat(line_id).look()["init"]
    assert init["userAgent"] == "架け橋/1.0"


def test_the_admin_is_styled_without_collectstatic(own_service: OwnService):
    service = own_service(DISABLE_COLLECTSTATIC="1")

    page = requests.get(f"{service.url}/admin/login/", timeout=30)
    sheets = re.findall(r'<link[^>]*href="([^"]+\.css)"', page.text)

    assert page.status_code == 200
    assert sheets
    for sheet in sheets:
        answer = requests.get(f"{service.url}{sheet}", timeout=30)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/css")


def test_many_customers_need_few_database_connections(
    own_service: OwnService, salesforce: Salesforce
):
    service = own_service(DATABASE_MAX_CONNECTIONS="3")
    bots = [Bot(service, new_line_id()) for _ in range(30)]

    answers = together(*[bot.init for bot in bots])
    assert [answer.outcome for answer in answers] == [CONNECTED] * 30
    chats = [salesforce.wait_for_chat(bot.line_id).accept() for bot in bots]
    held = [bot.hold("/messages") for bot in bots]
    answers = together(*[lambda bot=bot: bot.send(bot.line_id) for bot in bots])

    assert [answer.outcome for answer in answers] == [SENT] * 30
    assert connections_of(service) <= 3
    for bot, chat in zip(bots, chats, strict=True):
        assert chat.wait(texts=1).heard == [bot.line_id]
        chat.say(f"{bot.line_id} 様")
    for bot, under_way in zip(bots, held, strict=True):
        assert under_way.answer().outcome == words(f"{bot.line_id} 様")
    assert connections_of(service) <= 3


def test_the_log_holds_no_words_and_no_line_id(
    bot: Bot, chat: Chat, salesforce: Salesforce
):
    salesforce.fault("ChatMessage", "status", times=3)
    salesforce.fault("Messages", "garbage", times=2)
    chat.say("秘密の返事")

    assert bot.send("秘密の質問").outcome == SENT
    assert bot.messages().outcome == words("秘密の返事")

    log = bot.service.log
    assert "秘密" not in log
    assert "\\u79d8" not in log
    assert bot.line_id not in log


def connections_of(service: Service) -> int:
    """Count the connections to its PostgreSQL, but for this one."""
    if not service.database.is_postgresql:
        return 0
    with (
        closing(psycopg2.connect(service.database.url)) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        [count] = cursor.fetchall()
    return count[0]
