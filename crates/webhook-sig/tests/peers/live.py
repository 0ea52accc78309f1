"""Holds our command line against the official libraries, both ways, at the present time.

    python live.py folder-of-node-modules path/to/strongroom

Ours signs and theirs verify; theirs sign and ours verifies; of each message with one byte changed,
neither is taken. `cargo xtask soak --only webhook-peers` installs what it needs and runs it.
"""

import base64
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import peers

BODIES = [b'{"test": 2432232314}', '{"città":"東京 🦀"}'.encode(), b"{}\n", b'"' + b"x" * 70000 + b'"']
KEYS = {
    "stripe": ["whsec_5WbX5kEWLlfzsGNjH64I8lOOqUB6e8FH"],
    "slack": ["8f742231b10e8888abcd99yyyzzz85a5"],
    "github": ["It's a Secret to Everybody"],
}


class Ours:
    def __init__(self, program, folder):
        self.program, self.folder = program, Path(folder)

    def run(self, *arguments, body=b"", status=0):
        line = [self.program, "webhook", *arguments]
        done = subprocess.run(line, input=body, capture_output=True, cwd=self.folder)
        assert done.returncode == status, (line, done.returncode, done.stdout, done.stderr)
        return done.stdout.decode()

    def keys(self, scheme):
        """A sender's and a receiver's key, in files."""
        sender, receiver = self.folder / "sender", self.folder / "receiver"
        sender.unlink(missing_ok=True)
        if scheme == "v1a":
            receiver.write_text(self.run("keygen", "--asymmetric", "--out", "sender"))
        elif scheme in KEYS:
            sender.write_text(KEYS[scheme][0] + "\n")
            receiver.write_text(KEYS[scheme][0] + "\n")
        else:
            self.run("keygen", "--out", "sender")
            receiver.write_text(sender.read_text())
        return sender.read_text().strip(), receiver.read_text().strip()

    def sign(self, scheme, body):
        told = self.run("sign", "--scheme", scheme, "--secret-file", "sender", body=body)
        return [line.split(": ", 1) for line in told.splitlines()]

    def verify(self, scheme, headers, body, status=0):
        lines = "".join(f"{name}: {value}\n" for name, value in headers)
        (self.folder / "headers").write_text(lines)
        options = ["--without-window"] if scheme == "github" else []
        arguments = ["--scheme", scheme, "--secret-file", "receiver", "--headers", "headers"]
        self.run("verify", *arguments, *options, body=body, status=status)


def main():
    npm, program = peers.Npm(sys.argv[1]), str(Path(sys.argv[2]).resolve())
    held = 0
    with tempfile.TemporaryDirectory() as folder:
        ours = Ours(program, folder)
        for name, peer in peers.every(npm):
            scheme = "standard" if name == "v1a" else name
            private, public = ours.keys(name)
            for body in BODIES:
                changed = bytes([body[0] ^ 1]) + body[1:]
                headers = ours.sign(scheme, body)
                assert peer.verify(public, headers, body), f"{peer.origin} refuses ours"
                assert not peer.verify(public, headers, changed), f"{peer.origin} takes anything"
                held += 1
                if peer.signs:
                    headers = peer.sign(private, "msg_live", int(time.time()), body)
                    ours.verify(scheme, headers, body)
                    ours.verify(scheme, headers, changed, status=1)
                    held += 1
            print(f"{name}: {peer.origin}")
    print(f"{held} messages, each taken by the other side and refused when changed")


main()
