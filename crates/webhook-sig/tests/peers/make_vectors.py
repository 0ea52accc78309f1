"""Makes tests/vectors/schemes-*.json with the official libraries.

    python make_vectors.py folder-of-node-modules ../vectors

docs/operating/webhooks.md says what to install. Every vector's headers are what the library named in
`origin` made; the invalid ones are such headers with one thing changed, by this script.
"""

import base64
import json
import sys
from pathlib import Path

import peers

NOW = 1614265330
KEYS = {
    "standard": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "svix": "whsec_AAcOFRwjKjE4P0ZNVFtiaXB3foWMk5qhqK+2vcTL0tk=",
    "stripe": "whsec_5WbX5kEWLlfzsGNjH64I8lOOqUB6e8FH",
    "slack": "8f742231b10e8888abcd99yyyzzz85a5",
    "github": "It's a Secret to Everybody",
    "v1a": "whsk_" + base64.b64encode(bytes(range(32))).decode(),
}
BODIES = {
    "json": b'{"test": 2432232314}',
    "empty": b"",
    "unicode": '{"città":"東京 🦀"}'.encode(),
    "newlines-and-dots": b"1.2.3\r\n\r\n...\n",
    "form": b"token=xyzz0WbapA4vBCDEFasx0q6G&text=a+b%2F",
    "long": b"0123456789abcdef" * 257,
}
ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"


def scheme_of(name):
    return "standard" if name == "v1a" else name


def receiver_key(name):
    return peers.public_of(KEYS[name]) if name == "v1a" else KEYS[name]


def vector(name, origin, scheme, keys, headers, body, now=NOW, **more):
    return {
        "name": name,
        "origin": origin,
        "scheme": scheme,
        "keys": keys,
        "headers": headers,
        "body": base64.b64encode(body).decode(),
        "now": now,
        **more,
    }


