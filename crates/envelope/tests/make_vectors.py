"""Writes tests/vectors/sealed.json with pyca/cryptography: `v/bin/python make_vectors.py`."""

import base64, hashlib, json, pathlib, struct, uuid

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from check_vectors import kek_check, lookup_tag
from open import CHUNK, TAG, chunk_nonce, message_keys, stream_keys, wrap_aad, xaes

TENANT, OTHER = "0190b2a4-8c7e-7d3a-9f00-0242ac120002", "0190b2a4-8c7e-7d3a-9f00-0242ac120003"
LOCAL, TENANT_KEK = 1, 2
KEYS = {
    (LOCAL, TENANT, "root", 1): bytes(range(32)),
    (LOCAL, TENANT, "root", 2): bytes(range(32, 64)),
    (LOCAL, TENANT, "vault", 1): bytes(range(64, 96)),
    (LOCAL, OTHER, "root", 1): bytes(range(96, 128)),
    (TENANT_KEK, TENANT, "tenant", 1): bytes(range(160, 192)),
    (TENANT_KEK, TENANT, "user:17", 1): bytes(range(192, 224)),
}
DEK = bytes(range(128, 160))
SALT, NONCE, WRAP_NONCE = bytes(range(16)), bytes(range(12)), bytes(range(16, 40))
STREAM_SALT = bytes(range(40, 64))
DEK_ID = bytes(range(224, 240))
AT = 1_790_000_000  # when the KEKs were made
RECORDS, OTHERS = b"r" * 16, b"o" * 16  # rows with a record's wrap, and with another row's
CONTEXT = [["purpose", "provider-credential"], ["name", "openai"]]
PLAINTEXT = b"sk-example"
KEKS, DEKS, SEALED, LOOKUP_TAGS = [], [], [], []


def keyring(tenant):
    text = f"strongroom-keyring v1\ntenant {tenant}\n"
    for (provider, whose, name, version), key in sorted(KEYS.items()):
        if (provider, whose) == (LOCAL, tenant):
            text += f"key {name} {version} enabled {base64.b64encode(key).decode().rstrip('=')}\n"
    return text + f"sha256 {hashlib.sha256(text.encode()).hexdigest()}\n"


def wrapped(provider, tenant, name, version, dek, nonce=WRAP_NONCE, purpose="record"):
    aad = wrap_aad(provider, uuid.UUID(tenant).bytes, name.encode(), version, purpose.encode())
    return nonce + xaes(KEYS[provider, tenant, name, version], nonce).encrypt(nonce[12:], dek, aad)


def wrap(name="root", version=2, tenant=TENANT, dek=DEK, provider=LOCAL, claim=None, claim_version=None, claim_provider=None,
         purpose="record"):
    """What is claimed is what the header carries, when it is not the wrap's own."""
    bound = wrapped(provider, tenant, name, version, dek, purpose=purpose)
    return raw_wrap((claim or name).encode(), claim_version or version, bound, provider if claim_provider is None else claim_provider)


def raw_wrap(name, version, wrapped, provider=LOCAL):
    return bytes([provider, len(name)]) + name + struct.pack(">IH", version, len(wrapped)) + wrapped


def body(tenant=TENANT, context=CONTEXT, plaintext=PLAINTEXT, dek=DEK, aad=None, commitment=None):
    key, committed = message_keys(dek, uuid.UUID(tenant).bytes, context, SALT)
    return SALT + (commitment or committed) + NONCE + AESGCM(key).encrypt(NONCE, plaintext, aad)


def record(wraps, rest, prefix=b"S\x01\x01\x00", count=None, length=None):
    header = bytes([len(wraps) if count is None else count]) + b"".join(wraps)
    return prefix + struct.pack(">H", len(header) if length is None else length) + header + rest


def detached(rest, dek_id=DEK_ID):
    return b"S\x01\x01\x01" + dek_id + rest


def add(name, sealed, expect="failed", tenant=TENANT, context=CONTEXT, allowed=((LOCAL, "root"),), suite="compact", **more):
    """What is sealed is bytes, or the pieces that `check_vectors.py` joins."""
    sealed = {"pieces": sealed} if isinstance(sealed, list) else {"sealed": sealed.hex()}
    SEALED.append({"name": name, "origin": "pyca/cryptography", "suite": suite, "tenant": tenant, "context": context,
                   "allowed": [list(pair) for pair in allowed], **sealed, "expect": expect, **more})


