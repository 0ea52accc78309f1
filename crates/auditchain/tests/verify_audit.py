"""Verifies an exported audit log (docs/spec/audit-export.md), a proof file or a checkpoint.

usage: verify_audit.py VKEY EXPORT | VKEY CHECKPOINT | VKEY PROOF LEAF
Python's standard library and pyca/cryptography, and nothing of this project.
"""
import base64, hashlib, os, sys, tarfile
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

def sha(data): return hashlib.sha256(data).digest()
def leaf(entry): return sha(b"\0" + entry)
def node(left, right): return sha(b"\1" + left + right)

def root(hashes):
    if len(hashes) < 2: return hashes[0] if hashes else sha(b"")
    k = 1 << (len(hashes) - 1).bit_length() - 1
    return node(root(hashes[:k]), root(hashes[k:]))

def checkpoint(note, vkey):
    """The size and root of a checkpoint that the key signed (C2SP signed-note, tlog-checkpoint)."""
    name, kid, key = vkey.split("+", 2)
    key = base64.b64decode(key, validate=True)
    assert kid == sha(name.encode() + b"\n" + key)[:4].hex() and key[0] == 1, "malformed key"
    text, lines = note.rsplit("\n\n", 1)
    start = f"\u2014 {name} "
    blobs = [base64.b64decode(l[len(start):], validate=True) for l in lines.split("\n") if l.startswith(start)]
    blobs = [blob[4:] for blob in blobs if blob[:4].hex() == kid]
    assert blobs, "not signed by the key"
    for blob in blobs: Ed25519PublicKey.from_public_bytes(key[1:]).verify(blob, (text + "\n").encode())
    origin, size, top = text.split("\n")
    assert origin == name and str(int(size)) == size, "another log's, or malformed"
    return int(size), base64.b64decode(top, validate=True)

def proof(text, entry, vkey):
    """Checks a proof file (C2SP tlog-proof, RFC 9162 section 2.1.3.2)."""
    head, note = text.split("\n\n", 1)
    lines = [line for line in head.split("\n") if not line.startswith("extra ")]
    assert lines[0] == "c2sp.org/tlog-proof@v1", "no proof file"
    size, top = checkpoint(note, vkey)
    index, here = int(lines[1].removeprefix("index ")), leaf(entry)
    assert 0 <= index < size, "outside the tree"
    at, last = index, size - 1
    for sibling in (base64.b64decode(line, validate=True) for line in lines[2:]):
        assert last and len(sibling) == 32, "too long"
        if at & 1 or at == last:
            here = node(sibling, here)
            while at and not at & 1: at, last = at >> 1, last >> 1
        else: here = node(here, sibling)
        at, last = at >> 1, last >> 1
    assert not last and here == top, "does not lead to the root"
    return index, size

def files(path):
    if os.path.isfile(path):
        with tarfile.open(path) as tar: return {m.name: tar.extractfile(m).read() for m in tar if m.isfile()}
    walk = ((os.path.join(d, f)) for d, _, names in os.walk(path) for f in names)
    return {os.path.relpath(f, path).replace(os.sep, "/"): open(f, "rb").read() for f in walk}

def tile(kind, index, width):
    digits = f"{index:03d}" if index < 1000 else f"{index:0{(len(str(index)) + 2) // 3 * 3}d}"
    groups = [digits[i:i + 3] for i in range(0, len(digits), 3)]
    return f"tile/{kind}/" + "/".join(["x" + g for g in groups[:-1]] + groups[-1:]) + (f".p/{width}" if width < 256 else "")

def log(export, vkey):
    """Recomputes tiles from entries, and the root at every checkpoint."""
    size, _ = checkpoint(export["checkpoint"].decode(), vkey)
    hashes = []
    for i in range(0, size, 256):
        width = min(256, size - i)
        bundle, at = export[tile("entries", i // 256, width)], 0
        for _ in range(width):
            end = at + 2 + int.from_bytes(bundle[at:at + 2], "big")
            assert end <= len(bundle), f"entry {len(hashes)}: cut off"
            hashes.append(leaf(bundle[at + 2:end])); at = end
        assert at == len(bundle), f"bundle {i // 256}: bytes after the last entry"
    level, nodes = 0, hashes
    while nodes:
        for i in range(0, len(nodes), 256):
            part, path = nodes[i:i + 256], tile(level, i // 256, min(256, len(nodes) - i))
            assert export[path] == b"".join(part), f"{path}: not what the entries give"
        level, nodes = level + 1, [root(nodes[i:i + 256]) for i in range(0, len(nodes) // 256 * 256, 256)]
    notes = {p: b.decode() for p, b in export.items() if p == "checkpoint" or p.startswith("checkpoints/")}
    for path, note in notes.items():
        signed, top = checkpoint(note, vkey)
        assert path in ("checkpoint", f"checkpoints/{signed}") and signed <= size, f"{path}: misnamed"
        assert root(hashes[:signed]) == top, f"{path}: another root than the entries give"
    return size, len(notes) - 1

if __name__ == "__main__":
    vkey, path = sys.argv[1:3]
    try:
        if len(sys.argv) == 4:
            print("entry %d of %d" % proof(open(path, encoding="utf-8", newline="").read(), open(sys.argv[3], "rb").read(), vkey))
        elif os.path.isfile(path) and not tarfile.is_tarfile(path):
            print("size %d" % checkpoint(open(path, encoding="utf-8", newline="").read(), vkey)[0])
        else: print("%d entries, %d checkpoints" % log(files(path), vkey))
    except Exception as error: sys.exit(f"refused: {error!r}")
