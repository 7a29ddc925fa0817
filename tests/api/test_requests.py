"""Do the models of the endpoints' bodies take what they should, and nothing else?"""

import pytest
from pydantic import ValidationError

from bridge.api.requests import Close, Init, Messages, Payload, Send

INIT = {"line_id": "U1", "display_name": "花子"}
SEND = {"line_id": "U1", "message": "もしもし"}
ENTITY = {
    "entityName": "Contact",
    "entityFieldsMaps": [{"doFind": True, "label": None}],
}
NO_TEXTS = [None, True, 7, 1.5, [], ["U1"], {}, b"U1"]
UNSOUND = ["a\0b", "\ud800", "あ\udfff", "\ud83d\ude00"]


def refused(model, body):
    """Return the keys and the reasons of what is wrong."""
    with pytest.raises(ValidationError) as caught:
        model.model_validate(body)
    return [(error["loc"], error["msg"]) for error in caught.value.errors()]


def fields(model, body):
    return {location[0] for location, _ in refused(model, body)}


def nested(levels):
    """Return entities nested that deep, the list itself and the text counted."""
    value = "x"
    for _ in range(levels - 3):
        value = [value]
    return [{"k": value}]


@pytest.mark.parametrize("model", [Init, Messages, Send, Close])
def test_every_body_names_the_customer(model):
    body = {"display_name": "花子", "message": "もしもし"}
    assert fields(model, body) == {"line_id"}


@pytest.mark.parametrize(
    ("model", "key"),
    [(Payload, "line_id"), (Init, "display_name"), (Send, "message")],
)
@pytest.mark.parametrize("value", [*NO_TEXTS, *UNSOUND, ""], ids=repr)
def test_a_text_that_is_needed(model, key, value):
    assert fields(model, {**INIT, **SEND, key: value}) == {key}


@pytest.mark.parametrize(
    ("model", "key", "longest"),
    [
        (Payload, "line_id", 255),
        (Init, "display_name", 255),
        (Send, "message", 10_000),
        (Send, "message_id", 255),
    ],
)
@pytest.mark.parametrize("character", ["a", "長", "😀"])
def test_a_text_has_a_limit_in_characters(model, key, longest, character):
    body = {**INIT, **SEND, key: character * longest}
    assert getattr(model.model_validate(body), key) == character * longest
    assert fields(model, {**body, key: character * (longest + 1)}) == {key}


@pytest.mark.parametrize("text", [" ", " \n", "\x01", "\ufeff", "\ufffd", "👍🏽", "é"])
def test_a_text_is_not_changed(text):
    assert Send.model_validate({**SEND, "message": text}).message == text


@pytest.mark.parametrize("model", [Init, Messages, Send, Close])
def test_unknown_keys_are_ignored(model):
    read = model.model_validate({**INIT, **SEND, "colour": "red", "key": 1})
    assert not hasattr(read, "colour")


@pytest.mark.parametrize("absent", [{}, {"ack": None}])
def test_no_ack(absent):
    assert Messages.model_validate({"line_id": "U1", **absent}).ack is None


@pytest.mark.parametrize("ack", [0, 1, 2**62])
def test_ack(ack):
    assert Messages.model_validate({"line_id": "U1", "ack": ack}).ack == ack


@pytest.mark.parametrize("ack", [-1, True, False, 1.0, 0.5, "1", "", [], {}])
def test_ack_that_is_no_whole_number_from_0(ack):
    assert fields(Messages, {"line_id": "U1", "ack": ack}) == {"ack"}


@pytest.mark.parametrize("absent", [{}, {"message_id": None}])
def test_no_message_id(absent):
    assert Send.model_validate({**SEND, **absent}).message_id is None


@pytest.mark.parametrize("value", [*NO_TEXTS[1:], *UNSOUND, ""], ids=repr)
def test_message_id_that_is_no_text(value):
    assert fields(Send, {**SEND, "message_id": value}) == {"message_id"}


# prechatEntities


@pytest.mark.parametrize("absent", [{}, {"prechatEntities": None}])
def test_no_entities(absent):
    assert Init.model_validate({**INIT, **absent}).prechatEntities == []


def test_entities_of_one_chat_are_not_another_ones():
    Init.model_validate(INIT).prechatEntities.append(ENTITY)
    assert Init.model_validate(INIT).prechatEntities == []


@pytest.mark.parametrize(
    "entities",
    [[], [{}], [ENTITY], [ENTITY, {"a": [1, 1.5, None, True, "日本", {"b": []}]}]],
)
def test_entities_are_passed_on_as_they_are(entities):
    read = Init.model_validate({**INIT, "prechatEntities": entities})
    assert read.prechatEntities == entities


@pytest.mark.parametrize(
    "entities", [{}, ENTITY, "x", 1, True, [[]], [None], ["x"], [ENTITY, 1]]
)
def test_entities_that_are_no_list_of_objects(entities):
    assert fields(Init, {**INIT, "prechatEntities": entities}) == {"prechatEntities"}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (float("nan"), "NaN or Infinity"),
        (float("inf"), "NaN or Infinity"),
        (float("-inf"), "NaN or Infinity"),
        ("a\0", "NUL"),
        ("あ\ud800", "lone surrogate"),
    ],
)
@pytest.mark.parametrize(
    "wrap",
    [
        lambda value: [{"k": value}],
        lambda value: [{"a": {"b": [0, [value]]}}],
        lambda value: [{}, {"a": [{value: 0}]}],
    ],
    ids=["near", "far", "as a key"],
)
def test_entities_that_could_not_be_passed_on(wrap, value, reason):
    ((location, told),) = refused(Init, {**INIT, "prechatEntities": wrap(value)})
    assert location == ("prechatEntities",)
    assert reason in told


def test_entities_have_a_depth():
    body = {**INIT, "prechatEntities": nested(32)}
    assert Init.model_validate(body).prechatEntities == nested(32)
    ((_, told),) = refused(Init, {**INIT, "prechatEntities": nested(33)})
    assert "nested too deeply" in told


def test_entities_nested_without_end_are_refused_and_not_crashed_on():
    body = {**INIT, "prechatEntities": nested(100_000)}
    assert fields(Init, body) == {"prechatEntities"}