def valid(name, wraps=((LOCAL, "root", 2),), plaintext=PLAINTEXT, context=CONTEXT, **more):
    sealed = record([wrap(key, version, provider=provider) for provider, key, version in wraps], body(plaintext=plaintext, context=context))
    add(name, sealed, "ok", context=context, plaintext=plaintext.hex(), wraps=[list(parts) for parts in wraps], **more)


def accepted():
    opens = {"plaintext": PLAINTEXT.hex()}
    valid("one wrap")
    valid("empty record", plaintext=b"")
    valid("empty context", context=[])
    valid("empty context value", context=[["purpose", ""]])
    valid("context not in ASCII", context=[["ключ", "значение"], ["a", "é"]])
    valid("sixteen pairs of the longest texts", context=[[f"{n:02}".ljust(256, "k"), "v" * 256] for n in range(16)])
    valid("1000 bytes", plaintext=bytes(n % 251 for n in range(1000)))
    valid("an older version of the key", wraps=[(LOCAL, "root", 1)])
    valid("two wraps, the second allowed", wraps=[(LOCAL, "vault", 1), (LOCAL, "root", 2)])
    valid("a tenant's KEK", wraps=[(TENANT_KEK, "tenant", 1)], allowed=[(TENANT_KEK, "tenant")])
    valid("a user's KEK", wraps=[(TENANT_KEK, "user:17", 1)], allowed=[(TENANT_KEK, "user:17")])
    valid("two providers", wraps=[(TENANT_KEK, "tenant", 1), (LOCAL, "root", 2)], allowed=[(LOCAL, "root"), (TENANT_KEK, "tenant")])
    add("context in another order", record([wrap()], body()), "ok", context=CONTEXT[::-1], **opens)
    add("detached", detached(body()), "ok", detached=True, **opens)
    add("detached, empty", detached(body(plaintext=b"")), "ok", detached=True, plaintext="")
    add("two wraps, the first under a version that is gone", record([raw_wrap(b"root", 9, bytes(72)), wrap()], body()), "ok", **opens)
    add("two wraps, the first of another provider", record([wrap(claim_provider=3), wrap()], body()), "ok", **opens)
    add("two wraps, the first of a private provider", record([wrap(claim_provider=255), wrap()], body()), "ok", **opens)
    add("two wraps, the first of another DEK", record([wrap(dek=bytes(32)), wrap()], body()), "ok", **opens)
    add("sixteen wraps, the last allowed", record([wrap("vault", 1) for _ in range(15)] + [wrap()], body()), "ok", **opens)
    add("key reference of 128 bytes", record([raw_wrap(b"a" * 128, 1, bytes(72)), wrap()], body()), "ok", **opens)
    add("wrapped key of 1024 bytes", record([raw_wrap(b"a", 1, bytes(1024)), wrap()], body()), "ok", **opens)


