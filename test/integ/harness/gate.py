"""A gate before an API server: plain HTTP in, the real thing behind it. A test is told of every request, and may hold or break it."""
import http.client
import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

FORWARDED = ("authorization", "content-type", "accept", "x-infisical-action")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are two writes: the second would wait for the first one's acknowledgement

    def relay(self):
        gate = self.server.gate
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if gate.tell("before", self.command, self.path) is False:
            self.close_connection = True
            return
        if gate.change:
            body = gate.change(self.command, self.path, body)
        status, answer = gate.ask(self.command, self.path, {k: v for k, v in self.headers.items() if k.lower() in FORWARDED}, body)
        if gate.tell("after", self.command, self.path) is False:
            self.close_connection = True
            return
        if gate.answer and gate.answer(self, status, answer):
            return
        self.say(status, answer)

    def say(self, status, answer):
        gate = self.server.gate
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        for name, value in gate.more.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = do_DELETE = relay

    def log_message(self, *args):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, host):
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, 0), Handler)

    def handle_error(self, request, client_address):
        """Who was killed hangs up; that is what the tests are about."""


class Gate:
    """`on(phase, method, path)` is called "before" a request is passed on and "after" it was answered; False: nobody hears of it any more.

    `change(method, path, body)` is the body that is passed on; `more` are fields of every answer; `answer(handler, status, body)` may answer itself.
    """

    def __init__(self, cluster, host="127.0.0.1"):
        self.cluster, self.on, self.lock, self.count = cluster, None, threading.Lock(), 0
        self.change, self.answer, self.more = None, None, {}
        self.context = ssl.create_default_context(cafile=cluster.ca_file)
        self.server = Server(host)
        self.server.gate = self
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def tell(self, phase, method, path):
        with self.lock:
            self.count += phase == "before"
        return self.on(phase, method, path) if self.on else None

    def ask(self, method, path, headers, body):
        where = urlsplit(self.cluster.url)
        connection = http.client.HTTPSConnection(where.hostname, where.port, context=self.context, timeout=30)
        try:
            connection.request(method, path, body or None, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
