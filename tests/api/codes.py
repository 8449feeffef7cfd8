"""Every error that the program's source raises by name, found where errors are made."""

import ast
from collections.abc import Iterator
from typing import NamedTuple

from tests.exchange import ROOT

APPS = ("kernel", "web", "accounts", "markets", "trading", "predex")
ERRORS = {"ApiError", "RefusedError", "AuthError", "UnitError", "PayoutError"}
SERIALIZER_ERRORS = {"ValidationError", "ErrorDetail"}


class Raised(NamedTuple):
    path: str
    code: str
    field: str
    values: frozenset[str]


def find_raised() -> list[Raised]:
    found = []
    for app in APPS:
        for path in sorted((ROOT / app).rglob("*.py")):
            name = str(path.relative_to(ROOT))
            for call in ast.walk(ast.parse(path.read_text())):
                if isinstance(call, ast.Call):
                    values = frozenset(keyword.arg or "" for keyword in call.keywords)
                    fields = list(_texts(call.args[1])) if len(call.args) > 1 else []
                    field = fields[0] if fields else ""
                    found += [Raised(name, code, field, values) for code in _read_codes(call)]
    return found


def _read_codes(call: ast.Call) -> Iterator[str]:
    name = getattr(call.func, "id", getattr(call.func, "attr", ""))
    if name in ERRORS and call.args:
        yield from _texts(call.args[0])
    for keyword in call.keywords if name in SERIALIZER_ERRORS else ():
        if keyword.arg == "code":
            yield from _texts(keyword.value)


def _texts(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    if isinstance(node, ast.BoolOp):
        for value in node.values:
            yield from _texts(value)