def failed():
    good = record([wrap()], body())
    add("another tenant", good, tenant=OTHER)
    add("another context value", good, context=[["purpose", "provider-credential"], ["name", "other"]])
    add("another context key", good, context=[["purpose", "provider-credential"], ["title", "openai"]])
    add("a context pair fewer", good, context=CONTEXT[:1])
    add("a context pair more", good, context=CONTEXT + [["x", "y"]])
    add("context boundaries moved", good, context=[["purposep", "rovider-credential"], ["name", "openai"]])
    add("key not allowed", good, allowed=[(LOCAL, "vault")])
    add("no key allowed", good, allowed=[])
    add("a provider not allowed", record([wrap("tenant", 1, provider=TENANT_KEK)], body()), allowed=[(LOCAL, "tenant")])
    add("body sealed for another tenant", record([wrap()], body(tenant=OTHER)))
    add("wrap made for another tenant", record([wrap(version=1, tenant=OTHER)], body()))
    add("all of another tenant's record", record([wrap(version=1, tenant=OTHER)], body(tenant=OTHER)))
    add("wrap renamed to an allowed key", record([wrap("vault", 1, claim="root")], body()))
    add("wrap under another version", record([wrap(claim_version=1)], body()))
    add("wrap of another provider", record([wrap(claim_provider=3)], body()))
    add("wrap of another record's key", record([wrap(dek=bytes(32))], body()))
    add("wrap made for a row", record([wrap(purpose=f"dek:{DEK_ID.hex()}")], body()))
    add("wrap made for a KEK", record([wrap(purpose=f"kek:1:{AT}:tenant")], body()))
    add("wrap made for look-up tags", record([wrap(purpose=f"look-up:{DEK_ID.hex()}")], body()))
    add("body under another key", record([wrap()], body(dek=bytes(32))))
    add("commitment to another key", record([wrap()], body(commitment=bytes(32))))
    add("body with associated data", record([wrap()], body(aad=b"S\x01\x01\x00")))
    add("version that does not exist", record([raw_wrap(b"root", 3, bytes(72))], body()))
    for size in (1, 71, 73):
        add(f"local wrap of {size} bytes", record([raw_wrap(b"root", 2, wrapped(LOCAL, TENANT, "root", 2, DEK).ljust(size, b"\0")[:size])], body()))
    add("a third allowed wrap is not tried", record([wrap(dek=bytes(32)), wrap(dek=bytes(32)), wrap()], body()))
    add("compact body called a stream", good[:2] + b"\x02" + good[3:])
    add("detached, id not known", detached(body(), bytes(16)), detached=True)
    add("detached, another tenant", detached(body()), tenant=OTHER, detached=True)
    add("detached, a record's wrap in the row", detached(body(), RECORDS), detached=True)
    add("detached, another row's wrap in the row", detached(body(), OTHERS), detached=True)
    add("detached, body under another key", detached(body(dek=bytes(32))), detached=True)
    wrapped_at = good.index(WRAP_NONCE)
    for name, at in (("wrap's nonce, first half", 0), ("wrap's nonce, second half", 12), ("wrapped key", 24), ("wrap's tag", 56)):
        flip(f"altered {name}", good, wrapped_at + at)
    at = len(good) - len(body())
    for name, offset in (("salt", 0), ("commitment", 16), ("nonce", 48), ("ciphertext", 60), ("tag", len(body()) - 1)):
        flip(f"altered {name}", good, at + offset)
    add("body cut by one byte", good[:-1])
    add("body longer by one byte", good + b"\0")


def flip(name, good, at):
    add(name, good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])


def refused():
    good, one = record([wrap()], body()), wrap()
    ends = "sealed record: it ends inside "
    add("empty", b"", ends + "magic")
    for length, field in ((1, "version"), (2, "suite"), (3, "flags"), (4, "header length"), (5, "header length"), (20, "header")):
        add(f"cut inside {field}, at {length}", good[:length], ends + field)
    add("cut inside dek id", detached(b"")[:19], ends + "dek id", detached=True)
    header = len(good) - len(body())
    for length, field in ((0, "salt"), (15, "salt"), (47, "commitment"), (59, "nonce"), (75, "tag")):
        add(f"cut inside {field}, at {length}", good[: header + length], ends + field)
        add(f"detached, cut inside {field}, at {length}", detached(body()[:length]), ends + field, detached=True)
    at = len(b"\x01\x04root")
    for length, field in ((0, "provider"), (1, "key reference length"), (at - 1, "key reference"), (at + 3, "key version"),
                          (at + 5, "wrapped key length"), (len(one) - 1, "wrapped key")):
        add(f"header cut inside {field}", record([one[:length]], body(), count=1), ends + field)
    add("another magic", b"T" + good[1:], "sealed record: magic: not a sealed record")
    for version in (0, 2, 255):
        add(f"version {version}", b"S" + bytes([version]) + good[2:], "sealed record: version: not known")
    for suite in (0, 3, 255):
        add(f"suite {suite}", b"S\x01" + bytes([suite]) + good[3:], "sealed record: suite: not known")
    for flags in (2, 3, 128, 255):
        add(f"flags {flags}", b"S\x01\x01" + bytes([flags]) + good[4:], "sealed record: flags: not known")
    length = "sealed record: header length: over 8192, or not that of the wraps"
    add("header length 65535", record([one], body(), length=65535), length)
    add("header length 8193, all there", record([one], bytes(9000), length=8193), length)
    add("header length 8192, not there", record([one], body(), length=8192), ends + "header")
    size = header - 6
    add("header length 0", record([one], body(), length=0), ends + "wrap count")
    add("header length one more", record([one], body(), length=size + 1), length)
    add("header length one less", record([one], body(), length=size - 1), ends + "wrapped key")
    count = "sealed record: wrap count: expected 1 to 16"
    add("no wraps", record([], body()), count)
    add("17 wraps", record([one] * 17, body()), count)
    add("255 wraps claimed", record([one], body(), count=255), count)
    add("two wraps claimed, one there", record([one], body(), count=2), ends + "provider")
    add("one wrap claimed, two there", record([one] * 2, body(), count=1), length)
    for provider in (0, 5, 127):
        add(f"provider {provider}", record([wrap(claim_provider=provider)], body()), "sealed record: provider: not known")
    add("provider 0 after one that opens", record([one, wrap(claim_provider=0)], body()), "sealed record: provider: not known")
    reference = "sealed record: key reference: not one"
    for name, text in (("empty", b""), ("with a space", b"a b"), ("with a line feed", b"root\n"), ("not ASCII", "é".encode()),
                       ("not UTF-8", b"\xff"), ("of 129 bytes", b"a" * 129)):
        add(f"key reference {name}", record([raw_wrap(text, 1, bytes(72))], body()), reference)
    add("key reference beyond the header", record([b"\x01\xff" + b"a" * 20], body()), ends + "key reference")
    wrapped_key = "sealed record: wrapped key: expected 1 to 1024 bytes"
    add("empty wrapped key", record([raw_wrap(b"a", 1, b"")], body()), wrapped_key)
    add("wrapped key of 1025 bytes", record([raw_wrap(b"a", 1, bytes(1025))], body()), wrapped_key)


