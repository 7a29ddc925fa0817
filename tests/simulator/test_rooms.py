"""Do the simulator's rooms import only what they may?"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ASSEMBLY = {"__main__.py", "server.py", "demo.py"}  # these put the parts together
MODULES = sorted((ROOT / "simulator").rglob("*.py"))


def imports(module):
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.ImportFrom):
            yield f"{node.module}."
            yield from (f"{node.module}.{name.name}." for name in node.names)
        elif isinstance(node, ast.Import):
            yield from (f"{name.name}." for name in node.names)


@pytest.mark.parametrize("module", MODULES, ids=lambda it: str(it.relative_to(ROOT)))
def test_a_stand_in_knows_neither_the_service_nor_another_stand_in(module):
    stand_ins = {it.parent.name for it in (ROOT / "simulator").glob("*/__init__.py")}
    room = module.parent.name
    strangers = [f"{name}." for name in ("bridge", "linebot", "tests", "benchmarks")]
    if module.name not in ASSEMBLY:
        strangers += [f"simulator.{name}." for name in stand_ins - {room}]
    found = [name for name in imports(module) if name.startswith(tuple(strangers))]
    assert found == []
