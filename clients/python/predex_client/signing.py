"""Signed requests: a private key in place of a secret that is sent along."""

import base64
import hashlib
import threading
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import httpx

Sign = Callable[[bytes], bytes]
NO_CRYPTOGRAPHY = (
    "signing requests needs the package cryptography: pip install 'predex_client[signing]'"
)


class Signer:
    """A key that signs, Ed25519 or RSA: its `id`, and its private half as PEM.

    The exchange has only the public half, by `create_api_key(name, public_key=...)` or the site.
    """

    def __init__(
        self, key_id: str, private_key: str | bytes, *, password: bytes | None = None
    ) -> None:
        self.key_id = key_id
        self._sign = load_private_key(private_key, password)
        self._last = 0
        self._lock = threading.Lock()

    def sign(self, method: str, target: str, body: bytes = b"") -> dict[str, str]:
        """Return the headers of one request; `target` is its path with the query, as sent."""
        timestamp = str(self._take_time())
        digest = hashlib.sha256(body).hexdigest()
        signature = self._sign(f"{timestamp}\n{method}\n{target}\n{digest}".encode())
        return {
            "X-Predex-Key": self.key_id,
            "X-Predex-Timestamp": timestamp,
            "X-Predex-Signature": base64.b64encode(signature).decode(),
        }

    def sign_request(self, request: httpx.Request) -> httpx.Request:
        """Sign a request of httpx, whose `auth` this may be."""
        target = request.url.raw_path.decode()
        request.headers.update(self.sign(request.method, target, request.content))
        return request

    def sign_handshake(self, url: str) -> dict[str, str]:
        """Return the headers with which a socket is opened."""
        return self.sign("GET", urlsplit(url).path)

    def _take_time(self) -> int:
        """Return Unix milliseconds, each once: equal requests then have unequal signatures."""
        with self._lock:
            self._last = max(self._last + 1, time.time_ns() // 1_000_000)
            return self._last


def load_private_key(pem: str | bytes, password: bytes | None) -> Sign:
    """Return how this private key signs a message."""
    try:
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
    except ImportError as fault:
        raise ImportError(NO_CRYPTOGRAPHY) from fault
    pem = pem.encode() if isinstance(pem, str) else pem
    key = serialization.load_pem_private_key(pem, password)
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign
    if isinstance(key, rsa.RSAPrivateKey):
        digest = hashes.SHA256()
        pss = padding.PSS(padding.MGF1(digest), salt_length=digest.digest_size)
        return lambda message: key.sign(message, pss, digest)
    raise ValueError("the exchange takes signatures of Ed25519 and RSA keys only")
