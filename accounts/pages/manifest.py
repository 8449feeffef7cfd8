"""The web app manifest: name, colours and icons."""

from django.http import HttpRequest, JsonResponse
from django.templatetags.static import static
from django.views.decorators.http import require_safe

from accounts.policy import get_policy
from kernel.colours import DEFAULT_ACCENT, compute_accents

MAX_AGE_SECONDS = 300
BACKGROUND = "#f5f6f8"  # the light theme's background


@require_safe
def manifest(request: HttpRequest) -> JsonResponse:
    policy = get_policy()
    accents = compute_accents(policy.accent_colour)
    answer = JsonResponse(
        {
            "id": "/",
            "name": policy.site_name,
            "short_name": policy.site_name[:12],
            "start_url": "/",
            "scope": "/",
            "display": "standalone",
            "background_color": BACKGROUND,
            "theme_color": accents.light if accents else DEFAULT_ACCENT,
            "icons": [
                _icon("icons/icon-192.png", "192x192"),
                _icon("icons/icon-512.png", "512x512"),
                {**_icon("icons/maskable-512.png", "512x512"), "purpose": "maskable"},
                {"src": static("icon.svg"), "sizes": "any", "type": "image/svg+xml"},
            ],
        },
        content_type="application/manifest+json",
    )
    answer["Cache-Control"] = f"public, max-age={MAX_AGE_SECONDS}"
    return answer


def _icon(path: str, sizes: str) -> dict[str, str]:
    return {"src": static(path), "sizes": sizes, "type": "image/png"}