def valid(npm):
    found = []
    for name, peer in peers.every(npm):
        if not peer.signs:
            continue
        for what, body in BODIES.items():
            # Octokit signs no empty body.
            if name == "github" and not body:
                continue
            headers = peer.sign(KEYS[name], ID, NOW, body)
            title = f"{name}-{what}: {peer.origin}"
            keys = [receiver_key(name)]
            found.append(vector(title, peer.origin, scheme_of(name), keys, headers, body))
    body = BODIES["json"]
    by = {name: (peer, peer.sign(KEYS[name], ID, NOW, body)) for name, peer in peers.every(npm)[::-1] if peer.signs}
    # While a sender moves from one kind of key to the other, and from one key to the next.
    standard, v1a = by["standard"][1], by["v1a"][1]
    both = standard[:2] + [["webhook-signature", f"{standard[2][1]} {v1a[2][1]}"]]
    origin = f"{by['standard'][0].origin}, {by['v1a'][0].origin}"
    for title, keys in [
        ("both-kinds, secret", [KEYS["standard"]]),
        ("both-kinds, public key", [receiver_key("v1a")]),
        ("both-kinds, another secret and the public key", [KEYS["svix"], receiver_key("v1a")]),
    ]:
        found.append(vector(title, origin, "standard", keys, both, body))
    pair = bytes(range(32)) + base64.b64decode(receiver_key("v1a").removeprefix("whpk_"))
    long_key = "whsk_" + base64.b64encode(pair).decode()
    assert by["v1a"][0].sign(long_key, ID, NOW, body) == v1a
    binary = bytes(range(256))
    peer = by["v1a"][0]
    found.append(
        vector("v1a-binary", peer.origin, "standard", [receiver_key("v1a")], peer.sign(KEYS["v1a"], ID, NOW, binary), binary)
    )
    peer, stripe = by["stripe"]
    other = dict(peer.sign("whsec_another secret for the tests"[:38].replace(" ", "_"), ID, NOW, body))["stripe-signature"]
    mixed = stripe[0][1] + "," + other.split(",")[1] + ",v0=" + "ab" * 32
    found.append(vector("stripe-several", peer.origin, "stripe", [KEYS["stripe"]], [["Stripe-Signature", mixed]], body))
    plain = [[name.replace("svix-", "webhook-"), value] for name, value in by["svix"][1]]
    found.append(vector("svix-plain-names", by["svix"][0].origin, "svix", [KEYS["svix"]], plain, body))
    for title, now in [("300-seconds-old", NOW + 300), ("300-seconds-ahead", NOW - 300)]:
        for name in ["svix", "stripe", "slack", "v1a"]:
            peer, headers = by[name]
            keys = [receiver_key(name)]
            found.append(vector(f"{name}-{title}", peer.origin, scheme_of(name), keys, headers, body, now))
    # Published by the senders themselves.
    found.append(
        vector(
            "github-documentation",
            "GitHub's documentation, validating webhook deliveries",
            "github",
            [KEYS["github"]],
            [["X-Hub-Signature-256", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"]],
            b"Hello, World!",
        )
    )
    slack = (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
        b"&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
        b"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
        b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    headers = [
        ["X-Slack-Request-Timestamp", "1531420618"],
        ["X-Slack-Signature", "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"],
    ]
    origin = "Slack's documentation, verifying requests"
    found.append(vector("slack-documentation", origin, "slack", [KEYS["slack"]], headers, slack, 1531420618))
    return found


def invalid(npm):
    body, found = BODIES["json"], []
    by = {name: peer.sign(KEYS[name], ID, NOW, body) for name, peer in peers.every(npm)[::-1] if peer.signs}

    def add(name, title, code, headers=None, keys=None, content=body, now=NOW):
        headers = by[name] if headers is None else headers
        keys = keys or [receiver_key(name)]
        title = f"{name}-{title}"
        found.append(vector(title, "strongroom", scheme_of(name), keys, headers, content, now, code=code))

    others = {
        "svix": KEYS["standard"],
        "stripe": "whsec_" + "x" * 32,
        "slack": "y" * 32,
        "github": "another secret to nobody",
        "v1a": peers.public_of("whsk_" + base64.b64encode(bytes(32)).decode()),
    }
    for name, other in others.items():
        headers = by[name]
        *rest, (last, value) = headers
        add(name, "another-key", "signature-mismatch", keys=[other])
        add(name, "another-body", "signature-mismatch", content=body + b" ")
        add(name, "body-cut", "signature-mismatch", content=body[:-1])
        add(name, "body-with-a-line-feed", "signature-mismatch", content=body + b"\n")
        add(name, "no-headers", "missing-header", headers=[])
        add(name, "no-signature", "missing-header", headers=rest)
        add(name, "two-signature-headers", "duplicate-header", headers=headers + [[last.upper(), value]])
        add(name, "empty-signature", "malformed-header", headers=rest + [[last, ""]])
        add(name, "space-before", "malformed-header", headers=rest + [[last, " " + value]])
        add(name, "space-after", "malformed-header", headers=rest + [[last, value + " "]])
        add(name, "cut", "malformed-header", headers=rest + [[last, value[:-1]]])
        add(name, "huge", "headers-too-large", headers=rest + [[last, value + "x" * 4096]])
        if name != "github":
            add(name, "301-seconds-old", "too-old", now=NOW + 301)
            add(name, "301-seconds-ahead", "too-new", now=NOW - 301)
            add(name, "ten-years-ahead", "too-new", now=NOW - 315360000)
            add(name, "of-the-receiver-s-epoch", "too-new", now=0)
        if name in ("svix", "v1a", "slack"):
            for index, (header, at) in enumerate(headers):
                if "timestamp" not in header:
                    continue
                for title, text in [("text", "abc"), ("sign", "+" + at), ("fraction", at + ".0"), ("leading-zero", "0" + at), ("underscore", "1_614_265_330"), ("trailing-text", at + "abc"), ("2-to-the-64", str(2**64)), ("minus", "-1")]:
                    changed = [list(pair) for pair in headers]
                    changed[index][1] = text
                    add(name, f"timestamp-{title}", "malformed-header", headers=changed)
                moved = [list(pair) for pair in headers]
                moved[index][1] = str(NOW + 1)
                add(name, "timestamp-moved", "signature-mismatch", headers=moved)
        if name in ("svix", "v1a"):
            for title, text in [("dot", ID + ".1"), ("empty", ""), ("space", "a b"), ("257-bytes", "x" * 257)]:
                add(name, f"id-{title}", "malformed-header", headers=[[headers[0][0], text]] + headers[1:])
            add(name, "another-id", "signature-mismatch", headers=[[headers[0][0], "msg_2"]] + headers[1:])
            add(name, "seventeen", "too-many-signatures", headers=rest + [[last, " ".join([value] * 17)]])
            add(name, "unknown-version-alone", "no-supported-signature", headers=rest + [[last, "v2,AAAA"]])
        if name in ("stripe", "slack", "github"):
            prefix, mac = value.rsplit("=", 1)
            for title, text in [("upper-case", mac.upper()), ("31-bytes", mac[2:]), ("33-bytes", mac + "00"), ("not-hexadecimal", "g" + mac[1:]), ("base64", base64.b64encode(bytes.fromhex(mac)).decode())]:
                add(name, title, "malformed-header", headers=rest + [[last, f"{prefix}={text}"]])
    value = by["stripe"][0][1]
    at, mac = value.split(",")

    def stripe(title, code, text):
        add("stripe", title, code, headers=[["stripe-signature", text]])

    stripe("no-timestamp", "malformed-header", mac)
    stripe("two-timestamps", "malformed-header", f"{at},{value}")
    stripe("timestamp-leading-zero", "malformed-header", value.replace("t=", "t=0"))
    stripe("timestamp-fraction", "malformed-header", f"{at}.0,{mac}")
    stripe("timestamp-empty", "malformed-header", f"t=,{mac}")
    stripe("timestamp-moved", "signature-mismatch", f"t={NOW + 1},{mac}")
    stripe("only-v0", "no-supported-signature", value.replace("v1=", "v0="))
    stripe("comma-and-space", "malformed-header", f"{at}, {mac}")
    stripe("trailing-comma", "malformed-header", value + ",")
    stripe("malformed-beside-good", "malformed-header", value + ",v1=00")
    stripe("seventeen", "too-many-signatures", at + f",{mac}" * 17)
    at, (name, value) = by["slack"]
    add("slack", "another-version", "no-supported-signature", headers=[at, [name, "v1" + value[2:]]])
    add("slack", "two", "malformed-header", headers=[at, [name, f"{value},{value}"]])
    add("slack", "no-timestamp", "missing-header", headers=[[name, value]])
    delivery, (name, value) = by["github"]
    add("github", "sha1", "missing-header", headers=[["x-hub-signature", "sha1=" + "0" * 40]])
    add("github", "another-hash", "malformed-header", headers=[[name, value.replace("sha256", "sha512")]])
    add("github", "two-deliveries", "duplicate-header", headers=[delivery, delivery, [name, value]])
    add("github", "delivery-with-a-space", "malformed-header", headers=[[delivery[0], "a b"], [name, value]])
    standard, v1a = by["standard"], by["v1a"]
    add("v1a", "secret-s-signature-alone", "signature-mismatch", headers=standard)
    add("standard", "public-key-s-signature-alone", "signature-mismatch", headers=v1a)
    add("svix", "names-of-both-kinds", "missing-header", headers=by["svix"][:2] + standard)
    signature = v1a[2][1]
    # S + L: the same signature to a verifier that does not reduce (RFC 8032, section 5.1.7).
    raw = base64.b64decode(signature.removeprefix("v1a,"))
    order = 2**252 + 27742317777372353535851937790883648493
    s = int.from_bytes(raw[32:], "little") + order
    forged = "v1a," + base64.b64encode(raw[:32] + s.to_bytes(32, "little")).decode()
    add("v1a", "s-plus-order", "signature-mismatch", headers=v1a[:2] + [[v1a[2][0], forged]])
    for title, text in [("no-padding", signature.rstrip("=")), ("url-alphabet", "v1a,-_" + signature[6:]), ("63-bytes", "v1a," + base64.b64encode(raw[:63]).decode()), ("trailing-bits", signature[:-3] + chr(ord(signature[-3]) + 1) + "==")]:
        add("v1a", title, "malformed-header", headers=v1a[:2] + [[v1a[2][0], text]])
    return found


def main():
    npm, out = peers.Npm(sys.argv[1]), Path(sys.argv[2])
    for name, found in [("schemes-valid", valid(npm)), ("schemes-invalid", invalid(npm))]:
        names = [vector["name"] for vector in found]
        assert len(names) == len(set(names)), sorted(n for n in names if names.count(n) > 1)
        lines = ",\n".join(" " + json.dumps(vector, ensure_ascii=False) for vector in found)
        (out / f"{name}.json").write_text(f"[\n{lines}\n]\n")
        print(name, len(found))


main()
