"""Holds real answers of the API against its schema: every test's client asks here.

A success must have the status that the schema names for it, and its body must be as described; an
error must have the one shape.
"""

import json
import re
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from predex.api_pages import get_schema

PREFIX = "/api/v1/"


def check_answer(method: str, path: str, status: int, body: bytes) -> None:
    """Raise AssertionError for an answer that the schema does not promise."""
    operation = find_operation(method, path)
    if operation is None:
        return  # no call of the API, or an unknown one
    documented = operation["responses"]
    where = f"{method} {path}: {status}"
    if status < 400:
        assert str(status) in documented, f"{where}, but the schema has {list(documented)}"
    answer = documented.get(str(status), documented["default"])
    described = answer.get("content", {}).get("application/json")
    if described is None:
        assert not body, f"{where} has a body, but not in the schema"
        return
    faults = _validator(json.dumps(described["schema"])).iter_errors(json.loads(body))
    shown = [f"{fault.json_path}: {fault.message}" for fault in faults]
    assert not shown, f"{where}: {shown[:3]}"


def find_operation(method: str, path: str) -> dict[str, Any] | None:
    if not path.startswith(PREFIX):
        return None
    for pattern, operations in _paths():
        if pattern.fullmatch(path):
            operation: dict[str, Any] | None = operations.get(method.lower())
            return operation
    return None


@cache
def read_schema() -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(get_schema().as_json)
    return schema


@cache
def _paths() -> list[tuple[re.Pattern[str], dict[str, Any]]]:
    """Exact paths come first: "orders/batch" is no order's id."""
    paths = sorted(read_schema()["paths"].items(), key=lambda item: "{" in item[0])
    return [(re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), ways) for path, ways in paths]


@cache
def _validator(schema: str) -> Draft202012Validator:
    return Draft202012Validator({**json.loads(schema), "components": read_schema()["components"]})
