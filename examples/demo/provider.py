"""A small local provider for the demo: it speaks as OpenAI's chat completions do, and writes down
every request that reaches it. It is no model: it answers with one fixed sentence.

usage: provider.py RECORD_DIR
"""

import http.server
import json
import pathlib
import sys

RECORD = pathlib.Path(sys.argv[1])
ANSWER = "Noted. You can reach our clerk at jane.clerk@example.org or on +1 415 555 0132."


class Provider(http.server.BaseHTTPRequestHandler):
    count = 0

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        request = json.loads(body)
        Provider.count += 1
        record = {"headers": dict(self.headers), "body": request}
        (RECORD / f"{Provider.count}.json").write_text(json.dumps(record))
        answer = {
            "id": f"chatcmpl-local-{Provider.count}",
            "object": "chat.completion",
            "created": 1800000000,
            "model": request["model"],
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": ANSWER},
                    "finish_reason": "stop",
                }
            ],
            "usage": {"prompt_tokens": 21, "completion_tokens": 19, "total_tokens": 40},
        }
        data = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Provider)
print(f"listening on 127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
