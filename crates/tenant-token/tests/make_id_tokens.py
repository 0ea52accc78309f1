"""Writes tests/vectors/id_tokens.json: ID tokens as PyJWT signs them, and such as nobody should take, with fresh keys.

    pip install PyJWT==2.15.1 cryptography==50.0.2
    python make_id_tokens.py

Each case has a name, an origin, a token, what is expected of it (which connection, which nonce) and the code of its
refusal, or null and the subject that it names. `is_signed` says whether its signature holds.
"""

import base64, hashlib, hmac, json, pathlib

import cryptography, jwt
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.hashes import SHA256, SHA512

PEER, RAW = f"PyJWT {jwt.__version__}", f"own bytes, signed with pyca/cryptography {cryptography.__version__}"
NOW, ISSUER, CLIENT, PROJECT = 1_800_000_000, "https://login.example.com/realm", "console", "demo-project"
FIREBASE = f"https://securetoken.google.com/{PROJECT}"


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value, size=None):
    return b64(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


def rsa_jwk(key, kid, **more):
    public = key.public_key().public_numbers()
    return {"kty": "RSA", "kid": kid, "n": number(public.n), "e": number(public.e), **more}


def ec_jwk(key, kid, crv="P-256", size=32, **more):
    public = key.public_key().public_numbers()
    return {"kty": "EC", "kid": kid, "crv": crv, "x": number(public.x, size), "y": number(public.y, size), **more}


RSA, OTHER = (rsa.generate_private_key(65537, 2048) for _ in range(2))
WEAK, CUBE = rsa.generate_private_key(65537, 1024), rsa.generate_private_key(3, 2048)
EC, P384 = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP384R1())
SIG = {"use": "sig"}
OFF = ec_jwk(EC, "ec-off", alg="ES256") | {"y": number(1, 32)}
JWKS = {"keys": [
    rsa_jwk(RSA, "rsa", alg="RS256", **SIG), ec_jwk(EC, "ec", alg="ES256", **SIG),
    rsa_jwk(OTHER, "bare"), rsa_jwk(WEAK, "rsa-1024", **SIG), rsa_jwk(CUBE, "rsa-e3", **SIG),
    rsa_jwk(RSA, "rsa-512", alg="RS512", **SIG), rsa_jwk(RSA, "rsa-enc", use="enc"),
    rsa_jwk(RSA, "rsa-wrap", key_ops=["wrapKey"]), rsa_jwk(RSA, "rsa-zero") | {"n": b64(b"\0" + RSA.public_key().public_numbers().n.to_bytes(256, "big"))},
    ec_jwk(P384, "ec-384", "P-384", 48, **SIG), OFF, ec_jwk(EC, "ec-short", **SIG) | {"x": b64(bytes(31))},
    {"kty": "OKP", "kid": "ed", "crv": "Ed25519", "x": b64(bytes(32))}, {"kty": "new", "kid": "new"},
    {**rsa_jwk(RSA, "x"), "kid": 7},
]}  # fmt: skip
CLAIMS = {"iss": ISSUER, "sub": "248289761001", "aud": CLIENT, "exp": NOW + 3600, "iat": NOW - 10}
GOOGLE = {
    "iss": FIREBASE, "sub": "q7Xn", "aud": PROJECT, "exp": NOW + 3500, "iat": NOW - 100, "auth_time": NOW - 900,
    "user_id": "q7Xn", "firebase": {"identities": {"email": ["a@example.com"]}, "sign_in_provider": "password"},
}  # fmt: skip
CASES = []


def compact(value):
    return value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()


def raw_signature(key, data, fixed=True):
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, padding.PKCS1v15(), SHA256())
    der = key.sign(data, ec.ECDSA(SHA256()))
    r, s = utils.decode_dss_signature(der)
    size = (key.key_size + 7) // 8
    return r.to_bytes(size, "big") + s.to_bytes(size, "big") if fixed else der


