"""Hostile clients of the gateway, of the local proxy and of the server."""
import json
import os
import socket
import ssl
import struct
import urllib.request

import pytest

from harness.poll import until
from harness.raw import connect, request, session, talk, trusting
from harness.road import access


@pytest.fixture(scope="module")
def target(cluster, postern_dev):
    """A session of a service account that may do nothing but look, and the cluster's record of it."""
    token = cluster.token("hostile", "default", role="view")
    account = postern_dev.connect(cluster, token)
    return postern_dev, session(postern_dev, account)


def seen_by_cluster(cluster):
    return cluster.audit(lambda e: e["user"].get("username") == "system:serviceaccount:default:hostile")


@pytest.mark.parametrize("line", ["x:@evil/", "http://evil.example/api", "*", "evil.example:443"])
def test_c88_targets_that_are_no_path(line, target):
    status, answer = request(*target, line)
    assert status == 400, answer


def test_c88_double_slash_is_a_path_on_the_configured_host(target):
    instance, answer = target
    status, body = request(instance, answer, f"/{answer['accountId']}//api/v1/namespaces/default/pods")
    assert status in (200, 301, 400, 404), body


def test_c96_two_framings(target):
    instance, answer = target
    status, body = request(instance, answer, f"/{answer['accountId']}/api/v1/pods",
                           ["Content-Length: 4", "Transfer-Encoding: chunked"], method="POST", body=b"0\r\n\r\n")
    assert status == 400 and b"connection: close" in body.lower()


@pytest.mark.parametrize("header", ["Impersonate-User: admin", "impersonate-group: system:masters", "Impersonate_User: admin",
                                    "Impersonate-Uid: 0", "Impersonate-Extra-scopes: all"])
def test_c99_impersonation_is_refused_with_a_sentence(header, target):
    instance, answer = target
    status, body = request(instance, answer, f"/{answer['accountId']}/api/v1/namespaces/default/pods", [header])
    text = json.loads(body.partition(b"\r\n\r\n")[2])
    assert status == 403 and text["kind"] == "Status" and text["reason"] == "Forbidden" and "mpersonat" in text["message"]


def test_c99_kubectl_as(newest_kubectl, cluster, target):
    instance, answer = target
    with access(instance.user(), answer["metadata"]["accountPath"]) as kubeconfig:
        done = newest_kubectl.using(kubeconfig)("--as=x", "get", "pods", check=False)
    assert done.returncode == 1 and "mpersonat" in done.stderr


@pytest.mark.parametrize("headers", [["Authorization: Bearer stolen"], ["Connection: authorization, impersonate-user"],
                                     ["X-Remote-User: admin", "X-Remote-Group: system:masters"]])
def test_c85_the_cluster_sees_only_the_injected_token(headers, cluster, target):
    instance, answer = target
    path = f"/api/v1/namespaces/default/pods?labelSelector=case%3D{abs(hash(headers[0])) % 10**8}"
    status, body = request(instance, answer, f"/{answer['accountId']}{path}", headers)
    assert status == 200, body
    event = until(lambda: cluster.audit(lambda e: e["requestURI"] == path), "the cluster's record")[0]
    assert event["user"]["username"] == "system:serviceaccount:default:hostile" and "impersonatedUser" not in event


@pytest.mark.parametrize("path", ["/api/v1/namespaces/default/pods/a%2Fexec", "/api/v1/../secrets", "/api/v1/%2e%2e/secrets",
                                  "/api/v1/namespaces//pods", "/api/v1/pods%00", "/api/v1\\pods"])
def test_paths_that_mean_two_things(path, target):
    instance, answer = target
    status, body = request(instance, answer, f"/{answer['accountId']}{path}")
    assert status == 400, body


def test_another_account_s_prefix(target):
    instance, answer = target
    status, body = request(instance, answer, "/00000000-0000-7000-8000-000000000001/api/v1/pods")
    assert status == 403, body


@pytest.mark.parametrize("junk", [b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"GET /\r\n\r\n", b"GET / HTTP/1.1\r\nA : b\r\n\r\n",
                                  b"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", b"\x00" * 64 + b"\r\n\r\n",
                                  b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1e9\r\n\r\n"],
                         ids=["two hosts", "no version", "space before colon", "folded", "zeroes", "length"])
def test_malformed_http_is_400_and_the_end(junk, target):
    instance, answer = target
    with connect(instance, answer) as stream:
        status, _ = talk(stream, junk, until_close=True)
    assert status == 400


def test_a_header_block_over_the_limit(target):
    status, _ = request(*target, "/", [f"X-{n}: {'a' * 900}" for n in range(90)])
    assert status in (400, 431)


def test_no_client_certificate(target):
    instance, answer = target
    host, port = answer["relayHost"].rsplit(":", 1)
    context = trusting(answer)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        with context.wrap_socket(socket.create_connection((host, int(port)), timeout=20), server_hostname=answer["gatewayServerName"]) as stream:
            stream.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            if not stream.recv(100):
                raise ConnectionError("closed")


def test_c46_an_unknown_protocol_is_refused(target):
    """With the alert that says why, through the relay too, every time: it is not overtaken by a reset."""
    for _ in range(20):
        with pytest.raises(ssl.SSLError, match="(?i)no.application.protocol"):
            connect(*target, alpn=("foo",)).close()


def test_an_unknown_gateway_name_gets_no_byte(target):
    instance, answer = target
    with pytest.raises((ssl.SSLError, ConnectionError, OSError)):
        connect(instance, answer, name="00000000-0000-7000-8000-000000000001.gateway.postern.internal")


def test_garbage_at_the_relay(target):
    instance, answer = target
    host, port = answer["relayHost"].rsplit(":", 1)
    for junk in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"\x00" * 100, bytes(range(256)) * 80):
        with socket.create_connection((host, int(port)), timeout=20) as stream:
            stream.sendall(junk)
            try:
                assert stream.recv(100)[:1] in (b"", b"\x15")
            except ConnectionError:
                pass
    assert request(instance, answer, f"/{answer['accountId']}/version")[0] == 200


