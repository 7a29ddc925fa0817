"""Bad input of every kind: told so in JSON, and nothing is touched."""

import json
import math
import socket
from collections.abc import Iterator

import pytest
import requests

from tests.conftest import new_line_id
from tests.harness.bot import BAD_REQUEST, SENT, Answer, Bot, call, words
from tests.harness.salesforce import Chat, Salesforce
from tests.harness.service import Service

LIMIT = 256 * 1024
FIELDS = {
    "/init": {"display_name": "山田"},
    "/messages": {},
    "/send": {"message": "はい"},
    "/close": {},
}
REQUIRED = [(path, key) for path, keys in FIELDS.items() for key in ("line_id", *keys)]
LENGTHS = {"line_id": 255, "display_name": 255, "message": 10_000}
BAD_TEXT = {
    "null": None,
    "a number": 7,
    "a boolean": True,
    "a list": ["U1"],
    "an object": {"id": "U1"},
    "empty": "",
    "with NUL": "a\0b",
    "with half of a pair": "a\ud800b",
    "with the other half": "\udc00",
    "not a number": math.nan,
    "infinite": math.inf,
}
BAD_OPTIONS = {
    "prechatEntities a text": ("/init", "prechatEntities", "[]"),
    "prechatEntities an object": ("/init", "prechatEntities", {}),
    "prechatEntities of texts": ("/init", "prechatEntities", ["Contact"]),
    "prechatEntities of null": ("/init", "prechatEntities", [None]),
    "prechatEntities of lists": ("/init", "prechatEntities", [[]]),
    "prechatEntities with NUL": ("/init", "prechatEntities", [{"a": ["\0"]}]),
    "prechatEntities with half": ("/init", "prechatEntities", [{"a": "\ud800"}]),
    "prechatEntities with half a key": ("/init", "prechatEntities", [{"\ud800": 1}]),
    "prechatEntities with NaN": ("/init", "prechatEntities", [{"a": math.nan}]),
    "prechatEntities with infinity": ("/init", "prechatEntities", [{"a": -math.inf}]),
    "message_id a number": ("/send", "message_id", 7),
    "message_id too long": ("/send", "message_id", "1" * 256),
    "message_id with NUL": ("/send", "message_id", "\0"),
    "ack a text": ("/messages", "ack", "0"),
    "ack a fraction": ("/messages", "ack", 0.5),
    "ack a boolean": ("/messages", "ack", True),
    "ack a list": ("/messages", "ack", [0]),
    "ack enormous": ("/messages", "ack", 10**30),
}
NOT_OBJECTS = {
    "nothing": b"",
    "null": b"null",
    "a list": b"[]",
    "a text": b'"line_id"',
    "a number": b"1",
    "half an object": b'{"line_id": "U1"',
    "more than an object": b'{"line_id": "U1"} {}',
    "a form": b"line_id=U1&message=x&display_name=x",
    "no utf-8": b'{"line_id": "\xff\xfe", "message": "x", "display_name": "x"}',
    "utf-16": '{"line_id": "U1", "message": "x", "display_name": "x"}'.encode("utf-16"),
    "20,000 brackets": b"[" * 20_000 + b"]" * 20_000,
    "20,000 open brackets": b"[" * 20_000,
    "20,000 objects": b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
    "20,000 brackets in a key": b'{"line_id":' + b"[" * 20_000 + b"]" * 20_000 + b"}",
    "a number of 5,000 digits": b'{"line_id":' + b"7" * 5_000 + b"}",
    "an infinite number": b'{"line_id": 1e999}',
}


@pytest.fixture(autouse=True)
def nothing_reaches_salesforce(
    request: pytest.FixtureRequest, salesforce: Salesforce
) -> Iterator[None]:
    """See that bad input opens no session."""
    expected = len(salesforce.chats())
    if request.node.get_closest_marker("opens_a_chat"):
        expected += 1
    yield
    assert len(salesforce.chats()) == expected


