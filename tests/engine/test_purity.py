"""The engine is a function: it imports no framework, clock or randomness, and has no floats."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import trading.engine

FOLDER = Path(trading.engine.__file__).parent
MODULES = sorted(FOLDER.glob("*.py"))
NAIVE = sorted(Path(__file__).parent.glob("naive*.py"))
FORBIDDEN_MODULES = {
    *("django", "rest_framework", "channels", "asgiref", "celery", "redis", "psycopg", "structlog"),
    *("asyncio", "threading", "multiprocessing", "concurrent", "socket", "subprocess"),
    *("time", "datetime", "random", "secrets", "uuid", "os", "io", "pathlib", "sys", "logging"),
    *("json", "math", "decimal", "locale"),
    *("predex", "simulator", "compat", "markets", "accounts", "web", "kernel", "bots", "tests"),
}
DECIMAL_MODULES = {"decimals.py", "lmsr.py"}
"""Where decimals may be: with a context of its own, so that nothing outside changes a result."""
FORBIDDEN_CALLS = {"open", "print", "input", "float", "hash", "id", "eval", "exec", "__import__"}


def nodes_of(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text(encoding="utf-8")))


def imports_of(path: Path) -> Iterator[str]:
    for node in nodes_of(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            assert node.module is not None
            yield node.module


def test_there_are_modules_to_check() -> None:
    assert {"engine.py", "matcher.py", "types.py"} <= {path.name for path in MODULES}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_engine_modules_import_nothing_impure(path: Path) -> None:
    names = set(imports_of(path))
    forbidden = FORBIDDEN_MODULES - ({"decimal"} if path.name in DECIMAL_MODULES else set())
    assert not {name for name in names if name.split(".")[0] in forbidden}
    ours = {name for name in names if name.split(".")[0] == "trading"}
    assert {name for name in ours if not name.startswith("trading.engine")} == set()


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_engine_modules_have_no_floats_and_no_true_division(path: Path) -> None:
    for node in nodes_of(path):
        where = f"{path.name}:{getattr(node, 'lineno', 0)}"
        is_float = isinstance(node, ast.Constant) and isinstance(node.value, float | complex)
        assert not is_float, where
        assert not isinstance(node, ast.Div), f"{path.name} divides with /"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_engine_modules_call_nothing_impure_and_await_nothing(path: Path) -> None:
    for node in nodes_of(path):
        where = f"{path.name}:{getattr(node, 'lineno', 0)}"
        assert not isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.Global), where
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in FORBIDDEN_CALLS, where


def test_the_naive_engine_shares_nothing_but_types_with_the_fast_one() -> None:
    names = {name for path in NAIVE for name in imports_of(path)}
    ours = {name for name in names if name.split(".")[0] in ("tests", "trading")}
    types = ("commands", "events", "types")
    parts = ("brackets", "ledger", "state", "triggers")
    naive = (f"tests.engine.naive_{part}" for part in parts)
    assert ours == {*(f"trading.engine.{name}" for name in types), *naive}


def test_importing_the_engine_imports_no_framework() -> None:
    program = (
        "import sys, trading.engine.engine\n"
        "print(*sorted({name.split('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=FOLDER.parents[1],
        timeout=60,
    )
    frameworks = {"django", "rest_framework", "channels", "asgiref", "celery", "redis", "asyncio"}
    assert not frameworks & set(done.stdout.split())