def stream_body(plaintext=PLAINTEXT, tenant=TENANT, context=CONTEXT, dek=DEK, salt=STREAM_SALT, commitment=None, first=0, chunk=CHUNK):
    key, base, committed = stream_keys(dek, uuid.UUID(tenant).bytes, context, salt)
    chunks = [plaintext[at : at + chunk] for at in range(0, len(plaintext) + 1, chunk)]
    sealed = [AESGCM(key).encrypt(chunk_nonce(base, n), part, None) for n, part in enumerate(chunks, first)]
    return salt + (commitment or committed) + b"".join(sealed)


def pattern(length):
    return bytes(n % 251 for n in range(length))


STREAM = b"S\x01\x02"
HEAD, WHOLE, LAST = 56, CHUNK + TAG, 100
LONG = stream_body(pattern(2 * CHUNK + LAST))


def pieces(*parts):
    """Parts of LONG are told by where they are in it; the head and the first chunk of any stream of the pattern are parts of it."""
    return [part.hex() if isinstance(part, bytes) else list(part) for part in parts]


def length_refusal(length):
    """What is wrong with a stream's body of this length, if anything is."""
    ends = "sealed record: it ends inside "
    for field, end in (("salt", 24), ("commitment", HEAD), ("tag", HEAD + TAG)):
        if length < end:
            return ends + field
    return None if (length - HEAD) % WHOLE >= TAG else "sealed record: body: no stream is of this length"


