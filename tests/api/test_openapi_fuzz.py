"""Do the endpoints keep to their description, whatever they are sent?

schemathesis makes calls from the document: such as it allows (positive), and such as
it does not (negative). They go to the real server, and are the same in each run.
"""

from collections.abc import Callable
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode, Response

from tests.harness import described
from tests.harness.bot import Bot, words
from tests.harness.salesforce import Chat, Salesforce
from tests.harness.service import Service

ENDPOINTS = ("/init", "/messages", "/send", "/close")
POSITIVE, NEGATIVE = GenerationMode.POSITIVE, GenerationMode.NEGATIVE
TOKEN = "a-token-of-the-tests"

# Whether there is a chat, and which ids there are, the document cannot know: these
# two may refuse what it allows. The tests below say when.
CONFIG = {
    "checks": {"positive_data_acceptance": {"expected-statuses": ["200", "400"]}},
    "generation": {"database": "none"},
}


def for_each_case(
    service: Service, path: str, mode: GenerationMode, check: Callable[[Case], None]
) -> None:
    """Make calls of an endpoint and hand each to `check`."""
    url = f"{service.url}/openapi.json"
    config = schemathesis.Config.from_dict(CONFIG)
    operation = schemathesis.openapi.from_url(url, config=config)[path]["POST"]

    @settings(
        derandomize=True,
        max_examples=40,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],  # to shrink takes minutes
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def each(case: Case) -> None:
        check(case)

    each()


def called(case: Case, **headers: str) -> Response:
    """Make the call; the answer has to be as described."""
    response = case.call_and_validate(headers=headers, timeout=30)
    described.check(
        case.path,
        response.status_code,
        {name: values[0] for name, values in response.headers.items()},
        response.content,
    )
    return response


def with_whole_ack(case: Case) -> None:
    """Write a whole number without a fraction: to JSON Schema 1.0 is one as well."""
    ack = case.body.get("ack")
    if ack is not None:
        case.body["ack"] = int(ack)


def refused_key(response: Response) -> str | None:
    """Return which key a 400 is about."""
    assert response.status_code == 400
    field: str | None = response.json()["errors"][0]["field"]
    return field


@pytest.mark.parametrize("path", ENDPOINTS)
def test_what_is_described_is_accepted(
    own_service: Callable[..., Service], salesforce: Salesforce, path: str
):
    salesforce.switch(auto_accept=True)
    service = own_service()  # one that has never handed out an id

    def check(case: Case) -> None:
        with_whole_ack(case)
        response = called(case)
        if path == "/send" and not salesforce.open_chats(case.body["line_id"]):
            assert refused_key(response) == "line_id", "there is no open chat"
        elif case.body.get("ack"):
            assert refused_key(response) == "ack", "no id has been handed out"
        else:
            assert response.status_code == 200

    for_each_case(service, path, POSITIVE, check)


@pytest.mark.parametrize("path", ENDPOINTS)
def test_what_is_not_described_is_refused(
    bot: Bot, chat: Chat, service: Service, path: str
):
    def check(case: Case) -> None:
        if isinstance(case.body, dict) and is_plain(case.body.get("line_id")):
            case.body["line_id"] = bot.line_id
        assert called(case).status_code == 400

    for_each_case(service, path, NEGATIVE, check)

    assert chat.say("まだいます").state == "established"
    assert bot.messages().outcome == words("まだいます")
    assert chat.heard == []


def is_plain(value: Any) -> bool:
    """Whether it is a line_id as described."""
    return isinstance(value, str) and 0 < len(value) < 256 and "\0" not in value


def test_words_are_handed_out_whatever_else_is_asked_for(
    bot: Bot, chat: Chat, service: Service
):
    said: list[str] = []
    got: list[str] = []

    def check(case: Case) -> None:
        case.body["line_id"] = bot.line_id
        case.body.pop("ack", None)
        said.append(f"{len(said)}")
        chat.say(said[-1])
        got.append(called(case).json()["message"])

    for_each_case(service, "/messages", POSITIVE, check)

    assert len(said) > 5
    assert got == said


def test_any_text_reaches_the_agent(bot: Bot, chat: Chat, service: Service):
    sent: list[str] = []
    message_ids: set[str] = set()

    def check(case: Case) -> None:
        case.body["line_id"] = bot.line_id
        assert called(case).status_code == 200
        message_id = case.body.get("message_id")
        if message_id not in message_ids:
            sent.append(case.body["message"])
        if message_id is not None:
            message_ids.add(message_id)

    for_each_case(service, "/send", POSITIVE, check)

    assert len(sent) > 5
    assert chat.heard == sent


@pytest.mark.parametrize("mode", [POSITIVE, NEGATIVE], ids=lambda mode: mode.value)
@pytest.mark.parametrize("path", ENDPOINTS)
def test_without_the_token_nothing_is_answered(
    token_service: Service, salesforce: Salesforce, path: str, mode: GenerationMode
):
    calls = salesforce.counts["calls"]

    def check(case: Case) -> None:
        case.headers.clear()  # schemathesis makes up tokens, and other headers too
        response = case.call(timeout=30)
        assert response.status_code == 401
        headers = {name: values[0] for name, values in response.headers.items()}
        described.check(path, 401, headers, response.content)

    for_each_case(token_service, path, mode, check)

    assert salesforce.counts["calls"] == calls


def test_with_the_token_all_is_as_described(token_service: Service):
    def check(case: Case) -> None:
        with_whole_ack(case)
        response = called(case, Authorization=f"Bearer {TOKEN}")
        assert response.status_code == (400 if case.body.get("ack") else 200)

    for_each_case(token_service, "/messages", POSITIVE, check)


@pytest.fixture
def token_service(own_service: Callable[..., Service]) -> Service:
    """Start a service that asks for a token."""
    return own_service(BRIDGE_TOKEN=TOKEN)
