"""Seals a parcel: {"recipient_key", "claims", "chain", "fields"} on stdin, the parcel and its signing key on stdout."""

import json
import secrets
import sys

from common import SUITE, T, b64u, field_aad, field_key, parcel_info, public_key, sha256, size_class, unb64u

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


def jcs(value) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def main() -> None:
    given = json.load(sys.stdin)
    claims = given["claims"]
    items = []
    for path, content in given["fields"].items():
        disclosure = b64u(jcs([b64u(secrets.token_bytes(16)), path, content]))
        label = {"d": b64u(sha256(disclosure.encode())), "cat": content["cat"], "form": content["form"]}
        items.append((unb64u(label["d"]), label, disclosure.encode()))
    items.sort(key=lambda item: item[0])
    labels = [label for _, label, _ in items]

    key = secrets.token_bytes(32)
    recipient = unb64u(given["recipient_key"])
    claims["kid"] = b64u(sha256(recipient))
    sealed = SUITE.encrypt(key, public_key(recipient), parcel_info(claims))
    fields = []
    for d, label, disclosure in items:
        padded = len(disclosure).to_bytes(4, "big") + disclosure
        padded = padded.ljust(size_class(len(padded)), b"\0")
        aead = ChaCha20Poly1305(field_key(key, claims["jti"], d))
        fields.append(b64u(aead.encrypt(bytes(12), padded, field_aad(claims["jti"], label))))

    digests = [d for d, _, _ in items]
    digests += [secrets.token_bytes(32) for _ in range(-len(digests) % 8)]
    claims["_sd_alg"] = "sha-256"
    claims["_sd"] = [b64u(d) for d in sorted(digests)]
    claims["hpke"] = b64u(sha256(sealed))
    claims["labels"] = b64u(sha256(jcs(labels)))
    claims["basis"] = b64u(sha256(T("safeconduct/v1/basis", secrets.token_bytes(32), given["chain"])))

    signing_key = ec.generate_private_key(ec.SECP256R1())
    point = signing_key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    # There is no certificate here; its fingerprint is what the recipient would have verified.
    fingerprint = b64u(sha256(point))
    header = {"alg": "ES256", "typ": "parcel+sd-jwt", "x5t#S256": fingerprint}
    signing_input = f"{b64u(jcs(header))}.{b64u(jcs(claims))}"
    r, s = decode_dss_signature(signing_key.sign(signing_input.encode(), ec.ECDSA(hashes.SHA256())))
    signature = b64u(r.to_bytes(32, "big") + s.to_bytes(32, "big"))
    parcel = {
        "statement": f"{signing_input}.{signature}",
        "enc": b64u(sealed[:1120]),
        "wrapped": b64u(sealed[1120:]),
        "labels": labels,
        "fields": fields,
    }
    json.dump({"parcel": parcel, "signing_key": b64u(point), "fingerprint": fingerprint}, sys.stdout)


main()
