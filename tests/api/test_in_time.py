"""Is every answer out within 25 seconds, whatever the database does?"""

from collections.abc import Callable
from urllib.parse import urlsplit, urlunsplit

import pytest

from tests.conftest import new_line_id
from tests.harness.bot import END, UNAVAILABLE, Bot, together
from tests.harness.proxy import Proxy
from tests.harness.service import Service
from tests.harness.waiting import until


def test_a_database_that_falls_silent_keeps_no_answer_back(
    own_service: Callable[..., Service], databases
):
    database = databases.fresh()
    if not database.is_postgresql:
        pytest.skip("a file does not fall silent")
    address = urlsplit(database.url)
    proxy = Proxy(address.hostname or "", address.port or 5432)
    through = f"{address.username}@127.0.0.1:{proxy.port}"
    service = own_service(DATABASE_URL=urlunsplit(address._replace(netloc=through)))
    bots = [Bot(service, new_line_id()) for _ in range(12)]
    try:
        assert bots[0].messages().outcome == END

        proxy.open.clear()
        # That it comes within 25 s is seen to for each answer.
        answers = together(
            *[bot.messages for bot in bots],
            bots[0].init,
            lambda: bots[0].send("はい"),
            bots[0].close,
        )
        proxy.open.set()

        assert {answer.outcome for answer in answers} == {UNAVAILABLE}
        until(lambda: bots[0].messages().outcome == END, "the database is back")
    finally:
        proxy.close()
        service.kill()
        database.drop()