def sign(claims=CLAIMS, header=None, key=RSA, **more):
    header = {"alg": "RS256", "typ": "JWT", "kid": "rsa"} if header is None else header
    header = header if isinstance(header, bytes) else {k: v for k, v in (header | more).items() if v is not None}
    signed = b64(compact(header)) + "." + b64(compact(claims))
    return signed + "." + b64(raw_signature(key, signed.encode()))


def change(base=CLAIMS, **more):
    return {k: v for k, v in (base | more).items() if v is not None}


def case(name, code, token, origin=RAW, profile="oidc", nonce=None, signed=None, subject=None, algorithms=("RS256", "ES256")):
    is_signed = code is None if signed is None else signed
    CASES.append({"name": name, "origin": origin, "profile": profile, "nonce": nonce, "algorithms": algorithms,
                  "token": token, "code": code, "is_signed": is_signed, "subject": subject})  # fmt: skip


def claims(name, code, nonce=None, profile="oidc", base=None, **more):
    base = base or (CLAIMS if profile == "oidc" else GOOGLE)
    subject = base["sub"] if code is None else None
    case(name, code, sign(change(base, **more)), nonce=nonce, profile=profile, signed=True, subject=subject)


# What is accepted.
peer = lambda body, key, alg, kid: jwt.encode(body, key, alg, {"kid": kid})
case("RS256", None, peer(CLAIMS, RSA, "RS256", "rsa"), PEER, subject="248289761001")
case("ES256", None, peer(CLAIMS, EC, "ES256", "ec"), PEER, subject="248289761001")
case("Firebase", None, peer(GOOGLE, RSA, "RS256", "rsa"), PEER, "firebase", subject="q7Xn")
case("a key without use and alg", None, peer(CLAIMS, OTHER, "RS256", "bare"), PEER, subject="248289761001")
case("no typ", None, sign(typ=None), subject="248289761001")
case("a header member that says nothing of keys", None, sign(x5t="AAAA"), subject="248289761001")
claims("one audience in a list", None, aud=[CLIENT])
claims("several audiences and azp", None, aud=["other", CLIENT], azp=CLIENT)
claims("azp beside one audience", None, azp=CLIENT)
case("the nonce", None, sign(change(nonce="n-1")), nonce="n-1", subject="248289761001")
claims("acr, amr, auth_time", None, acr="urn:mace:incommon:iap:silver", amr=["pwd", "otp"], auth_time=NOW - 60)
claims("methods that no token of ours can say", None, amr=["p w d"])
claims("an ID token by its claim typ", None, typ="ID")
claims("an ID token by its token_use", None, token_use="id")
claims("the last second", None, exp=NOW + 1)
claims("as old as may be", None, iat=NOW - 600)
claims("a clock 30 s ahead", None, iat=NOW + 30)
claims("a day's life", None, iat=NOW, exp=NOW + 86400)
claims("255 characters of subject", None, base=CLAIMS | {"sub": "s" * 255})

