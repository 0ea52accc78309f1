"""Writes tests/vectors/sealed.json with pyca/cryptography: `v/bin/python make_vectors.py`."""

import base64, hashlib, json, pathlib, struct, uuid

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from open import PREFIX, derive, message_keys, wrap_aad

TENANT, OTHER = "0190b2a4-8c7e-7d3a-9f00-0242ac120002", "0190b2a4-8c7e-7d3a-9f00-0242ac120003"
KEYS = {
    (TENANT, "tenant-root", 1): bytes(range(32)),
    (TENANT, "tenant-root", 2): bytes(range(32, 64)),
    (TENANT, "vault", 1): bytes(range(64, 96)),
    (OTHER, "tenant-root", 1): bytes(range(96, 128)),
}
DEK = bytes(range(128, 160))
SALT, NONCE, WRAP_SALT = bytes(range(16)), bytes(range(12)), bytes(range(16, 32))
CONTEXT = [["purpose", "provider-credential"], ["name", "openai"]]
PLAINTEXT = b"sk-example"
VECTORS = []


def keyring():
    text = "strongroom-keyring v1\n"
    for (tenant, name, version), key in sorted(KEYS.items()):
        text += f"key {tenant} {name} {version} {base64.b64encode(key).decode().rstrip('=')}\n"
    return text + f"sha256 {hashlib.sha256(text.encode()).hexdigest()}\n"


def wrap(name="tenant-root", version=2, tenant=TENANT, dek=DEK, salt=WRAP_SALT, claim=None, provider=1):
    """`claim` is the name that the header carries, when it is not the wrap's own."""
    bound = uuid.UUID(tenant).bytes
    key = derive(KEYS[tenant, name, version], b"local-wrap-key", salt)
    wrapped = salt + AESGCM(key).encrypt(bytes(12), dek, wrap_aad(bound, name.encode(), version))
    return raw_wrap((claim or name).encode(), version, wrapped, provider)


def raw_wrap(name, version, wrapped, provider=1):
    return bytes([provider, len(name)]) + name + struct.pack(">IH", version, len(wrapped)) + wrapped


def body(tenant=TENANT, context=CONTEXT, plaintext=PLAINTEXT, dek=DEK, aad=PREFIX):
    key, commitment = message_keys(dek, uuid.UUID(tenant).bytes, context, SALT)
    return SALT + commitment + NONCE + AESGCM(key).encrypt(NONCE, plaintext, aad)


def record(wraps, rest, prefix=PREFIX, count=None, length=None):
    header = bytes([len(wraps) if count is None else count]) + b"".join(wraps)
    return prefix + struct.pack(">H", len(header) if length is None else length) + header + rest


def add(name, sealed, expect="failed", tenant=TENANT, context=CONTEXT, allowed=("tenant-root",), **more):
    VECTORS.append({"name": name, "origin": "pyca/cryptography", "tenant": tenant, "context": context,
                    "allowed": list(allowed), "sealed": sealed.hex(), "expect": expect, **more})


def valid(name, wraps=((("tenant-root", 2)),), plaintext=PLAINTEXT, context=CONTEXT, **more):
    sealed = record([wrap(key, version) for key, version in wraps], body(plaintext=plaintext, context=context))
    add(name, sealed, "ok", context=context, plaintext=plaintext.hex(), wraps=[list(pair) for pair in wraps], **more)


def accepted():
    valid("one wrap")
    valid("empty record", plaintext=b"")
    valid("empty context", context=[])
    valid("empty context value", context=[["purpose", ""]])
    valid("context not in ASCII", context=[["ключ", "значение"], ["a", "é"]])
    valid("1000 bytes", plaintext=bytes(n % 251 for n in range(1000)))
    valid("an older version of the key", wraps=[("tenant-root", 1)])
    valid("two wraps, the second allowed", wraps=[("vault", 1), ("tenant-root", 2)])
    add("two wraps, the first under a version that is gone",
        record([raw_wrap(b"tenant-root", 9, bytes(64)), wrap()], body()), "ok", plaintext=PLAINTEXT.hex())
    add("two wraps, the first of another provider",
        record([wrap(provider=2), wrap()], body()), "ok", plaintext=PLAINTEXT.hex())
    add("two wraps, the first of another key", record([wrap(dek=bytes(32)), wrap()], body()), "ok", plaintext=PLAINTEXT.hex())
    sixteen = [wrap("vault", 1) for _ in range(15)] + [wrap()]
    add("sixteen wraps, the last allowed", record(sixteen, body()), "ok", plaintext=PLAINTEXT.hex())


