"""`/embed/<slug>/`: a market in a small frame on another site's page.

It shows only public data to everyone: no cookie is read or set, so the response is the same for all
viewers, and any page may frame it.
"""

from typing import Final

from csp.decorators import csp_replace
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.http import require_safe

from accounts.context import json_for_script
from markets.queries import get_market
from trading.pages import lines
from trading.pages.history import read_history
from trading.pages.live import name_status, read_outcomes
from trading.pipeline.instruments import build_instrument
from web.viewer import THEMES

OUTCOMES_SHOWN: Final = 4
POINTS_MAX: Final = 60
FRESH_SECONDS: Final = 15


@require_safe
@xframe_options_exempt
@csp_replace({"frame-ancestors": ["*"]})  # type: ignore[arg-type]  # typed for views without a slug
def embed(request: HttpRequest, slug: str) -> HttpResponse:
    market = get_market(slug, user=None)
    outcomes = read_outcomes(market)
    shown = outcomes[:OUTCOMES_SHOWN]
    read = read_history(
        build_instrument(market),
        "ALL",
        outcomes=[outcome.index for outcome in shown],
        points_max=POINTS_MAX,
    )
    binary = market.has_one_book
    theme = request.GET.get("theme", "")
    context = {
        "market": market,
        "binary": binary,
        "outcomes": shown,
        "more_count": len(outcomes) - len(shown),
        "drawing": lines.draw(read.times, [(row.look, read.lines[row.index]) for row in shown]),
        "status": name_status(market.status),
        "url": settings.SITE_URL.rstrip("/") + reverse("market", args=[market.slug]),
        "theme": theme if theme in THEMES else "",
        "config": json_for_script({"market": market.slug, "binary": binary}),
    }
    response = render(request, "trading/embed.html", context)
    response["Cache-Control"] = f"public, max-age={FRESH_SECONDS}"
    return response
