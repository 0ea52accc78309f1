"""Writes tests/vectors/{tokens,jwks,peers}.json with pyca/cryptography and the peer libraries, independently of
the crate. Set up as `peers.py` says, then

    v/bin/python make_vectors.py n          # rewrite the vectors
    v/bin/python make_vectors.py n --check  # have each peer verify every valid token in them
"""

import base64, hashlib, hmac, json, pathlib, sys

from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

import peers

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
SCALAR = base64.urlsafe_b64decode("870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE=")  # RFC 7517, A.2
EC = ec.derive_private_key(int.from_bytes(SCALAR, "big"), ec.SECP256R1())
EC_X, EC_Y = (b64(n.to_bytes(32, "big")) for n in (EC.public_key().public_numbers().x, EC.public_key().public_numbers().y))
EC_KID = b64(hashlib.sha256(compact({"crv": "P-256", "kty": "EC", "x": EC_X, "y": EC_Y})).digest())
EC_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
JWK = {"kty": "OKP", "crv": "Ed25519", "x": X, "kid": KID, "use": "sig", "alg": "EdDSA"}
EC_JWK = {"kty": "EC", "crv": "P-256", "x": EC_X, "y": EC_Y, "kid": EC_KID, "use": "sig", "alg": "ES256"}
ISSUER, AUDIENCE, NOW = "https://id.example.com", "https://api.example.com", 1_800_000_000
USER, SERVICE, AGENT = (
    f"{kind}:0190b2a4-8c7e-7d3a-9f00-0242ac12000{n}" for n, kind in enumerate(("user", "service", "agent"), 3)
)
HEADER = {"alg": "EdDSA", "typ": "at+jwt", "kid": KID}
EC_HEADER = {"alg": "ES256", "typ": "at+jwt", "kid": EC_KID}
CLAIMS = {
    "iss": ISSUER, "sub": USER, "aud": AUDIENCE, "exp": NOW + 900, "iat": NOW, "nbf": NOW,
    "jti": "0190b2a4-8c7e-7d3a-9f00-0242ac12000a", "sid": "0190b2a4-8c7e-7d3a-9f00-0242ac12000b",
    "client_id": "console", "tenant_id": "0190b2a4-8c7e-7d3a-9f00-0242ac120002",
    "cap": ["chat:create", "audit:read"], "auth_time": NOW - 60, "epoch": 3, "ver": 1,
}  # fmt: skip
VECTORS, KNOWN = [], []


def sign(header=HEADER, claims=CLAIMS, key=KEY):
    raw = [part if isinstance(part, bytes) else compact(part) for part in (header, claims)]
    signed = ".".join(map(b64, raw))
    return signed + "." + b64(raw_signature(key, signed.encode()))


def raw_signature(key, message):
    if isinstance(key, Ed25519PrivateKey):
        return key.sign(message)
    der = key.sign(message, ec.ECDSA(SHA256(), deterministic_signing=True))
    return b"".join(n.to_bytes(32, "big") for n in utils.decode_dss_signature(der))


def add(name, token, expect, origin=RAW, now=NOW + 60, **more):
    VECTORS.append({"name": name, "origin": origin, "now": now, "token": token, "expect": expect, **more})


