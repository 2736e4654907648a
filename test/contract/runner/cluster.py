# SPDX-License-Identifier: Apache-2.0
"""A stand-in for API servers, for answers that a real one cannot be made to give. Plain HTTP; what it is asked is kept."""
import fnmatch
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from runner.objects import Objects

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
        path, _, query = path.partition("?")
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body, key = json.loads(raw) if raw else None, f"{self.command} /{path}"
        self.server.asked.setdefault(name, []).append({"what": key, "query": query, "authorization": self.headers.get("Authorization"),
                                                       "body": body})
        answer = self.scripted(name, key, query)
        if answer is None or answer.get("done first") or not answer.keys() & {"status", "json", "text"}:
            own = DEFAULT.get(key) or self.server.objects_of(name).answer(self.command, f"/{path}", query, body)
            answer = (own or {"status": 404, "json": {"message": "not found"}}) | (answer or {})
        time.sleep(answer.get("after", 0))
        said = answer.get("json")
        if isinstance(said, dict) and said.get("kind") == "Status":  # an API server says what it looked for
            answer = answer | {"json": {"details": {"name": path.rsplit("/", 1)[-1]}} | said}
        text = json.dumps(answer["json"]) if "json" in answer else answer.get("text", "") * answer.get("repeated", 1)
        self.send_response(answer.get("status", 200))
        self.send_header("Content-Type", answer.get("type", "application/json" if "json" in answer else "text/plain"))
        for header, value in answer.get("headers", {}).items():
            self.send_header(header, value)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def scripted(self, name, key, query):
        """The script's word for it: exact or with *, for dry runs too only where it says so; `times` are used up."""
        answers = self.server.answers.get(name, {})
        for what, answer in answers.items():
            if not (what == key or "*" in what and fnmatch.fnmatchcase(key, what)) or answer.get("times", 1) == 0:
                continue
            if "dryRun=All" in query and not answer.get("dry"):
                continue
            if "times" in answer:
                answer["times"] -= 1
            return answer
        return None

    do_GET = do_POST = do_DELETE = answer

    def log_message(self, *args):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def objects_of(self, name):
        return self.objects.setdefault(name, Objects())

    def handle_error(self, request, client_address):
        """Who hangs up, as one does on an answer that is too large, is no failure of ours."""


class StubCluster:
    """Many clusters at one port: the first part of the path is the name of one, ${cluster}/NAME its host."""

    def __init__(self):
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.answers, self.server.asked, self.server.objects = {}, {}, {}
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def script(self, name, answers):
        """How this cluster answers from now on, by "METHOD /path"; "review" is the TokenReview. What it was asked is forgotten."""
        self.server.answers[name] = {REVIEW if what == "review" else what: answer for what, answer in answers.items()}
        self.server.asked[name] = []

    def asked(self, name):
        requests = self.server.asked.get(name, [])
        return {"count": len(requests), "reviews": sum(r["what"] == REVIEW for r in requests), "requests": requests,
                "objects": self.server.objects_of(name).list(), "tokens": self.server.objects_of(name).tokens}
