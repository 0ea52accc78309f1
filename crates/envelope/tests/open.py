"""Opens sealed records with pyca/cryptography, from docs/spec/envelope.md alone.

    python3 -m venv v && v/bin/pip install cryptography
    v/bin/python open.py                                          # every vector
    v/bin/python open.py KEYRING TENANT KEY_REF SEALED [K=V ...]  # one file, plaintext to stdout
"""

import base64, hashlib, hmac, json, pathlib, re, struct, sys, uuid

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

LABEL = b"strongroom/envelope/v1/"
PREFIX = b"S\x01\x01\x00"


def fields(*parts):
    return b"".join(struct.pack(">Q", len(part)) + part for part in parts)


def derive(key, label, *parts):
    return hmac.digest(key, fields(LABEL + label, *parts), "sha256")


def message_keys(dek, tenant, context, salt):
    sub_key = derive(dek, b"sub-key", b"\x01")
    texts = [text.encode() for pair in sorted(context, key=lambda pair: pair[0].encode()) for text in pair]
    hashed = hashlib.sha256(fields(LABEL + b"context", *texts)).digest()
    return [derive(sub_key, label, salt, b"\x01", b"\x01", tenant, hashed) for label in (b"message-key", b"commitment")]


def wrap_aad(tenant, name, version):
    return fields(LABEL + b"wrap", b"\x01", tenant, name, struct.pack(">I", version))


def read_keyring(text):
    entries, checksum = text[: text.rindex("sha256 ")], text.split()[-1]
    assert hashlib.sha256(entries.encode()).hexdigest() == checksum, "keyring checksum"
    lines = [line.split(" ") for line in entries.splitlines()[1:]]
    return {(uuid.UUID(tenant).bytes, name, int(version)): base64.b64decode(key + "=") for _, tenant, name, version, key in lines}


def parse(sealed):
    assert sealed[:4] == PREFIX, "prefix"
    (length,) = struct.unpack(">H", sealed[4:6])
    header, rest = sealed[6 : 6 + length], sealed[6 + length :]
    count, at, wraps = header[0], 1, []
    assert length <= 8192 and 1 <= count <= 16 and 76 <= len(rest) <= 76 + 65536, "bounds"
    for _ in range(count):
        end = at + 2 + header[at + 1]
        version, size = struct.unpack(">IH", header[end : end + 6])
        provider, name, wrapped = header[at], header[at + 2 : end], header[end + 6 : end + 6 + size]
        assert re.fullmatch(rb"[A-Za-z0-9._:/-]{1,64}", name) and 1 <= size <= 1024 and len(wrapped) == size, "wrap"
        wraps.append((provider, name, version, wrapped))
        at = end + 6 + size
    assert at == length, "header length"
    return wraps, rest[:16], rest[16:48], rest[48:60], rest[60:]


def open_sealed(keyring, allowed, tenant, context, sealed):
    wraps, salt, commitment, nonce, body = parse(sealed)
    for provider, name, version, wrapped in [wrap for wrap in wraps if wrap[1].decode() in allowed][:2]:
        key = keyring.get((tenant, name.decode(), version))
        if provider != 1 or key is None:
            continue
        try:
            wrap_key = derive(key, b"local-wrap-key", wrapped[:16])
            dek = AESGCM(wrap_key).decrypt(bytes(12), wrapped[16:], wrap_aad(tenant, name, version))
            message_key, expected = message_keys(dek, tenant, context, salt)
            if hmac.compare_digest(commitment, expected):
                return AESGCM(message_key).decrypt(nonce, body, PREFIX)
        except InvalidTag:
            pass
    raise ValueError("failed")


def main():
    if len(sys.argv) > 1:
        keyring, tenant, name, sealed, *context = sys.argv[1:]
        plaintext = open_sealed(read_keyring(pathlib.Path(keyring).read_text()), [name], uuid.UUID(tenant).bytes,
                                [pair.split("=", 1) for pair in context], pathlib.Path(sealed).read_bytes())
        sys.stdout.buffer.write(plaintext)
        return
    file = json.loads((pathlib.Path(__file__).parent / "vectors" / "sealed.json").read_text())
    keyring = read_keyring(file["keyring"])
    for vector in file["vectors"]:
        try:
            plaintext = open_sealed(keyring, vector["allowed"], uuid.UUID(vector["tenant"]).bytes, vector["context"], bytes.fromhex(vector["sealed"]))
            result = "ok"
        except (AssertionError, IndexError, UnicodeDecodeError, ValueError, struct.error):
            result = "refused"
        assert result == ("ok" if vector["expect"] == "ok" else "refused"), vector["name"]
        assert result != "ok" or plaintext.hex() == vector["plaintext"], vector["name"]
    print(len(file["vectors"]), "vectors hold")


if __name__ == "__main__":
    main()
