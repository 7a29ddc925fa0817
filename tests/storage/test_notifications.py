"""Are those who wait notified, and those who work told what to do?"""

import math
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.management import call_command
from django.db.models.functions import Now

from bridge.chats import supervisor
from bridge.domain.states import State
from bridge.models import AgentMessage, Session
from bridge.storage import notifications
from bridge.storage.database import in_database
from bridge.storage.digests import digest
from bridge.storage.notifications import Broadcast

pytestmark = pytest.mark.django_db(transaction=True)

TOPIC = notifications.chat(1)
LONG_SECONDS = 30.0


@pytest.fixture
def in_background():
    with ThreadPoolExecutor(1) as executor:
        yield executor.submit


@pytest.fixture
def handlers(monkeypatch):
    """Keep apart what other tests have registered."""
    handlers: dict[str, object] = {}
    monkeypatch.setattr(notifications, "_handlers", handlers)
    return handlers


class Looks:
    """A look that finds one number after the other."""

    def __init__(self) -> None:
        self.count = 0
        self.begun = threading.Semaphore(0)

    def __call__(self) -> int:
        self.count += 1
        self.begun.release()
        return self.count


def wait_for(number, look, *, seconds=LONG_SECONDS, every=math.inf):
    return notifications.wait_until(
        lambda found: found >= number,
        look,
        TOPIC,
        deadline=time.monotonic() + seconds,
        every=every,
    )


def test_who_finds_enough_at_once_does_not_wait():
    look = Looks()
    assert wait_for(1, look) == look.count == 1


def test_who_waits_looks_again_when_notified(in_background):
    look = Looks()
    found = in_background(wait_for, 3, look)
    for _ in range(2):
        assert look.begun.acquire(timeout=LONG_SECONDS)
        notifications.publish_here(TOPIC)
    assert found.result(LONG_SECONDS) == 3


def test_what_is_published_between_look_and_wait_is_not_lost():
    look = Looks()

    def look_and_publish() -> int:
        notifications.publish_here(TOPIC)
        return look()

    assert wait_for(2, look_and_publish) == 2


def test_who_waits_looks_every_so_often_in_any_case():
    assert wait_for(4, Looks(), every=0.01) == 4


def test_there_is_a_look_at_the_end_of_the_time():
    look = Looks()
    assert wait_for(10, look, seconds=0.05) == look.count == 2


def test_there_is_a_look_though_the_time_is_over():
    assert wait_for(10, Looks(), seconds=-1) == 1


def test_nothing_is_left_of_who_has_waited():
    with notifications.subscribe(notifications.messages_for("U1"), TOPIC):
        assert notifications.awaited_line_ids() == {"U1"}
    assert notifications.awaited_line_ids() == set()


def test_a_topic_does_not_show_whose_it_is():
    topic = notifications.messages_for("Usecret")
    assert "Usecret" not in topic.name + repr(topic)


@in_database
def publish(topic):
    notifications.publish(topic)


def test_messages_are_published_for_one_customer_alone():
    with (
        notifications.subscribe(notifications.messages_for("U1")) as first,
        notifications.subscribe(notifications.messages_for("U2")) as second,
    ):
        publish(notifications.messages_for("U2"))
        assert second.wait(LONG_SECONDS)
        assert not first.wait(0)


def test_a_broadcast_is_for_its_handler_and_nobody_else(handlers):
    called = []
    notifications.on_broadcast(Broadcast.SEND, called.append)
    broadcast = in_database(notifications.broadcast)
    broadcast(Broadcast.SEND, 7)
    broadcast(Broadcast.LOOK, 8)  # nobody works on chats here
    assert called == [7]


def test_loading_a_module_registers_nothing():
    """Who works on chats says so; else it depends on what happens to be loaded."""
    code = (
        "import django; django.setup()\n"
        "import bridge.chats.supervisor, bridge.chats.retention\n"
        "from bridge.storage import notifications\n"
        "assert not notifications._handlers"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_forget_does_what_is_broadcast(handlers, capsys):
    call_command("forget", "U-nobody")
    assert set(handlers) == set(Broadcast)


def test_the_messages_of_others_cost_nothing(monkeypatch):
    """Fifty thousand that nobody waits for are no reason to stand still."""
    chat = Session.objects.create(line_id="U1", display_name="")
    for line_id in ("U1", "U2", "U2", *map(str, range(50))):
        AgentMessage.objects.create(session=chat, line_id=line_id, text="", agent="")
    hashed = []

    def counting(line_id):
        hashed.append(line_id)
        return digest(line_id)

    monkeypatch.setattr(notifications, "digest", counting)
    with (
        notifications.subscribe(notifications.messages_for("U2")) as first,
        notifications.subscribe(notifications.messages_for("U3")) as second,
    ):
        supervisor.republish_lost()
        assert first.wait(0)
        assert not second.wait(0)
    assert hashed == ["U2", "U3", "U2"]


def test_who_waits_for_an_end_that_was_missed_is_notified():
    Session.objects.create(
        line_id="U1", display_name="", state=State.ENDED, ended_at=Now()
    )
    with notifications.subscribe(notifications.messages_for("U1")) as subscription:
        supervisor.republish_lost()
        assert subscription.wait(0)
