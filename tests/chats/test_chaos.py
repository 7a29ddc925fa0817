"""The short form of `make chaos`: both ends are counted after kills and deploys."""

import os
from collections.abc import Callable
from typing import Any

import pytest

from benchmarks import chaos
from benchmarks.conversations import went_wrong

pytestmark = pytest.mark.skipif(
    not os.environ.get("DATABASE_URL", "").startswith("postgres"),
    reason="two dynos share a PostgreSQL",
)

SECONDS = 15


@pytest.mark.timeout(180)
@pytest.mark.parametrize("disasters", [chaos.crashes, chaos.deploys])
def test_nothing_is_lost_or_comes_twice(
    disasters: Callable[[float], dict[str, Any]],
):
    found = disasters(SECONDS)

    assert found["agent_to_bot"]["said"] > 0
    assert found["customer_to_agent"]["said"] > 0
    assert found.get("kills") or found.get("deploys")
    assert went_wrong(found) == 0, found
    assert found.get("longest_stop", 0) < 28
