"""`/api/schema/` and `/api/docs/`: the same for every caller and credential.

The schema is built once per process: a build takes more than a second, blocks other requests, and
drf-spectacular is not safe for two builds at a time.
"""

import threading
from functools import cache
from typing import Final, NamedTuple

from csp.constants import SELF, UNSAFE_INLINE
from csp.decorators import csp_update
from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers
from django.utils.translation import override
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiYamlRenderer
from drf_spectacular.views import SpectacularSwaggerSplitView

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
        schema = SchemaGenerator().get_schema(public=True)
        rendered = (
            renderer().render(schema, renderer_context={})
            for renderer in (OpenApiJsonRenderer, OpenApiYamlRenderer)
        )
        return Schema(*rendered)


@require_safe
def schema(request: HttpRequest) -> HttpResponse:
    """Answer in JSON if `Accept` or `format` asks for it, else in YAML."""
    wanted = request.GET.get("format") or request.headers.get("Accept", "")
    is_json = "json" in wanted
    body = get_schema().as_json if is_json else get_schema().as_yaml
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