# The token and its header.
good = sign()
head, body, tail = good.split(".")
case("empty", "malformed", "")
case("one segment", "malformed", "abc")
case("two segments", "malformed", f"{head}.{body}")
case("four segments", "malformed", good + ".AAAA")
case("five segments, as an encrypted token has", "malformed", f"{head}.AAAA.AAAA.AAAA.AAAA")
case("padding", "malformed", f"{head}=.{body}.{tail}")
case("standard base64", "malformed", f"{head}.{body}.{tail[:-4]}+/+/")
case("a space behind it", "malformed", good + " ")
case("a second spelling of the last byte", "malformed", good[:-1] + chr(ord(good[-1]) + 1))
case("16 KiB and a byte", "too_large", good + "A" * (16385 - len(good)))
case("header is no JSON", "malformed", sign(header=b"RS256"))
case("header is a list", "malformed", sign(header=b'["RS256"]'))
case("header is not UTF-8", "malformed", sign(header=b'{"alg":"RS256","kid":"\xff"}'))
case("more behind the header", "trailing_bytes", sign(header=b'{"alg":"RS256","kid":"rsa"}{}'))
case("alg twice", "duplicate_member", sign(header=b'{"alg":"RS256","alg":"none","kid":"rsa"}'))
case("alg twice, escaped", "duplicate_member", sign(header=b'{"alg":"RS256","\\u0061lg":"RS256","kid":"rsa"}'))
case("no alg", "alg_not_allowed", sign(alg=None))
case("alg none", "alg_not_allowed", f'{b64(compact({"alg": "none", "kid": "rsa"}))}.{body}.')
pem = RSA.public_key().public_numbers().n.to_bytes(256, "big")
mac = b64(compact({"alg": "HS256", "kid": "rsa"})) + "." + body
case("HS256 under the public key", "alg_not_allowed", mac + "." + b64(hmac.digest(pem, mac.encode(), hashlib.sha256)))
for alg in ("RS512", "PS256", "ES384", "EdDSA", "rs256"):
    case(f"alg {alg}", "alg_not_allowed", sign(alg=alg))
case("alg is a list", "alg_not_allowed", sign(alg=["RS256"]))
case("an algorithm that is not this issuer's", "alg_not_allowed", peer(CLAIMS, EC, "ES256", "ec"), PEER, algorithms=["RS256"])
case("crit", "unsupported_crit", sign(crit=["exp"]))
case("crit, empty", "unsupported_crit", sign(crit=[]))
for name, value in {"jku": "https://evil.example/keys", "jwk": rsa_jwk(OTHER, "x"), "x5u": "https://evil.example/c",
                    "x5c": ["MIIB"], "zip": "DEF", "b64": False, "enc": "A256GCM", "cty": "JWT"}.items():  # fmt: skip
    case(name, f"header_{name}", sign(**{name: value}))
case("an access token's type", "wrong_type", sign(typ="at+jwt"))
case("a logout token's type", "wrong_type", sign(typ="logout+jwt"))
case("typ is a number", "wrong_type", sign(typ=1))
case("no kid", "missing_kid", sign(kid=None))
case("kid is a number", "invalid_kid", sign(kid=1))
case("kid is empty", "invalid_kid", sign(kid=""))
case("kid of 256 characters", "invalid_kid", sign(kid="k" * 256))
case("kid with a line break", "invalid_kid", sign(kid="rsa\n"))

# Keys and signatures.
case("a key that nobody has", "unknown_kid", sign(kid="nobody"))
case("a key for encryption", "unknown_kid", sign(kid="rsa-enc"))
case("a key for wrapping", "unknown_kid", sign(kid="rsa-wrap"))
case("a key of another kind", "unknown_kid", sign(kid="ed"))
case("RSA of 1024 bits", "key_weak", sign(kid="rsa-1024", key=WEAK))
case("RSA with the exponent 3", "key_weak", sign(kid="rsa-e3", key=CUBE))
case("a modulus with a leading zero", "key_malformed", sign(kid="rsa-zero"))
case("a key for RS512", "key_unsuitable", sign(kid="rsa-512"))
case("a key on P-384", "key_unsuitable", sign(alg="ES256", kid="ec-384", key=P384))
case("a point off the curve", "key_malformed", sign(alg="ES256", kid="ec-off", key=EC))
case("a coordinate too short", "key_malformed", sign(alg="ES256", kid="ec-short", key=EC))
case("RS256 with an EC key", "alg_mismatch", sign(kid="ec"))
case("ES256 with an RSA key", "alg_mismatch", sign(alg="ES256", key=EC))
case("no signature", "bad_signature", f"{head}.{body}.")
case("another key's signature", "bad_signature", sign(key=OTHER))
case("another payload", "bad_signature", f"{head}.{b64(compact(change(sub='root')))}.{tail}")
case("another header", "bad_signature", f'{b64(compact({"alg": "RS256", "kid": "rsa"}))}.{body}.{tail}')
case("a signature cut short", "bad_signature", f"{head}.{body}.{b64(raw_signature(RSA, f'{head}.{body}'.encode())[:-1])}")
ehead = b64(compact({"alg": "ES256", "kid": "ec"}))
case("ES256 in DER", "bad_signature", f"{ehead}.{body}.{b64(raw_signature(EC, f'{ehead}.{body}'.encode(), False))}")
case("ES256 of zeros", "bad_signature", f"{ehead}.{body}.{b64(bytes(64))}")
pss = RSA.sign(f"{head}.{body}".encode(), padding.PSS(padding.MGF1(SHA256()), 32), SHA256())
case("PSS as RS256", "bad_signature", f"{head}.{body}.{b64(pss)}")
case("SHA-512 as RS256", "bad_signature", f"{head}.{body}.{b64(RSA.sign(f'{head}.{body}'.encode(), padding.PKCS1v15(), SHA512()))}")

