"""Writes tests/vectors/{tokens,jwks}.json with PyJWT and pyca/cryptography, independently of the crate.

    python3 -m venv v && v/bin/pip install pyjwt cryptography
    v/bin/python make_vectors.py          # rewrite the vectors
    v/bin/python make_vectors.py --check  # have PyJWT verify every valid token in them
"""

import base64, hashlib, json, pathlib, sys

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

HERE = pathlib.Path(__file__).parent / "vectors"
RAW = "own bytes, signed with pyca/cryptography"


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


SEED = base64.urlsafe_b64decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")  # RFC 8037, A.1
KEY = Ed25519PrivateKey.from_private_bytes(SEED)
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
X = b64(KEY.public_key().public_bytes_raw())
KID = b64(hashlib.sha256(compact({"crv": "Ed25519", "kty": "OKP", "x": X})).digest())
ISSUER, AUDIENCE, NOW = "https://id.example.com", "https://api.example.com", 1_800_000_000
USER, SERVICE, AGENT = (
    f"{kind}:0190b2a4-8c7e-7d3a-9f00-0242ac12000{n}" for n, kind in enumerate(("user", "service", "agent"), 3)
)
HEADER = {"alg": "EdDSA", "typ": "at+jwt", "kid": KID}
CLAIMS = {
    "iss": ISSUER, "sub": USER, "aud": AUDIENCE, "exp": NOW + 900, "iat": NOW, "nbf": NOW,
    "jti": "0190b2a4-8c7e-7d3a-9f00-0242ac12000a", "sid": "0190b2a4-8c7e-7d3a-9f00-0242ac12000b",
    "client_id": "console", "tenant_id": "0190b2a4-8c7e-7d3a-9f00-0242ac120002",
    "cap": ["chat:create", "audit:read"],
}  # fmt: skip
VECTORS = []


def sign(header=HEADER, claims=CLAIMS, key=KEY):
    raw = [part if isinstance(part, bytes) else compact(part) for part in (header, claims)]
    signed = ".".join(map(b64, raw))
    return signed + "." + b64(key.sign(signed.encode()))


def add(name, token, expect, origin=RAW, now=NOW + 60, **more):
    VECTORS.append({"name": name, "origin": origin, "now": now, "token": token, "expect": expect, **more})


def without(mapping, name):
    return {key: value for key, value in mapping.items() if key != name}


def claim(name, value):
    return sign(claims=CLAIMS | {name: value})


def header(**members):
    return sign(header=HEADER | members)


def accepted():
    user = {"actor": USER, "on_behalf_of": [], "capabilities": "chat:create audit:read"}
    good = sign()
    add("a user", good, "ok", minted=True, **user)
    act = {"sub": AGENT, "act": {"sub": SERVICE}}
    add("an agent, started by a service, for a user", claim("act", act), "ok", minted=True,
        actor=AGENT, on_behalf_of=[SERVICE, USER], capabilities="chat:create audit:read")
    add("an agent for a user", claim("act", {"sub": AGENT}), "ok", minted=True,
        actor=AGENT, on_behalf_of=[USER], capabilities="chat:create audit:read")
    deep = {"sub": AGENT}
    for _ in range(7):
        deep = {"sub": AGENT, "act": deep}
    add("the longest chain", claim("act", deep), "ok", minted=True,
        actor=AGENT, on_behalf_of=[AGENT] * 7 + [USER], capabilities="chat:create audit:read")
    add("no capabilities", claim("cap", []), "ok", minted=True, actor=USER, on_behalf_of=[], capabilities="")
    pyjwt = jwt.encode(CLAIMS, KEY, algorithm="EdDSA", headers={"typ": "at+jwt", "kid": KID})
    add("minted by PyJWT", pyjwt, "ok", origin=f"PyJWT {jwt.__version__}", **user)
    add("alg Ed25519 (RFC 9864)", header(alg="Ed25519"), "ok", **user)
    add("members in another order", sign(dict(reversed(HEADER.items())), dict(reversed(CLAIMS.items()))), "ok", **user)
    add("whitespace inside the JSON", sign(json.dumps(HEADER, indent=1).encode(), json.dumps(CLAIMS, indent=1).encode()), "ok", **user)
    add("a claim that is not known", claim("region", "eu"), "ok", **user)
    add("the last second of the leeway", good, "ok", now=NOW + 900 + 29, **user)
    add("minted by a clock 30 s ahead", good, "ok", now=NOW - 30, **user)
    add("a lifetime of exactly one hour", claim("exp", NOW + 3600), "ok", minted=True, **user)


