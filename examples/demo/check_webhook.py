"""Asks the official Standard Webhooks library about a delivery.

usage: check_webhook.py RECORD.json SECRET_FILE        prints accepted, or refused and why
"""

import base64
import json
import pathlib
import sys

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

record = json.loads(pathlib.Path(sys.argv[1]).read_text())
secret = pathlib.Path(sys.argv[2]).read_text().strip()
try:
    Webhook(secret).verify(base64.b64decode(record["body_base64"]), record["headers"])
    print("accepted")
except WebhookVerificationError as error:
    print(f"refused: {error}")
