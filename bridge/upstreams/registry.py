"""Which upstream has a chat, and which one gets a new chat?"""

from collections.abc import Callable
from functools import cache

from django.conf import settings

from bridge.outbound.transport import new_session
from bridge.upstreams.base import Upstream
from bridge.upstreams.liveagent.client import LiveAgentClient
from bridge.upstreams.liveagent.hosts import SALESFORCE_DOMAINS
from bridge.upstreams.liveagent.protocol import Organization
from bridge.upstreams.liveagent.upstream import LiveAgent


def _live_agent() -> LiveAgent:
    session = new_session(user_agent=settings.USER_AGENT, ca_bundle=settings.CA_BUNDLE)
    return LiveAgent(
        LiveAgentClient(session, api_version=settings.API_VERSION),
        Organization(
            host=settings.LIVEAGENT_HOST,
            organization_id=settings.LIVEAGENT_ORGANIZATION_ID,
            deployment_id=settings.LIVEAGENT_DEPLOYMENT_ID,
            button_id=settings.LIVEAGENT_BUTTON_ID,
            user_agent=settings.USER_AGENT,
            secret=settings.SECRET_KEY,
        ),
    )


FACTORIES: dict[str, Callable[[], Upstream]] = {LiveAgent.name: _live_agent}
FOR_NEW_CHATS = LiveAgent.name


@cache
def upstream(name: str) -> Upstream:
    """Return this process's upstream of that name, as the settings describe it."""
    return FACTORIES[name]()


def for_new_chats() -> Upstream:
    """Return the upstream on which chats are opened."""
    return upstream(FOR_NEW_CHATS)


def is_salesforces(host: str) -> bool:
    """Whether a host is one of those where Salesforce keeps its chat servers."""
    return host.endswith(SALESFORCE_DOMAINS)
