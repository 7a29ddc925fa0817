"""Is the API described, and is the description true?"""

import json
from collections.abc import Callable

import pytest
import requests
from jsonschema import ValidationError
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from bridge.api import openapi
from tests.harness import described
from tests.harness.bot import Bot
from tests.harness.service import Service

ENDPOINTS = ("/init", "/messages", "/send", "/close")
PUBLIC = ("/openapi.json", "/healthz", "/readyz")
JSON = {"content-type": "application/json"}


def test_the_document_is_valid():
    validate(openapi.document(), cls=OpenAPIV31SpecValidator)


def test_the_document_is_served(service: Service):
    response = requests.get(f"{service.url}/openapi.json", timeout=30)

    assert response.status_code == 200
    described.check_read(response)
    assert response.json() == openapi.document()
    assert set(response.json()["paths"]) == {*ENDPOINTS, *PUBLIC, "/metrics"}


def test_head_has_the_headers_of_get(service: Service):
    url = f"{service.url}/openapi.json"
    get, head = requests.get(url, timeout=30), requests.head(url, timeout=30)

    assert head.status_code == 200
    assert head.content == b""
    for name in ("content-type", "content-length"):
        assert head.headers[name] == get.headers[name]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_the_document_can_only_be_got(service: Service, method: str):
    response = requests.request(method, f"{service.url}/openapi.json", timeout=30)

    assert response.status_code == 405
    described.check_read(response)


@pytest.mark.parametrize("path", ENDPOINTS)
def test_the_examples_are_accepted(service: Service, path: str):
    body = openapi.document()["paths"][path]["post"]["requestBody"]
    example = body["content"]["application/json"]["example"]

    answer = Bot(service, "example").call(path, **{**example, "line_id": "example"})

    assert answer.status == (400 if path == "/send" else 200), "no chat is open"
    if path == "/init":
        assert Bot(service, "example").close().status == 200


def test_with_a_token_the_document_asks_for_it_and_is_open_all_the_same(
    own_service: Callable[..., Service],
):
    service = own_service(BRIDGE_TOKEN="a-token-of-the-tests")

    response = requests.get(f"{service.url}/openapi.json", timeout=30)

    assert response.json()["security"] == [{"bearer": []}]
    for path, item in response.json()["paths"].items():
        for operation in item.values():
            assert operation.get("security") == ([] if path in PUBLIC else None)
    assert "a-token-of-the-tests" not in response.text


def test_without_a_token_it_is_optional():
    assert openapi.document()["security"] == [{"bearer": []}, {}]


def test_under_ssl_the_document_is_redirected(own_service: Callable[..., Service]):
    service = own_service(SSL="True")

    response = requests.get(
        f"{service.url}/openapi.json", timeout=30, allow_redirects=False
    )

    assert response.status_code == 301
    assert response.headers["location"].startswith("https://")


# Every answer that the tests get is compared with the document (tests/harness/bot.py).


@pytest.mark.parametrize(
    ("status", "raw"),
    [
        (200, b'{"type":"end","message":"deleted session"}'),
        (200, b'{"type":"message","message":"x"}'),
        (200, b'{"type":null,"message":null,"state":"opening"}'),
        (200, b'{"type":null,"message":null,"more":1}'),
        (400, b'{"type":"bad","message":"bad request"}'),
        (418, b'{"type":"bad","message":"bad request","errors":[]}'),
    ],
)
def test_an_answer_that_is_not_described_would_be_noticed(status: int, raw: bytes):
    with pytest.raises((AssertionError, ValidationError)):
        described.check("/messages", status, JSON, raw)


def readiness(status: str, reasons: list[str], chats: int | None = 0, **more: str):
    salesforce = {"state": "unknown", "unanswered_chats": chats, **more}
    return {"status": status, "reasons": reasons, "salesforce": salesforce}


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, readiness("not ready", ["stopping"])),
        (200, readiness("ready", ["stopping"])),
        (200, readiness("ready", [], None)),
        (200, readiness("ready", [], state="away")),
        (200, readiness("ready", [], more="yes")),
        (503, readiness("ready", [])),
        (503, readiness("not ready", [])),
        (503, readiness("not ready", ["tired"])),
        (500, readiness("not ready", ["stopping"])),
    ],
)
def test_a_readiness_that_is_not_described_would_be_noticed(status: int, body: dict):
    with pytest.raises((AssertionError, ValidationError)):
        described.check("/readyz", status, JSON, json.dumps(body).encode(), "get")


def test_an_answer_without_its_header_would_be_noticed():
    raw = b'{"type":"bad","message":"bad request","errors":[]}'
    with pytest.raises(AssertionError, match="Retry-After"):
        described.check("/send", 503, JSON, raw)
    described.check("/send", 503, {**JSON, "retry-after": "2"}, raw)
