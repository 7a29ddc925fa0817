"""Do the rooms of the house stand as CONTRIBUTING.md draws them?

Every import counts, also one within a function: that a circle shows only when the
function is called makes it no smaller.
"""

import ast
import re
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Of which other packages of `bridge` a package may import.
ARROWS = {
    "telemetry": "",
    "domain": "",
    "outbound": "domain telemetry",
    "upstreams": "outbound domain telemetry",
    "models": "domain",
    "storage": "models domain telemetry",
    "chats": "storage upstreams outbound domain telemetry",
    "operations": "chats storage upstreams models domain telemetry",
    "api": "operations chats storage upstreams models domain telemetry",
    "admin": "operations storage models domain telemetry",
    "management": "operations chats storage upstreams domain telemetry",
    "apps": "operations",
    "migrations": "domain",
}
# Which libraries a package does without, and the exceptions.
WITHOUT = {
    "telemetry": ("django", "requests", "urllib3"),
    "domain": ("django", "requests", "urllib3", "socket", "threading", "time"),
    "outbound": ("django",),
    "upstreams": ("django",),
    "storage": ("django.http", "requests", "urllib3"),
    "chats": ("django.db", "django.http", "requests", "urllib3"),
    "operations": ("django.http", "requests", "urllib3"),
    "api": ("django.db", "requests", "urllib3"),
}
EXCEPTIONS = {
    ("bridge.upstreams.registry", "django.conf.settings"),
    ("bridge.chats.supervisor", "django.db.DatabaseError"),  # it outlives any
}

UPSTREAMS = sorted(
    path.parent.name for path in ROOT.glob("bridge/upstreams/*/__init__.py")
)
# Has a sentence for each error of each upstream.
TELLS_ERRORS = {"tests.operations.test_timeline_text"}

LIVE_AGENT = "bridge.upstreams.liveagent"
WIRE = re.compile(
    r"[\w-]*(?:System/|Chasitor|Visitor/|X-LIVEAGENT|SwitchServer|AsyncResult"
    r"|QueueUpdate|Chat(?:Message|End|Established|Request|Transferred)|ResyncState"
    r"|Agent(?:Typing|Disconnect)|ReconnectSession|affinityToken|clientPollTimeout"
    r"|resetSequence|clientIdleTimeout|agentsUnavailable|agentPushTimeout)[\w/-]*"
)
# Where words of the wire may stand all the same: operators are told them.
WIRE_IS_TOLD = {
    "bridge/operations/timeline_text.py": {
        *("System/SessionId", "Chasitor/ChasitorInit", "ChatRequestFail"),
        *("ChatEnded", "AsyncResult", "SwitchServer"),
    },
    "bridge/operations/deployment.py": {"clientPollTimeout"},  # help of a metric
    "bridge/domain/states.py": {"clientIdleTimeout"},  # has been stored ever since
}


@cache
def modules() -> dict[str, Path]:
    """Return our modules by their dotted names."""
    paths = [
        path
        for folder in ("bridge", "simulator", "linebot", "liveagent_api", "tests")
        for path in (ROOT / folder).rglob("*.py")
    ]
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(
            ".__init__"
        ): path
        for path in [*paths, *ROOT.glob("*.py")]
    }


@cache
def imports(module: str) -> frozenset[str]:
    """Return what a module imports: modules of ours, else names as they are written."""
    found = set()
    for node in ast.walk(ast.parse(modules()[module].read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module} imports by a relative name"
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                is_name = node.module in modules() and name not in modules()
                found.add(str(node.module) if is_name else name)
    return frozenset(found)


def is_within(name: str, *packages: str) -> bool:
    return any(name == each or name.startswith(f"{each}.") for each in packages)


def imported_by(package: str) -> set[tuple[str, str]]:
    """Return which module of a package imports what."""
    return {
        (module, imported)
        for module in modules()
        if is_within(module, package)
        for imported in imports(module)
    }


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def test_every_package_has_its_place():
    ours = {room(module) for module in modules() if is_within(module, "bridge")}
    assert ours - {""} == set(ARROWS)


@pytest.mark.parametrize("package", ARROWS)
def test_arrows_go_one_way(package: str):
    allowed = {package, *ARROWS[package].split()}
    assert not {
        (module, imported)
        for module, imported in imported_by(f"bridge.{package}")
        if is_within(imported, "bridge") and room(imported) not in allowed
    }


def test_the_arrows_make_no_circle():
    list(
        TopologicalSorter(
            {package: above.split() for package, above in ARROWS.items()}
        ).static_order()
    )


def test_no_modules_import_each_other_in_a_circle():
    graph = {module: imports(module) & modules().keys() for module in modules()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as exc:
        pytest.fail(" imports ".join(reversed(exc.args[1])))


@pytest.mark.parametrize("package", WITHOUT)
def test_a_package_does_without_what_is_not_its_own(package: str):
    assert (
        not {
            (module, imported)
            for module, imported in imported_by(f"bridge.{package}")
            if is_within(imported, *WITHOUT[package])
        }
        - EXCEPTIONS
    )


@pytest.mark.parametrize("package", ["bridge", "simulator", "linebot"])
def test_those_who_talk_to_each_other_share_no_code(package: str):
    others = {"bridge", "simulator", "linebot", "liveagent_api", "tests"} - {package}
    assert not {
        (module, imported)
        for module, imported in imported_by(package)
        if is_within(imported, *others)
    }


@pytest.mark.parametrize("name", UPSTREAMS)
def test_nobody_else_knows_an_upstream(name: str):
    own = f"bridge.upstreams.{name}", f"tests.upstreams.{name}"
    others = {
        module
        for module in modules()
        if any(is_within(imported, own[0]) for imported in imports(module))
        and not is_within(module, *own)
    }
    assert others - TELLS_ERRORS == {"bridge.upstreams.registry"}


def test_nobody_else_speaks_live_agents_wire():
    said = {
        str(path.relative_to(ROOT)): {
            word for text in texts(path) for word in WIRE.findall(text)
        }
        for module, path in modules().items()
        if is_within(module, "bridge") and not is_within(module, LIVE_AGENT)
    }
    assert {path: words for path, words in said.items() if words} == WIRE_IS_TOLD


def texts(path: Path) -> list[str]:
    """Return the texts in a module's code; its docstrings are none."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    documents = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    return [
        node.value
        for node in nodes
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in documents
    ]
