"""ASGI routing: messages of agents to `/mcp`, order operations to the order app, other HTTP to
Django, sockets to the feeds.
"""

import os

from channels.routing import ProtocolTypeRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "predex.settings")

django = get_asgi_application()  # before the imports below, which need Django's apps

from compat.mcp.app import McpApp  # noqa: E402
from predex.order_app import OrderApp  # noqa: E402
from trading.feed.consumers import websocket_application  # noqa: E402

application = ProtocolTypeRouter(
    {"http": McpApp(OrderApp(django)), "websocket": websocket_application}
)