def known(folder):
    """Known answers: tokens that the peers made."""
    for peer in peers.peers(folder):
        for alg in peer.algorithms:
            jwk = EC_JWK | {"d": b64(SCALAR)} if alg == "ES256" else JWK | {"d": b64(SEED), "alg": alg}
            token = peer.sign(alg, jwk, {"typ": "at+jwt", "kid": jwk["kid"]}, CLAIMS)
            KNOWN.append({"name": f"{alg} by {peer.name}", "origin": peer.name, "alg": alg, "token": token})


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
    add("cap of one class", claim("cap", ["pii:unmask:gov.ssn.us"]), "ok", minted=True,
        actor=USER, on_behalf_of=[], capabilities="pii:unmask:gov.ssn.us")
    add("cap of a group and of a class in it", claim("cap", ["pii:unmask:gov.ssn.us", "pii:unmask:gov"]), "ok",
        actor=USER, on_behalf_of=[], capabilities="pii:unmask:gov")
    add("alg Ed25519 (RFC 9864)", header(alg="Ed25519"), "ok", **user)
    add("ES256", sign(EC_HEADER, key=EC), "ok", minted=True, **user)
    head, body, _ = sign(EC_HEADER, key=EC).split(".")
    r, rest = EC_SIGNATURE[:32], EC_ORDER - int.from_bytes(EC_SIGNATURE[32:], "big")
    add("ES256 with the other of the two s that hold", f"{head}.{body}.{b64(r + rest.to_bytes(32, 'big'))}", "ok", **user)
    add("acr and amr", sign(claims=CLAIMS | {"acr": "urn:example:loa:2", "amr": ["pwd", "otp"]}), "ok", **user)
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
    add("four segments", f"{good}.", "trailing_bytes")
    add("five segments, as an encrypted token has", f"{good}.a.b", "trailing_bytes")
    add("empty segments", "..", "malformed")
    add("trailing line feed", good + "\n", "trailing_bytes")
    add("leading space", " " + good, "malformed")
    add("space inside a segment", f"{head}.{body[:8]} {body[8:]}.{signature}", "malformed")
    add("padded signature", good + "==", "padded")
    add("padded header", f"{b64(compact(HEADER) + b' ')}=.{body}.{signature}", "padded")
    add("padded claims", f"{head}.{body}=.{signature}", "padded")
    stray = signature[:-1] + chr(ord(signature[-1]) + 1)
    add("signature with stray bits", f"{head}.{body}.{stray}", "malformed")
    add("the standard alphabet", f"{head}.{body}.{signature[:-2]}+/", "trailing_bytes")
    add("a space behind", good + " ", "trailing_bytes")
    add("claims with trailing bytes", sign(claims=compact(CLAIMS) + b"x"), "trailing_bytes")
    add("a detached payload", f"{head}..{signature}", "bad_signature")
    add("the JSON serialisation", compact({"protected": head, "payload": body, "signature": signature}).decode(), "malformed")
    add("not ASCII", good + "é", "trailing_bytes")
    add("a NUL byte", good + "\0", "trailing_bytes")
    add("longer than 8 KiB", claim("client_id", "x" * 8192), "too_large")
    add("header is a list", sign(header=b"[]"), "malformed")
    add("header with trailing bytes", sign(header=compact(HEADER) + b"{}"), "trailing_bytes")
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
        add(f"header with {name}", header(**{name: "https://attacker.example"}), f"header_{name}")
    add("crit", header(crit=["exp"]), "unsupported_crit")
    add("crit with b64", header(crit=["b64"], b64=False), "unsupported_crit")
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": X}
    add("header with an embedded jwk, and its signature", header(jwk=jwk), "header_jwk")
    add("alg of the other key", header(alg="ES256"), "alg_mismatch")
    add("kid of the other key", header(kid=EC_KID), "alg_mismatch")
    add("EdDSA under a P-256 key", sign(EC_HEADER | {"alg": "EdDSA"}, key=EC), "alg_mismatch")
    for alg in ("none", "None", "HS256", "ES256K", "es256", "ES384", "PS256", "HS384", "nOnE", "RS256", "eddsa", "Ed448", "", 1, None):
        add(f"alg {alg!r}", header(alg=alg), "alg_not_allowed")
    add("no alg", sign(header=without(HEADER, "alg")), "alg_not_allowed")
    unsigned = ".".join(map(b64, (compact(HEADER | {"alg": "none"}), compact(CLAIMS)))) + "."
    add("alg none, no signature", unsigned, "alg_not_allowed")
    confused = ".".join(map(b64, (compact(HEADER | {"alg": "HS256"}), compact(CLAIMS))))
    mac = hmac.digest(KEY.public_key().public_bytes_raw(), confused.encode(), "sha256")
    add("HS256 keyed with the public key", f"{confused}.{b64(mac)}", "alg_not_allowed")
    for typ in ("JWT", "logout+jwt", "AT+JWT", "application/at+jwt", "at+jwt ", 1):
        add(f"typ {typ!r}", header(typ=typ), "wrong_type")
    add("no typ", sign(header=without(HEADER, "typ")), "missing_typ")
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
    ec_head, ec_body, _ = sign(EC_HEADER, key=EC).split(".")
    r, s = EC_SIGNATURE[:32], EC_SIGNATURE[32:]
    order = EC_ORDER.to_bytes(32, "big")
    es = lambda name, raw: add(f"ES256, {name}", f"{ec_head}.{ec_body}.{b64(raw)}", "bad_signature")
    es("64 zeros", bytes(64))
    es("r is zero", bytes(32) + s)
    es("s is zero", r + bytes(32))
    es("r is the order", order + s)
    es("s is the order", r + order)
    es("all ones", b"\xff" * 64)
    es("r and s exchanged", s + r)
    es("63 bytes", EC_SIGNATURE[:63])
    es("65 bytes", EC_SIGNATURE + b"\0")
    es("in DER", utils.encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big")))
    es("of another key", raw_signature(ec.derive_private_key(7, ec.SECP256R1()), f"{ec_head}.{ec_body}".encode()))
    es("by the Ed25519 key", KEY.sign(f"{ec_head}.{ec_body}".encode()))
    add("expired and altered: the signature decides", f"{head}.{b64(compact(CLAIMS | {'exp': 1}))}.{signature}", "bad_signature")


def claims():
    for name in CLAIMS:
        add(f"no {name}", sign(claims=without(CLAIMS, name)), f"missing_{name}")
    for name in CLAIMS | {"acr": 0, "amr": 0, "act": 0, "cnf": 0}:
        add(f"{name} is null", claim(name, None), f"invalid_{name}")
    for name in ("exp", "iat", "nbf", "auth_time", "epoch", "ver"):
        for value in (str(NOW), -1, NOW + 0.5, 2**64):
            add(f"{name} is {value!r}", claim(name, value), f"invalid_{name}")
    for name in ("jti", "sid", "tenant_id"):
        for value in ("", "0190B2A4-8C7E-7D3A-9F00-0242AC12000A", "0190b2a48c7e7d3a9f000242ac12000a", "00000000-0000-0000-0000-000000000000"):
            add(f"{name} is {value!r}", claim(name, value), f"invalid_{name}")
    add("exp equals iat", claim("exp", NOW), "invalid_exp")
    add("iss is a list with our issuer", claim("iss", [ISSUER]), "invalid_iss")
    add("aud is a list with our audience", claim("aud", [AUDIENCE]), "invalid_aud")
    add("iss is empty", claim("iss", ""), "invalid_iss")
    add("another issuer", claim("iss", "https://id.example.org"), "wrong_issuer")
    add("issuer with a trailing slash", claim("iss", ISSUER + "/"), "wrong_issuer")
    add("another audience", claim("aud", "https://admin.example.com"), "wrong_audience")
    add("sub is a bare UUID", claim("sub", USER[5:]), "invalid_sub")
    add("sub of an unknown kind", claim("sub", "root" + USER[4:]), "invalid_sub")
    add("client_id with a line feed", claim("client_id", "a\nb"), "invalid_client_id")
    add("client_id of 257 bytes", claim("client_id", "x" * 257), "invalid_client_id")
    add("cap is a text", claim("cap", "chat:create"), "invalid_cap")
    add("cap with an unknown name", claim("cap", ["root:all"]), "invalid_cap")
    for unknown in ("pii:unmask:", "pii:unmask:gov.ssn", "pii:unmask:gov.ssn.us.ca", "pii:unmask:custom.badge"):
        add(f"cap with the class of {unknown}", claim("cap", [unknown]), "invalid_cap")
    add("cap with a class twice", claim("cap", ["pii:unmask:gov.ssn.us"] * 2), "invalid_cap")
    add("cap with a name twice", claim("cap", ["chat:create"] * 2), "invalid_cap")
    add("cap with a number", claim("cap", [1]), "invalid_cap")
    add("act is a text", claim("act", AGENT), "invalid_act")
    add("act without sub", claim("act", {}), "invalid_act")
    add("act with another member", claim("act", {"sub": AGENT, "iss": ISSUER}), "invalid_act")
    add("auth_time after iat", claim("auth_time", NOW + 1), "invalid_auth_time")
    add("acr is empty", claim("acr", ""), "invalid_acr")
    add("acr is a list", claim("acr", ["a"]), "invalid_acr")
    add("acr of 257 bytes", claim("acr", "x" * 257), "invalid_acr")
    for amr in ([], "pwd", ["pwd", "pwd"], [""], ["p w"], [1], ["x" * 33], list("123456789")):
        add(f"amr is {json.dumps(amr)}", claim("amr", amr), "invalid_amr")
    for ver in (0, 2, "1"):
        add(f"ver {ver!r}", claim("ver", ver), "invalid_ver")
    deep = {"sub": AGENT}
    for _ in range(8):
        deep = {"sub": AGENT, "act": deep}
    add("act one link too deep", claim("act", deep), "malformed")
    add("bound to a client's key", claim("cnf", {"jkt": KID}), "invalid_cnf")
    add("a lifetime of an hour and a second", claim("exp", NOW + 3601), "lifetime_too_long")
    add("expired, leeway included", sign(), "expired", now=NOW + 900 + 30)
    add("long expired", sign(), "expired", now=NOW + 10**6)
    add("at the end of time", sign(), "expired", now=2**64 - 1)
    add("minted 31 s ahead", sign(), "issued_in_future", now=NOW - 31)
    add("iat ahead", sign(claims=CLAIMS | {"iat": NOW + 600, "exp": NOW + 900}), "issued_in_future")
    add("nbf ahead", claim("nbf", NOW + 600), "not_yet_valid")
    add("at the start of time", sign(), "issued_in_future", now=0)


def jwks():
    jwk = JWK
    one = lambda **members: compact({"keys": [jwk | members]}).decode()
    two = lambda **members: compact({"keys": [EC_JWK | members]}).decode()
    prime = (2**256 - 2**224 + 2**192 + 2**96 - 1).to_bytes(32, "big")
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
        ("x of 31 bytes", one(x=short), "jwk: public key: a coordinate is not 32 bytes long"),
        ("x of 33 bytes", one(x=b64(bytes(33))), "jwk: public key: a coordinate is not 32 bytes long"),
        ("x padded", one(x=X + "="), "jwk: x is not as it must be"),
        ("x empty", one(x=""), "jwk: public key: a coordinate is not 32 bytes long"),
        ("x is the neutral element", one(x=point(1)), "jwk: public key: a point of small order"),
        ("x has order 4", one(x=point(0)), "jwk: public key: a point of small order"),
        ("x is not a point", one(x=point(2)), "jwk: public key: not a point of the curve"),
        ("x is not canonical", one(x=b64(bytes([0xF0]) + b"\xff" * 30 + b"\x7f")), "jwk: public key: not the canonical encoding"),
        ("a private key", one(d=b64(SEED)), "jwk: a private key"),
        ("alg Ed25519", one(alg="Ed25519"), "ok"),
        ("both kinds", compact({"keys": [JWK, EC_JWK]}).decode(), "ok"),
        ("P-256 without the optional members", compact({"keys": [{k: EC_JWK[k] for k in ("kty", "crv", "x", "y")}]}).decode(), "ok"),
        ("P-256 private", two(d=b64(SCALAR)), "jwk: a private key"),
        ("P-256 with alg EdDSA", two(alg="EdDSA"), "jwk: alg is not as it must be"),
        ("P-256 with kty OKP", two(kty="OKP"), "jwk: crv is not as it must be"),
        ("P-384", two(crv="P-384"), "jwk: crv is not as it must be"),
        ("P-256 without y", compact({"keys": [without(EC_JWK, "y")]}).decode(), "jwk: y is not as it must be"),
        ("P-256, y of 31 bytes", two(y=b64(bytes(31))), "jwk: public key: a coordinate is not 32 bytes long"),
        ("P-256, x of 64 bytes", two(x=b64(bytes(64))), "jwk: public key: a coordinate is not 32 bytes long"),
        ("P-256, x and y exchanged", two(x=EC_Y, y=EC_X), "jwk: public key: not a point of the curve"),
        ("P-256, zeros", two(x=b64(bytes(32)), y=b64(bytes(32))), "jwk: public key: not a point of the curve"),
        ("P-256, x is the field's prime", two(x=b64(prime)), "jwk: public key: not a point of the curve"),
        ("P-256, kid of another key", two(kid=KID), "jwk: kid is not as it must be"),
        ("kid null", one(kid=None), "jwk: kid is not as it must be"),
        ("use null", one(use=None), "jwk: use is not as it must be"),
        ("symmetric", compact({"keys": [{"kty": "oct", "k": X}]}).decode(), "jwk: kty is not as it must be"),
    ]
    return [{"name": name, "origin": "own bytes", "text": text, "expect": expect} for name, text, expect in cases]


