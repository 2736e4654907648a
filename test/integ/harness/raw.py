"""Bytes straight at a gateway or a server, for what no client would send."""
import socket
import ssl
import tempfile


def session(instance, account, **body):
    """The access call's answer: a session with its certificate, without any proxy."""
    return instance.ok("POST", "/api/v1/pam/accounts/access", {"path": account, "duration": "10m"} | body)


def trusting(answer):
    """What a client trusts: one authority, which is no root."""
    context = ssl.create_default_context(cadata=answer["gatewayServerCertificateChain"])
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def connect(instance, answer, alpn=("http/1.1",), name=None):
    """A TLS connection to the session's gateway, through the relay."""
    host, port = answer["relayHost"].rsplit(":", 1)
    context = trusting(answer)
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(answer["gatewayClientCertificate"] + answer["gatewayClientPrivateKey"])
        file.flush()
        context.load_cert_chain(file.name)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context.wrap_socket(socket.create_connection((host, int(port)), timeout=20), server_hostname=name or answer["gatewayServerName"])


def talk(stream, data, until_close=False):
    """Sends bytes; the status and all that comes (head and a body with Content-Length, or until the end)."""
    stream.sendall(data)
    received = b""
    while True:
        head, separator, body = received.partition(b"\r\n\r\n")
        if separator and not until_close:
            lengths = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            if lengths and len(body) >= int(lengths[0]):
                break
        try:
            more = stream.recv(65536)
        except (ssl.SSLError, ConnectionError):
            break
        if not more:
            break
        received += more
    status = int(received.split(b" ", 2)[1]) if received.startswith(b"HTTP/1.1 ") else 0
    return status, received


def request(instance, answer, target, headers=(), method="GET", body=b"", alpn=("http/1.1",)):
    """One HTTP/1.1 request on a connection of its own."""
    lines = [f"{method} {target} HTTP/1.1", "Host: any", *headers, "", ""]
    with connect(instance, answer, alpn) as stream:
        return talk(stream, "\r\n".join(lines).encode("latin-1") + body)
