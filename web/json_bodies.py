"""DRF's JSON parser and renderer. Fractional numbers arrive as `msgspec.Raw`, their exact text."""

import json
from typing import Any, NoReturn

import msgspec
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer


class ExactJSONParser(BaseParser):
    media_type = "application/json"

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        body = stream.read()
        if not body:
            return {}
        try:
            return json.loads(
                body.decode("utf-8"), parse_float=_keep_text, parse_constant=_refuse_constant
            )
        # RecursionError: nested too deeply; ValueError: bad UTF-8, bad JSON, an endless integer.
        except (ValueError, RecursionError):
            raise ParseError("the body is not valid JSON") from None


class ExactJSONRenderer(BaseRenderer):
    media_type = "application/json"
    format = "json"
    charset = None

    def render(self, data: Any, media_type: Any = None, context: Any = None) -> bytes:
        return b"" if data is None else msgspec.json.encode(data, enc_hook=str)


def _keep_text(text: str) -> msgspec.Raw:
    return msgspec.Raw(text.encode())


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")