def streams():
    inline, elsewhere = record([wrap()], b"", STREAM + b"\0"), STREAM + b"\x01" + DEK_ID
    head, a, b = (0, HEAD), (HEAD, HEAD + WHOLE), (HEAD + WHOLE, HEAD + 2 * WHOLE)
    last, whole = (HEAD + 2 * WHOLE, len(LONG)), (0, len(LONG))
    fronts = (("", inline, {"wraps": [[LOCAL, "root", 2]]}), ("detached ", elsewhere, {"detached": True}))

    def stream(name, sealed, *more, body_length=None, **others):
        if body_length is not None and not more:
            more = (length_refusal(body_length) or "failed",)
        add(f"stream, {name}", sealed, *more, suite="stream", **others)

    for form, front, more in fronts:
        for name, plaintext in (("empty", b""), ("10 bytes", PLAINTEXT), ("1000 bytes", pattern(1000))):
            stream(form + name, front + stream_body(plaintext), "ok", plaintext=plaintext.hex(), **more)
        for name, length, tail in (("16 KiB", CHUNK, ()), ("16 KiB and a byte", CHUNK + 1, ()), ("32 KiB and 100 bytes", 2 * CHUNK + LAST, (b, last))):
            sealed = stream_body(pattern(length))
            assert sealed[: HEAD + WHOLE] == LONG[: HEAD + WHOLE]
            tail = tail or (sealed[HEAD + WHOLE :],)
            stream(form + name, pieces(front, (0, HEAD + WHOLE), *tail), "ok", plaintext_length=length, **more)
        more.pop("wraps", None)
        good = front + stream_body()
        stream(form + "another tenant", good, tenant=OTHER, **more)
        stream(form + "another context value", good, context=[["purpose", "provider-credential"], ["name", "other"]], **more)
        stream(form + "a context pair fewer", good, context=CONTEXT[:1], **more)
        stream(form + "a context pair more", good, context=CONTEXT + [["x", "y"]], **more)
        stream(form + "under another key", front + stream_body(dek=bytes(32)), **more)
        stream(form + "sealed for another tenant", front + stream_body(tenant=OTHER), **more)
        stream(form + "commitment to another key", front + stream_body(commitment=bytes(32)), **more)
        for name, at in (("salt", 0), ("commitment", 24), ("ciphertext", HEAD), ("tag", HEAD + len(PLAINTEXT) + TAG - 1)):
            at += len(front)
            stream(form + f"altered {name}", good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :], **more)
        for name, length in (("salt, at 0", 0), ("salt, at 23", 23), ("commitment", 55), ("tag of the last chunk", HEAD + TAG - 1), ("last chunk", HEAD + 20)):
            stream(form + f"cut inside {name}", good[: len(front) + length], body_length=length, **more)
        stream(form + "longer by one byte", good + b"\0", **more)
        other = stream_body(pattern(2 * CHUNK + LAST), salt=bytes(24))
        for name, parts in (
            ("no chunk", (head,)),
            ("last chunk missing", (head, a, b)),
            ("last two chunks missing, or the empty one of 16 KiB", (head, a)),
            ("first chunk missing", (head, b, last)),
            ("middle chunk missing", (head, a, last)),
            ("the last chunk alone", (head, last)),
            ("whole chunks swapped", (head, b, a, last)),
            ("last two chunks swapped", (head, a, last, b)),
            ("a chunk twice", (head, a, b, b, last)),
            ("the last chunk twice", (whole, last)),
            ("a whole chunk after the last", (whole, a)),
            ("an empty chunk after the last", (whole, stream_body(b"", salt=STREAM_SALT)[HEAD:])),
            ("last chunk of another stream", (head, a, b, other[-LAST - TAG :])),
            ("head of another stream", (other[:HEAD], a, b, last)),
            ("three chunks, cut by one byte", ((0, len(LONG) - 1),)),
            ("three chunks, longer by one byte", (whole, b"\0")),
            ("altered tag of the first chunk", (head, (HEAD, HEAD + WHOLE - 1), bytes([LONG[HEAD + WHOLE - 1] ^ 1]), b, last)),
        ):
            length = sum(len(part) if isinstance(part, bytes) else part[1] - part[0] for part in parts)
            stream(form + name, pieces(front, *parts), body_length=length, **more)
    good = inline + stream_body()
    stream("two wraps, the second allowed", record([wrap("vault", 1), wrap()], stream_body(), STREAM + b"\0"), "ok",
           plaintext=PLAINTEXT.hex(), wraps=[[LOCAL, "vault", 1], [LOCAL, "root", 2]])
    stream("two wraps, the first of another DEK", record([wrap(dek=bytes(32)), wrap()], stream_body(), STREAM + b"\0"), "ok", plaintext=PLAINTEXT.hex())
    stream("a user's KEK", record([wrap("user:17", 1, provider=TENANT_KEK)], stream_body(), STREAM + b"\0"), "ok", allowed=[(TENANT_KEK, "user:17")],
           plaintext=PLAINTEXT.hex(), wraps=[[TENANT_KEK, "user:17", 1]])
    stream("key not allowed", good, allowed=[(LOCAL, "vault")])
    stream("wrap made for another tenant", record([wrap(version=1, tenant=OTHER)], stream_body(), STREAM + b"\0"))
    stream("detached, id not known", STREAM + b"\x01" + bytes(16) + stream_body(), detached=True)
    stream("chunks numbered from one", inline + stream_body(first=1))
    stream("chunks of eight bytes", inline + stream_body(chunk=8))
    stream("called compact", good[:2] + b"\x01" + good[3:])


