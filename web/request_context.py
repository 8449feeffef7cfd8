"""The part of the request pipeline that Django's middleware and the order app share.

`start_request` assigns the request id and finds the client's address behind trusted proxies;
`check_request` checks host and length; `finish_request` writes the log line and returns the headers
to add. Plain functions over method, path and headers (a mapping with lower-case names); none reads
the database.
"""

import logging
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

import msgspec
from django.conf import settings
from django.http.request import split_domain_port, validate_host

from kernel.clock import format_time, now_us
from kernel.errors import ApiError
from kernel.ids import new_id
from kernel.metrics import HTTP_REQUESTS
from web.addresses import is_address, is_in, parse_networks, unmap

API_PREFIXES = ("/api/", "/mcp", "/poly/", "/trade-api/")
"""Paths for programs: errors are JSON, in one language, and no page counts there."""
PROBES = frozenset({"/health", "/ready", "/metrics"})
"""Paths for monitoring, which are neither queued nor rate limited."""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Those that are counted by name."""
CORS_MAX_AGE_SECONDS = 600
CORS_METHODS = "GET, POST, PATCH, PUT, DELETE"
CORS_REQUEST_HEADERS = (
    "authorization, content-type, idempotency-key, kalshi-access-key, kalshi-access-signature,"
    " kalshi-access-timestamp, mcp-method, mcp-name, mcp-protocol-version, x-api-key,"
    " x-predex-key, x-predex-signature, x-predex-timestamp, x-request-id"
)
CORS_ANSWER_HEADERS = "x-request-id, retry-after, idempotent-replayed"

Headers = Mapping[str, str]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}", re.ASCII)
_LENGTH = re.compile(r"[0-9]{1,18}", re.ASCII)
_log = logging.getLogger("predex.request")
_RECORD = vars(_log.makeRecord(_log.name, logging.INFO, __file__, 0, None, (), None, "leave"))


class RequestContext(msgspec.Struct):
    """One request in progress; authentication records the account here for the log line."""

    method: str
    path: str
    request_id: str
    address: str  # the client's, "" when unknown (a Unix socket)
    origin: str  # the Origin of an allowed cross-origin request to the API, else ""
    started: float
    account_id: int | None = None
    code: str | None = None  # the error code of the response
    route: str = "other"  # the pattern of its path, for the metrics


class RequestLine(msgspec.Struct):
    """The log line of a request. `predex.logging` formats it cheaply, in microseconds."""

    timestamp: str
    request_id: str
    method: str
    path: str
    status: int
    code: str | None
    milliseconds: float
    address: str
    account_id: int | None
    event: str = "request"
    level: str = "info"


def read_headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return an ASGI scope's headers as a mapping; a repeated header is joined with commas."""
    headers: dict[str, str] = {}
    for name_bytes, value_bytes in raw:
        name, value = name_bytes.decode("latin-1").lower(), value_bytes.decode("latin-1")
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return headers


def start_request(method: str, path: str, headers: Headers, peer: str) -> RequestContext:
    """Start a context. Never fails, so that even a refused request has an id and a log line."""
    sent_id = headers.get("x-request-id", "")
    return RequestContext(
        method=method,
        path=path,
        request_id=sent_id if _REQUEST_ID.fullmatch(sent_id) else new_id(),
        address=find_address(peer, headers.get("x-forwarded-for", "")),
        origin=find_allowed_origin(path, headers),
        started=time.perf_counter(),
    )


def check_request(headers: Headers) -> None:
    """Raise ApiError for a host that is not ours or a declared body length over the limit."""
    host = headers.get("host", "")
    if not _is_our_host(host, _allowed_hosts()):
        raise ApiError("host_not_allowed")
    length = headers.get("content-length")
    if length is None:
        return
    if not _LENGTH.fullmatch(length):
        raise ApiError("bad_content_length")
    if int(length) > settings.BODY_BYTES_MAX:
        raise body_too_large()


