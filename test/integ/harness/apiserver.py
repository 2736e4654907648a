"""An API server that does what a real one cannot be made to do, with certificates of its own that can change."""
import http.server
import json
import ssl
import subprocess
import threading


def authority(folder, name):
    """A CA: (certificate, key)."""
    paths = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1", "-subj",
                    f"/CN={name}", "-keyout", paths[1], "-out", paths[0]], check=True, capture_output=True)
    return paths


def leaf(folder, ca):
    """A server's certificate for 127.0.0.1 by that CA: (certificate, key)."""
    key, request, made, more = (folder / f"{ca[0].stem}-leaf.{end}" for end in ("key", "csr", "pem", "ext"))
    more.write_text("subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth\n")
    subprocess.run(["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=stub", "-keyout", key,
                    "-out", request], check=True, capture_output=True)
    subprocess.run(["openssl", "x509", "-req", "-in", request, "-CA", ca[0], "-CAkey", ca[1], "-CAcreateserial", "-days", "1", "-extfile",
                    more, "-out", made], check=True, capture_output=True)
    return made, key


class Stub:
    """Answers each GET by `answer(path)` → (status, headers, body); remembers the paths and the bearers, and all header fields."""

    def __init__(self, folder, answer=lambda path: (200, {}, b"{}")):
        self.seen, self.fields, stub = [], [], self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # head and body are two writes: the second would wait for the first one's acknowledgement
            timeout = 60

            def do_GET(self):
                stub.seen.append((self.path, self.headers.get("Authorization")))
                stub.fields.append({name.lower(): value for name, value in self.headers.items()})
                status, headers, body = answer(self.path)
                self.send_response(status)
                for name, value in ({"Content-Type": "application/json", "Content-Length": str(len(body))} | headers).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)
                self.close_connection = headers.get("Content-Length", str(len(body))) != str(len(body))  # as one that breaks off

            def log_message(self, *_):
                pass

        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ca = authority(folder, "first")
        self.context.load_cert_chain(*leaf(folder, self.ca))
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.socket = self.context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"https://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def use(self, certificate):
        """From the next connection on."""
        self.context.load_cert_chain(*certificate)

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def status(message, code):
    return json.dumps({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": code}).encode()
