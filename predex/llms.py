"""`/llms.txt` (llmstxt.org) and what it names: the documents for programs, as Markdown.

Documents are served from `docs/` as they are, help from its pages (`web.markdown`), the API's
reference from its schema.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from accounts.policy import get_policy
from predex.api_pages import get_schema
from web.markdown import CONTENT_TYPE

DOCS: Final = settings.BASE_DIR / "docs"
CLIENT: Final = settings.BASE_DIR / "clients" / "python" / "README.md"
DOCUMENTS: Final[dict[str, Path]] = {
    "bots": DOCS / "bots.md",
    "api": DOCS / "api.md",
    "feed": DOCS / "feed.md",
    "client": CLIENT,
    "webhooks": DOCS / "webhooks.md",
    "agents": DOCS / "agents.md",
    "simulator": DOCS / "simulator.md",
    "kalshi": DOCS / "kalshi.md",
    "polymarket": DOCS / "polymarket.md",
    "glossary": DOCS / "glossary.md",
}
MOVED: Final = {"../clients/python/README.md": "client.md"}
"""Links of the documents whose targets have another place here."""
SUMMARY: Final = (
    "A prediction-market exchange: people and programs trade contracts that pay 1 credit if an"
    " outcome happens. Programs trade over HTTP, over a WebSocket, or by MCP, with an API key."
)


@require_safe
def llms(request: HttpRequest) -> HttpResponse:
    site = settings.SITE_URL
    lines = [f"# {get_policy().site_name}", f"> {SUMMARY}"]
    lines += _list_section("Documents", (
        (f"{site}/docs/{name}.md", *summarise(path.read_text()))
        for name, path in DOCUMENTS.items()
    ))  # fmt: skip
    lines += _list_section("Help", [
        (f"{site}/help.md", "How it works", "contracts, orders, holds, fees and results"),
        (f"{site}/help/api.md", "API guide", "from a key to a first order"),
    ])  # fmt: skip
    lines += _list_section("Reference", [
        (f"{site}/api/docs.md", "The API", "every call with its fields"),
        (f"{site}/api/schema/?format=json", "OpenAPI 3.1", "the same for machines"),
        (f"{site}/api/asyncapi/?format=json", "AsyncAPI 3", "every message of the WebSocket"),
    ])  # fmt: skip
    lines += _list_section("Live", [
        (f"{site}/api/v1/markets?status=open", "Open markets", "as JSON, without a key"),
        (f"{site}/mcp", "MCP", "tools for agents, with a key"),
    ])  # fmt: skip
    return HttpResponse("\n\n".join(lines) + "\n", content_type="text/plain; charset=utf-8")


def _list_section(title: str, rows: Any) -> list[str]:
    items = (f"- [{name}]({address}): {note}" for address, name, note in rows)
    return [f"## {title}", "\n".join(items)]


def summarise(text: str) -> tuple[str, str]:
    """Return a document's title, and its first sentence without links."""
    title, paragraph, *_ = text.split("\n\n", 2)
    sentence, *_ = " ".join(paragraph.split()).split(". ")
    plain = re.sub(r"\[([^]]+)\]\([^)]+\)", r"\1", sentence)
    return title.removeprefix("# "), plain.rstrip(".")


@require_safe
def document(request: HttpRequest, name: str) -> HttpResponse:
    if name not in DOCUMENTS:
        raise Http404
    text = DOCUMENTS[name].read_text()
    for link, target in MOVED.items():
        text = text.replace(link, target)
    return HttpResponse(text, content_type=CONTENT_TYPE)


@require_safe
def reference(request: HttpRequest) -> HttpResponse:
    """The API's reference, of which `/api/docs/` is the page."""
    schema = json.loads(get_schema().as_json)
    text = "\n\n".join(write_reference(schema))
    return HttpResponse(text + "\n", content_type=CONTENT_TYPE)


def write_reference(schema: dict[str, Any]) -> Iterator[str]:
    yield f"# {schema['info']['title']}: the API"
    yield schema["info"]["description"]
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            yield f"## {method.upper()} {path}"
            yield from _write_operation(operation)
    yield "# Objects"
    for name, component in schema["components"]["schemas"].items():
        if "properties" in component:
            yield f"## {name}"
            yield from _write_object(component)


def _write_operation(operation: dict[str, Any]) -> Iterator[str]:
    if description := operation.get("description"):
        yield description
    parameters = operation.get("parameters", ())
    if parameters:
        yield "\n".join(
            f"- `{one['name']}` ({one['in']}): {describe(one['schema'])}" for one in parameters
        )
    if body := operation.get("requestBody"):
        yield f"Body: {describe(_find_schema(body))}"
    for status, answer in operation["responses"].items():
        if status != "default":
            shown = describe(_find_schema(answer)) if "content" in answer else "nothing"
            yield f"Answer: {status}, {shown}"


def _write_object(component: dict[str, Any]) -> Iterator[str]:
    if description := component.get("description"):
        yield description
    needed = component.get("required", ())
    yield "\n".join(
        f"- `{name}`{'' if name in needed else ' (optional)'}: {describe(field)}"
        for name, field in component["properties"].items()
    )


def _find_schema(holder: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = next(iter(holder["content"].values()))["schema"]
    return found


def describe(schema: dict[str, Any]) -> str:
    """Return a field's type in words, and what is said of it."""
    text = _name_type(schema)
    description = " ".join(str(schema.get("description", "")).split())
    return f"{text}. {description}" if description else text


def _name_type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            return " or ".join(_name_type(one) for one in schema[key])
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    kinds = schema.get("type", "any")
    names = [kinds] if isinstance(kinds, str) else list(kinds)
    items = f" of {_name_type(schema['items'])}" if schema.get("items") else ""
    return " or ".join(names).replace("array", f"array{items}")