def assert_bad(answer: Answer, field: str | None = None) -> None:
    assert answer.outcome == BAD_REQUEST
    errors = answer.body["errors"]
    assert errors
    assert all({"field", "reason"} == error.keys() for error in errors)
    assert all(error["reason"] for error in errors)
    if field is not None:
        named = [str(error["field"]) for error in errors]
        assert any(name.split(".")[0] == field for name in named), errors


def post(service: Service, path: str, payload: dict) -> Answer:
    return call(f"{service.url}{path}", json.dumps(payload))


def payload_of(path: str, **changes: object) -> dict:
    return {"line_id": new_line_id(), **FIELDS[path], **changes}


def padded(path: str, size: int) -> bytes:
    """Return a good body of exactly this many bytes."""
    body = json.dumps(payload_of(path, padding="")).encode()
    return body.replace(b'""', b'"' + b"x" * (size - len(body)) + b'"')


@pytest.mark.parametrize("body", NOT_OBJECTS.values(), ids=NOT_OBJECTS.keys())
@pytest.mark.parametrize("path", FIELDS)
def test_the_body_must_be_an_object(service: Service, path: str, body: bytes):
    assert_bad(call(f"{service.url}{path}", body))


@pytest.mark.parametrize(("path", "key"), REQUIRED)
def test_a_missing_key_is_named(service: Service, path: str, key: str):
    payload = payload_of(path)
    del payload[key]

    assert_bad(post(service, path, payload), key)


@pytest.mark.parametrize("value", BAD_TEXT.values(), ids=BAD_TEXT.keys())
@pytest.mark.parametrize(("path", "key"), REQUIRED)
def test_a_key_that_is_no_good_text(
    service: Service, path: str, key: str, value: object
):
    answer = post(service, path, payload_of(path, **{key: value}))

    is_number = isinstance(value, float)
    assert_bad(answer, None if is_number else key)


@pytest.mark.parametrize(("path", "key"), REQUIRED)
def test_too_long_is_one_character_over_the_limit(
    service: Service, path: str, key: str
):
    assert_bad(post(service, path, payload_of(path, **{key: "あ" * 5_000 * 3})), key)
    assert_bad(post(service, path, payload_of(path, **{key: "🙂" * 10_001})), key)
    longer = "🙂" * (LENGTHS[key] + 1)
    assert_bad(post(service, path, payload_of(path, **{key: longer})), key)


@pytest.mark.opens_a_chat
def test_the_longest_of_all_is_accepted(service: Service, salesforce: Salesforce):
    bot = Bot(service, ("🙂" * 255 + new_line_id())[-255:])
    assert bot.init("山" * 255).body["type"] == "ok"
    chat = salesforce.wait_for_chat(bot.line_id).accept()

    assert bot.send("🙂" * 10_000, message_id="1" * 255).outcome == SENT

    assert chat.wait(texts=1).heard == ["🙂" * 10_000]
    assert chat.look()["visitor_name"] == "山" * 255


@pytest.mark.parametrize(
    ("path", "key", "value"), BAD_OPTIONS.values(), ids=BAD_OPTIONS.keys()
)
def test_an_optional_key_that_is_no_good(
    service: Service, path: str, key: str, value: object
):
    answer = post(service, path, payload_of(path, **{key: value}))

    has_no_json = any(word in repr(value) for word in ("nan", "inf"))
    assert_bad(answer, None if has_no_json else key)


def test_several_faults_are_all_named(service: Service):
    answer = post(service, "/send", {"message": 7})

    assert {error["field"] for error in answer.body["errors"]} == {"line_id", "message"}


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp",
        "text/json",
        "",
    ],
)
@pytest.mark.parametrize("path", FIELDS)
def test_another_content_type_is_bad(service: Service, path: str, content_type: str):
    data = json.dumps(payload_of(path))

    assert_bad(
        call(f"{service.url}{path}", data, headers={"content-type": content_type})
    )


@pytest.mark.parametrize(
    "content_type",
    ["application/json; charset=utf-8", "application/json;charset=UTF-8"],
)
def test_a_content_type_may_have_parameters(service: Service, content_type: str):
    answer = call(
        f"{service.url}/close",
        json.dumps(payload_of("/close")),
        headers={"content-type": content_type},
    )

    assert answer.status == 200


