"""Is all of the admin that is ours there in Japanese, as an operator will see it?"""

import gettext
import re

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from simulator.processes import ROOT

CATALOGUE = ROOT / "bridge" / "locale" / "ja" / "LC_MESSAGES" / "django"
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]")


@pytest.fixture(scope="module")
def written():
    """Return the messages of the catalogue's source, by the English."""
    with CATALOGUE.with_suffix(".po").open("rb") as file:
        return {message.id: message for message in read_po(file) if message.id}


def in_the_code():
    return {found[2] for found in extract_from_dir(ROOT / "bridge")}


def test_every_string_of_ours_is_translated_and_none_is_left_over(written):
    assert set(written) == in_the_code()


def test_none_is_empty_or_in_doubt(written):
    doubtful = [each.id for each in written.values() if each.fuzzy or not each.string]
    assert doubtful == []


def test_what_is_filled_in_is_the_same_in_both_languages(written):
    for message in written.values():
        english, japanese = (
            sorted(PLACEHOLDER.findall(text)) for text in (message.id, message.string)
        )
        assert english == japanese, message.id


def test_what_is_compiled_is_what_is_written(written):
    with CATALOGUE.with_suffix(".mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    for english, message in written.items():
        assert compiled.gettext(english) == message.string, "run `make messages`"


def test_templates_leave_the_words_to_the_code():
    for template in (ROOT / "bridge").rglob("*.html"):
        assert "{% translate" not in template.read_text(encoding="utf-8")
