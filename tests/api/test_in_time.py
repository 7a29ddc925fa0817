"""Is every answer out within 25 seconds, whatever the database does?"""

from collections.abc import Callable

import pytest

from tests.conftest import new_line_id
from tests.harness.bot import END, UNAVAILABLE, Bot, together
from tests.harness.service import Service
from tests.harness.waiting import until
from tests.harness.wire import Wire


def test_a_database_that_falls_silent_keeps_no_answer_back(
    own_service: Callable[..., Service], databases
):
    database = databases.fresh()
    if not database.is_postgresql:
        pytest.skip("a file does not fall silent")
    wire = Wire(database.url)
    service = own_service(DATABASE_URL=wire.url)
    bots = [Bot(service, new_line_id()) for _ in range(12)]
    try:
        assert bots[0].messages().outcome == END

        wire.hush()
        # That it comes within 25 s is seen to for each answer.
        answers = together(
            *[bot.messages for bot in bots],
            bots[0].init,
            lambda: bots[0].send("はい"),
            bots[0].close,
        )
        wire.mend()

        assert {answer.outcome for answer in answers} == {UNAVAILABLE}
        until(lambda: bots[0].messages().outcome == END, "the database is back")
    finally:
        wire.close()
        service.kill()
        database.drop()
