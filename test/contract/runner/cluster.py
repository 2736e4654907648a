# SPDX-License-Identifier: Apache-2.0
"""A stand-in for API servers, for answers that a real one cannot be made to give. Plain HTTP; what it is asked is kept."""
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

REVIEW = "POST /apis/authentication.k8s.io/v1/tokenreviews"
DEFAULT = {
    "GET /version": {"json": {"major": "1", "gitVersion": "v1.37.0"}},
    REVIEW: {"status": 201, "json": {"kind": "TokenReview", "status": {"authenticated": True, "user": {
        "username": "system:serviceaccount:default:app", "uid": "5a4e"}, "audiences": ["infisical"]}}},
}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        _, name, path = self.path.split("/", 2) if self.path.count("/") > 1 else ("", "", self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        key = f"{self.command} /{path}"
        self.server.asked.setdefault(name, []).append({"what": key, "authorization": self.headers.get("Authorization"),
                                                       "body": json.loads(body) if body else None})
        answer = (DEFAULT | self.server.answers.get(name, {})).get(key, {"status": 404, "json": {"message": "not found"}})
        time.sleep(answer.get("after", 0))
        text = json.dumps(answer["json"]) if "json" in answer else answer.get("text", "") * answer.get("repeated", 1)
        self.send_response(answer.get("status", 200))
        self.send_header("Content-Type", answer.get("type", "application/json" if "json" in answer else "text/plain"))
        for header, value in answer.get("headers", {}).items():
            self.send_header(header, value)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    do_GET = do_POST = answer

    def log_message(self, *args):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """Who hangs up, as one does on an answer that is too large, is no failure of ours."""


class StubCluster:
    """Many clusters at one port: the first part of the path is the name of one, ${cluster}/NAME its host."""

    def __init__(self):
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.answers, self.server.asked = {}, {}
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def script(self, name, answers):
        """How this cluster answers from now on, by "METHOD /path"; "review" is the TokenReview. What it was asked is forgotten."""
        self.server.answers[name] = {REVIEW if what == "review" else what: answer for what, answer in answers.items()}
        self.server.asked[name] = []

    def asked(self, name):
        requests = self.server.asked.get(name, [])
        return {"count": len(requests), "reviews": sum(r["what"] == REVIEW for r in requests), "requests": requests}