def failed():
    good = record([wrap()], body())
    add("another tenant", good, tenant=OTHER)
    add("another context value", good, context=[["purpose", "provider-credential"], ["name", "other"]])
    add("a context pair fewer", good, context=CONTEXT[:1])
    add("a context pair more", good, context=CONTEXT + [["x", "y"]])
    add("context boundaries moved", good, context=[["purposep", "rovider-credential"], ["name", "openai"]])
    add("key not allowed", good, allowed=["vault"])
    add("no key allowed", good, allowed=[])
    add("body sealed for another tenant", record([wrap()], body(tenant=OTHER)))
    add("wrap made for another tenant", record([wrap(version=1, tenant=OTHER)], body()))
    add("all of another tenant's record", record([wrap(version=1, tenant=OTHER)], body(tenant=OTHER)))
    add("wrap renamed to an allowed key", record([wrap("vault", 1, claim="tenant-root")], body()))
    add("wrap of another provider", record([wrap(provider=2)], body()))
    add("wrap of another record's key", record([wrap(dek=bytes(32))], body()))
    add("body under another key", record([wrap()], body(dek=bytes(32))))
    add("version that does not exist", record([raw_wrap(b"tenant-root", 3, bytes(64))], body()))
    add("wrap of one byte", record([raw_wrap(b"tenant-root", 2, b"x")], body()))
    add("a third allowed wrap is not tried", record([wrap(dek=bytes(32)), wrap(dek=bytes(32)), wrap()], body()),
        decoder="two KMS calls at most")
    add("the body does not bind the prefix", record([wrap()], body(aad=b"")))
    at = len(record([wrap()], b""))
    for name, offset in (("salt", 0), ("commitment", 16), ("nonce", 48), ("ciphertext", 60), ("tag", len(body()) - 1)):
        flipped = bytearray(good)
        flipped[at + offset] ^= 1
        add(f"altered {name}", bytes(flipped))
    add("body cut by one byte", good[:-1])
    add("body longer by one byte", good + b"\0")


def refused():
    good = record([wrap()], body())
    ends = "sealed record: it ends inside "
    add("empty", b"", ends + "magic")
    for length, field in ((1, "version"), (2, "suite"), (3, "flags"), (5, "header length"), (20, "header")):
        add(f"cut inside {field}", good[:length], ends + field)
    header = len(record([wrap()], b""))
    for length, field in ((15, "salt"), (47, "commitment"), (59, "nonce"), (75, "tag")):
        add(f"cut inside {field}", good[: header + length], ends + field)
    add("another magic", b"T" + good[1:], "sealed record: magic: not a sealed record")
    add("version 2", b"S\x02" + good[2:], "sealed record: version: not known")
    add("suite 2", b"S\x01\x02" + good[3:], "sealed record: suite: not known")
    add("suite 0", b"S\x01\x00" + good[3:], "sealed record: suite: not known")
    add("a flag", b"S\x01\x01\x80" + good[4:], "sealed record: flags: not known")
    length = "sealed record: header length: over 8192, or not that of the wraps"
    add("header length 65535", record([wrap()], body(), length=65535), length)
    add("header length 8193, all there", record([wrap()], bytes(9000), length=8193), length)
    size = header - 6
    add("header length 0", record([wrap()], body(), length=0), ends + "wrap count")
    add("header length one more", record([wrap()], body(), length=size + 1), length)
    add("header length one less", record([wrap()], body(), length=size - 1), ends + "wrapped key")
    count = "sealed record: wrap count: expected 1 to 16"
    add("no wraps", record([], body()), count)
    add("17 wraps", record([wrap()] * 17, body()), count)
    add("255 wraps claimed", record([wrap()], body(), count=255), count)
    add("two wraps claimed, one there", record([wrap()], body(), count=2), ends + "provider")
    add("one wrap claimed, two there", record([wrap()] * 2, body(), count=1), length)
    reference = "sealed record: key reference: not one"
    add("empty key reference", record([raw_wrap(b"", 1, bytes(64))], body()), reference)
    add("key reference with a space", record([raw_wrap(b"a b", 1, bytes(64))], body()), reference)
    add("key reference not UTF-8", record([raw_wrap(b"\xff", 1, bytes(64))], body()), reference)
    add("key reference of 65 bytes", record([raw_wrap(b"a" * 65, 1, bytes(64))], body()), reference)
    add("key reference beyond the header", record([b"\x01\xff" + b"a" * 20], body()), ends + "key reference")
    wrapped = "sealed record: wrapped key: expected 1 to 1024 bytes"
    add("empty wrapped key", record([raw_wrap(b"a", 1, b"")], body()), wrapped)
    add("wrapped key of 1025 bytes", record([raw_wrap(b"a", 1, bytes(1025))], body()), wrapped)


for part in (accepted, failed, refused):
    part()
path = pathlib.Path(__file__).parent / "vectors" / "sealed.json"
inputs = {"dek": DEK, "salt": SALT, "nonce": NONCE, "wrap_salt": WRAP_SALT}
path.write_text(json.dumps({"keyring": keyring(), **{name: value.hex() for name, value in inputs.items()}, "vectors": VECTORS}, indent=1) + "\n")
print(len(VECTORS), "vectors")
