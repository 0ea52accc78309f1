"""Verifies an exported audit log (docs/spec/audit-export.md), a proof file or a checkpoint.

usage: verify_audit.py VKEY EXPORT | VKEY CHECKPOINT | VKEY PROOF LEAF
Python's standard library and pyca/cryptography, and nothing of this project.
"""
import base64, hashlib, pathlib, sys, tarfile
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

def sha(data): return hashlib.sha256(data).digest()
def leaf(entry): return sha(b"\0" + entry)
def node(left, right): return sha(b"\1" + left + right)
def decoded(text): return base64.b64decode(text, validate=True)

def root(hashes):
    if len(hashes) < 2: return hashes[0] if hashes else sha(b"")
    k = 1 << (len(hashes) - 1).bit_length() - 1
    return node(root(hashes[:k]), root(hashes[k:]))

def checkpoint(note, vkey):
    """The size and root of a checkpoint that the key signed (C2SP signed-note, tlog-checkpoint)."""
    name, kid, key = vkey.split("+", 2)
    key = decoded(key)
    assert kid == sha(name.encode() + b"\n" + key)[:4].hex() and key[0] == 1, "malformed key"
    body, lines = note.rsplit("\n\n", 1)
    start = f"\u2014 {name} "
    blobs = [decoded(line.removeprefix(start)) for line in lines.split("\n") if line.startswith(start)]
    ours = [blob[4:] for blob in blobs if blob[:4].hex() == kid]
    assert ours, "not signed by the key"
    for signature in ours: Ed25519PublicKey.from_public_bytes(key[1:]).verify(signature, (body + "\n").encode())
    origin, size, top = body.split("\n")
    assert origin == name and str(int(size)) == size, "another log's, or malformed"
    return int(size), decoded(top)

def proof(file, entry, vkey):
    """The index and size that a proof file proves (C2SP tlog-proof, RFC 9162 section 2.1.3.2)."""
    head, note = file.split("\n\n", 1)
    first, index, *path = (line for line in head.split("\n") if not line.startswith("extra "))
    (size, top), here, index = checkpoint(note, vkey), leaf(entry), int(index.removeprefix("index "))
    assert first == "c2sp.org/tlog-proof@v1" and 0 <= index < size, "no proof file, or outside the tree"
    at, last = index, size - 1
    for sibling in map(decoded, path):
        assert last and len(sibling) == 32, "too long"
        here = node(sibling, here) if at & 1 or at == last else node(here, sibling)
        while at == last and not at & 1: at, last = at >> 1, last >> 1
        at, last = at >> 1, last >> 1
    assert not last and here == top, "does not lead to the root"
    return index, size

def log(export, vkey):
    """The entries and older checkpoints of an export, whose tiles and roots its entries come to."""
    (size, _), hashes = checkpoint(export["checkpoint"].decode(), vkey), []
    def tile(kind, index, width):
        path, index = f"{index % 1000:03d}" + (f".p/{width}" if width < 256 else ""), index // 1000
        while index: path, index = f"x{index % 1000:03d}/{path}", index // 1000
        return export[f"tile/{kind}/{path}"]
    for i in range(0, size, 256):
        bundle = tile("entries", i // 256, min(256, size - i))
        while bundle:
            end = 2 + int.from_bytes(bundle[:2], "big")
            assert 2 <= end <= len(bundle), f"entry {len(hashes)}: cut off"
            hashes.append(leaf(bundle[2:end])); bundle = bundle[end:]
        assert len(hashes) == min(i + 256, size), f"bundle {i // 256}: not as many entries as it has place for"
    level, nodes = 0, hashes
    while nodes:
        parts = [nodes[i:i + 256] for i in range(0, len(nodes), 256)]
        for i, part in enumerate(parts):
            assert tile(level, i, len(part)) == b"".join(part), f"tile {level}/{i}: not of its entries"
        level, nodes = level + 1, [root(part) for part in parts if len(part) == 256]
    notes = {path: checkpoint(it.decode(), vkey) for path, it in export.items() if path.startswith("checkpoint")}
    for path, (signed, top) in notes.items():
        assert path in ("checkpoint", f"checkpoints/{signed}") and signed <= size, f"{path}: misnamed"
        assert root(hashes[:signed]) == top, f"{path}: another root than the entries give"
    return size, len(notes) - 1

def files(path):
    if path.is_dir(): return {it.relative_to(path).as_posix(): it.read_bytes() for it in path.rglob("*") if it.is_file()}
    with tarfile.open(path) as tar: return {it.name: tar.extractfile(it).read() for it in tar if it.isfile()}

if __name__ == "__main__":
    vkey, path, *entry = sys.argv[1], *map(pathlib.Path, sys.argv[2:])
    try:
        if entry: print("entry %d of %d" % proof(path.read_bytes().decode(), entry[0].read_bytes(), vkey))
        elif path.is_dir() or tarfile.is_tarfile(path): print("%d entries, %d checkpoints" % log(files(path), vkey))
        else: print("size %d" % checkpoint(path.read_bytes().decode(), vkey)[0])
    except Exception as error: sys.exit(f"refused: {error!r}")
