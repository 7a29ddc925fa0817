"""Does Live Agent's adapter keep what an upstream promises?"""

import pytest
from django.conf import settings

from bridge.outbound.transport import new_session
from bridge.upstreams.liveagent.client import LiveAgentClient
from bridge.upstreams.liveagent.protocol import Organization
from bridge.upstreams.liveagent.upstream import LiveAgent
from tests.harness import salesforce as harness
from tests.upstreams.contract import LOST, REFUSED, UNANSWERED, UpstreamContract

RESOURCES = {
    "open": "ChasitorInit",
    "read": "Messages",
    "recover": "Messages",
    "send": "ChatMessage",
    "end": "ChatEnd",
}
FAULTS = {
    LOST: {"kind": "lose_request"},
    UNANSWERED: {"kind": "lose_answer"},
    REFUSED: {"kind": "status", "status": 400},
}


class FarChat(harness.Chat):
    """A chat at the simulator."""

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.state == "ended"

    @property
    def is_being_read(self) -> bool:
        """Whether a poll is held."""
        return bool(self.look()["poll_open"])

    def move(self, *, keeps_reads: bool = False) -> "FarChat":
        """Hand it over to another server."""
        held = "hold" if keeps_reads else "503"
        self.salesforce.switch(handover_held_poll=held)
        self.handover()
        return self


class FarSide:
    """The simulator, as the contract wants it."""

    def __init__(self, salesforce: harness.Salesforce) -> None:
        self._salesforce = salesforce
        self._old = {chat.id for chat in salesforce.chats()}

    def connect(self) -> LiveAgent:
        """Return the adapter as one more process has it."""
        session = new_session(user_agent="Test")
        return LiveAgent(
            LiveAgentClient(session, api_version=settings.API_VERSION),
            Organization(
                host=self._salesforce.url,
                organization_id=settings.LIVEAGENT_ORGANIZATION_ID,
                deployment_id=settings.LIVEAGENT_DEPLOYMENT_ID,
                button_id=settings.LIVEAGENT_BUTTON_ID,
                user_agent="Test",
                secret="secret",
            ),
        )

    def chats(self, line_id: str) -> list[FarChat]:
        """Return the customer's chats."""
        found = self._salesforce.chats(line_id)
        return [FarChat(self._salesforce, chat.id) for chat in found]

    @property
    def unended(self) -> list[harness.Chat]:
        """The chats that are not over."""
        return [c for c in self._salesforce.open_chats() if c.id not in self._old]

    def fail(self, call: str, *faults: str) -> None:
        """Set these faults."""
        for fault in faults:
            self._salesforce.fault(RESOURCES[call], **FAULTS[fault])

    @property
    def agents_available(self) -> bool:
        """Whether an agent is to be had."""
        return bool(self._salesforce.switches["agents_available"])

    @agents_available.setter
    def agents_available(self, available: bool) -> None:
        self._salesforce.switch(agents_available=available)


# What nobody knows for sure: as it is taken to be, and as it may be as well.
BEHAVIOURS = {
    "as supposed": {},
    "otherwise": {
        "after_chat_end": "403",
        "duplicate_sequence": "409",
        "empty_poll_status": 200,
        "first_sequence": 7,
        "post_success_status": 202,
        "reconnect_resends": True,
        "sequence_counts": "batches",
    },
}


@pytest.mark.breaches("duplicate_sequence", "wrong_sequence", "wrong_method")
class TestLiveAgent(UpstreamContract):
    @pytest.fixture(name="salesforce", params=BEHAVIOURS)
    def far_side(
        self, request: pytest.FixtureRequest, salesforce: harness.Salesforce
    ) -> FarSide:
        salesforce.switch(**BEHAVIOURS[request.param])
        return FarSide(salesforce)