def malformed():
    good = sign()
    head, body, signature = good.split(".")
    add("empty", "", "malformed")
    add("one segment", head, "malformed")
    add("two segments", f"{head}.{body}", "malformed")
    add("four segments", f"{good}.", "malformed")
    add("five segments, as an encrypted token has", f"{good}.a.b", "malformed")
    add("empty segments", "..", "malformed")
    add("trailing line feed", good + "\n", "malformed")
    add("leading space", " " + good, "malformed")
    add("space inside a segment", f"{head}.{body[:8]} {body[8:]}.{signature}", "malformed")
    add("padded signature", good + "==", "malformed")
    stray = signature[:-1] + chr(ord(signature[-1]) + 1)
    add("signature with stray bits", f"{head}.{body}.{stray}", "malformed")
    add("the standard alphabet", f"{head}.{body}.{signature[:-2]}+/", "malformed")
    add("not ASCII", good + "é", "malformed")
    add("a NUL byte", good + "\0", "malformed")
    add("longer than 8 KiB", claim("client_id", "x" * 8192), "too_large")
    add("header is a list", sign(header=b"[]"), "malformed")
    add("header with trailing bytes", sign(header=compact(HEADER) + b"{}"), "malformed")
    add("header with a byte order mark", sign(header=b"\xef\xbb\xbf" + compact(HEADER)), "malformed")
    add("claims are a string", sign(claims=b'"claims"'), "malformed")
    add("claims are not UTF-8", sign(claims=b'{"iss":"\xff"}'), "malformed")
    add("claims nest too deeply", claim("deep", json.loads("[" * 9 + "]" * 9)), "malformed")
    twice = compact(CLAIMS)[:-1] + b',"tenant_id":"0190b2a4-8c7e-7d3a-9f00-0242ac120009"}'
    add("tenant_id twice", sign(claims=twice), "duplicate_member")
    escaped = compact(CLAIMS)[:-1] + b',"\\u0065xp":9999999999}'
    add("exp twice, once escaped", sign(claims=escaped), "duplicate_member")
    add("act with sub twice", sign(claims=compact(CLAIMS)[:-1] + f',"act":{{"sub":"{AGENT}","sub":"{USER}"}}}}'.encode()), "duplicate_member")
    add("alg twice", sign(header=compact(HEADER)[:-1] + b',"alg":"none"}'), "duplicate_member")


def headers():
    for name in ("jku", "jwk", "x5u", "x5c", "x5t", "x5t#S256", "zip", "b64", "enc", "cty", "extra"):
        add(f"header with {name}", header(**{name: "https://attacker.example"}), "forbidden_header")
    add("crit", header(crit=["exp"]), "unsupported_crit")
    add("crit with b64", header(crit=["b64"], b64=False), "unsupported_crit")
    for alg in ("none", "None", "HS256", "ES256", "RS256", "eddsa", "Ed448", "", 1, None):
        add(f"alg {alg!r}", header(alg=alg), "alg_not_allowed")
    add("no alg", sign(header=without(HEADER, "alg")), "alg_not_allowed")
    unsigned = ".".join(map(b64, (compact(HEADER | {"alg": "none"}), compact(CLAIMS)))) + "."
    add("alg none, no signature", unsigned, "alg_not_allowed")
    import hmac
    confused = ".".join(map(b64, (compact(HEADER | {"alg": "HS256"}), compact(CLAIMS))))
    mac = hmac.digest(KEY.public_key().public_bytes_raw(), confused.encode(), "sha256")
    add("HS256 keyed with the public key", f"{confused}.{b64(mac)}", "alg_not_allowed")
    for typ in ("JWT", "logout+jwt", "AT+JWT", "application/at+jwt", "at+jwt ", 1):
        add(f"typ {typ!r}", header(typ=typ), "wrong_type")
    add("no typ", sign(header=without(HEADER, "typ")), "wrong_type")
    for kid in ("", "../../dev/null", "' or 1=1 --", KID + "=", 0, None, [KID]):
        add(f"kid {kid!r}", header(kid=kid), "unknown_kid")
    add("no kid", sign(header=without(HEADER, "kid")), "unknown_kid")


