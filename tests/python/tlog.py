"""An independent checker of transparency logs, written from the C2SP specifications and RFC 6962, not from the Rust code.

    python3 tlog.py folder DIR [--log VKEY] [--witness VKEY]... [--required N]
    python3 tlog.py receipt FILE --log VKEY [--witness VKEY]... [--required N]
    python3 tlog.py cases < cases.json

The first verifies a folder laid out as tlog-tiles: the checkpoint's signature, every tile recomputed from the entry
bundles, and the root. The second verifies a receipt that a desk kept: that its entry is in the signed log, and that
what it opens is what the entry commits to. The third answers a list of cases, each with what was found. Exit codes:
0 verified, 1 not verified, 77 a module is missing.
"""

import argparse
import hashlib
import hmac
import json
import sys
from base64 import b64decode, b64encode, urlsafe_b64decode
from pathlib import Path

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
except ImportError as error:
    print(f"python lacks cryptography: {error}", file=sys.stderr)
    sys.exit(77)

NOTE, COSIGNATURE = 0x01, 0x04
DASH = "\u2014"
WIDTH = 256


class Wrong(Exception):
    """Something does not verify."""


def must(holds, why):
    if not holds:
        raise Wrong(why)


def unb64(text):
    try:
        data = b64decode(text, validate=True)
    except ValueError:
        raise Wrong("not base64")
    must(b64encode(data).decode() == text, "base64 in another form")
    return data


def decimal(text):
    must(text.isascii() and text.isdigit(), "not a decimal")
    must(text == "0" or not text.startswith("0"), "a leading zero")
    number = int(text)
    must(number < 1 << 64, "too large")
    return number


# --- c2sp.org/signed-note -------------------------------------------------------------------------------------------


def key_id(name, kind, key):
    return hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + key).digest()[:4]


class Vkey:
    def __init__(self, text, kind):
        name, _, rest = text.strip().partition("+")
        id_text, _, encoded = rest.partition("+")
        material = unb64(encoded)
        must(len(material) == 33 and material[0] == kind, "a key of another type")
        self.name, self.key = name, material[1:]
        self.id = key_id(name, kind, self.key)
        must(self.id.hex() == id_text, "the key id is not that of the key")

    def verify(self, message, signature):
        try:
            Ed25519PublicKey.from_public_bytes(self.key).verify(signature, message)
        except InvalidSignature:
            raise Wrong("a signature of a known key is wrong")


def split_note(note):
    must(all(ord(c) >= 0x20 or c == "\n" for c in note), "a control character")
    text, blank, lines = note.rpartition("\n\n")
    must(blank and lines.endswith("\n"), "no signatures")
    signatures = []
    for line in lines[:-1].split("\n"):
        parts = line.split(" ")
        must(len(parts) == 3 and parts[0] == DASH and parts[1], "not a signature line")
        data = unb64(parts[2])
        must(len(data) > 4, "no signature")
        signatures.append((parts[1], data[:4], data[4:]))
    must(len(signatures) <= 16, "too many signatures")
    return text + "\n", signatures


def verify_note(note, vkey):
    text, signatures = split_note(note)
    mine = [s for name, id, s in signatures if (name, id) == (vkey.name, vkey.id)]
    must(mine, "not signed by the key")
    for signature in mine:
        vkey.verify(text.encode(), signature)
    return text


# --- c2sp.org/tlog-checkpoint, c2sp.org/tlog-cosignature ------------------------------------------------------------


def verify_checkpoint(note, vkey):
    text = verify_note(note, vkey)
    lines = text[:-1].split("\n")
    must(len(lines) >= 3 and all(lines), "not a checkpoint")
    must(lines[0] == vkey.name, "of another log")
    root = unb64(lines[2])
    must(len(root) == 32, "not a root")
    size = decimal(lines[1])
    must(size > 0 or root == EMPTY, "an empty tree with another root")
    return size, root


def cosignature_time(note, vkey):
    """The newest time at which the witness cosigned; None if it did not."""
    text, signatures = split_note(note)
    newest = None
    for name, id, data in signatures:
        if (name, id) != (vkey.name, vkey.id):
            continue
        must(len(data) == 72, "not a timestamped signature")
        time = int.from_bytes(data[:8], "big")
        must(time < 1 << 63, "no such time")
        vkey.verify(f"cosignature/v1\ntime {time}\n{text}".encode(), data[8:])
        newest = max(newest or 0, time)
    return newest


