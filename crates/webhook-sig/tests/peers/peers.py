"""The official webhook libraries, on PyPI and on npm, behind one call each to sign and to verify."""

import base64
import json
import subprocess
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

import nacl.signing
import slack_sdk.signature
import standardwebhooks
import stripe
import svix.webhooks

HERE = Path(__file__).parent


class Npm:
    """The libraries of a folder of node modules, in one process."""

    def __init__(self, folder):
        command = ["node", str(HERE / "npm.mjs"), str(Path(folder).resolve())]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, question):
        question["body"] = base64.b64encode(question["body"]).decode()
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


class OfNpm:
    def __init__(self, npm, peer, origin, signs=True, verifies=True):
        self.npm, self.peer, self.origin = npm, peer, origin
        self.signs, self.verifies = signs, verifies

    def sign(self, key, id, timestamp, body):
        question = {"do": "sign", "peer": self.peer, "key": key, "id": id}
        return self.npm.ask({**question, "timestamp": timestamp, "body": body})

    def verify(self, key, headers, body):
        question = {"do": "verify", "peer": self.peer, "key": key, "headers": headers}
        return self.npm.ask({**question, "body": body}) is True


class Family:
    """standardwebhooks and svix, which have one shape."""

    signs = verifies = True

    def __init__(self, library, prefix, origin):
        self.library, self.prefix, self.origin = library, prefix, origin

    def sign(self, key, id, timestamp, body):
        at = datetime.fromtimestamp(timestamp, timezone.utc)
        signature = self.library.Webhook(key).sign(id, at, body.decode())
        values = {"id": id, "timestamp": str(timestamp), "signature": signature}
        return [[f"{self.prefix}-{name}", value] for name, value in values.items()]

    def verify(self, key, headers, body):
        try:
            # What the body says is not compared, and it need not be JSON.
            self.library.Webhook(key).verify(body, dict(headers))
        except json.JSONDecodeError:
            return True
        except Exception:
            return False
        return True


class Stripe:
    signs = verifies = True
    origin = f"stripe {version('stripe')} (PyPI)"

    def sign(self, key, id, timestamp, body):
        payload = f"{timestamp}.{body.decode()}"
        mac = stripe.WebhookSignature._compute_signature(payload, key)
        return [["stripe-signature", f"t={timestamp},v1={mac}"]]

    def verify(self, key, headers, body):
        try:
            value = dict(headers)["stripe-signature"]
            return stripe.WebhookSignature.verify_header(body.decode(), value, key, 300)
        except stripe.SignatureVerificationError:
            return False


class Slack:
    signs = verifies = True
    origin = f"slack_sdk {version('slack_sdk')} (PyPI)"

    def sign(self, key, id, timestamp, body):
        verifier = slack_sdk.signature.SignatureVerifier(key)
        signature = verifier.generate_signature(timestamp=str(timestamp), body=body)
        return [["x-slack-request-timestamp", str(timestamp)], ["x-slack-signature", signature]]

    def verify(self, key, headers, body):
        found = dict(headers)
        verifier = slack_sdk.signature.SignatureVerifier(key)
        return verifier.is_valid(
            body, found["x-slack-request-timestamp"], found["x-slack-signature"]
        )


class V1a:
    """No library has v1a: this is libsodium's Ed25519 under the text of the specification."""

    signs = verifies = True
    origin = f"PyNaCl {version('PyNaCl')} (PyPI)"

    def sign(self, key, id, timestamp, body):
        seed = base64.b64decode(key.removeprefix("whsk_"))[:32]
        message = f"{id}.{timestamp}.".encode() + body
        signature = nacl.signing.SigningKey(seed).sign(message).signature
        value = "v1a," + base64.b64encode(signature).decode()
        values = {"id": id, "timestamp": str(timestamp), "signature": value}
        return [[f"webhook-{name}", value] for name, value in values.items()]

    def verify(self, key, headers, body):
        found = dict(headers)
        public = nacl.signing.VerifyKey(base64.b64decode(key.removeprefix("whpk_")))
        prefix = f"{found['webhook-id']}.{found['webhook-timestamp']}."
        for entry in found["webhook-signature"].split(" "):
            kind, value = entry.split(",")
            try:
                if kind == "v1a":
                    public.verify(prefix.encode() + body, base64.b64decode(value))
                    return True
            except nacl.exceptions.BadSignatureError:
                pass
        return False


def public_of(private):
    seed = base64.b64decode(private.removeprefix("whsk_"))[:32]
    public = nacl.signing.SigningKey(seed).verify_key.encode()
    return "whpk_" + base64.b64encode(public).decode()


def every(npm=None):
    """Each peer with its scheme, v1a apart."""
    found = [
        ("standard", Family(standardwebhooks, "webhook", f"standardwebhooks {version('standardwebhooks')} (PyPI)")),
        ("svix", Family(svix.webhooks, "svix", f"svix {version('svix')} (PyPI)")),
        ("stripe", Stripe()),
        ("slack", Slack()),
        ("v1a", V1a()),
    ]
    if npm:
        versions = json.loads((HERE / "package.json").read_text())["dependencies"]
        origin = lambda name: f"{name} {versions[name]} (npm)"
        found += [
            ("standard", OfNpm(npm, "standardwebhooks", origin("standardwebhooks"))),
            ("svix", OfNpm(npm, "svix", origin("svix"))),
            ("stripe", OfNpm(npm, "stripe", origin("stripe"))),
            ("slack", OfNpm(npm, "bolt", origin("@slack/bolt"), signs=False)),
            ("github", OfNpm(npm, "octokit", origin("@octokit/webhooks-methods"))),
            ("v1a", OfNpm(npm, "node", "Node.js crypto")),
        ]
    return found
