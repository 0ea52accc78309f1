"""A tenant's call with the official openai SDK. The gateway's address and the tenant's access
token come as OPENAI_BASE_URL and OPENAI_API_KEY, as for any provider.

usage: chat.py PROMPT        prints one JSON object
"""

import json
import sys

import openai

client = openai.OpenAI(max_retries=0)
messages = [{"role": "user", "content": sys.argv[1]}]
raw = client.chat.completions.with_raw_response.create(model="demo-model", messages=messages)
completion = raw.parse()

# The SDK's own error classes come out of the gateway's problem documents.
try:
    client.chat.completions.create(model="demo-model", messages=messages, stream=True)
    refused = None
except openai.BadRequestError as error:
    refused = error.code

print(
    json.dumps(
        {
            "content": completion.choices[0].message.content,
            "request_id": raw.headers["x-request-id"],
            "receipt": raw.headers["strongroom-receipt"],
            "stream_refused_as": refused,
        }
    )
)
