"""Makes tests/vectors/legacy.json with the libraries that made the hashes that are imported.

Needs bcrypt and argon2-cffi from PyPI; its salts are fixed, so that it prints the same each time.
"""

import json

import argon2.low_level as low
import bcrypt

KEY = "cust_0123456789abcdefghijABCDEFGHIJ_-"
VECTORS = []


def add(name, origin, key, hashed, holds=True):
    VECTORS.append({"name": name, "origin": origin, "key": key, "hash": hashed, "holds": holds})


ORIGIN = f"bcrypt {bcrypt.__version__} (PyPI)"
for version in (b"2a", b"2b"):
    salt = b"$" + version + b"$04$abcdefghijklmnopqrstuu"
    hashed = bcrypt.hashpw(KEY.encode(), salt).decode()
    add(f"bcrypt-{version.decode()}", ORIGIN, KEY, hashed)
hashed = bcrypt.hashpw(KEY.encode(), b"$2b$04$abcdefghijklmnopqrstuu").decode()
add("bcrypt-2y", ORIGIN + ", the version renamed", KEY, hashed.replace("$2b$", "$2y$"))
add("bcrypt-another-key", ORIGIN, KEY[:-1] + "x", hashed, False)
add("bcrypt-a-longer-key", ORIGIN, KEY + "x", hashed, False)
for length in (71, 72, 73):
    key = (KEY * 2)[:length]
    hashed = bcrypt.hashpw(key.encode()[:72], b"$2b$04$abcdefghijklmnopqrstuu").decode()
    add(f"bcrypt-{length}-bytes", ORIGIN + ", cut at 72 bytes as its earlier versions did",
        key, hashed, length < 72)

ORIGIN = "argon2-cffi (PyPI), version " + __import__("importlib.metadata").metadata.version("argon2-cffi")
for name, kind in (("argon2id", low.Type.ID), ("argon2i", low.Type.I), ("argon2d", low.Type.D)):
    hashed = low.hash_secret(KEY.encode(), b"0123456789abcdef", 2, 64, 2, 32, kind).decode()
    add(name, ORIGIN, KEY, hashed)
hashed = low.hash_secret(KEY.encode(), b"0123456789abcdef", 2, 64, 2, 32, low.Type.ID, 16).decode()
add("argon2id-version-16", ORIGIN, KEY, hashed)
hashed = low.hash_secret(KEY.encode(), b"saltsalt", 1, 8, 1, 16, low.Type.ID).decode()
add("argon2id-smallest", ORIGIN, KEY, hashed)
add("argon2id-another-key", ORIGIN, KEY[:-1] + "x", hashed, False)
hashed = low.hash_secret(KEY.encode(), b"0123456789abcdef", 3, 65536, 4, 32, low.Type.ID).decode()
add("argon2id-rfc-9106-second", ORIGIN, KEY, hashed)

print(json.dumps(VECTORS, indent=1))
