"""ASGI routing: messages of agents to `/mcp`, requests in Kalshi's form to `/trade-api/v2`, order
operations to the order app, other HTTP to Django, sockets to the feeds.
"""

import os

from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.urls import re_path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "predex.settings")

django = get_asgi_application()  # before the imports below, which need Django's apps

from compat.kalshi.app import KalshiApp  # noqa: E402
from compat.kalshi.socket import kalshi_application  # noqa: E402
from compat.mcp.app import McpApp  # noqa: E402
from compat.polymarket.socket import market_application  # noqa: E402
from predex.order_app import OrderApp  # noqa: E402
from trading.order_entry.socket import websocket_application  # noqa: E402

sockets = URLRouter(
    [
        re_path(r"^poly/ws/market/?$", market_application),  # type: ignore[arg-type]
        re_path(r"^trade-api/ws/v2/?$", kalshi_application),  # type: ignore[arg-type]
        re_path(r"", websocket_application),
    ]
)
application = ProtocolTypeRouter(
    {"http": McpApp(KalshiApp(OrderApp(django))), "websocket": sockets}
)
if settings.SIMULATOR:
    from simulator.bench import get_bench
    from simulator.edge import Edge

    application = Edge(application, get_bench())
