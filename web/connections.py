"""Bounds on connections: the time and bytes to receive a request, and how many may be open.

uvicorn waits indefinitely for the rest of a head or body and buffers what it has. Here a request
must arrive within REQUEST_SECONDS_MAX (else 408; closed silently if nothing was sent), its head has
at most HEAD_BYTES_MAX (else 431), a client that reads nothing of a response for REQUEST_SECONDS_MAX
is disconnected, and connections are bounded per peer and in total, below the process's limit of
open files, so that they never keep the exchange from opening its database.
"""

import resource
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import httptools
import msgspec
from django.conf import settings
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from kernel.errors import ApiError
from web import request_context
from web.errors import error_body
from web.limits import find_network

HEAD_BYTES_MAX: Final = 32 * 1024
FRAMING_PER_BODY_BYTE: Final = 8
"""A body in chunks of one byte has five bytes of framing around each."""
LINGER_SECONDS: Final = 2
"""Bytes of a refused request still read and dropped, as a close amid it would lose the answer."""
HEARTBEAT: Final = b"heartbeat"
FILES_WANTED: Final = 65_536
FILES_KEPT: Final = 192
"""Open files other than clients': databases, Redis, modules, static files being sent."""
CONNECTIONS_MIN: Final = 64


def compute_connections_max() -> int:
    """Raise the limit of open files as far as possible; return how many connections fit below it.

    At most CONNECTIONS_MAX; below CONNECTIONS_MIN when the limit is too low to serve.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_WANTED if hard == resource.RLIM_INFINITY else min(FILES_WANTED, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    most: int = settings.CONNECTIONS_MAX
    return most if soft == resource.RLIM_INFINITY else min(most, soft - FILES_KEPT)


class Connections:
    """The open connections of this process, counted in total and by peer."""

    def __init__(self) -> None:
        self._peers: dict[Any, str] = {}
        self._counts: Counter[str] = Counter()
        self.count_max = 0
        """Set by `serve`; without it nothing is refused."""

    def __len__(self) -> int:
        return len(self._peers)

    def enter(self, transport: Any, peer: str) -> ApiError | None:
        """Count a new connection; return the error when there are too many."""
        is_proxy = request_context.is_trusted_proxy(peer)  # shared by many clients
        network = "" if is_proxy else find_network(peer)
        self._peers[transport] = network
        self._counts[network] += 1
        if not self.count_max:
            return None
        if len(self._peers) > self.count_max:
            return ApiError("unavailable", detail="too many connections: try again later")
        per_peer = min(settings.CONNECTIONS_PER_ADDRESS_MAX, self.count_max // 2)
        if not is_proxy and self._counts[network] > per_peer:
            return ApiError("too_many_connections", detail="too many connections of this address")
        return None

    def leave(self, transport: Any) -> None:
        peer = self._peers.pop(transport, None)
        if peer is None:
            return
        self._counts[peer] -= 1
        if not self._counts[peer]:
            del self._counts[peer]


connections: Final = Connections()


class HttpConnection(HttpToolsProtocol):
    """uvicorn's connection with bounds on every wait."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._deadline: Any = None
        self._end: Any = None
        self._is_receiving = False  # a request has begun and is incomplete
        self._fed = 0  # bytes of an incomplete request, and how many of them are its body
        self._body_bytes = 0
        self._fault: ApiError | None = None
        self._is_refused = False
        refusal = connections.enter(transport, self._peer())
        if refusal is not None:
            self._answer(refusal)
            self._close()
            return
        self._start_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        connections.leave(self.transport)
        self._stop_deadline()
        if self._end is not None:
            self._end.cancel()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        self._stop_deadline()
        super().handle_websocket_upgrade()

    # Receiving

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            return
        self._fed += len(data)
        super().data_received(data)
        cycle: Any = self.cycle  # None before the first request
        is_busy = cycle is not None and not cycle.response_complete
        if is_busy and not self._is_receiving:
            return
        if self._has_ended():
            return
        # Neither body nor chunk-size lines.
        overhead = self._fed - self._body_bytes * (1 + FRAMING_PER_BODY_BYTE)
        if overhead > HEAD_BYTES_MAX:
            self._refuse(_head_too_large())
        elif self._deadline is None:
            self._start_deadline()

    def _has_ended(self) -> bool:
        """Whether it was refused or has become a WebSocket."""
        return self._is_refused or self.transport.get_protocol() is not self

    def on_message_begin(self) -> None:
        self._is_receiving = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        if self._fed > HEAD_BYTES_MAX and self._head_bytes() > HEAD_BYTES_MAX:
            self._fault = _head_too_large()
            raise self._fault  # the parser stops, and `send_400_response` answers
        super().on_headers_complete()
        cycle: Any = self.cycle  # None before a WebSocket
        if cycle is not None and self.scope["method"] != "HEAD":
            cycle.connection = self  # nothing of the cycle itself, or only the collector frees it

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._is_receiving = False
        self._fed = self._body_bytes = 0
        if self._deadline is not None:
            self._stop_deadline()
        super().on_message_complete()

    def _head_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    # Sending

    async def send_whole(
        self, cycle: Any, status: int, headers: Sequence[tuple[str, str]], body: bytes
    ) -> None:
        """Send a response of an application of ours in one write.

        The server's `send` takes it in two, and searches each header for what must not be in it.
        """
        if self.flow.write_paused and not cycle.disconnected:
            await self.flow.drain()
        if cycle.disconnected:
            return
        named = [f"{name.lower()}: {value}\r\n" for name, value in headers]
        if not cycle.keep_alive:
            named.append("connection: close\r\n")
        head = "".join(named).encode("latin-1")
        if not head.count(b"\r") == head.count(b"\n") == len(named):
            raise ValueError("a header has more than one line")
        always = [name + b": " + value + b"\r\n" for name, value in cycle.default_headers]
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        self.transport.write(b"".join([STATUS_LINE[status], *always, head, b"\r\n", body]))
        cycle.message_event.set()
        if not cycle.keep_alive:
            self.transport.close()
        cycle.on_response()

    # Timeouts

    def _start_deadline(self) -> None:
        self._deadline = self.loop.call_later(settings.REQUEST_SECONDS_MAX, self._expire)

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _expire(self) -> None:
        if self._fed or self._is_receiving:
            self._refuse(ApiError("request_timeout"))
        else:
            self._close()

    def timeout_keep_alive_handler(self) -> None:
        self._close()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            self._close()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._end_later()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._end is not None and not self.transport.is_closing():
            self._end.cancel()
            self._end = None

    def _close(self) -> None:
        """Close once the client has read the response or its time is up."""
        self._stop_deadline()
        self.transport.close()
        self._end_later()

    def _end_later(self) -> None:
        if self._end is None:
            self._end = self.loop.call_later(settings.REQUEST_SECONDS_MAX, self.transport.abort)

    # Refusals

    def send_400_response(self, msg: str) -> None:
        self._refuse(self._fault or ApiError("bad_request", detail="this is not an HTTP request"))

    def _refuse(self, fault: ApiError) -> None:
        """Answer instead of the application, and close soon."""
        cycle: Any = self.cycle  # None before the first request
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True  # whatever it still sends is discarded
            cycle.message_event.set()
            if cycle.response_started or self.pipeline:
                self.transport.abort()
                return
        self._answer(fault)
        self._stop_deadline()
        self.transport.write_eof()
        self._end = self._end or self.loop.call_later(LINGER_SECONDS, self.transport.abort)

    def _answer(self, fault: ApiError) -> None:
        self._is_refused = True
        self.transport.write(_build_answer(fault, self._read_target(), self._peer()))

    def _read_target(self) -> tuple[str, str]:
        """Return method and path as far as they have been received."""
        try:
            method = self.parser.get_method().decode("ascii")
            return method, httptools.parse_url(self.url).path.decode("ascii")
        except (AttributeError, httptools.HttpParserError, UnicodeDecodeError):
            return "", ""

    def _peer(self) -> str:
        client: Any = self.client  # None for a Unix socket
        return client[0] if client else ""


class SocketConnection(WebSocketsSansIOProtocol):
    """An HTTP connection after a WebSocket handshake; it stays counted."""

    def connection_lost(self, exc: Exception | None) -> None:
        connections.leave(self.transport)
        super().connection_lost(exc)

    def send_heartbeat(self) -> None:
        """Ping the client, beside the server's own pings."""
        if not self.transport.is_closing():
            self.conn.send_ping(HEARTBEAT)
            self.transport.write(b"".join(self.conn.data_to_send()))


def _head_too_large() -> ApiError:
    return ApiError("headers_too_large", bytes=HEAD_BYTES_MAX)


def _build_answer(fault: ApiError, target: tuple[str, str], peer: str) -> bytes:
    context = request_context.start_request(*target, {}, peer)
    context.code = fault.code
    body = msgspec.json.encode(error_body(fault, context.request_id))
    headers = {
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Connection": "close",
        **dict(request_context.finish_request(context, fault.status)),
    }
    head = "".join(f"{name.lower()}: {value}\r\n" for name, value in headers.items())
    return STATUS_LINE[fault.status] + head.encode("latin-1") + b"\r\n" + body