@pytest.mark.parametrize("size", [LIMIT + 1, 5_000_000])
@pytest.mark.parametrize("path", FIELDS)
def test_too_large_a_body(service: Service, path: str, size: int):
    answer = call(f"{service.url}{path}", padded(path, size))

    assert answer.outcome == (413, "bad", "bad request")


def test_too_large_a_body_in_chunks(service: Service):
    chunks = (b"[" * 1024 for _ in range(LIMIT // 1024 + 2))
    headers = {"content-type": "application/json"}

    response = requests.post(
        f"{service.url}/messages", data=chunks, headers=headers, timeout=30
    )

    assert response.status_code == 413
    assert response.json()["type"] == "bad"


@pytest.mark.opens_a_chat
def test_a_body_whose_sender_has_gone_is_not_obeyed(bot: Bot, chat: Chat):
    body = json.dumps({"line_id": bot.line_id}).encode()
    head = f"POST /close HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body) + 1}\r\n"
    with socket.create_connection(("127.0.0.1", bot.service.port), timeout=20) as plain:
        plain.sendall(f"{head}Content-Type: application/json\r\n\r\n".encode() + body)
        plain.shutdown(socket.SHUT_WR)
        answer = plain.makefile("rb").read()

    assert b" 400 " in answer.partition(b"\r\n")[0]
    assert b"the body cannot be read" in answer
    assert bot.send("はい").outcome == SENT


def test_the_largest_body_of_all_is_accepted(service: Service):
    assert call(f"{service.url}/close", padded("/close", LIMIT)).status == 200


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("path", FIELDS)
def test_another_method_is_refused(service: Service, path: str, method: str):
    response = requests.request(
        method, f"{service.url}{path}", json=payload_of(path), timeout=30
    )

    assert response.status_code == 405
    assert response.headers["allow"] == "POST"
    assert response.headers["content-type"].startswith("application/json")
    assert response.json()["type"] == "bad"
    assert response.json()["message"] == "bad request"


@pytest.mark.parametrize("path", ["/init/", "/send/", "/INIT", "/unknown", "/a/b/c"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_unknown_path_is_not_found(service: Service, path: str, method: str):
    response = requests.request(
        method, f"{service.url}{path}", json={}, timeout=30, allow_redirects=False
    )

    assert response.status_code == 404
    assert response.headers["content-type"].startswith("application/json")
    assert response.json()["type"] == "bad"
    assert response.json()["message"] == "bad request"


@pytest.mark.opens_a_chat
def test_an_open_chat_is_not_touched(bot: Bot, chat: Chat):
    for path in FIELDS:
        for bad in ({"line_id": bot.line_id, "message": 7, "ack": "x"}, {}):
            bad = {**bad, "display_name": ["x"]} if path == "/init" else bad
            if path == "/close":
                bad = {"line_id": [bot.line_id]}
            assert post(bot.service, path, bad).status == 400

    chat.say("まだいます")
    assert bot.messages().outcome == words("まだいます")
    assert bot.send("私も").outcome == SENT
    assert chat.heard == ["私も"]
    assert chat.sequences == [2]


@pytest.mark.parametrize(
    ("path", "status"),
    [("/", 404), ("/unknown", 404), ("/init", 405), ("/admin/login/", 200)],
)
def test_a_head_is_answered_without_a_body(service: Service, path: str, status: int):
    response = requests.head(f"{service.url}{path}", timeout=30)

    assert response.status_code == status
    assert int(response.headers["content-length"]) > 0
    assert response.content == b""
    assert "no-body response" not in service.log


def test_a_reason_is_ours_to_word(service: Service):
    answer = post(service, "/close", {"line_id": "a\0b"})

    assert answer.body["errors"] == [
        {"field": "line_id", "reason": "holds a NUL character"}
    ]


def test_a_header_does_not_move_the_service(service: Service):
    headers = {"SCRIPT_NAME": "/elsewhere"}

    response = requests.post(
        f"{service.url}/close", json={"line_id": "U1"}, headers=headers, timeout=30
    )

    assert response.status_code == 200