def kek(comment, name, version=1, tenant=TENANT, root=("root", 2), key=None, check=None, purpose=None, created_at=AT,
        expect="ok"):
    key = key or KEYS[TENANT_KEK, tenant, name, version]
    check = check or kek_check(key, uuid.UUID(tenant).bytes, name.encode(), version, created_at)
    purpose = purpose or f"kek:{version}:{created_at}:{name}"
    KEKS.append({"comment": comment, "origin": "pyca/cryptography", "tenant": tenant, "name": name, "version": version, "created_at": created_at,
                 "wrap": row(purpose, tenant, key, *root), "check": check.hex(), "expect": expect})


def row(purpose, tenant, key, name="root", version=2):
    bytes = wrapped(LOCAL, tenant, name, version, key, purpose=purpose)
    return {"provider": LOCAL, "key_ref": name, "key_version": version, "wrapped": bytes.hex()}


def keys():
    kek("the tenant's", "tenant")
    kek("a user's", "user:17", root=("root", 1))
    bound, key = uuid.UUID(TENANT).bytes, KEYS[TENANT_KEK, TENANT, "user:17", 1]
    kek("another user's key, its own check", "user:18", key=key, check=kek_check(key, bound, b"user:17", 1, AT), expect="context mismatch")
    kek("the check of another version", "user:17", 2, key=key, check=kek_check(key, bound, b"user:17", 1, AT), expect="context mismatch")
    kek("the check of another tenant", "user:17", key=key, check=kek_check(key, uuid.UUID(OTHER).bytes, b"user:17", 1, AT), expect="context mismatch")
    kek("the check of another time", "user:17", check=kek_check(key, bound, b"user:17", 1, AT - 1), expect="context mismatch")
    for purpose in ("record", f"dek:{DEK_ID.hex()}", f"look-up:{DEK_ID.hex()}", f"kek:2:{AT}:user:17", f"kek:1:{AT}:user:18", f"kek:1:{AT + 1}:user:17", f"kek:1:{AT}:user:1"):
        kek(f"a wrap made for {purpose}", "user:17", purpose=purpose, expect="context mismatch")
    kek("no check", "user:17", key=key, check=bytes(32), expect="context mismatch")
    DEKS.append({"id": DEK_ID.hex(), "tenant": TENANT, "wrap": row(f"dek:{DEK_ID.hex()}", TENANT, DEK)})
    for id, purpose in ((RECORDS, "record"), (OTHERS, f"dek:{DEK_ID.hex()}")):
        DEKS.append({"id": id.hex(), "tenant": TENANT, "wrap": row(purpose, TENANT, DEK)})


def tags():
    for name, tenant, context, value, length in (
        ("16 bytes", TENANT, [["column", "users.email"]], b"ada@example.com", 16),
        ("4 bytes", TENANT, [["column", "users.email"]], b"ada@example.com", 4),
        ("32 bytes", TENANT, [["column", "users.email"]], b"ada@example.com", 32),
        ("another column", TENANT, [["column", "users.phone"]], b"ada@example.com", 16),
        ("another tenant", OTHER, [["column", "users.email"]], b"ada@example.com", 16),
        ("empty value, empty context", TENANT, [], b"", 16),
        ("1000 bytes", TENANT, [["column", "users.email"]], bytes(n % 251 for n in range(1000)), 16),
    ):
        tag = lookup_tag(DEK, uuid.UUID(tenant).bytes, context, value, length)
        LOOKUP_TAGS.append({"name": name, "origin": "pyca/cryptography", "dek": DEK.hex(), "tenant": tenant, "context": context,
                            "value": value.hex(), "tag": tag.hex()})


for part in (keys, accepted, failed, refused, streams, tags):
    part()
path = pathlib.Path(__file__).parent / "vectors" / "sealed.json"
inputs = {"dek": DEK, "salt": SALT, "nonce": NONCE, "wrap_nonce": WRAP_NONCE, "stream_salt": STREAM_SALT}
file = {"keyrings": {tenant: keyring(tenant) for tenant in (TENANT, OTHER)}, **{name: value.hex() for name, value in inputs.items()},
        "stream_body": base64.b64encode(LONG).decode(), "keks": KEKS, "deks": DEKS, "lookup_tags": LOOKUP_TAGS, "sealed": SEALED}
path.write_text(json.dumps(file, indent=1, ensure_ascii=False) + "\n")
print(len(KEKS + LOOKUP_TAGS + SEALED), "vectors")
