"""An HTTP proxy as companies have them: CONNECT, a password, and names that only it can resolve."""
import base64
import socket
import threading


class ConnectProxy:
    """`ports`: where on loopback a name leads, by name and port. It notes whom it was asked for."""

    user, password = "ada", "s3cret@"

    def __init__(self):
        self.ports, self.asked, self.refused = {}, [], []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://{self.user}:s3cret%40@127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def lead(self, name, port):
        """`name` leads to a port of this machine; what to dial."""
        self.ports[f"{name}:{port}"] = int(port)
        return f"{name}:{port}"

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        head = b""
        while b"\r\n\r\n" not in head:
            more = client.recv(4096)
            if not more:
                client.close()
                return
            head += more
        line, *fields = head.decode().split("\r\n")
        method, place, _ = line.split(" ")
        wanted = "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        self.asked.append(place)
        if f"Proxy-Authorization: {wanted}" not in fields:
            status = "407 Proxy Authentication Required"
        elif method != "CONNECT" or place not in self.ports:
            status = "403 Forbidden"
        else:
            self._join(client, socket.create_connection(("127.0.0.1", self.ports[place])))
            return
        self.refused.append(place)
        client.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
        client.close()

    def _join(self, client, server):
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        for source, sink in ((client, server), (server, client)):
            threading.Thread(target=self._copy, args=(source, sink), daemon=True).start()

    @staticmethod
    def _copy(source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            source.close()
            sink.close()

    def close(self):
        self.listener.close()
