"""The peer libraries, each behind `sign` and `verify`, and a live run of ours against them, both ways.

    cargo xtask soak --only token-peers

installs what it names in requirements.txt and package-lock.json, and runs

    python peers.py path/to/strongroom folder-of-node-modules    # without the folder, without jose
"""

import json, pathlib, subprocess, sys, tempfile, uuid
from importlib.metadata import version

import joserfc.jwk, joserfc.jwt, jwcrypto.jwk, jwcrypto.jwt, jwt

HERE = pathlib.Path(__file__).parent


class PyJWT:
    name = f"PyJWT {version('pyjwt')}"
    algorithms = ("EdDSA", "ES256")  # 2.15 does not know the name `Ed25519`.

    def sign(self, alg, jwk, header, claims):
        key = jwt.PyJWK.from_dict(jwk).key
        return jwt.encode(claims, key, algorithm=alg, headers=header)

    def verify(self, alg, jwk, token, issuer, audience):
        key = jwt.PyJWK.from_dict(jwk).key
        options = {f"verify_{time}": False for time in ("exp", "iat", "nbf")}
        return jwt.decode(token, key, algorithms=[alg], audience=audience, issuer=issuer, options=options)


class Joserfc:
    name = f"joserfc {version('joserfc')}"
    algorithms = ("EdDSA", "Ed25519", "ES256")

    def sign(self, alg, jwk, header, claims):
        return joserfc.jwt.encode(header | {"alg": alg}, claims, joserfc.jwk.import_key(jwk), algorithms=[alg])

    def verify(self, alg, jwk, token, issuer, audience):
        read = joserfc.jwt.decode(token, joserfc.jwk.import_key(jwk), algorithms=[alg]).claims
        assert (read["iss"], read["aud"]) == (issuer, audience)
        return read


class Jwcrypto:
    name = f"jwcrypto {version('jwcrypto')}"
    algorithms = ("EdDSA", "Ed25519", "ES256")

    def sign(self, alg, jwk, header, claims):
        token = jwcrypto.jwt.JWT(header=header | {"alg": alg}, claims=claims, algs=[alg])
        token.make_signed_token(jwcrypto.jwk.JWK(**jwk))
        return token.serialize()

    def verify(self, alg, jwk, token, issuer, audience):
        key, read = jwcrypto.jwk.JWK(**jwk), jwcrypto.jws.JWS()
        read.allowed_algs = [alg]
        read.deserialize(token, key)
        return json.loads(read.payload)


class Jose:
    algorithms = ("EdDSA", "Ed25519", "ES256")

    def __init__(self, folder):
        self.folder = pathlib.Path(folder).resolve()
        package = json.loads((self.folder / "node_modules/jose/package.json").read_text())
        self.name = f"jose {package['version']} (npm)"

    def run(self, **request):
        ran = subprocess.run(["node", HERE / "jose.mjs", self.folder], input=json.dumps(request), capture_output=True, text=True)
        if ran.returncode:
            raise ValueError(ran.stderr)
        return json.loads(ran.stdout)

    def sign(self, alg, jwk, header, claims):
        return self.run(op="sign", alg=alg, jwk=jwk, header=header, claims=claims)

    def verify(self, alg, jwk, token, issuer, audience):
        return self.run(op="verify", alg=alg, jwk=jwk, token=token, issuer=issuer, audience=audience)


def peers(folder=None):
    return [PyJWT(), Joserfc(), Jwcrypto()] + ([Jose(folder)] if folder else [])


def live(strongroom, folder):
    """New keys, new tokens: each peer verifies ours and refuses it altered, and ours does so with each peer's."""
    issuer, audience = "https://id.example.com", "https://api.example.com"
    parties = ["--issuer", issuer, "--audience", audience]
    tenant, actor = str(uuid.uuid4()), f"user:{uuid.uuid4()}"
    done = 0
    with tempfile.TemporaryDirectory() as work:
        def ours(*arguments, given="", ends=0):
            ran = subprocess.run([strongroom, "token", *arguments], input=given, capture_output=True, text=True, cwd=work)
            assert ran.returncode == ends, (arguments, ran.stdout, ran.stderr)
            return ran.stdout.strip()

        for alg in ("EdDSA", "ES256"):
            ours("keygen", "--alg", alg, "--out", alg)
            (pathlib.Path(work) / f"{alg}.jwks").write_text(ours("jwks", "--key-file", alg))
            private = json.loads((pathlib.Path(work) / alg).read_text())
            public = json.loads((pathlib.Path(work) / f"{alg}.jwks").read_text())["keys"][0]
            token = ours("mint", "--key-file", alg, *parties, "--tenant", tenant, "--actor", actor, "--cap", "chat:create")
            claims = json.loads(ours("decode", "--json", given=token))["claims"]
            altered = token[:-20] + ("A" if token[-20] != "A" else "B") + token[-19:]
            for peer in peers(folder):
                assert peer.verify(alg, public, token, issuer, audience) == claims, peer.name
                try:
                    peer.verify(alg, public, altered, issuer, audience)
                except Exception:
                    pass
                else:
                    raise AssertionError(f"{peer.name} verifies an altered token")
                done += 2
                for name in [name for name in peer.algorithms if (name == "ES256") == (alg == "ES256")]:
                    # jose holds a JWK's `alg` against the one that it is to sign with.
                    jwk = private | {"alg": name}
                    theirs = peer.sign(name, jwk, {"typ": "at+jwt", "kid": private["kid"]}, claims | {"jti": str(uuid.uuid4())})
                    told = json.loads(ours("verify", "--json", "--jwks", f"{alg}.jwks", *parties, given=theirs))
                    assert (told["tenant"], told["actor"]) == (tenant, actor), peer.name
                    broken = theirs[:-20] + ("A" if theirs[-20] != "A" else "B") + theirs[-19:]
                    ours("verify", "--jwks", f"{alg}.jwks", *parties, given=broken, ends=1)
                    done += 2
                print("agree:", alg, peer.name)
    print(done, "verdicts agree")


if __name__ == "__main__":
    live(str(pathlib.Path(sys.argv[1]).resolve()), sys.argv[2] if len(sys.argv) > 2 else None)
