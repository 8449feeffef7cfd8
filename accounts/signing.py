"""Keys that sign requests: RSA (PSS with SHA-256, salt of 32 bytes) and Ed25519.

Only the public half is stored. What is signed is up to the caller (`accounts.api.signatures`).
"""

from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa

from kernel.errors import RefusedError

PEM_LENGTH_MAX: Final = 4_000
RSA_BITS: Final = 2_048
RSA_BITS_MAX: Final = 8_192
"""Larger keys would only make verification slow."""
SIGNING_KINDS: Final = ("rsa", "ed25519")

PublicKey = rsa.RSAPublicKey | ed25519.Ed25519PublicKey

_PSS: Final = padding.PSS(padding.MGF1(hashes.SHA256()), salt_length=hashes.SHA256.digest_size)


def make_key_pair(kind: str) -> tuple[str, str]:
    """Return a new private and public key as PEM (PKCS 8 and SubjectPublicKeyInfo)."""
    private: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
    if kind == "rsa":
        private = rsa.generate_private_key(public_exponent=65_537, key_size=RSA_BITS)
    else:
        private = ed25519.Ed25519PrivateKey.generate()
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return pem.decode(), _show(private.public_key())


def normalise_public_key(pem: str) -> str:
    """Return the key's one form; RefusedError for what is no public key that we verify."""
    return _show(load_public_key(pem))


def load_public_key(pem: str) -> PublicKey:
    if len(pem) > PEM_LENGTH_MAX:
        raise RefusedError("bad_public_key")
    try:
        key = serialization.load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise RefusedError("bad_public_key") from None
    if isinstance(key, ed25519.Ed25519PublicKey):
        return key
    if isinstance(key, rsa.RSAPublicKey) and RSA_BITS <= key.key_size <= RSA_BITS_MAX:
        return key
    raise RefusedError("bad_public_key")


def verify(key: PublicKey, signature: bytes, message: bytes) -> bool:
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, message, _PSS, hashes.SHA256())
        else:
            key.verify(signature, message)
    except InvalidSignature:
        return False
    return True


def _show(key: PublicKey) -> str:
    pem = key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return pem.decode()
