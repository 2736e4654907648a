"""Streams that stay open, held at the level of bytes: what they received, when they ended, and with what last words."""
import base64
import json
import secrets
import socket
import ssl
import threading
import time

from harness.poll import until
from harness.raw import connect, session
from harness.stub import Frames

EXEC = "/api/v1/namespaces/default/pods/p/exec?command=sh&stdin=true&stdout=true"
WATCH = "/api/v1/pods?watch=true"
WITHIN_S = 15.0  # in which whoever waits reads that nothing more comes


def account_on(instance, stub, gateway=None, is_checked=True, options=()):
    name = f"r-{secrets.token_hex(4)}"
    trust = ("--ca-file", stub.ca_file) if is_checked else ("--insecure-skip-tls-verify",)
    instance.admin("pam", "resource", "create", name, "--url", stub.url, *trust, "--gateway", gateway or instance.gateway_name, "--no-test")
    instance.admin("pam", "account", "create", f"{name}/a", "--token-file", "-", "--no-test", *options, stdin="token-of-the-stub")
    return f"{name}/a"


class Straight:
    """To a session's gateway through a relay, as kubectl goes after `kube login`."""

    def __init__(self, instance, answer, relay=None):
        self.instance, self.answer = instance, answer | ({"relayHost": relay} if relay else {})
        self.prefix, self.fields = f"/{answer['accountId']}", []

    def connect(self):
        return connect(self.instance, self.answer)


def two_ways(instance, account):
    """A session, by each relay."""
    def both():
        answer = session(instance, account)
        return answer if len(answer["relays"]) == 2 else None
    answer = until(both, "two tunnels", timeout=40)
    return [Straight(instance, answer, relay) for relay in sorted(answer["relays"], key=lambda relay: relay != instance.relay)]


class Proxied:
    """Through the local proxy of a `pam access`."""

    def __init__(self, kubeconfig):
        values = dict(line.strip().split(": ", 1) for line in kubeconfig.read_text().splitlines() if ": " in line)
        self.url, token = json.loads(values["server"]), json.loads(values["token"])
        self.context = ssl.create_default_context(cadata=base64.b64decode(values["certificate-authority-data"]).decode())
        self.prefix, self.fields = "/" + self.url.rsplit("/", 1)[1], [f"Authorization: Bearer {token}"]
        self.address = self.url.removeprefix("https://").split("/")[0]

    def connect(self):
        host, port = self.address.rsplit(":", 1)
        return self.context.wrap_socket(socket.create_connection((host, int(port)), timeout=20), server_hostname=host)


def ask(way, target, *fields):
    """A connection on which a GET was sent."""
    stream = way.connect()
    host = getattr(way, "address", "any")
    stream.sendall("\r\n".join([f"GET {way.prefix}{target} HTTP/1.1", f"Host: {host}", *way.fields, *fields, "", ""]).encode())
    return stream


def read_until(stream, part):
    data = b""
    while part not in data:
        more = stream.recv(65536)
        assert more, f"it ended after {data!r}"
        data += more
    return data


class Live:
    """Reads what comes until the end, in a thread."""

    def __init__(self, stream):
        self.stream, self.tail, self.ended = stream, b"", None
        stream.settimeout(300)

    def listen(self):
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def _listen(self):
        try:
            while more := self.stream.recv(65536):
                self.tail += more
        except OSError:
            pass
        self.ended = time.monotonic()

    def close(self):
        self.stream.close()


def watch(way, more=""):
    """A watch that has had its first event."""
    stream = ask(way, WATCH + more, "Connection: close")
    read_until(stream, b"ADDED")
    return Live(stream).listen()


class Exec(Live):
    """An exec whose command says back what it is told."""

    def __init__(self, way, more=""):
        stream = ask(way, EXEC + more, "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: MTIzNDU2Nzg5MDEyMzQ1Ng==",
                     "Sec-WebSocket-Protocol: v5.channel.k8s.io")
        head, _, rest = read_until(stream, b"\r\n\r\n").partition(b"\r\n\r\n")
        assert b" 101 " in head, head
        super().__init__(stream)
        self.frames = Frames(stream, is_client=True, rest=rest)

    def echo(self, data):
        """What came back; equal when nothing is lost."""
        self.frames.write(2, b"\0" + data)
        return self.frames.read()[1][1:]

    def listen(self):
        self.tail = self.frames.rest
        return super().listen()


def lost(shell, size=1 << 20):
    """How many of so many random bytes an exec does not give back as they were."""
    missing = 0
    for _ in range(0, size, 16384):
        sent = secrets.token_bytes(16384)
        missing += sum(a != b for a, b in zip(sent, shell.echo(sent).ljust(16384, b"\0")))
    return missing


def all_end(lives, begun, within):
    """Seconds until the last of them has ended."""
    until(lambda: all(live.ended for live in lives), f"{len(lives)} streams have ended", timeout=within + 15)
    took = max(live.ended for live in lives) - begun
    assert took <= within, f"it took {took:.1f} s"
    return max(took, 0.0)
