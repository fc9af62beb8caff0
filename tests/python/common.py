"""What opener and sealer share: written from the design, not from the Rust code."""

import hashlib
import sys
from base64 import urlsafe_b64decode, urlsafe_b64encode

MISSING = 77

try:
    import sd_jwt  # noqa: F401
    from cryptography.hazmat.primitives import hashes, hpke  # noqa: F401
    from cryptography.hazmat.primitives.asymmetric import mlkem, x25519
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305  # noqa: F401
    from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

    hpke.MLKEM768X25519PrivateKey
except (ImportError, AttributeError) as error:
    print(f"python lacks cryptography >= 48 or sd-jwt: {error}", file=sys.stderr)
    sys.exit(MISSING)

SUITE = hpke.Suite(
    hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.CHACHA20_POLY1305
)


def b64u(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64u(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def T(*parts) -> bytes:
    out = len(parts).to_bytes(2, "big")
    for part in parts:
        part = part.encode() if isinstance(part, str) else part
        out += len(part).to_bytes(4, "big") + part
    return out


def parcel_info(claims: dict) -> bytes:
    return T(
        "safeconduct/v1/parcel", str(claims["suite"]), claims["iss"], claims["aud"], claims["jti"],
        claims["kid"], claims["purpose"], claims["stage"], str(claims["exp"]),
    )


def field_key(parcel_key: bytes, jti: str, d: bytes) -> bytes:
    info = T("safeconduct/v1/field", jti, d)
    return HKDFExpand(hashes.SHA256(), 32, info).derive(parcel_key)


def field_aad(jti: str, label: dict) -> bytes:
    return T("safeconduct/v1/field", jti, unb64u(label["d"]), label["cat"], label["form"])


def size_class(length: int) -> int:
    for size in (256, 1024, 4096):
        if length <= size:
            return size
    return -(-length // 16384) * 16384


def private_key(seed: bytes):
    """X-Wing: SHAKE256 of the seed gives the ML-KEM seed and the X25519 key."""
    expanded = hashlib.shake_256(seed).digest(96)
    return hpke.MLKEM768X25519PrivateKey(
        mlkem.MLKEM768PrivateKey.from_seed_bytes(expanded[:64]),
        x25519.X25519PrivateKey.from_private_bytes(expanded[64:]),
    )


def public_key(data: bytes):
    return hpke.MLKEM768X25519PublicKey(
        mlkem.MLKEM768PublicKey.from_public_bytes(data[:1184]),
        x25519.X25519PublicKey.from_public_bytes(data[1184:]),
    )