# ---- the local proxy ----

@pytest.fixture
def proxy(target):
    """Address, bearer and CA of a `pam access` of somebody on this machine."""
    instance, answer = target
    with access(instance.user(), answer["metadata"]["accountPath"]) as kubeconfig:
        import base64
        values = dict(line.strip().split(": ", 1) for line in kubeconfig.read_text().splitlines() if ": " in line)
        context = ssl.create_default_context(cadata=base64.b64decode(values["certificate-authority-data"]).decode())
        yield json.loads(values["server"]), json.loads(values["token"]), context
        assert kubeconfig.stat().st_mode & 0o777 == 0o600


def status_of(url, context, **headers):
    request = urllib.request.Request(url, headers={name.replace("_", "-"): value for name, value in headers.items()})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(request, timeout=20) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def test_c120_the_local_proxy_wants_the_session_s_bearer(proxy):
    url, token, context = proxy
    assert status_of(f"{url}/version", context, Authorization=f"Bearer {token}") == 200
    assert status_of(f"{url}/version", context) == 401
    assert status_of(f"{url}/version", context, Authorization="Bearer guess") == 401
    assert status_of(f"{url}/version", context, Authorization=f"Bearer {token}", Host="evil.example") == 403
    assert status_of(f"{url}/version", context, Authorization=f"Bearer {token}", Origin="https://evil.example") == 403
    assert status_of(url.rsplit("/", 1)[0] + "/version", context, Authorization=f"Bearer {token}") == 403


# ---- the server ----

def leave_in_the_middle(instance, context, body):
    """A complete request whose client resets the connection before the answer can be there."""
    host, port = instance.url.removeprefix("https://").rsplit(":", 1)
    stream = context.wrap_socket(socket.create_connection((host, int(port)), timeout=20), server_hostname=host)
    stream.sendall(f"POST /api/v3/auth/login HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\n"
                   f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    os.close(stream.detach())


def test_clients_that_leave_while_a_worker_has_their_request(new_dev):
    """A login takes a worker long enough for its client to go: the server neither falls over nor forgets what it did."""
    instance = new_dev()
    context = ssl.create_default_context(cafile=instance.ca_file)
    body = json.dumps({"email": "admin@dev.postern.local", "password": "wrong"}).encode()
    for _ in range(60):
        leave_in_the_middle(instance, context, body)
    assert instance.api("GET", "/api/status", token="").status == 200
    until(lambda: "http_requests_in_progress 1\n" in instance.api("GET", "/metrics", token="").text, "all have come back", timeout=60)
    assert instance.server.is_running()
    assert '"route":"/api/v3/auth/login"' in instance.server.text(), "some came so far"



@pytest.mark.parametrize("body, status", [(b"{", 400), (b"[]", 400), (b'{"a":1,"a":2}', 400), (b'{"email":"\xff"}', 400),
                                          (b"[" * 100000, 400), (b"{}", 422), (b'{"email":"a","password":5}', 422),
                                          (b" " * (17 << 20), 413)],
                         ids=["cut", "array", "twice", "utf-8", "deep", "empty", "ill-typed", "huge"])
def test_bodies_nobody_should_send(body, status, postern_dev):
    answer = postern_dev.api("POST", "/api/v3/auth/login", body, token="")
    assert answer.status == status, answer.text
    assert set(answer.json) >= {"reqId", "statusCode", "message", "error"} and answer.headers["x-request-id"] == answer.json["reqId"]


def test_all_faults_at_once(postern_dev):
    issues = postern_dev.api("POST", "/api/v1/pam/resources/kubernetes", {"name": "", "projectId": "x", "connectionDetails": {}}).json["message"]
    assert len(issues) >= 3 and all({"code", "path", "message"} <= set(issue) for issue in issues)


@pytest.mark.parametrize("token, status", [("", 401), ("nonsense", 403), ("a.b.c", 403)])
def test_bearers_that_are_none(token, status, postern_dev):
    assert postern_dev.api("GET", "/api/v1/projects", token=token).status == status
