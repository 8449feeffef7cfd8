"""Single sign-on: an optional OpenID Connect provider beside log-in by password."""

from typing import Any

from django.core.exceptions import ImproperlyConfigured

PROVIDER = "openid_connect"
PROVIDER_ID = "sso"
"""The provider redirects users to /accounts/oidc/sso/login/callback/."""


def configure_sign_on(
    *, name: str, server_url: str, client_id: str, secret: str
) -> dict[str, dict[str, Any]]:
    """Return SOCIALACCOUNT_PROVIDERS: none unless OIDC_SERVER_URL and OIDC_CLIENT_ID are set."""
    if not server_url and not client_id:
        return {}
    if not server_url or not client_id:
        raise ImproperlyConfigured("set both OIDC_SERVER_URL and OIDC_CLIENT_ID, or neither.")
    app = {
        "provider_id": PROVIDER_ID,
        "name": name,
        "client_id": client_id,
        "secret": secret,
        "settings": {"server_url": server_url},
    }
    return {PROVIDER: {"APPS": [app], "OAUTH_PKCE_ENABLED": True}}
