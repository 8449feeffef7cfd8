"""ASGI routing: order operations to the order app, other HTTP to Django, sockets to the feed."""

import os

from channels.routing import ProtocolTypeRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "predex.settings")

django = get_asgi_application()  # before the imports below, which need Django's apps

from predex.order_app import OrderApp  # noqa: E402
from trading.feed.consumers import websocket_application  # noqa: E402

application = ProtocolTypeRouter({"http": OrderApp(django), "websocket": websocket_application})