def check(folder):
    keys = {KID: JWK, EC_KID: EC_JWK}
    for vector in json.loads((HERE / "tokens.json").read_text())["vectors"]:
        if vector["expect"] != "ok":
            continue
        header = json.loads(base64.urlsafe_b64decode(vector["token"].split(".")[0] + "=="))
        for peer in peers.peers(folder):
            if header["alg"] in peer.algorithms:
                jwk = keys[header["kid"]] | {"alg": header["alg"]}
                read = peer.verify(header["alg"], jwk, vector["token"], ISSUER, AUDIENCE)
                assert read["tenant_id"] == CLAIMS["tenant_id"]
                print(f"{peer.name} verifies: {vector['name']}")


EC_SIGNATURE = base64.urlsafe_b64decode(sign(EC_HEADER, key=EC).split(".")[2] + "==")
folder = sys.argv[1]
if "--check" in sys.argv:
    check(folder)
else:
    for part in (accepted, malformed, headers, signatures, claims):
        part()
    known(folder)
    setting = {"seed": SEED.hex(), "scalar": SCALAR.hex(), "kid": KID, "ec_kid": EC_KID, "issuer": ISSUER, "audience": AUDIENCE}
    write = lambda name, value: (HERE / name).write_text(json.dumps(value, indent=1, ensure_ascii=True) + "\n")
    write("tokens.json", setting | {"vectors": VECTORS})
    write("jwks.json", {"vectors": jwks()})
    write("peers.json", {"vectors": KNOWN})
    print(len(VECTORS), "tokens,", sum(v["expect"] != "ok" for v in VECTORS), "refused")
