"""Between two of our processes, or between us and a cluster: what passes, and how often it was dialled."""
import socket
import threading
import time


class Tap:
    """
    A TCP forwarder that counts connections and keeps every byte that passes, until it is told to lose what is sent in a
    direction: drop("up"), towards the target, or drop("down"); of connections whose first bytes `where` likes. With
    `idle_s` it is a load balancer that closes what was silent for so long.
    """

    def __init__(self, target, idle_s=None, host="127.0.0.1"):
        self.target, self.idle_s, self.cut_idle = target, idle_s, 0
        self.seen, self.lock = bytearray(), threading.Lock()
        self.connections = 0
        self.lost = {}
        self.listener = socket.create_server((host, 0))
        self.address = f"{host}:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            host, port = self.target.rsplit(":", 1)
            try:
                server = socket.create_connection((host, int(port)))
            except OSError:
                client.close()
                continue
            first, last = bytearray(), [time.monotonic()]
            for way, source, sink in (("up", client, server), ("down", server, client)):
                source.settimeout(self.idle_s)
                threading.Thread(target=self._copy, args=(way, first, last, source, sink), daemon=True).start()

    def drop(self, way, where=lambda first: True):
        self.lost[way] = where

    def mend(self):
        self.lost = {}

    def _receive(self, source, last):
        while True:
            try:
                data = source.recv(65536)
            except TimeoutError:
                if time.monotonic() - last[0] < self.idle_s:
                    continue
                self.cut_idle += 1
                return b""
            last[0] = time.monotonic()
            return data

    def _copy(self, way, first, last, source, sink):
        try:
            while data := self._receive(source, last):
                if way == "up" and not first:
                    first += data
                if way in self.lost and self.lost[way](first):
                    continue
                with self.lock:
                    self.seen += data
                sink.sendall(data)
        except OSError:
            pass
        finally:
            try:
                sink.shutdown(socket.SHUT_WR)
            except OSError:
                pass

    def close(self):
        self.listener.close()
