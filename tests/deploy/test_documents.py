"""Do the documents lead where they say, and say the same in both languages?"""

import ast
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(ROOT.glob("*.md")) + sorted(
    document
    for folder in ROOT.iterdir()
    if folder.is_dir() and not folder.name.startswith(".")
    for document in folder.rglob("*.md")
)
ENGLISH_ONLY = {
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "docs/benchmarks.md",
}
README_LINES = 150

FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]+`")
HEADING = re.compile(r"^(#{1,6}) +(.+?) *$", re.MULTILINE)
LINK = re.compile(r"\]\(([^()\s]+)\)")
LANGUAGES = re.compile(r"\[(?:English|日本語)\]\(\S+\)")
# What is named by its place in the repository, or as a module.
PLACE = re.compile(
    r"`((?:benchmarks|bridge|docs|liveagent_api|simulator|tests)/[^`*]*)`"
)
MODULE = re.compile(r"`(bridge(?:\.[a-z_]+)+)`")


def named(document: Path) -> str:
    return document.relative_to(ROOT).as_posix()


def japanese(document: Path) -> Path:
    return document.with_suffix(".ja.md")


PAIRS = [
    document
    for document in DOCUMENTS
    if not document.name.endswith(".ja.md") and named(document) not in ENGLISH_ONLY
]
every_document = pytest.mark.parametrize("document", DOCUMENTS, ids=named)
every_pair = pytest.mark.parametrize("document", PAIRS, ids=named)


def text_of(document: Path) -> str:
    return document.read_text(encoding="utf-8")


def prose(document: Path) -> str:
    """Return a document without its blocks of code."""
    return FENCE.sub("", text_of(document))


def headings(document: Path) -> list[tuple[int, str]]:
    return [(len(marks), said) for marks, said in HEADING.findall(prose(document))]


def anchors(document: Path) -> set[str]:
    """Return the anchors that GitHub makes of a document's headings."""
    found: set[str] = set()
    for _, heading in headings(document):
        said = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
        anchor = re.sub(r"[^\w\- ]", "", said.lower()).replace(" ", "-")
        again = 0
        while (unique := f"{anchor}-{again}" if again else anchor) in found:
            again += 1
        found.add(unique)
    return found


def links(document: Path) -> list[str]:
    """Return where a document's relative links and pictures lead."""
    targets = LINK.findall(CODE.sub("", prose(document)))
    return [target for target in targets if not re.match(r"[a-z]+:", target)]


def blocks(document: Path) -> list[tuple[str, str]]:
    """Return the language and the content of each block, without what is translated."""
    return [
        (language, _bare(language, content))
        for _, language, content in FENCE.findall(text_of(document))
    ]


def _bare(language: str, content: str) -> str:
    if language == "python":
        return _without_docstrings(content)
    return re.sub(r"\s+# .*$", "", content, flags=re.MULTILINE)


def _without_docstrings(program: str) -> str:
    tree = ast.parse(program)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef) and ast.get_docstring(node):
            del node.body[0]
    return ast.dump(tree)


def rows(document: Path) -> int:
    return len(re.findall(r"^\|", prose(document), re.MULTILINE))


@every_document
def test_each_link_leads_to_a_file_and_a_heading_of_it(document: Path):
    for link in links(document):
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.is_relative_to(ROOT), link
        assert target.exists(), f"{link} leads nowhere"
        if anchor:
            assert anchor in anchors(target), f"{link} has no such heading"


@pytest.mark.parametrize(
    "document",
    [document for document in DOCUMENTS if named(document) != "CHANGELOG.md"],
    ids=named,
)
def test_what_is_named_in_the_repository_is_there(document: Path):
    said = prose(document)

    for place in PLACE.findall(said):
        assert (ROOT / place).exists(), f"{place} is not there"
    for module in MODULE.findall(said):
        path = ROOT / module.replace(".", "/")
        assert path.is_dir() or path.with_suffix(".py").exists(), f"no module {module}"


@every_document
def test_what_is_shown_as_json_is_json(document: Path):
    for language, content in blocks(document):
        if language == "json":
            json.loads(content)


def test_each_page_is_there_in_both_languages():
    others = {named(document) for document in DOCUMENTS if document not in PAIRS}

    assert {named(japanese(document)) for document in PAIRS} == others - ENGLISH_ONLY


@every_pair
def test_both_languages_have_the_same_parts(document: Path):
    other = japanese(document)

    assert [level for level, _ in headings(document)] == [
        level for level, _ in headings(other)
    ]
    assert rows(document) == rows(other), "a row of a table is missing"


@every_pair
def test_both_languages_show_the_same_examples(document: Path):
    assert blocks(document) == blocks(japanese(document))


@every_pair
def test_each_page_leads_to_its_other_language(document: Path):
    other = japanese(document)

    assert f"[日本語]({other.name})" in text_of(document)
    assert f"[English]({document.name})" in text_of(other)


@every_pair
def test_who_reads_japanese_stays_in_japanese(document: Path):
    page = japanese(document)
    onwards = LANGUAGES.sub("", CODE.sub("", prose(page)))

    for link in LINK.findall(onwards):
        path = link.partition("#")[0]
        if path.endswith(".md") and not path.endswith(".ja.md"):
            target = named((page.parent / path).resolve())
            assert target in ENGLISH_ONLY, f"{link} has a Japanese page"


@pytest.mark.parametrize("name", ["README.md", "README.ja.md"])
def test_the_readme_is_short(name: str):
    assert len(text_of(ROOT / name).splitlines()) < README_LINES
