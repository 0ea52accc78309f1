"""Opens sealed records with pyca/cryptography, from docs/spec/envelope.md alone.

    python3 -m venv v && v/bin/pip install cryptography
    v/bin/python open.py                                          # every vector
    v/bin/python open.py KEYRING TENANT KEY_REF SEALED [K=V ...]  # one file, plaintext to stdout
"""

import base64, hashlib, hmac, json, pathlib, re, struct, sys, uuid

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import algorithms
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.cmac import CMAC

LABEL = b"strongroom/envelope/v1/"


def lp(*parts):
    return b"".join(struct.pack(">Q", len(part)) + part for part in parts)


def sp(*parts):
    return b"".join(bytes([len(part)]) + part for part in parts)


def mac(key, data):
    return hmac.digest(key, data, "sha256")


def sub_key(dek, use):
    return mac(dek, lp(LABEL + b"sub-key", bytes([use])))


def context_hash(context):
    texts = [text.encode() for pair in sorted(context, key=lambda pair: pair[0].encode()) for text in pair]
    return hashlib.sha256(lp(LABEL + b"context", *texts)).digest()


def message_keys(dek, tenant, context, salt):
    """The message key and the commitment."""
    fixed = sp(LABEL + b"compact/message-key", b"\x01", b"\x01", tenant, context_hash(context), salt) + b"\x02\x00"
    return [mac(sub_key(dek, 1), fixed + bytes([counter])) for counter in (1, 2)]


def kek_check(kek, tenant, name, version):
    return mac(kek, lp(LABEL + b"kek-check", tenant, name, struct.pack(">I", version)))


def lookup_tag(dek, tenant, context, value, length):
    return mac(sub_key(dek, 3), lp(LABEL + b"lookup-tag", tenant, context_hash(context), value))[:length]


def xaes(key, nonce):
    """The inner cipher of XAES-256-GCM for nonces that begin like this one."""
    inner = b""
    for counter in (1, 2):
        prf = CMAC(algorithms.AES(key))
        prf.update(bytes([0, counter]) + b"X\0" + nonce[:12])
        inner += prf.finalize()
    return AESGCM(inner)


def wrap_aad(provider, tenant, name, version):
    return lp(LABEL + b"wrap", bytes([provider]), tenant, name, struct.pack(">I", version))


def unwrap(keys, tenant, wrap):
    """The wrapped key, or None; `keys` are those of the local keyring and the tenant's KEKs."""
    provider, name, version, wrapped = wrap
    key = keys.get((provider, tenant, name, version))
    if key is None or len(wrapped) != 72:
        return None
    try:
        return xaes(key, wrapped).decrypt(wrapped[12:24], wrapped[24:], wrap_aad(provider, tenant, name, version))
    except InvalidTag:
        return None


def parse(sealed):
    magic, version, suite, flags = sealed[:4]
    assert magic == 0x53 and version == 1 and suite == 1 and flags <= 1, "prefix"
    wraps, at = sealed[4:20], 20
    if flags == 0:
        (length,) = struct.unpack(">H", sealed[4:6])
        header, at = sealed[6 : 6 + length], 6 + length
        end, wraps = 1, []
        assert length <= 8192 and len(header) == length and 1 <= header[0] <= 16, "header"
        for _ in range(header[0]):
            provider, start = header[end], end + 2
            end = start + header[start - 1]
            name, (key_version, size) = header[start:end], struct.unpack(">IH", header[end : end + 6])
            wrapped, end = header[end + 6 : end + 6 + size], end + 6 + size
            assert provider in (1, 2, 3, 4) or provider >= 128, "provider"
            assert re.fullmatch(rb"[A-Za-z0-9._:/-]{1,128}", name) and 1 <= size <= 1024 and len(wrapped) == size, "wrap"
            wraps.append((provider, name, key_version, wrapped))
        assert end == length, "header length"
    body = sealed[at:]
    assert 76 <= len(body) <= 76 + 65536, "body"
    return wraps, body[:16], body[16:48], body[48:60], body[60:]