def finish_request(context: RequestContext, status: int) -> list[tuple[str, str]]:
    """Count the response and write the log line; return the headers that every response carries."""
    seconds = time.perf_counter() - context.started
    method = context.method if context.method in METHODS else "OTHER"
    HTTP_REQUESTS.observe(seconds, method, context.route, status)
    if _log.isEnabledFor(logging.INFO):
        line = RequestLine(
            format_time(now_us()),
            context.request_id,
            context.method,
            context.path,
            status,
            context.code,
            round(seconds * 1_000, 2),
            context.address,
            context.account_id,
        )
        _log.handle(_build_record(line))
    return [("X-Request-ID", context.request_id), *_cors_headers(context)]


def _build_record(line: RequestLine) -> logging.LogRecord:
    """Build the LogRecord of `_log.info` without its costly look-up of thread, file and caller."""
    record = logging.LogRecord.__new__(logging.LogRecord)
    record.__dict__.update(_RECORD, msg=line, created=time.time())
    return record


def answer_preflight(context: RequestContext, headers: Headers) -> list[tuple[str, str]] | None:
    """Return the headers of a 204 for a browser's CORS preflight to the API, else None."""
    if context.method != "OPTIONS" or not context.origin:
        return None
    if "access-control-request-method" not in headers:
        return None
    return [
        ("Access-Control-Allow-Methods", CORS_METHODS),
        ("Access-Control-Allow-Headers", CORS_REQUEST_HEADERS),
        ("Access-Control-Max-Age", str(CORS_MAX_AGE_SECONDS)),
    ]


def is_trusted_proxy(peer: str) -> bool:
    return is_in(unmap(peer), parse_networks(tuple(settings.TRUSTED_PROXIES)))


def find_address(peer: str, forwarded_for: str) -> str:
    """Return the nearest address that is not a trusted proxy's; only those may name another."""
    address = unmap(peer)
    if not forwarded_for:
        return address
    networks = parse_networks(tuple(settings.TRUSTED_PROXIES))
    for hop in reversed(forwarded_for.split(",")):
        if not is_in(address, networks) or not is_address(hop.strip()):
            return address
        address = unmap(hop.strip())
    return address


def find_allowed_origin(path: str, headers: Headers) -> str:
    """Return the Origin header when CORS_ALLOWED_ORIGINS lets it read the API, else ""."""
    origin = headers.get("origin", "")
    if not origin or not path.startswith(API_PREFIXES):
        return ""
    allowed = settings.CORS_ALLOWED_ORIGINS
    return origin if "*" in allowed or origin in allowed else ""


def body_too_large() -> ApiError:
    detail = f"a body has at most {settings.BODY_BYTES_MAX} bytes here"
    return ApiError("body_too_large", detail=detail)


async def read_body(receive: Receive) -> bytes:
    """Return an ASGI request's body; ApiError 413 as soon as it is longer than allowed."""
    chunks: list[bytes] = []
    length = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ApiError("disconnected")
        chunk = message.get("body", b"")
        length += len(chunk)
        if length > settings.BODY_BYTES_MAX:
            raise body_too_large()
        if not message.get("more_body"):
            return b"".join([*chunks, chunk]) if chunks else chunk
        chunks.append(chunk)


def _cors_headers(context: RequestContext) -> list[tuple[str, str]]:
    if not settings.CORS_ALLOWED_ORIGINS or not context.path.startswith(API_PREFIXES):
        return []
    if not context.origin:
        return [("Vary", "Origin")]
    # Never with credentials: other sites use API keys and tokens, not this site's cookies.
    return [
        ("Vary", "Origin"),
        ("Access-Control-Allow-Origin", context.origin),
        ("Access-Control-Expose-Headers", CORS_ANSWER_HEADERS),
    ]


def _allowed_hosts() -> tuple[str, ...]:
    if settings.DEBUG and not settings.ALLOWED_HOSTS:
        return (".localhost", "127.0.0.1", "[::1]")
    return tuple(settings.ALLOWED_HOSTS)


@lru_cache(maxsize=1024)
def _is_our_host(host: str, allowed: tuple[str, ...]) -> bool:
    domain, _port = split_domain_port(host)
    return bool(domain) and validate_host(domain, allowed)
