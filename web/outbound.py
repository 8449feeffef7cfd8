"""Requests to other servers whose addresses users typed: no way into this network.

The name is resolved once, each of its addresses must be a public one, and the connection goes to
an address that was checked: a name that resolves to something else a moment later gains nothing.
Each redirect is a new address and checked like the first; a POST follows none. Size and time are
bounded. Hosts of the settings RESOLVER_TRUSTED_HOSTS (what is read) and WEBHOOK_TRUSTED_HOSTS (what
is sent to) may be in the exchange's own network and answer plain HTTP.
"""

import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Collection, Mapping
from typing import Final, TypeVar
from urllib.parse import SplitResult, urljoin, urlsplit

from django.conf import settings

BODY_BYTES_MAX: Final = 256 * 1024
SECONDS_MAX: Final = 10.0
"""Of the whole exchange of one document, redirects included."""
REDIRECTS_MAX: Final = 3
URL_LENGTH_MAX: Final = 500
_CHUNK_BYTES: Final = 16 * 1024
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")


Found = TypeVar("Found")


class OutboundError(Exception):
    """The document could not be had now; says why."""


class OutboundRefusedError(OutboundError):
    """This address is never read."""


def check_url(url: str, *, trusted: Collection[str] | None = None) -> SplitResult:
    """Return the parts of an address that may be read, as far as it says so itself: names are
    resolved when they are used.

    `trusted` are hosts that may be in our own network, by default those of resolvers.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise OutboundRefusedError("this is not an address") from None
    is_clean = url.isascii() and url.isprintable() and " " not in url
    if not is_clean or len(url) > URL_LENGTH_MAX or not parts.hostname or port == 0:
        raise OutboundRefusedError("this is not an address")
    if parts.username is not None or parts.password is not None:
        raise OutboundRefusedError("an address has no user name or password")
    trusted = settings.RESOLVER_TRUSTED_HOSTS if trusted is None else trusted
    may_be_plain = settings.DEBUG or parts.hostname in trusted
    if parts.scheme != "https" and not (parts.scheme == "http" and may_be_plain):
        raise OutboundRefusedError("the address does not begin with https://")
    if parts.hostname not in trusted and _is_inside(parts.hostname):
        raise OutboundRefusedError(f"{parts.hostname} is not on the public internet")
    return parts


def fetch(url: str, *, seconds_max: float = SECONDS_MAX) -> bytes:
    """Return the body of a 200; raises OutboundError."""
    end = time.monotonic() + seconds_max
    for _ in range(REDIRECTS_MAX + 1):
        parts = check_url(url)
        location, body = _exchange(parts, settings.RESOLVER_TRUSTED_HOSTS, end, _ask)
        if location is None:
            return body
        url = urljoin(url, location)
    raise OutboundError("too many redirects")


def post(url: str, body: bytes, headers: Mapping[str, str], *, seconds_max: float) -> int:
    """Send a body and return the status of the answer, of which no more is read."""

    def send(connection: http.client.HTTPConnection, parts: SplitResult) -> int:
        sent = {"User-Agent": "predex", "Connection": "close", **headers}
        connection.request("POST", _find_target(parts), body=body, headers=sent)
        return connection.getresponse().status

    trusted = settings.WEBHOOK_TRUSTED_HOSTS
    end = time.monotonic() + seconds_max
    return _exchange(check_url(url, trusted=trusted), trusted, end, send)


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet, in whatever way it is written."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return is_public(str(ip.ipv4_mapped))
        if ip.sixtofour is not None or ip.teredo is not None or ip in _NAT64:
            return False
    return ip.is_global and not ip.is_multicast


def _is_inside(host: str) -> bool:
    """Whether a host is this machine, or an address that is not public, in whatever way written."""
    name = host.rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        found = socket.getaddrinfo(host.partition("%")[0], None, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        return False  # a name
    return not all(is_public(str(info[4][0])) for info in found)


def _resolve(parts: SplitResult, port: int, trusted: Collection[str]) -> str:
    """Return an address of the host, all of which may be connected to."""
    host = parts.hostname or ""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise OutboundError(f"{host} was not found") from None
    addresses = [str(info[4][0]).partition("%")[0] for info in found]
    if host not in trusted and not all(is_public(address) for address in addresses):
        raise OutboundRefusedError(f"{host} is not on the public internet")
    return addresses[0]


def _exchange(
    parts: SplitResult,
    trusted: Collection[str],
    end: float,
    ask: Callable[[http.client.HTTPConnection, SplitResult], Found],
) -> Found:
    """Connect to a host that may be connected to, and return what `ask` finds there."""
    is_tls = parts.scheme == "https"
    port = parts.port or (443 if is_tls else 80)
    address = _resolve(parts, port, trusted)
    try:
        raw = socket.create_connection((address, port), timeout=_seconds_left(end))
    except OSError:
        raise OutboundError(f"{parts.hostname} does not answer") from None
    host = parts.hostname or ""
    sock = _begin_tls(raw, host) if is_tls else raw
    # A server that sends a byte now and then never times out by itself.
    watchdog = threading.Timer(_seconds_left(end), _hang_up, [sock])
    watchdog.daemon = True
    watchdog.start()
    try:
        if isinstance(sock, ssl.SSLSocket):
            sock.do_handshake()
        kind = http.client.HTTPSConnection if is_tls else http.client.HTTPConnection
        connection = kind(host, port)
        connection.sock = sock
        found = ask(connection, parts)
        _seconds_left(end)  # what was cut off by hanging up is not the document
        return found
    except (OSError, http.client.HTTPException, ValueError) as fault:
        name = type(fault).__name__
        raise OutboundError(f"{host} could not be read ({name})") from None
    finally:
        watchdog.cancel()
        sock.close()


def _ask(connection: http.client.HTTPConnection, parts: SplitResult) -> tuple[str | None, bytes]:
    """Return where to look instead, or None and the body."""
    headers = {"Accept": "application/json", "User-Agent": "predex", "Connection": "close"}
    connection.request("GET", _find_target(parts), headers=headers)
    answer = connection.getresponse()
    location = answer.getheader("Location")
    if answer.status in _REDIRECTS and location:
        return location, b""
    if answer.status != http.client.OK:
        raise OutboundError(f"{parts.hostname} answered {answer.status}")
    return None, _read_bounded(answer.read, parts.hostname)


def _find_target(parts: SplitResult) -> str:
    path = parts.path or "/"
    return f"{path}?{parts.query}" if parts.query else path


def _read_bounded(read: Callable[[int], bytes], host: str | None) -> bytes:
    body = bytearray()
    while chunk := read(_CHUNK_BYTES):
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            raise OutboundError(f"the answer of {host} is too long")
    return bytes(body)


def _begin_tls(raw: socket.socket, host: str) -> ssl.SSLSocket:
    context = ssl.create_default_context()
    try:
        return context.wrap_socket(raw, server_hostname=host, do_handshake_on_connect=False)
    except (OSError, ValueError) as fault:
        raw.close()
        raise OutboundError(f"{host} could not be read ({type(fault).__name__})") from None


def _hang_up(sock: socket.socket) -> None:
    try:
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
    except OSError:
        return  # it is closed already


def _seconds_left(end: float) -> float:
    left = end - time.monotonic()
    if left <= 0:
        raise OutboundError("it took too long")
    return left