# The claims; the signature holds.
case("payload is no JSON", "malformed", sign(b"hello"), signed=True)
case("payload is a list", "malformed", sign(b"[]"), signed=True)
case("more behind the payload", "trailing_bytes", sign(compact(CLAIMS) + b"{}"), signed=True)
case("sub twice", "duplicate_member", sign(compact(CLAIMS)[:-1] + b',"sub":"root"}'), signed=True)
case("a member twice, inside", "duplicate_member", sign(compact(CLAIMS)[:-1] + b',"x":{"a":[{"b":1,"b":2}]}}'), signed=True)
claims("a logout token without a type", "not_an_id_token", events={"http://schemas.openid.net/event/backchannel-logout": {}})
claims("an access token with scp", "not_an_id_token", scp="access_as_user")
claims("an access token with a list of scp", "not_an_id_token", scp=["chat"])
claims("an access token with a scope", "not_an_id_token", azp=CLIENT, scope="openid profile")
claims("an access token by its claim typ", "not_an_id_token", azp=CLIENT, typ="Bearer")
claims("the claim typ is a number", "not_an_id_token", typ=1)
claims("an access token by its token_use", "not_an_id_token", token_use="access")
claims("token_use is a list", "not_an_id_token", token_use=["id"])
claims("no iss", "missing_iss", iss=None)
claims("iss is a list", "invalid_iss", iss=[ISSUER])
claims("iss is a number", "invalid_iss", iss=1)
claims("another iss", "wrong_issuer", iss="https://evil.example.com")
claims("iss with a slash more", "wrong_issuer", iss=ISSUER + "/")
claims("iss in capitals", "wrong_issuer", iss=ISSUER.upper())
claims("no sub", "missing_sub", sub=None)
claims("sub is a number", "invalid_sub", sub=7)
claims("sub is empty", "invalid_sub", sub="")
claims("256 characters of subject", "invalid_sub", sub="s" * 256)
claims("sub with a line break", "invalid_sub", sub="a\nb")
claims("sub beyond ASCII", "invalid_sub", sub="ä")
claims("no aud", "missing_aud", aud=None)
claims("aud is a number", "invalid_aud", aud=1)
claims("aud is an empty list", "invalid_aud", aud=[])
claims("a number in aud", "invalid_aud", aud=[CLIENT, 1])
claims("another aud", "wrong_audience", aud="other")
claims("another aud in a list", "wrong_audience", aud=["other"])
claims("several audiences, no azp", "wrong_azp", aud=["other", CLIENT])
claims("several audiences, another azp", "wrong_azp", aud=["other", CLIENT], azp="other")
claims("another azp", "wrong_azp", azp="other")
claims("azp is a list", "invalid_azp", azp=[CLIENT])
claims("no exp", "missing_exp", exp=None)
claims("exp is a text", "invalid_exp", exp=str(NOW + 60))
claims("exp is a fraction", "invalid_exp", exp=NOW + 60.5)
claims("exp beyond 64 bits", "invalid_exp", exp=2**64)
claims("exp before iat", "invalid_exp", exp=NOW - 11)
claims("expired now", "expired", exp=NOW)
claims("no iat", "missing_iat", iat=None)
claims("iat is negative", "invalid_iat", iat=-1)
claims("iat is a text", "invalid_iat", iat=str(NOW))
claims("31 s ahead", "issued_in_future", iat=NOW + 31)
claims("a year ahead", "issued_in_future", iat=NOW + 31_536_000, exp=NOW + 31_536_060)
claims("too old by a second", "too_old", iat=NOW - 601)
claims("a life of a day and a second", "lifetime_too_long", iat=NOW, exp=NOW + 86401)
claims("nbf ahead", "not_yet_valid", nbf=NOW + 31)
claims("nbf is a text", "invalid_nbf", nbf="1")
claims("auth_time ahead", "authenticated_in_future", auth_time=NOW + 31)
claims("auth_time is a text", "invalid_auth_time", auth_time="1")
claims("acr is a number", "invalid_acr", acr=0)
claims("amr is a text", "invalid_amr", amr="pwd")
claims("a number in amr", "invalid_amr", amr=[1])
case("a nonce that nobody expects", "unexpected_nonce", sign(change(nonce="n-1")), signed=True)
case("no nonce", "missing_nonce", sign(), nonce="n-1", signed=True)
case("another nonce", "wrong_nonce", sign(change(nonce="n-2")), nonce="n-1", signed=True)
case("nonce is a number", "invalid_nonce", sign(change(nonce=1)), nonce="1", signed=True)
case("nonce is empty", "invalid_nonce", sign(change(nonce="")), signed=True)

