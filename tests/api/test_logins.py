"""How many passwords may be tried, and what does it cost the others?"""

import statistics
import threading
from collections.abc import Callable

import pytest
import requests
from django.test import RequestFactory

from bridge.api import logins
from tests.api.test_strangers import log_in
from tests.harness.service import Service


@pytest.fixture
def clock(monkeypatch):
    """Return the time, which may be set."""
    now = [1000.0]
    monkeypatch.setattr("bridge.api.logins.time.monotonic", lambda: now[0])
    monkeypatch.setattr(logins, "_tries", [])
    return now


def of(address):
    return RequestFactory().post("/admin/login/", REMOTE_ADDR=address)


def test_a_place_is_free_again_after_a_minute(clock):
    for _ in range(logins.MAX_OF_ONE_ADDRESS):
        assert logins.begin(of("10.0.0.1")) == 0.0
        clock[0] += 1

    assert logins.begin(of("10.0.0.1")) == pytest.approx(55.0)
    assert logins.begin(of("10.0.0.2")) == 0.0
    clock[0] += 56
    assert logins.begin(of("10.0.0.1")) == 0.0


def test_who_has_logged_in_has_all_tries_again(clock):
    for _ in range(3 * logins.MAX_OF_ONE_ADDRESS):
        assert logins.begin(of("10.0.0.1")) == 0.0
        logins.succeeded(of("10.0.0.1"))


def test_bots_are_answered_while_passwords_are_checked(
    own_service: Callable[..., Service],
):
    service = own_service()
    tries = [
        threading.Thread(target=log_in, args=(service, f"10.0.0.{n}"))
        for n in range(12)
    ]
    for each in tries:
        each.start()
    seconds = []
    with requests.Session() as http:
        while any(each.is_alive() for each in tries):
            answer = http.get(f"{service.url}/healthz", timeout=30)
            seconds.append(answer.elapsed.total_seconds())

    assert statistics.median(seconds) < 0.1
