"""The REST API's settings for DRF and drf-spectacular."""

from typing import Any

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.api.authentication.HeaderAuthentication",
        "accounts.api.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["accounts.api.permissions.Admission"],
    "DEFAULT_PARSER_CLASSES": ["web.json_bodies.ExactJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["web.json_bodies.ExactJSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "web.errors.answer_exception",
    "URL_FORMAT_OVERRIDE": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}


def build_openapi(version: str) -> dict[str, Any]:
    """Return SPECTACULAR_SETTINGS."""
    return {
        "TITLE": "predex",
        "DESCRIPTION": "A self-hosted prediction-market exchange.",
        "VERSION": version,
        "OAS_VERSION": "3.1.1",
        "SCHEMA_PATH_PREFIX": "/api/v1",
        "POSTPROCESSING_HOOKS": [
            "drf_spectacular.hooks.postprocess_schema_enums",
            "trading.api.openapi.add_errors",
        ],
        "SERVE_INCLUDE_SCHEMA": False,
        "COMPONENT_SPLIT_REQUEST": True,
        "ENFORCE_NON_BLANK_FIELDS": True,
        "SWAGGER_UI_DIST": "SIDECAR",
        "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    }
