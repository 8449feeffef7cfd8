"""How the exchange works, with numbers; and how programs use it."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

READ = """curl "{site}/api/v1/markets?status=open&limit=3"
curl "{site}/api/v1/markets/SLUG/book"
curl "{site}/api/v1/tickers"
"""
ORDER = """curl "{site}/api/v1/orders" -H "X-API-Key: $PREDEX_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{{"market": "SLUG", "outcome": "YES", "side": "buy",
       "price": "0.55", "quantity": "10", "client_order_id": "my-1"}}'
"""
FEED = """# {ws}/ws/v1
{{"op": "auth", "key": "pdx_..."}}
{{"op": "subscribe", "channels": ["book", "trades"], "markets": ["SLUG"]}}
{{"op": "subscribe", "channels": ["me"]}}
"""
BOT = settings.BASE_DIR / "bots" / "example.py"


@require_safe
def show(request: HttpRequest) -> HttpResponse:
    return render(request, "accounts/help.html")


@require_safe
def api(request: HttpRequest) -> HttpResponse:
    """Examples use this site's own address; the tests run the bot that is shown."""
    site = settings.SITE_URL
    names = {"site": site, "ws": site.replace("http", "ws", 1)}
    examples = {
        "read": READ.format(**names),
        "order": ORDER.format(**names),
        "feed": FEED.format(**names),
        "bot": BOT.read_text().replace("http://127.0.0.1:8000", site),
    }
    return render(request, "accounts/help_api.html", {"examples": examples})