def open_sealed(keys, table, allowed, tenant, context, sealed):
    """`table` holds the wraps of detached keys; `allowed` are pairs of provider and name."""
    wraps, salt, commitment, nonce, body = parse(sealed)
    if isinstance(wraps, bytes):
        wraps = [table[wraps]]
    for wrap in [wrap for wrap in wraps if wrap[:2] in allowed][:2]:
        dek = unwrap(keys, tenant, wrap)
        if dek is not None:
            key, expected = message_keys(dek, tenant, context, salt)
            if hmac.compare_digest(commitment, expected):
                return AESGCM(key).decrypt(nonce, body, None)
    raise ValueError("failed")


def read_keyring(text, tenant):
    entries, checksum = text[: text.rindex("sha256 ")], text.split()[-1]
    assert hashlib.sha256(entries.encode()).hexdigest() == checksum, "keyring checksum"
    first, second, *lines = entries.splitlines()
    assert first == "strongroom-keyring v1" and second == f"tenant {uuid.UUID(bytes=tenant)}", "keyring"
    fields = [line.split(" ") for line in lines]
    return {(1, tenant, name.encode(), int(version)): base64.b64decode(key + "=")
            for _, name, version, state, key in fields if state == "enabled"}


def read_wrap(wrap):
    return wrap["provider"], wrap["key_ref"].encode(), wrap["key_version"], bytes.fromhex(wrap["wrapped"])


def check_vectors(file):
    keys = {}
    for tenant, text in file["keyrings"].items():
        keys |= read_keyring(text, uuid.UUID(tenant).bytes)
    for vector in file["keks"]:
        tenant, name = uuid.UUID(vector["tenant"]).bytes, vector["name"].encode()
        kek = unwrap(keys, tenant, read_wrap(vector["wrap"]))
        holds = kek is not None and hmac.compare_digest(kek_check(kek, tenant, name, vector["version"]).hex(), vector["check"])
        assert holds == (vector["expect"] == "ok"), vector["comment"]
        if holds:
            keys[2, tenant, name, vector["version"]] = kek
    table = {bytes.fromhex(row["id"]): read_wrap(row["wrap"]) for row in file["deks"]}
    for vector in file["sealed"]:
        allowed = [(provider, name.encode()) for provider, name in vector["allowed"]]
        try:
            plaintext = open_sealed(keys, table, allowed, uuid.UUID(vector["tenant"]).bytes, vector["context"],
                                    bytes.fromhex(vector["sealed"])).hex()
        except (AssertionError, IndexError, KeyError, ValueError, InvalidTag, struct.error):
            plaintext = None
        assert plaintext == vector.get("plaintext"), vector["name"]
        assert (plaintext is None) == (vector["expect"] != "ok"), vector["name"]
    for vector in file["lookup_tags"]:
        tag = lookup_tag(bytes.fromhex(vector["dek"]), uuid.UUID(vector["tenant"]).bytes, vector["context"],
                         bytes.fromhex(vector["value"]), len(vector["tag"]) // 2)
        assert tag.hex() == vector["tag"], vector["name"]
    print(len(file["keks"] + file["sealed"] + file["lookup_tags"]), "vectors hold")


def main():
    if len(sys.argv) == 1:
        check_vectors(json.loads((pathlib.Path(__file__).parent / "vectors" / "sealed.json").read_text()))
        return
    keyring, tenant, name, sealed, *context = sys.argv[1:]
    tenant = uuid.UUID(tenant).bytes
    keys = read_keyring(pathlib.Path(keyring).read_text(), tenant)
    pairs = [pair.split("=", 1) for pair in context]
    sys.stdout.buffer.write(open_sealed(keys, {}, [(1, name.encode())], tenant, pairs, pathlib.Path(sealed).read_bytes()))


if __name__ == "__main__":
    main()
