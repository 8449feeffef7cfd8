"""Every error code in the program's source, found where errors are made."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.exchange import ROOT
from trading.engine.types import Reason
from trading.wire.reading import _FAULTS as FAULTS
from trading.wire.refusals import REFUSALS, UNDONE
from web.errors import FIELD_CODES, PAGE_ERRORS

APPS = ("kernel", "web", "accounts", "markets", "trading", "predex")
# What only pages do: the API has no comments and no running of groups.
PAGES = ("pages", "comments.py", "groups.py", "admin", "admin_")
# Where a call's code stands among its arguments.
CODE_POSITIONS = {"ApiError": 1, "RefusedError": 0, "AuthError": 0, "UnitError": 0}


def find_codes() -> set[str]:
    """Return the codes; "unknown_*" stands for the family of unknown references."""
    codes = {str(reason) for reason in REFUSALS} | UNDONE.keys()
    codes |= {code for code, _ in PAGE_ERRORS.values()}
    codes |= set(FIELD_CODES.values())
    codes |= {code for _, code, _ in FAULTS}
    for path in _list_modules():
        codes |= set(_codes_in(ast.parse(path.read_text())))
    return codes


def find_passed_on() -> set[tuple[str, str]]:
    """Return (module, expression) of codes that the source does not say in so many words."""
    found = set()
    for path in _list_modules():
        tree = ast.parse(path.read_text())
        positions = _find_positions(tree)
        for call in ast.walk(tree):
            code = _find_code(call, positions) if isinstance(call, ast.Call) else None
            if code is not None and not list(_texts(code)):
                found.add((str(path.relative_to(ROOT)), ast.unparse(code)))
    return found


def _list_modules() -> Iterator[Path]:
    for app in APPS:
        for path in sorted((ROOT / app).rglob("*.py")):
            if not any(part.startswith(PAGES) for part in path.parts[len(ROOT.parts) :]):
                yield path


def _find_positions(tree: ast.Module) -> dict[str, int]:
    """Return where the code stands among the arguments of error classes, this module's too."""
    positions = dict(CODE_POSITIONS)
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and not _names_its_code(node):
            bases = {base.id for base in node.bases if isinstance(base, ast.Name)}
            for base in positions.keys() & bases:
                positions[node.name] = positions[base]
    return positions


def _names_its_code(kind: ast.ClassDef) -> bool:
    calls = [call for call in ast.walk(kind) if isinstance(call, ast.Call)]
    return any(
        _is_super_init(call.func) and call.args and list(_texts(call.args[0])) for call in calls
    )


def _codes_in(tree: ast.Module) -> Iterator[str]:
    positions = dict(CODE_POSITIONS)
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            bases = [positions[base.id] for base in node.bases
                     if isinstance(base, ast.Name) and base.id in positions]  # fmt: skip
            if bases:
                positions[node.name] = bases[0]
            yield from _codes_of_super(node, bases)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from _texts(_find_code(node, positions))


def _codes_of_super(kind: ast.ClassDef, positions: list[int]) -> Iterator[str]:
    """An error class may name its own code: super().__init__("code", ...)."""
    for call in ast.walk(kind):
        if positions and isinstance(call, ast.Call) and _is_super_init(call.func):
            yield from _texts(call.args[positions[0]])


def _is_super_init(func: ast.expr) -> bool:
    return (
        isinstance(func, ast.Attribute)
        and func.attr == "__init__"
        and isinstance(func.value, ast.Call)
    )


def _find_code(call: ast.Call, positions: dict[str, int]) -> ast.expr | None:
    name = getattr(call.func, "id", getattr(call.func, "attr", ""))
    named = {keyword.arg: keyword.value for keyword in call.keywords}
    if name in positions:
        position = positions[name]
        return call.args[position] if len(call.args) > position else named.get("code")
    return named.get("code") if name in ("ValidationError", "ErrorDetail") else None


def _texts(node: ast.expr | None) -> Iterator[str]:
    """Yield the constants that an expression may be; "*" for what is put in."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "Reason":
        yield str(Reason[node.attr])
    if isinstance(node, ast.IfExp):
        yield from _texts(node.body)
        yield from _texts(node.orelse)
    if isinstance(node, ast.JoinedStr):
        yield "".join(
            str(part.value) if isinstance(part, ast.Constant) else "*" for part in node.values
        )
