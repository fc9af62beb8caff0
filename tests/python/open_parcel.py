"""Opens a sealed parcel: {"seed", "signing_key", "parcel"} on stdin, its fields on stdout.

Independent of the Rust code: HPKE and AEAD by `cryptography`, the statement and its disclosures by `sd-jwt`.
"""

import json
import sys

from common import SUITE, b64u, field_aad, field_key, parcel_info, private_key, sha256, size_class, unb64u

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from jwcrypto.jwk import JWK
from sd_jwt.verifier import SDJWTVerifier


def main() -> None:
    given = json.load(sys.stdin)
    parcel = given["parcel"]
    point = unb64u(given["signing_key"])
    issuer = JWK(kty="EC", crv="P-256", x=b64u(point[1:33]), y=b64u(point[33:]))
    statement = parcel["statement"]

    # The bare statement first: verified before anything of it is used.
    claims = SDJWTVerifier(f"{statement}~", lambda *_: issuer).get_verified_payload()
    payload = json.loads(unb64u(statement.split(".")[1]))
    assert claims["kid"] == payload["kid"] and payload["_sd_alg"] == "sha-256"
    enc, wrapped = unb64u(parcel["enc"]), unb64u(parcel["wrapped"])
    assert sha256(enc + wrapped) == unb64u(payload["hpke"])
    jcs = json.dumps(parcel["labels"], sort_keys=True, separators=(",", ":")).encode()
    assert sha256(jcs) == unb64u(payload["labels"])
    digests = [unb64u(text) for text in payload["_sd"]]
    assert digests == sorted(digests) and len(digests) % 8 == 0

    key = SUITE.decrypt(enc + wrapped, private_key(unb64u(given["seed"])), parcel_info(payload))
    disclosures, fields = [], {}
    for label, ciphertext in zip(parcel["labels"], parcel["fields"], strict=True):
        d = unb64u(label["d"])
        assert d in digests
        aead = ChaCha20Poly1305(field_key(key, payload["jti"], d))
        padded = aead.decrypt(bytes(12), unb64u(ciphertext), field_aad(payload["jti"], label))
        length = int.from_bytes(padded[:4], "big")
        disclosure = padded[4 : 4 + length]
        assert len(padded) == size_class(4 + length) and not any(padded[4 + length :])
        assert sha256(disclosure) == d
        _, path, content = json.loads(unb64u(disclosure.decode()))
        assert (content["cat"], content["form"]) == (label["cat"], label["form"])
        disclosures.append(disclosure.decode())
        fields[path] = content

    # RFC 9901: the same statement with its disclosures is an SD-JWT presentation.
    presentation = "~".join([statement, *disclosures, ""])
    disclosed = SDJWTVerifier(presentation, lambda *_: issuer).get_verified_payload()
    for path, content in fields.items():
        assert disclosed[path] == content
    json.dump(fields, sys.stdout, sort_keys=True)


main()