# --- RFC 6962 -------------------------------------------------------------------------------------------------------


def leaf_hash(entry):
    return hashlib.sha256(b"\0" + entry).digest()


def node_hash(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


EMPTY = hashlib.sha256().digest()


def split_point(n):
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def tree_hash(hashes):
    """MTH of section 2.1, from leaf hashes."""
    if not hashes:
        return EMPTY
    if len(hashes) == 1:
        return hashes[0]
    k = split_point(len(hashes))
    return node_hash(tree_hash(hashes[:k]), tree_hash(hashes[k:]))


def root_of_path(leaf, index, size, proof):
    """The root that an audit path of section 2.1.1 leads to, by the definition's own recursion."""
    if size == 1:
        must(not proof, "the proof is too long")
        return leaf
    must(proof, "the proof is too short")
    k = split_point(size)
    if index < k:
        return node_hash(root_of_path(leaf, index, k, proof[:-1]), proof[-1])
    return node_hash(proof[-1], root_of_path(leaf, index - k, size - k, proof[:-1]))


def verify_inclusion(leaf, index, size, proof, root):
    must(index < size, "the index is beyond the tree")
    must(root_of_path(leaf, index, size, proof) == root, "the proof leads elsewhere")


def roots_of_proof(old, new, old_root, proof, whole):
    """Old and new root of SUBPROOF in section 2.1.2, by the definition's own recursion."""
    if old == new:
        if whole:
            must(not proof, "the proof is too long")
            return old_root, old_root
        must(len(proof) == 1, "the proof has another length")
        return proof[0], proof[0]
    must(proof, "the proof is too short")
    k = split_point(new)
    if old <= k:
        left_old, left_new = roots_of_proof(old, k, old_root, proof[:-1], whole)
        return left_old, node_hash(left_new, proof[-1])
    right_old, right_new = roots_of_proof(old - k, new - k, old_root, proof[:-1], False)
    return node_hash(proof[-1], right_old), node_hash(proof[-1], right_new)


def verify_consistency(old, new, old_root, new_root, proof):
    must(0 < old <= new, "no such sizes")
    found = roots_of_proof(old, new, old_root, proof, True)
    must(found == (old_root, new_root), "the proof leads elsewhere")


# --- c2sp.org/tlog-proof --------------------------------------------------------------------------------------------


def verify_proof(text, leaf, log, witnesses, required):
    head, blank, note = text.partition("\n\n")
    must(blank, "no checkpoint")
    lines = head.split("\n")
    must(lines[0] == "c2sp.org/tlog-proof@v1", "not a proof")
    lines = lines[1:]
    if lines and lines[0].startswith("extra "):
        unb64(lines[0][len("extra "):])
        lines = lines[1:]
    must(lines and lines[0].startswith("index "), "no index")
    index = decimal(lines[0][len("index "):])
    proof = [unb64(line) for line in lines[1:]]
    must(all(len(hash) == 32 for hash in proof), "not a hash")
    size, root = verify_checkpoint(note, log)
    verify_inclusion(leaf, index, size, proof, root)
    times = [cosignature_time(note, witness) for witness in witnesses]
    times = [time for time in times if time is not None]
    must(len(times) >= required, "too few witnesses")
    return {"index": index, "size": size, "times": times}


# --- a receipt: such a proof, whose extra data are the entry and what opens it ---------------------------------------


def verify_receipt(text, log, witnesses, required):
    lines = text.split("\n", 2)
    must(len(lines) == 3 and lines[1].startswith("extra "), "no entry in the proof")
    extra = json.loads(unb64(lines[1][len("extra "):]))
    found = verify_proof(text, leaf_hash(extra["entry"].encode()), log, witnesses, required)
    found["entry"] = json.loads(extra["entry"])
    if "nonce" in extra:
        nonce, commitment = (urlsafe_b64decode(each + "=") for each in (extra["nonce"], found["entry"]["c"]))
        message = b"safeconduct/v1/entry\0" + extra["decision"].encode()
        must(hmac.digest(nonce, message, "sha256") == commitment, "not what the entry commits to")
        found["decision"] = json.loads(extra["decision"])
    return found


# --- c2sp.org/tlog-tiles --------------------------------------------------------------------------------------------


def index_path(index):
    groups = [f"{index % 1000:03}"]
    while index >= 1000:
        index //= 1000
        groups.insert(0, f"x{index % 1000:03}")
    return "/".join(groups)


def resource(folder, kind, index, width):
    suffix = "" if width == WIDTH else f".p/{width}"
    path = folder / "tile" / f"{kind}" / f"{index_path(index)}{suffix}"
    must(path.is_file(), f"{path.relative_to(folder)} is missing")
    return path.read_bytes()


def widths(count):
    """Index and width of each tile over so many hashes."""
    for index in range(count // WIDTH):
        yield index, WIDTH
    if count % WIDTH:
        yield count // WIDTH, count % WIDTH


def read_bundle(data, width):
    entries, at = [], 0
    while at < len(data):
        must(at + 2 <= len(data), "a bundle is cut")
        length = int.from_bytes(data[at : at + 2], "big")
        at += 2
        must(at + length <= len(data), "a bundle is cut")
        entries.append(data[at : at + length])
        at += length
    must(len(entries) == width, "a bundle holds another number of entries")
    return entries


def verify_folder(folder, log, witnesses, required):
    note = (folder / "checkpoint").read_bytes().decode()
    size, root = verify_checkpoint(note, log)
    hashes = []
    for index, width in widths(size):
        hashes += map(leaf_hash, read_bundle(resource(folder, "entries", index, width), width))
    must(tree_hash(hashes) == root, "the entries do not lead to the signed root")
    level, tiles = 0, 0
    while hashes:
        above = []
        for index, width in widths(len(hashes)):
            expected = hashes[index * WIDTH : index * WIDTH + width]
            must(resource(folder, level, index, width) == b"".join(expected), f"tile {level}/{index} differs")
            tiles += 1
            if width == WIDTH:
                above.append(tree_hash(expected))
        hashes, level = above, level + 1
    times = [cosignature_time(note, witness) for witness in witnesses]
    times = [time for time in times if time is not None]
    must(len(times) >= required, "too few witnesses")
    return {"size": size, "tiles": tiles, "levels": level, "times": times}


# --- cases ----------------------------------------------------------------------------------------------------------


def answer(case):
    hashes = lambda name: [unb64(text) for text in case[name]]
    kind = case["kind"]
    if kind == "checkpoint":
        size, root = verify_checkpoint(case["note"], Vkey(case["vkey"], NOTE))
        return {"size": size, "root": b64encode(root).decode()}
    if kind == "cosignature":
        return {"time": cosignature_time(case["note"], Vkey(case["vkey"], COSIGNATURE))}
    if kind == "inclusion":
        leaf, root = unb64(case["leaf"]), unb64(case["root"])
        verify_inclusion(leaf, case["index"], case["size"], hashes("proof"), root)
        return {}
    if kind == "consistency":
        roots = unb64(case["old_root"]), unb64(case["new_root"])
        verify_consistency(case["old"], case["new"], *roots, hashes("proof"))
        return {}
    if kind == "proof":
        log = Vkey(case["log"], NOTE)
        witnesses = [Vkey(text, COSIGNATURE) for text in case["witnesses"]]
        return verify_proof(case["text"], unb64(case["leaf"]), log, witnesses, case["required"])
    raise Wrong("no such case")


def main():
    parser = argparse.ArgumentParser(description="An independent checker of transparency logs.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("folder", "receipt"):
        command = commands.add_parser(name)
        command.add_argument("path", type=Path)
        command.add_argument("--log", required=name == "receipt")
        command.add_argument("--witness", action="append", default=[])
        command.add_argument("--required", type=int, default=0)
    commands.add_parser("cases")
    arguments = parser.parse_args()
    if arguments.command != "cases":
        try:
            path = arguments.path
            log = Vkey(arguments.log or (path / "log.vkey").read_text(), NOTE)
            witnesses = [Vkey(text, COSIGNATURE) for text in arguments.witness]
            if arguments.command == "folder":
                found = verify_folder(path, log, witnesses, arguments.required)
            else:
                found = verify_receipt(path.read_bytes().decode(), log, witnesses, arguments.required)
        except (Wrong, OSError, ValueError, KeyError, TypeError) as error:
            print(f"not verified: {error}", file=sys.stderr)
            return 1
        print(json.dumps(found))
        return 0
    answers = []
    for case in json.load(sys.stdin):
        try:
            answers.append({"ok": True, **answer(case)})
        except Wrong as wrong:
            answers.append({"ok": False, "why": str(wrong)})
    print(json.dumps(answers))
    return 0


if __name__ == "__main__":
    sys.exit(main())
