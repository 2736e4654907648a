"""An API server that can be told to misbehave: where a real one cannot be made to stall, reset or answer by halves.

`labelSelector` names the fault (FAULTS); everything else is answered as a small cluster would. It can run in a network
namespace of its own, whose cable can be cut: python -m harness.stub ADDRESS CERT KEY.
"""
import base64
import hashlib
import json
import os
import socket
import ssl
import struct
import subprocess
import sys
import threading
import urllib.parse
from pathlib import Path

from harness import TOP
from harness.process import Process

FAULTS = ["stall", "reset", "half-head", "half-body", "short-body", "garbage"]
PODS = json.dumps({"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": []}).encode()
EVENT = json.dumps({"type": "ADDED", "object": {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "p"}}}).encode() + b"\n"
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def reset(stream):
    """Breaks it off: RST, not FIN."""
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    os.close(stream.detach())


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def head(status, *lines):
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode()


class Frames:
    """WebSocket frames on a stream, either side; a client's are masked with zeroes."""

    def __init__(self, stream, is_client=False, rest=b""):
        self.stream, self.is_client, self.rest = stream, is_client, rest

    def _take(self, count):
        while len(self.rest) < count:
            more = self.stream.recv(65536)
            if not more:
                raise ConnectionError("it ended")
            self.rest += more
        taken, self.rest = self.rest[:count], self.rest[count:]
        return taken

    def read(self):
        """Opcode and payload."""
        first, length = self._take(2)
        is_masked, length = length & 128, length & 127
        if length >= 126:
            length = int.from_bytes(self._take(2 if length == 126 else 8), "big")
        mask = self._take(4) if is_masked else b"\0\0\0\0"
        payload = self._take(length)
        return first & 15, bytes(b ^ mask[i & 3] for i, b in enumerate(payload)) if any(mask) else payload

    def write(self, opcode, payload):
        size = len(payload)
        length = bytes([size]) if size < 126 else b"\x7e" + struct.pack(">H", size) if size < 65536 else b"\x7f" + struct.pack(">Q", size)
        if self.is_client:
            length = bytes([length[0] | 128]) + length[1:] + b"\0\0\0\0"
        self.stream.sendall(bytes([128 | opcode]) + length + payload)


class Handler:
    """One connection."""

    def __init__(self, stub, stream):
        self.stub, self.stream, self.buffer = stub, stream, b""

    def request(self):
        while b"\r\n\r\n" not in self.buffer:
            more = self.stream.recv(65536)
            if not more:
                return None
            self.buffer += more
        text, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        lines = text.decode("latin-1").split("\r\n")
        return lines[0].split(" ")[1], {line.split(":", 1)[0].lower(): line.split(":", 1)[1].strip() for line in lines[1:]}

    def run(self):
        while (asked := self.request()) is not None:
            target, fields = asked
            path, _, query = target.partition("?")
            query = dict(urllib.parse.parse_qsl(query))
            self.stub.requests += 1
            fault = query.get("labelSelector", "")
            if "sec-websocket-key" in fields:
                return self.exec(fields, fault)
            if query.get("watch"):
                return self.watch(fault)
            if fault in FAULTS:
                return self.misbehave(fault)
            body = b'{"major":"1","minor":"37"}' if path == "/version" else PODS
            self.stream.sendall(head("200 OK", "Content-Type: application/json", f"Content-Length: {len(body)}") + body)
        return None

    def misbehave(self, fault):
        whole = head("200 OK", "Content-Type: application/json", "Content-Length: 100000")
        if fault == "stall":
            self.stub.ends.wait()
        elif fault == "half-head":
            self.stream.sendall(whole[:30])
        elif fault == "half-body":
            self.stream.sendall(whole + b"{" * 5000)
        elif fault == "short-body":
            self.stream.sendall(whole + b"{" * 5000)
            self.stream.unwrap()  # a proper goodbye, too early
            return
        elif fault == "garbage":
            self.stream.sendall(b"\x00\x01 what? \r\n\r\n")
        reset(self.stream)

    def watch(self, fault):
        """Events: one, and then silence ("reset": a break), four a second ("steady"), or as many as are taken ("flood")."""
        self.stream.sendall(head("200 OK", "Content-Type: application/json", "Transfer-Encoding: chunked") + chunk(EVENT))
        if fault == "reset":
            self.stub.breaks.wait()
            reset(self.stream)
        elif fault == "steady":
            while not self.stub.breaks.wait(0.25):
                self.stream.sendall(chunk(EVENT))
            self.stub.ends.wait()
        elif fault == "flood":
            many = chunk(EVENT) * (65536 // len(chunk(EVENT)))
            while True:
                self.stream.sendall(many)
        else:
            while self.stream.recv(4096):
                pass

    def exec(self, fields, fault):
        key = base64.b64encode(hashlib.sha1(fields["sec-websocket-key"].encode() + GUID).digest()).decode()
        self.stream.sendall(head("101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Accept: {key}",
                                 "Sec-WebSocket-Protocol: v5.channel.k8s.io"))
        frames = Frames(self.stream, rest=self.buffer)
        while True:
            opcode, payload = frames.read()
            if opcode == 8:
                return
            if fault == "reset":
                reset(self.stream)
                return
            frames.write(2, b"\x01" + payload[1:])


class StalledH2(Handler):
    """Takes HTTP/2 requests, and is never heard of again after its SETTINGS."""

    def run(self):
        self.stream.sendall(b"\0\0\0\4\0\0\0\0\0")
        while self.stream.recv(65536):
            pass


class Stub:
    """In threads of this process."""

    def __init__(self, address, cert, key, handler=Handler):
        self.requests, self.ends, self.breaks, self.handler = 0, threading.Event(), threading.Event(), handler
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(cert, key)
        if handler is StalledH2:
            self.context.set_alpn_protocols(["h2"])
        host, port = address.rsplit(":", 1)
        self.listener = socket.create_server((host, int(port)), backlog=512)
        self.url = f"https://{host}:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                stream, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(stream,), daemon=True).start()

    def _serve(self, stream):
        try:
            with self.context.wrap_socket(stream, server_side=True) as secure:
                self.handler(self, secure).run()
        except (OSError, ValueError, IndexError):
            pass

    def stop(self):
        self.ends.set()
        self.breaks.set()
        self.listener.close()


def certificate(folder, address="127.0.0.1"):
    """A certificate that is its own authority, and its key."""
    cert, key = folder / "stub.pem", folder / "stub.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=stub",
                    "-addext", f"subjectAltName=IP:{address}", "-keyout", key, "-out", cert], check=True, capture_output=True)
    return cert, key


