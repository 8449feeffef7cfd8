"""The figures of this process for Prometheus, and who may read them.

Web processes show them at `/metrics` (`predex/metrics.py`). Engines, workers and beat have no HTTP
server of their own: `start` gives them one on METRICS_HOST and METRICS_PORT, in a thread, with a
`/health` for everybody.

Readers send METRICS_TOKEN, or connect directly from METRICS_NETWORKS. What comes through a proxy
needs the token: behind one that the settings don't name, everybody would have its address. With
neither setting there is no such page.
"""

import hmac
import ipaddress
import threading
from collections.abc import Iterable, Mapping
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler, make_server

import structlog
from django.conf import settings
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    GCCollector,
    ProcessCollector,
    generate_latest,
)

from kernel import metrics

log = structlog.get_logger(__name__)

ASK: Final = {"WWW-Authenticate": 'Bearer realm="predex"'}
PROXY_HEADERS: Final = ("x-forwarded-for", "forwarded", "x-real-ip")
READ_SECONDS_MAX: Final = 5


def build_registry() -> CollectorRegistry:
    """Return a registry of what every process shows; its owner may add to it."""
    registry = CollectorRegistry()
    registry.register(metrics.registry)  # it collects, as collectors do
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


def respond(
    registry: CollectorRegistry, peer: str, headers: Mapping[str, str]
) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body for a reader; `headers` have lower-case names."""
    if not settings.METRICS_TOKEN and not settings.METRICS_NETWORKS:
        return 404, {"Content-Type": "text/plain"}, b"Set METRICS_TOKEN or METRICS_NETWORKS.\n"
    if not _may_read(peer, headers):
        text = b"Send METRICS_TOKEN as: Authorization: Bearer ...\n"
        return 401, {"Content-Type": "text/plain", **ASK}, text
    return 200, {"Content-Type": CONTENT_TYPE_LATEST}, generate_latest(registry)


def _may_read(peer: str, headers: Mapping[str, str]) -> bool:
    if settings.METRICS_TOKEN:
        sent = headers.get("authorization", "")
        if hmac.compare_digest(sent.encode(), f"Bearer {settings.METRICS_TOKEN}".encode()):
            return True
    if any(name in headers for name in PROXY_HEADERS):
        return False
    return _is_trusted(peer)


def _is_trusted(peer: str) -> bool:
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:  # a Unix socket has none
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    networks = (ipaddress.ip_network(text, strict=False) for text in settings.METRICS_NETWORKS)
    return any(address in network for network in networks)


def start() -> None:
    """Serve this process's figures if METRICS_PORT says where; a taken port is logged."""
    if not settings.METRICS_PORT:
        return
    try:
        server = make_server(
            settings.METRICS_HOST, settings.METRICS_PORT, _answer, handler_class=_Handler
        )
    except OSError as fault:
        log.error("metrics_not_served", port=settings.METRICS_PORT, because=fault.strerror)
        return
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()


_registry: Final = build_registry()


def _answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    headers = {
        name.removeprefix("HTTP_").replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    if environ["PATH_INFO"] == "/health":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"ok\n"]
    if environ["PATH_INFO"] != "/metrics":
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"Here are /health and /metrics.\n"]
    status, more, body = respond(_registry, environ["REMOTE_ADDR"], headers)
    start_response(f"{status} {'OK' if status == 200 else 'Refused'}", list(more.items()))
    return [body]


class _Handler(WSGIRequestHandler):
    timeout = READ_SECONDS_MAX  # one reader that is silent must not keep out the others

    def log_message(self, format: str, *args: Any) -> None:
        """Readers come every few seconds: nothing of it is worth a line."""

    def address_string(self) -> str:
        return str(self.client_address[0])
