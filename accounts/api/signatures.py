"""Authentication by signed requests, in two forms of headers with one verifier.

A request names a key's id and a time, and carries a signature over time and request. It is good
once and for SIGNED_REQUEST_SECONDS around its time, so what was overheard can't be sent again; who
has used which is remembered in Redis, or where that is not used, in the one process. Kalshi's form
is read in `compat.kalshi`. In predex's own form four lines are signed: the time, the method, the
path with its query as sent, and the SHA-256 of the body in hex; so neither is taken for the other.
"""

import base64
import binascii
import hashlib
import re
import uuid
from collections.abc import Iterable
from typing import Final, NamedTuple

from django.conf import settings

from accounts.api.principal import (
    Headers,
    Principal,
    Signer,
    authenticate,
    authenticate_headers,
    check_address,
    find_credential,
    get_signer,
    get_signer_sync,
)
from accounts.signing import verify
from kernel.clock import now_us
from kernel.errors import AuthError
from web import limits
from web.limits import Rate

KEY_HEADER: Final = "x-predex-key"
TIMESTAMP_HEADER: Final = "x-predex-timestamp"
SIGNATURE_HEADER: Final = "x-predex-signature"
SIGNATURE_LENGTH_MAX: Final = 2_000
_MILLISECONDS: Final = re.compile(r"[0-9]{1,15}", re.ASCII)


class SignedRequest(NamedTuple):
    """What a request's headers say; `timestamp` is in Unix milliseconds."""

    key_id: str
    timestamp: str
    signature: str


class SentRequest(NamedTuple):
    """A request as it came; `target` is the path with its query, undecoded."""

    method: str
    target: str
    headers: Headers
    body: bytes
    address: str


def is_signed(headers: Headers) -> bool:
    return KEY_HEADER in headers


async def authenticate_request(request: SentRequest) -> Principal:
    """Return who sends it, by a signature of our form, a key or a token; else AuthError."""
    if not is_signed(request.headers):
        return await authenticate(request.headers, request.address)
    return await authenticate_signature(
        _read_headers(request.headers), [_build_signed(request)], address=request.address
    )


def authenticate_request_sync(request: SentRequest) -> Principal:
    """`authenticate_request` for sync code."""
    if not is_signed(request.headers):
        return authenticate_headers(request.headers, request.address)
    sent = _read_headers(request.headers)
    signer = get_signer_sync(_read_key_id(sent))
    signature = _check_signature(signer, sent, [_build_signed(request)], request.address)
    _refuse_used(limits.take_sync(*_build_use(signature)))
    return signer.principal


async def authenticate_signature(
    sent: SignedRequest, signed: Iterable[str], *, address: str, once: bool = True
) -> Principal:
    """Return who signed, or raise AuthError.

    `signed` are texts of which one must follow the timestamp in the signed message. `once`: refuse
    a signature that was used before; what is public needs no such care.
    """
    signer = await get_signer(_read_key_id(sent))
    signature = _check_signature(signer, sent, signed, address)
    if once:
        _refuse_used(await limits.take(*_build_use(signature)))
    return signer.principal


def _read_headers(headers: Headers) -> SignedRequest:
    if find_credential(headers) is not None:
        raise _refused("send a signature, or a key or token, not both")
    names = (KEY_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER)
    return SignedRequest(*(headers.get(name, "") for name in names))


def _build_signed(request: SentRequest) -> str:
    digest = hashlib.sha256(request.body).hexdigest()
    return f"\n{request.method}\n{request.target}\n{digest}"


def _check_signature(
    signer: Signer, sent: SignedRequest, signed: Iterable[str], address: str
) -> bytes:
    """Return the signature, or raise AuthError; only the right one from the right address."""
    signature = _read_signature(sent.signature)
    messages = [f"{sent.timestamp}{text}".encode() for text in dict.fromkeys(signed)]
    if not any(verify(signer.public_key, signature, message) for message in messages):
        raise _refused("the signature does not match this key and request")
    check_address(signer.principal, address)
    return signature


def _read_key_id(sent: SignedRequest) -> str:
    """Return the id of the key that signed just now."""
    _check_time(sent.timestamp)
    try:
        return str(uuid.UUID(sent.key_id))
    except ValueError:
        raise _refused("there is no key with this id") from None


def _check_time(timestamp: str) -> None:
    if not _MILLISECONDS.fullmatch(timestamp):
        raise _refused("the timestamp is not in Unix milliseconds")
    off_ms = abs(now_us() // 1_000 - int(timestamp))
    if off_ms > settings.SIGNED_REQUEST_SECONDS * 1_000:
        seconds = settings.SIGNED_REQUEST_SECONDS
        raise _refused(f"the timestamp is more than {seconds} s off our clock: set yours")


def _read_signature(text: str) -> bytes:
    if len(text) > SIGNATURE_LENGTH_MAX:
        raise _refused("the signature is too long")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise _refused("the signature is not in base64") from None


def _build_use(signature: bytes) -> tuple[str, str, Rate]:
    """Return the bucket of a signature's one use, which is full again once it has expired."""
    seconds = 2 * settings.SIGNED_REQUEST_SECONDS + 1
    name = f"signature:{hashlib.sha256(signature).hexdigest()}"
    return name, "signature", Rate(1 / seconds, 1)


def _refuse_used(wait_seconds: float | None) -> None:
    if wait_seconds is not None:
        raise _refused("this signature was used before: sign each request anew")


def _refused(detail: str) -> AuthError:
    return AuthError("invalid_credentials", detail=detail)
