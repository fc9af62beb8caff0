"""Opens a sealed attachment: KEY (hex) and SIZE as arguments, the chunks on stdin, its content on stdout.

Independent of the Rust code: the AEAD is that of `cryptography`.
"""

import sys

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

CHUNK = 64 * 1024
LABEL = b"safeconduct/v1/attachment"


def main() -> None:
    aead = ChaCha20Poly1305(bytes.fromhex(sys.argv[1]))
    size = int(sys.argv[2])
    sealed = sys.stdin.buffer.read()
    count = -(-size // CHUNK)
    assert len(sealed) == count * (CHUNK + 16)
    content = b""
    for counter in range(count):
        chunk = sealed[counter * (CHUNK + 16) : (counter + 1) * (CHUNK + 16)]
        nonce = counter.to_bytes(11, "big") + bytes([counter + 1 == count])
        content += aead.decrypt(nonce, chunk, LABEL)
    assert not any(content[size:])
    sys.stdout.buffer.write(content[:size])


main()
