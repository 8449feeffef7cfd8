"""OpenAPI from the msgspec structs: importing this registers a drf-spectacular extension."""

import sys
from typing import Any

import msgspec
from drf_spectacular.extensions import OpenApiSerializerExtension
from drf_spectacular.plumbing import ResolvedComponent

from kernel.error_codes import list_api_codes

REFERENCE = "#/components/schemas/{name}"
ERROR = {
    "type": "object",
    "description": "What went wrong: codes are stable, messages are for people.",
    "properties": {
        "code": {
            "type": "string",
            "enum": list_api_codes(),
            "description": "Their meanings are in docs/api.md. A later version may have more.",
        },
        "message": {"type": "string"},
        "field": {"type": ["string", "null"], "description": "The field at fault, if it is one."},
        "request_id": {"type": "string"},
    },
    "required": ["code", "message", "field", "request_id"],
}


class StructExtension(OpenApiSerializerExtension):
    """Turns structs of requests and replies into components, with all that they refer to."""

    target_class = "msgspec.Struct"
    match_subclasses = True

    def get_name(self, auto_schema: Any, direction: Any) -> str:
        return self.target.__name__

    def map_serializer(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        _, components = msgspec.json.schema_components([self.target], ref_template=REFERENCE)
        own = components.pop(self.target.__name__)
        module = sys.modules[self.target.__module__]
        for name, schema in components.items():
            component = ResolvedComponent(
                name=name,
                type=ResolvedComponent.SCHEMA,
                object=getattr(module, name),
                schema=_tidy(schema),
            )
            auto_schema.registry.register_on_missing(component)
        return _tidy(own)


def _tidy(schema: dict[str, Any]) -> dict[str, Any]:
    """Remove a struct's title, which only repeats its name."""
    return {name: value for name, value in schema.items() if name != "title"}


def add_errors(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """drf-spectacular's hook: adds the error response to every operation."""
    result["components"]["schemas"]["Error"] = ERROR
    answer = {
        "description": "An error: its codes are in docs/api.md.",
        "content": {"application/json": {"schema": {"$ref": REFERENCE.format(name="Error")}}},
    }
    for methods in result["paths"].values():
        for operation in methods.values():
            operation["responses"]["default"] = answer
    return result
