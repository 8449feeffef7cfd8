"""Authentication by signed requests: a key's id, a time, and a signature over time and request.

The entry point says what was signed beside the time. A signature is good once and for
SIGNED_REQUEST_SECONDS around its time, so what was overheard can't be sent again.
"""

import base64
import binascii
import hashlib
import re
import uuid
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from django.conf import settings

from accounts.api.principal import Principal, get_signer
from accounts.signing import verify
from kernel.clock import now_us
from kernel.errors import AuthError
from web import limits
from web.limits import Rate

SIGNATURE_LENGTH_MAX: Final = 2_000
_MILLISECONDS: Final = re.compile(r"[0-9]{1,15}", re.ASCII)


class SignedRequest(NamedTuple):
    """What a request's headers say; `timestamp` is in Unix milliseconds."""

    key_id: str
    timestamp: str
    signature: str


def read_signature(headers: Mapping[str, str]) -> SignedRequest | None:
    """Return what the headers of Kalshi's programs say; None where they name no key."""
    key_id = headers.get("kalshi-access-key")
    if key_id is None:
        return None
    timestamp = headers.get("kalshi-access-timestamp", "")
    return SignedRequest(key_id, timestamp, headers.get("kalshi-access-signature", ""))


async def authenticate_signature(
    sent: SignedRequest, signed: Iterable[str], *, once: bool = True
) -> Principal:
    """Return who signed, or raise AuthError.

    `signed` are texts of which one must follow the timestamp in the signed message. `once`: refuse
    a signature that was used before; what is public needs no such care.
    """
    _check_time(sent.timestamp)
    signer = await get_signer(_read_key_id(sent.key_id))
    signature = _read_signature(sent.signature)
    messages = [f"{sent.timestamp}{text}".encode() for text in dict.fromkeys(signed)]
    if not any(verify(signer.public_key, signature, message) for message in messages):
        raise _refused("the signature does not match this key and request")
    if once:
        await _use_up(signature)
    return signer.principal


def _check_time(timestamp: str) -> None:
    if not _MILLISECONDS.fullmatch(timestamp):
        raise _refused("the timestamp is not in Unix milliseconds")
    off_ms = abs(now_us() // 1_000 - int(timestamp))
    if off_ms > settings.SIGNED_REQUEST_SECONDS * 1_000:
        seconds = settings.SIGNED_REQUEST_SECONDS
        raise _refused(f"the timestamp is more than {seconds} s off our clock: set yours")


def _read_key_id(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise _refused("there is no key with this id") from None


def _read_signature(text: str) -> bytes:
    if len(text) > SIGNATURE_LENGTH_MAX:
        raise _refused("the signature is too long")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise _refused("the signature is not in base64") from None


async def _use_up(signature: bytes) -> None:
    """Refuse a signature that was used before: a bucket that is refilled once it has expired."""
    seconds = 2 * settings.SIGNED_REQUEST_SECONDS + 1
    name = f"signature:{hashlib.sha256(signature).hexdigest()}"
    if await limits.take(name, "signature", Rate(1 / seconds, 1)) is not None:
        raise _refused("this signature was used before: sign each request anew")


def _refused(detail: str) -> AuthError:
    return AuthError("invalid_credentials", detail=detail)
