"""`/api/schema/` and `/api/docs/`, and `/api/asyncapi/`: the same for every caller and credential.

The schema is built once per process: a build takes more than a second, blocks other requests, and
drf-spectacular is not safe for two builds at a time. So is the AsyncAPI document of the feed.
"""

import threading
from functools import cache
from typing import Any, Final, NamedTuple

from csp.constants import SELF, UNSAFE_INLINE
from csp.decorators import csp_update
from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers
from django.utils.translation import override
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiYamlRenderer
from drf_spectacular.views import SpectacularSwaggerSplitView

from trading.api import asyncapi

LANGUAGE: Final = "en"
_building: Final = threading.Lock()


class Schema(NamedTuple):
    as_json: bytes
    as_yaml: bytes


def get_schema() -> Schema:
    with _building:
        return _build()


@cache
def _build() -> Schema:
    with override(LANGUAGE):
        return _render(SchemaGenerator().get_schema(public=True))


@cache
def get_feed_schema() -> Schema:
    return _render(asyncapi.build_document())


def _render(document: dict[str, Any]) -> Schema:
    renderers = (OpenApiJsonRenderer, OpenApiYamlRenderer)
    return Schema(*(renderer().render(document, renderer_context={}) for renderer in renderers))


@require_safe
def schema(request: HttpRequest) -> HttpResponse:
    return _show(request, get_schema())


@require_safe
def feed_schema(request: HttpRequest) -> HttpResponse:
    return _show(request, get_feed_schema())


def _show(request: HttpRequest, shown: Schema) -> HttpResponse:
    """Answer in JSON if `Accept` or `format` asks for it, else in YAML."""
    wanted = request.GET.get("format") or request.headers.get("Accept", "")
    is_json = "json" in wanted
    body = shown.as_json if is_json else shown.as_yaml
    media_type = "application/json" if is_json else OpenApiYamlRenderer.media_type
    response = HttpResponse(body, content_type=f"{media_type}; charset=utf-8")
    patch_vary_headers(response, ["Accept"])
    return response


# Swagger's page has inline styles.
@csp_update({"style-src": [SELF, UNSAFE_INLINE]})
@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    return _swagger(request)


_swagger = SpectacularSwaggerSplitView.as_view(
    url_name="schema", permission_classes=[], authentication_classes=[]
)