class FarStub:
    """In a network namespace at the other end of a cable; each direction of the cable can be cut. Needs root."""

    def __init__(self, folder, number=os.getpid() % 250):
        self.space, self.here, self.there = f"stub{number}", f"10.213.{number}.1", f"10.213.{number}.2"
        self.cable = f"st{number}"
        self._ip("netns", "add", self.space)
        try:
            self._ip("link", "add", self.cable, "type", "veth", "peer", "name", "eth0", "netns", self.space)
            self._ip("addr", "add", f"{self.here}/30", "dev", self.cable)
            self._ip("link", "set", self.cable, "up")
            self._inside("addr", "add", f"{self.there}/30", "dev", "eth0")
            self._inside("link", "set", "eth0", "up")
            cert, key = certificate(folder, self.there)
            self.ca_file, self.url = cert, f"https://{self.there}:6443"
            self.process = Process("stub", ["ip", "netns", "exec", self.space, sys.executable, "-m", "harness.stub", f"{self.there}:6443", cert, key],
                                   folder / "stub.log", env=dict(os.environ, PYTHONPATH=str(TOP / "test/integ")))
            self.process.wait_for(lambda: "ready" in self.process.text(), "the stub")
        except Exception:
            self._ip("netns", "del", self.space)
            raise

    @staticmethod
    def _ip(*words):
        subprocess.run(["ip", *words], check=True, capture_output=True)

    def _inside(self, *words):
        self._ip("-n", self.space, *words)

    def _address(self, direction, mac=None):
        """To whom the frames of a direction go: nobody, or whoever answers."""
        words = (self.there, "dev", self.cable) if direction == "there" else (self.here, "dev", "eth0")
        change = ("replace", *words, "lladdr", mac, "nud", "permanent") if mac else ("del", *words)
        (self._ip if direction == "there" else self._inside)("neigh", *change)

    def cut(self, direction):
        """"there": what goes to it is lost without a word; "back": what it says; "both"."""
        for one in ("there", "back") if direction == "both" else (direction,):
            self._address(one, "02:00:00:00:00:99")

    def mend(self, direction):
        for one in ("there", "back") if direction == "both" else (direction,):
            self._address(one)

    def stop(self):
        self.process.stop()
        self._ip("netns", "del", self.space)


def near_stub(folder, handler=Handler):
    cert, key = certificate(folder)
    stub = Stub("127.0.0.1:0", cert, key, handler)
    stub.ca_file = Path(cert)
    return stub


if __name__ == "__main__":
    Stub(*sys.argv[1:])
    print("ready", flush=True)
    threading.Event().wait()
