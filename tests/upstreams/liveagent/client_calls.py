"""Every call of the client, and somebody to answer it, for the client's tests."""

import pytest
import responses

from bridge.domain.links import Link
from bridge.outbound.calls import Call
from bridge.outbound.transport import new_session
from bridge.upstreams.liveagent.client import LiveAgentClient
from bridge.upstreams.liveagent.protocol import Organization

HOST = "https://d.la1-c1-xxx.salesforceliveagent.com"
BASE = f"{HOST}/chat/rest/"
CREDENTIALS = Link(HOST, "the!secret/key=", "9ac01f2e")

HEADER = "X-LIVEAGENT-"
VERSION, AFFINITY = f"{HEADER}API-VERSION", f"{HEADER}AFFINITY"
KEY, SEQUENCE = f"{HEADER}SESSION-KEY", f"{HEADER}SEQUENCE"
OF_SESSION = {VERSION: "52", AFFINITY: "9ac01f2e", KEY: "the!secret/key="}


@pytest.fixture(name="wire")
def wire_fixture():
    """Answer in Salesforce's place; every answer has to be asked for."""
    with responses.RequestsMock() as mock:
        yield mock


@pytest.fixture(name="client")
def client_fixture():
    with new_session(user_agent="Liveagent API") as session:
        yield LiveAgentClient(session, api_version="52")


def poll(client, ack=-1, hold=40.0):
    return client.messages(CREDENTIALS, ack=ack, hold=hold, call=Call())


def say(client, text="内緒"):
    client.chat_message(CREDENTIALS, sequence=2, text=text)


def init(client):
    body = {"visitorName": "花子", "prechatEntities": []}
    client.chasitor_init(CREDENTIALS, sequence=1, body=body)


def end(client):
    client.chat_end(CREDENTIALS, sequence=3, reason="clientIdleTimeout")


def resync(client):
    client.resync_state(CREDENTIALS, organization_id="00D000000000001")


def reconnect(client, offset=1122334455):
    return client.reconnect_session(CREDENTIALS, offset=offset)


def available(client, button="573XX0000000001"):
    org = Organization(
        host=HOST,
        organization_id="00D000000000001",
        deployment_id="572000000000001",
        button_id=button,
        user_agent="",
        secret="",
    )
    return client.availability(org)


POSTS = {
    "Chasitor/ChasitorInit": init,
    "Chasitor/ChatMessage": say,
    "Chasitor/ChatEnd": end,
    "Chasitor/ChasitorResyncState": resync,
}
GETS = {
    "System/SessionId": lambda client: client.create_session(HOST),
    "System/ReconnectSession": reconnect,
    "Visitor/Availability": available,
}
DELETE = "System/SessionId/the%21secret%2Fkey%3D"
CALLS = [
    *(("POST", resource, call) for resource, call in POSTS.items()),
    *(("GET", resource, call) for resource, call in GETS.items()),
    ("GET", "System/Messages", poll),
    ("DELETE", DELETE, lambda client: client.delete_session(CREDENTIALS)),
]
all_calls = pytest.mark.parametrize(
    ("method", "resource", "call"), CALLS, ids=[f"{m} {r}" for m, r, _ in CALLS]
)


def sent(wire):
    """Return the one request that was made."""
    ((request, _),) = wire.calls
    return request


def live_agent_headers(request):
    return {name: v for name, v in request.headers.items() if name.startswith(HEADER)}
