"""Are the answers, to the byte, those that bots are written against?"""

import pytest

from bridge.api.answers import (
    Answer,
    Bad,
    Closed,
    Connected,
    Ended,
    Message,
    NotConnected,
    Nothing,
    Sent,
)

AT = "2024-11-11T01:02:03.456789+00:00"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (
            Connected(state="waiting", queue_position=0, estimated_wait=60),
            '{"type":"ok","message":"接続しました。","state":"waiting",'
            '"queue_position":0,"estimated_wait":60}',
        ),
        (
            Connected(state="established", queue_position=None),
            '{"type":"ok","message":"接続しました。","state":"established"}',
        ),
        (
            NotConnected(reason="full"),
            '{"type":"fail","message":"ただいま接続できません。","reason":"full"}',
        ),
        (
            Message(message='"\\/\n\x1f\x7f\u2028🙂', id=7, agent="", at=AT),
            '{"type":"message","message":"\\"\\\\/\\n\\u001f\x7f\u2028🙂","id":7,'
            f'"agent":"","at":"{AT}"}}',
        ),
        (Nothing(), '{"type":null,"message":null}'),
        (
            Nothing(state="waiting", estimated_wait=0),
            '{"type":null,"message":null,"state":"waiting","estimated_wait":0}',
        ),
        (
            Ended(state="ended", reason="agent", undelivered=2),
            '{"type":"end","message":"接続が終了しました。","state":"ended",'
            '"reason":"agent","undelivered":2}',
        ),
        (
            Closed(state="ended", reason=""),
            '{"type":"end","message":"deleted session","state":"ended"}',
        ),
        (Sent(), '{"type":"send","message":"send"}'),
        (
            Bad.model_validate({"errors": [{"field": None, "reason": "use POST"}]}),
            '{"type":"bad","message":"bad request",'
            '"errors":[{"field":null,"reason":"use POST"}]}',
        ),
    ],
)
def test_an_answer_is_what_it_always_was(body, text):
    answer = Answer(body)

    assert answer.content == text.encode()
    assert answer["Content-Type"] == "application/json"
    assert answer.type == (body.type or "null")


def test_a_state_that_no_schema_knows_is_told_all_the_same():
    body = Nothing(state="held", queue_position=-1)

    assert Answer(body).content == (
        b'{"type":null,"message":null,"state":"held","queue_position":-1}'
    )
