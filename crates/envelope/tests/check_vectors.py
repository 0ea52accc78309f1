"""Checks every vector with `open.py`: `v/bin/python check_vectors.py`."""

import base64, hmac, json, pathlib, struct, uuid

from cryptography.exceptions import InvalidTag

from open import LABEL, context_hash, lp, mac, open_sealed, read_keyring, sub_key, unwrap


def kek_check(kek, tenant, name, version, created_at):
    return mac(kek, lp(LABEL + b"kek-check", tenant, name, struct.pack(">I", version), struct.pack(">Q", created_at)))


def lookup_tag(dek, tenant, context, value, length):
    return mac(sub_key(dek, 3), lp(LABEL + b"lookup-tag", tenant, context_hash(context), value))[:length]


def read_wrap(wrap):
    return wrap["provider"], wrap["key_ref"].encode(), wrap["key_version"], bytes.fromhex(wrap["wrapped"])


def sealed_bytes(file, vector):
    """A long record is told in pieces: hexadecimal, or from where to where in `stream_body`."""
    body = base64.b64decode(file["stream_body"])
    pieces = vector["pieces"] if "pieces" in vector else [vector["sealed"]]
    return b"".join(bytes.fromhex(piece) if isinstance(piece, str) else body[slice(*piece)] for piece in pieces)


def plaintext_of(vector):
    if "plaintext_length" in vector:
        return bytes(n % 251 for n in range(vector["plaintext_length"]))
    return bytes.fromhex(vector["plaintext"]) if "plaintext" in vector else None


def check_vectors(file):
    keys = {}
    for tenant, text in file["keyrings"].items():
        keys |= read_keyring(text, uuid.UUID(tenant).bytes)
    for vector in file["keks"]:
        tenant, name = uuid.UUID(vector["tenant"]).bytes, vector["name"].encode()
        purpose = b"kek:%d:%d:%s" % (vector["version"], vector["created_at"], name)
        kek = unwrap(keys, tenant, read_wrap(vector["wrap"]), purpose)
        check = kek and kek_check(kek, tenant, name, vector["version"], vector["created_at"])
        holds = kek is not None and hmac.compare_digest(check.hex(), vector["check"])
        assert holds == (vector["expect"] == "ok"), vector["comment"]
        if holds:
            keys[2, tenant, name, vector["version"]] = kek
    table = {bytes.fromhex(row["id"]): read_wrap(row["wrap"]) for row in file["deks"]}
    for vector in file["sealed"]:
        allowed = [(provider, name.encode()) for provider, name in vector["allowed"]]
        try:
            plaintext = open_sealed(keys, table, allowed, uuid.UUID(vector["tenant"]).bytes, vector["context"],
                                    sealed_bytes(file, vector))
        except (AssertionError, IndexError, KeyError, ValueError, InvalidTag, struct.error):
            plaintext = None
        assert plaintext == plaintext_of(vector), vector["name"]
        assert (plaintext is None) == (vector["expect"] != "ok"), vector["name"]
    for vector in file["lookup_tags"]:
        tag = lookup_tag(bytes.fromhex(vector["dek"]), uuid.UUID(vector["tenant"]).bytes, vector["context"],
                         bytes.fromhex(vector["value"]), len(vector["tag"]) // 2)
        assert tag.hex() == vector["tag"], vector["name"]
    print(len(file["keks"] + file["sealed"] + file["lookup_tags"]), "vectors hold")


if __name__ == "__main__":
    check_vectors(json.loads((pathlib.Path(__file__).parent / "vectors" / "sealed.json").read_text()))