def signatures():
    good = sign()
    head, body, signature = good.split(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    add("another key's signature under our kid", sign(key=OTHER), "bad_signature")
    add("altered claims", f"{head}.{b64(compact(CLAIMS | {'cap': ['tenants:create']}))}.{signature}", "bad_signature")
    add("no signature", f"{head}.{body}.", "bad_signature")
    add("63 bytes", f"{head}.{body}.{b64(raw[:63])}", "bad_signature")
    add("65 bytes", f"{head}.{body}.{b64(raw + bytes(1))}", "bad_signature")
    add("64 zeros", f"{head}.{body}.{b64(bytes(64))}", "bad_signature")
    order = 2**252 + 27742317777372353535851937790883648493
    s = int.from_bytes(raw[32:], "little") + order
    add("S plus the group order", f"{head}.{body}.{b64(raw[:32] + s.to_bytes(32, 'little'))}", "bad_signature")
    add("expired and altered: the signature decides", f"{head}.{b64(compact(CLAIMS | {'exp': 1}))}.{signature}", "bad_signature")


def claims():
    for name in CLAIMS:
        add(f"no {name}", sign(claims=without(CLAIMS, name)), f"missing_claim {name}")
    for name in CLAIMS:
        add(f"{name} is null", claim(name, None), f"invalid_claim {name}")
    for name in ("exp", "iat", "nbf"):
        for value in (str(NOW), -1, NOW + 0.5, 2**64):
            add(f"{name} is {value!r}", claim(name, value), f"invalid_claim {name}")
    for name in ("jti", "sid", "tenant_id"):
        for value in ("", "0190B2A4-8C7E-7D3A-9F00-0242AC12000A", "0190b2a48c7e7d3a9f000242ac12000a", "00000000-0000-0000-0000-000000000000"):
            add(f"{name} is {value!r}", claim(name, value), f"invalid_claim {name}")
    add("exp equals iat", claim("exp", NOW), "invalid_claim exp")
    add("iss is a list with our issuer", claim("iss", [ISSUER]), "invalid_claim iss")
    add("aud is a list with our audience", claim("aud", [AUDIENCE]), "invalid_claim aud")
    add("iss is empty", claim("iss", ""), "invalid_claim iss")
    add("another issuer", claim("iss", "https://id.example.org"), "wrong_issuer")
    add("issuer with a trailing slash", claim("iss", ISSUER + "/"), "wrong_issuer")
    add("another audience", claim("aud", "https://admin.example.com"), "wrong_audience")
    add("sub is a bare UUID", claim("sub", USER[5:]), "invalid_claim sub")
    add("sub of an unknown kind", claim("sub", "root" + USER[4:]), "invalid_claim sub")
    add("client_id with a line feed", claim("client_id", "a\nb"), "invalid_claim client_id")
    add("client_id of 257 bytes", claim("client_id", "x" * 257), "invalid_claim client_id")
    add("cap is a text", claim("cap", "chat:create"), "invalid_claim cap")
    add("cap with an unknown name", claim("cap", ["root:all"]), "invalid_claim cap")
    add("cap with a name twice", claim("cap", ["chat:create"] * 2), "invalid_claim cap")
    add("cap with a number", claim("cap", [1]), "invalid_claim cap")
    add("act is a text", claim("act", AGENT), "invalid_claim act")
    add("act without sub", claim("act", {}), "invalid_claim act")
    add("act with another member", claim("act", {"sub": AGENT, "iss": ISSUER}), "invalid_claim act")
    deep = {"sub": AGENT}
    for _ in range(8):
        deep = {"sub": AGENT, "act": deep}
    add("act one link too deep", claim("act", deep), "malformed")
    add("bound to a client's key", claim("cnf", {"jkt": KID}), "invalid_claim cnf")
    add("a lifetime of an hour and a second", claim("exp", NOW + 3601), "lifetime_too_long")
    add("expired, leeway included", sign(), "expired", now=NOW + 900 + 30)
    add("long expired", sign(), "expired", now=NOW + 10**6)
    add("at the end of time", sign(), "expired", now=2**64 - 1)
    add("minted 31 s ahead", sign(), "not_yet_valid", now=NOW - 31)
    add("nbf ahead", claim("nbf", NOW + 600), "not_yet_valid")
    add("at the start of time", sign(), "not_yet_valid", now=0)


def jwks():
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": X, "kid": KID, "use": "sig", "alg": "EdDSA"}
    one = lambda **members: compact({"keys": [jwk | members]}).decode()
    lacking = lambda name: compact({"keys": [without(jwk, name)]}).decode()
    point = lambda first, last=0: b64(bytes([first]) + bytes(30) + bytes([last]))
    short = b64(base64.urlsafe_b64decode(X + "=")[:31])
    cases = [
        ("as published", one(), "ok"),
        ("without the optional members", compact({"keys": [{k: jwk[k] for k in ("kty", "crv", "x")}]}).decode(), "ok"),
        ("with members that are not known", one(note="x"), "ok"),
        ("no keys", '{"keys":[]}', "ok"),
        ("empty", "", "jwk set: not a JSON object"),
        ("a list", "[]", "jwk set: not a JSON object"),
        ("trailing bytes", one() + "{}", "jwk set: not a JSON object"),
        ("without keys", "{}", "jwk set: keys is not a list of objects"),
        ("keys is an object", '{"keys":{}}', "jwk set: keys is not a list of objects"),
        ("a key is a text", '{"keys":["x"]}', "jwk set: keys is not a list of objects"),
        ("keys twice", '{"keys":[],"keys":[]}', "jwk set: a member stands twice"),
        ("x twice", one()[:-3] + f',"x":"{X}"}}]}}', "jwk set: a member stands twice"),
        ("one key twice", compact({"keys": [jwk, jwk]}).decode(), "jwk set: two keys with one kid"),
        ("65 keys", compact({"keys": [jwk] * 65}).decode(), "jwk set: more than 64 keys"),
        ("RSA", one(kty="RSA"), "jwk: kty is not as it must be"),
        ("no kty", lacking("kty"), "jwk: kty is not as it must be"),
        ("X25519", one(crv="X25519"), "jwk: crv is not as it must be"),
        ("no crv", lacking("crv"), "jwk: crv is not as it must be"),
        ("for encryption", one(use="enc"), "jwk: use is not as it must be"),
        ("alg HS256", one(alg="HS256"), "jwk: alg is not as it must be"),
        ("alg null", one(alg=None), "jwk: alg is not as it must be"),
        ("kid of another key", one(kid="a"), "jwk: kid is not as it must be"),
        ("no x", lacking("x"), "jwk: x is not as it must be"),
        ("x of 31 bytes", one(x=short), "jwk: x is not as it must be"),
        ("x padded", one(x=X + "="), "jwk: x is not as it must be"),
        ("x empty", one(x=""), "jwk: x is not as it must be"),
        ("x is the neutral element", one(x=point(1)), "jwk: x: public key: a point of small order"),
        ("x has order 4", one(x=point(0)), "jwk: x: public key: a point of small order"),
        ("x is not a point", one(x=point(2)), "jwk: x: public key: not a point of the curve"),
        ("x is not canonical", one(x=b64(bytes([0xF0]) + b"\xff" * 30 + b"\x7f")), "jwk: x: public key: not the canonical encoding"),
        ("a private key", one(d=b64(SEED)), "jwk: a private key"),
    ]
    return [{"name": name, "origin": "own bytes", "text": text, "expect": expect} for name, text, expect in cases]


def check():
    for vector in json.loads((HERE / "tokens.json").read_text())["vectors"]:
        algorithm = json.loads(base64.urlsafe_b64decode(vector["token"].split(".")[0] + "==") or b"{}").get("alg") if vector["expect"] == "ok" else None
        if algorithm != "EdDSA":  # PyJWT does not know the name `Ed25519`.
            continue
        read = jwt.decode(vector["token"], KEY.public_key(), algorithms=["EdDSA"], audience=AUDIENCE, issuer=ISSUER,
                          options={"verify_exp": False, "verify_iat": False, "verify_nbf": False})
        assert read["tenant_id"] == CLAIMS["tenant_id"]
        print("PyJWT verifies:", vector["name"])


if "--check" in sys.argv:
    check()
else:
    for part in (accepted, malformed, headers, signatures, claims):
        part()
    setting = {"seed": SEED.hex(), "kid": KID, "issuer": ISSUER, "audience": AUDIENCE}
    write = lambda name, value: (HERE / name).write_text(json.dumps(value, indent=1, ensure_ascii=True) + "\n")
    write("tokens.json", setting | {"vectors": VECTORS})
    write("jwks.json", {"vectors": jwks()})
    print(len(VECTORS), "tokens")
