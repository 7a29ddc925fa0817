"""Is each environment variable read as promised, and its fault named?"""

import pytest
from django.core.exceptions import ImproperlyConfigured

from liveagent_api import env

NAME = "SOME_VARIABLE"


@pytest.fixture
def given(monkeypatch):
    """Set the variable; None unsets it."""
    monkeypatch.delenv(NAME, raising=False)

    def give(value):
        if value is not None:
            monkeypatch.setenv(NAME, value)

    return give


def complaint(read, *arguments, **options):
    """Return what is said about the variable: one line that names it."""
    with pytest.raises(ImproperlyConfigured) as caught:
        read(NAME, *arguments, **options)
    said = str(caught.value)
    assert said.startswith(NAME)
    assert "\n" not in said
    return said


@pytest.mark.parametrize("value", [None, "", "  \t"])
def test_text_that_is_missing(given, value):
    given(value)
    assert "missing" in complaint(env.text)
    assert env.text(NAME, "default") == "default"
    assert env.text(NAME, "") == ""


def test_text_is_stripped(given):
    given(" a b\n")
    assert env.text(NAME) == "a b"


@pytest.mark.parametrize(
    ("value", "texts"),
    [(None, ["*"]), ("a", ["a"]), (" a, b ,,c,", ["a", "b", "c"])],
)
def test_texts(given, value, texts):
    given(value)
    assert env.texts(NAME, "*") == texts


@pytest.mark.parametrize("value", [",", " , ,"])
def test_texts_of_nothing_but_commas(given, value):
    given(value)
    assert "malformed" in complaint(env.texts, "")


@pytest.mark.parametrize(
    ("values", "on"),
    [
        (["True", "true", "1", "YES", "on "], True),
        ([None, "", "False", "0", "no", "off"], False),
    ],
)
def test_flag(given, values, on):
    for value in values:
        given(value)
        assert env.flag(NAME) is on


@pytest.mark.parametrize("value", ["perhaps", "2", "None", "y", "真"])
def test_flag_that_is_none(given, value):
    given(value)
    assert value not in complaint(env.flag)


@pytest.mark.parametrize(
    ("value", "number"), [(None, 8), ("", 8), ("1", 1), (" 600 ", 600), ("007", 7)]
)
def test_number(given, value, number):
    given(value)
    assert env.number(NAME, 8) == number


@pytest.mark.parametrize(
    "value", ["-1", "0", "1.5", "1e3", "+1", "soon", "٣", "1" * 10, "1_0", "1 0"]
)
def test_number_that_is_none(given, value):
    given(value)
    assert "from 1 up" in complaint(env.number, 8)


def test_number_has_a_least_value(given):
    given("1")
    assert "from 2 up" in complaint(env.number, 8, least=2)
    given("0")
    assert env.number(NAME, 8, least=0) == 0


def test_optional_number(given):
    assert env.optional_number(NAME) is None
    given("0")
    assert env.optional_number(NAME, least=0) == 0
    complaint(env.optional_number)


@pytest.mark.parametrize("value", ["00D000000000001", "00D000000000001AAA"])
def test_salesforce_id(given, value):
    given(f" {value} ")
    assert env.salesforce_id(NAME) == value


@pytest.mark.parametrize(
    "value",
    ["00D", "00D0000000000012", "00D00000000000_", "0" * 19, "00D00000000000あ", "a b"],
)
def test_salesforce_id_that_is_none(given, value):
    given(value)
    assert value not in complaint(env.salesforce_id)


@pytest.mark.parametrize("value", [None, ""])
@pytest.mark.parametrize("read", [env.salesforce_id, env.chat_endpoint])
def test_what_has_no_default_is_needed(given, read, value):
    given(value)
    assert "missing" in complaint(read)


@pytest.mark.parametrize(
    ("value", "host"),
    [
        ("d.la1.example.com", "https://d.la1.example.com"),
        ("D.La1.Example.Com", "https://d.la1.example.com"),
        ("https://d.la1.example.com", "https://d.la1.example.com"),
        ("https://d.la1.example.com/", "https://d.la1.example.com"),
        ("https://d.la1.example.com/chat", "https://d.la1.example.com"),
        ("https://d.la1.example.com/chat/rest/", "https://d.la1.example.com"),
        ("d.la1.example.com/chat/rest", "https://d.la1.example.com"),
        ("HTTPS://d.la1.example.com", "https://d.la1.example.com"),
        ("https://d.la1.example.com:8443", "https://d.la1.example.com:8443"),
        ("http://127.0.0.1:8100", "http://127.0.0.1:8100"),
        ("http://[::1]:8100/", "http://[::1]:8100"),
        ("localhost:8100", "https://localhost:8100"),
    ],
)
def test_chat_endpoint(given, value, host):
    given(value)
    assert env.chat_endpoint(NAME) == host


@pytest.mark.parametrize(
    "value",
    [
        "ftp://d.example.com",
        "https://",
        "://d.example.com",
        "a host",
        "d_1.example.com",
        "-d.example.com",
        "d.example.com.",
        "日本.example.com",
        "https://d.example.com/other",
        "https://d.example.com/chat/rest/System",
        "https://d.example.com:0x50",
        "https://d.example.com:99999",
        "https://[::1",
        "https://[fe80::1%25eth0]",
        "https://d.example.com evil.example",
    ],
)
def test_chat_endpoint_that_is_none(given, value):
    given(value)
    assert value not in complaint(env.chat_endpoint)


def test_a_choice_is_read_in_any_case(given):
    given("Warning")

    assert env.choice(NAME, "INFO", ["INFO", "WARNING"]) == "WARNING"


def test_an_unset_choice_is_the_default(given):
    given(None)

    assert env.choice(NAME, "INFO", ["INFO", "WARNING"]) == "INFO"


def test_another_choice_is_refused_without_repeating_it(given):
    given("LOUD")

    said = complaint(env.choice, "INFO", ["INFO", "WARNING"])

    assert "INFO, WARNING" in said
    assert "LOUD" not in said
