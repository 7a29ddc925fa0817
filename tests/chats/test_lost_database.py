"""The database goes away for some seconds: what do bot and agent notice?"""

from collections.abc import Callable, Iterator

import pytest

from tests.conftest import begin_chat
from tests.harness.bot import UNAVAILABLE, Bot, words
from tests.harness.salesforce import Salesforce
from tests.harness.service import Service
from tests.harness.waiting import until
from tests.harness.wire import Wire

DELETE = b"DELETE FROM bridge_agentmessage"


@pytest.fixture
def wired(own_service: Callable[..., Service]) -> Iterator[tuple[Service, Wire]]:
    """Start a service whose connections to PostgreSQL can be broken."""
    direct = own_service()
    if not direct.database.is_postgresql:
        pytest.skip("SQLite is in the same process")
    direct.kill()
    wire = Wire(direct.database.url)
    yield own_service(beside=direct, DATABASE_URL=wire.url), wire
    wire.close()


def test_a_delivery_that_could_not_be_noted_is_not_repeated(
    wired: tuple[Service, Wire], salesforce: Salesforce, line_id: str
):
    service, wire = wired
    bot = Bot(service, line_id)
    chat = begin_chat(bot, salesforce)
    wire.cut_at(DELETE)

    chat.say("一つ目")
    assert bot.messages().outcome == words("一つ目")
    assert wire.is_cut.wait(10)
    assert bot.messages().outcome == UNAVAILABLE
    until(lambda: "could not be settled" in service.log, "it is given up")
    wire.mend()
    chat.say("二つ目")

    assert bot.messages().outcome == words("二つ目")
