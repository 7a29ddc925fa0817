"""Does who fails wait longer and longer, but not for ever, and not in step?"""

import pytest

from bridge.outbound import backoff
from bridge.outbound.backoff import Backoff


@pytest.fixture
def waits(monkeypatch):
    waits = []
    monkeypatch.setattr(backoff.time, "sleep", waits.append)
    return waits


def test_waits_grow_up_to_the_longest(waits):
    pause = Backoff(first=0.1, longest=0.5)
    for _ in range(5):
        pause()
    for wait, most in zip(waits, [0.1, 0.2, 0.4, 0.5, 0.5], strict=True):
        assert 0.7 * most <= wait <= most


def test_after_a_success_they_begin_anew(waits):
    pause = Backoff(first=0.1)
    for _ in range(3):
        pause()
    pause.reset()
    pause()
    assert waits[-1] <= 0.1


def test_who_fails_together_does_not_come_back_together(waits):
    for _ in range(9):
        Backoff()()
    assert len(set(waits)) > 1