# Firebase's.
fire = lambda name, code, **more: claims(name, code, profile="firebase", **more)
fire("Firebase: an hour old", None, iat=NOW - 3600, exp=NOW + 1)
fire("Firebase: another project's iss", "wrong_issuer", iss=FIREBASE + "2")
fire("Firebase: Google's own iss", "wrong_issuer", iss="https://accounts.google.com")
fire("Firebase: another project", "wrong_audience", aud="demo-project2")
fire("Firebase: aud is a list", "invalid_aud", aud=[PROJECT])
fire("Firebase: no auth_time", "missing_auth_time", auth_time=None)
fire("Firebase: auth_time ahead", "authenticated_in_future", auth_time=NOW + 31)
fire("Firebase: nothing is said of how", None, firebase=None)
fire("Firebase: an anonymous user", "anonymous", firebase={"identities": {}, "sign_in_provider": "anonymous"})
fire("Firebase: sign_in_provider is a number", "invalid_firebase", firebase={"sign_in_provider": 1})
fire("Firebase: firebase is a text", "invalid_firebase", firebase="password")
fire("Firebase: sub is empty", "invalid_sub", sub="")
fire("Firebase: too old", "too_old", iat=NOW - 3601, exp=NOW + 1)

assert len({one["name"] for one in CASES}) == len(CASES)
place = pathlib.Path(__file__).parent / "vectors/id_tokens.json"
lines = ",\n    ".join(json.dumps(one) for one in CASES)
keys = ",\n    ".join(json.dumps(one) for one in JWKS["keys"])
place.write_text(f'{{\n  "now": {NOW},\n  "issuer": {json.dumps(ISSUER)},\n  "client_id": "{CLIENT}",\n  "project": "{PROJECT}",\n'
                 f'  "jwks": {{"keys": [\n    {keys}\n  ]}},\n  "cases": [\n    {lines}\n  ]\n}}\n')  # fmt: skip
print(len(CASES), "cases,", sum(one["code"] is not None for one in CASES), "refused")
