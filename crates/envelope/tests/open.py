"""Opens sealed records with pyca/cryptography, from docs/spec/envelope.md alone.

    python3 -m venv v && v/bin/pip install cryptography
    v/bin/python open.py KEYRING TENANT KEY_REF SEALED [K=V ...]  # plaintext to stdout
"""

import base64, hashlib, hmac, pathlib, re, struct, sys, uuid

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import algorithms
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.cmac import CMAC
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

LABEL, CHUNK, TAG = b"strongroom/envelope/v1/", 16384, 16


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


def stream_keys(dek, tenant, context, salt):
    """The key, the base nonce and the commitment, as C2SP's Cobblestone-256 has them."""
    bound = lp(LABEL + b"stream", b"\x01", b"\x02", tenant, context_hash(context))
    info = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0" + salt + bound
    keys = HKDFExpand(SHA512(), 32 + 12 + 32, info).derive(sub_key(dek, 2))
    return keys[:32], keys[32:44], keys[44:]


def chunk_nonce(base, index):
    return (int.from_bytes(base, "big") ^ index).to_bytes(12, "big")


def xaes(key, nonce):
    """The inner cipher of XAES-256-GCM for nonces that begin like this one."""
    inner = b""
    for counter in (1, 2):
        prf = CMAC(algorithms.AES(key))
        prf.update(bytes([0, counter]) + b"X\0" + nonce[:12])
        inner += prf.finalize()
    return AESGCM(inner)


def wrap_aad(provider, tenant, name, version, purpose):
    return lp(LABEL + b"wrap", bytes([provider]), tenant, name, struct.pack(">I", version), purpose)


def unwrap(keys, tenant, wrap, purpose):
    """The wrapped key, or None; `keys` are those of the local keyring and the tenant's KEKs."""
    provider, name, version, wrapped = wrap
    key = keys.get((provider, tenant, name, version))
    if key is None or len(wrapped) != 72:
        return None
    try:
        return xaes(key, wrapped).decrypt(wrapped[12:24], wrapped[24:], wrap_aad(provider, tenant, name, version, purpose))
    except InvalidTag:
        return None


def parse(sealed):
    magic, version, suite, flags = sealed[:4]
    assert magic == 0x53 and version == 1 and suite in (1, 2) and flags <= 1, "prefix"
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
    return suite, wraps, sealed[at:]


def open_compact(dek, tenant, context, body):
    """The plaintext, or None for a body that another key committed to."""
    assert 76 <= len(body) <= 76 + 65536, "body"
    key, commitment = message_keys(dek, tenant, context, body[:16])
    if hmac.compare_digest(body[16:48], commitment):
        return AESGCM(key).decrypt(body[48:60], body[60:], None)


def open_stream(dek, tenant, context, body):
    key, base, commitment = stream_keys(dek, tenant, context, body[:24])
    if hmac.compare_digest(body[24:56], commitment):
        chunks = [body[at : at + CHUNK + TAG] for at in range(56, len(body), CHUNK + TAG)]
        assert chunks and len(chunks[-1]) < CHUNK + TAG, "the last chunk is the one that is shorter"
        return b"".join(AESGCM(key).decrypt(chunk_nonce(base, n), chunk, None) for n, chunk in enumerate(chunks))


def open_sealed(keys, table, allowed, tenant, context, sealed):
    """`table` holds the wraps of detached keys; `allowed` are pairs of provider and name."""
    suite, wraps, body = parse(sealed)
    purpose = b"record"
    if isinstance(wraps, bytes):
        purpose, wraps = b"dek:" + wraps.hex().encode(), [table[wraps]]
    for wrap in [wrap for wrap in wraps if wrap[:2] in allowed][:2]:
        dek = unwrap(keys, tenant, wrap, purpose)
        plaintext = dek and (open_compact if suite == 1 else open_stream)(dek, tenant, context, body)
        if plaintext is not None:
            return plaintext
    raise ValueError("failed")


def read_keyring(text, tenant):
    entries, checksum = text[: text.rindex("sha256 ")], text.split()[-1]
    assert hashlib.sha256(entries.encode()).hexdigest() == checksum, "keyring checksum"
    first, second, *lines = entries.splitlines()
    assert first == "strongroom-keyring v1" and second == f"tenant {uuid.UUID(bytes=tenant)}", "keyring"
    fields = [line.split(" ") for line in lines]
    return {(1, tenant, name.encode(), int(version)): base64.b64decode(key + "=")
            for _, name, version, state, key in fields if state == "enabled"}


def main():
    keyring, tenant, name, sealed, *context = sys.argv[1:]
    tenant = uuid.UUID(tenant).bytes
    keys = read_keyring(pathlib.Path(keyring).read_text(), tenant)
    pairs = [pair.split("=", 1) for pair in context]
    sys.stdout.buffer.write(open_sealed(keys, {}, [(1, name.encode())], tenant, pairs, pathlib.Path(sealed).read_bytes()))


if __name__ == "__main__":
    main()
