"""Who serves which request: the order app order operations, Django other HTTP, the feed sockets."""

import os

from channels.routing import ProtocolTypeRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "predex.settings")

django = get_asgi_application()  # before what is imported below, which needs Django's apps

from predex.order_app import OrderApp  # noqa: E402
from trading.feed.consumers import websocket_application  # noqa: E402

application = ProtocolTypeRouter({"http": OrderApp(django), "websocket": websocket_application})
