"""Infisical's own `pam access` against our server, relay and gateway: clients/pam does on the wire what its source does."""
import base64
import json
import subprocess
from contextlib import contextmanager

import pytest

from harness.poll import until
from harness.postern import clean_env
from harness.process import Process
from harness.raw import request, session
from harness.setup import where


@pytest.fixture
def account(cluster, postern, namespace):
    return postern.connect(cluster, cluster.token("somebody", namespace, role="edit"))


def client(*words, answer):
    """A single connection of the client's; what it saw."""
    done = subprocess.run([where("client-pam") / "client", *words], input=json.dumps(answer), capture_output=True, text=True, timeout=60,
                          check=False)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    return base64.b64decode(seen["said"] or ""), seen.get("error", "")


def state(instance, session_id):
    return instance.ok("GET", f"/api/v1/pam/sessions/{session_id}")["session"]


@contextmanager
def pam_access(instance, folder, **body):
    """`infisical pam access` in the background: its kubeconfig and what it said. Ends as Ctrl-C does."""
    kubeconfig = folder / "official.yaml"
    env = clean_env(SERVER=instance.url, CA_FILE=str(instance.ca_file), TOKEN=instance.token, BODY=json.dumps(body), KUBECONFIG=str(kubeconfig))
    process = Process("infisical pam access", [where("client-pam") / "client", "access"], folder / "official.log", env=env)
    process.wait_for(lambda: process.text().startswith("{") and process.text().endswith("\n"), "the local proxy")
    try:
        yield kubeconfig, json.loads(process.text().splitlines()[0])
    finally:
        assert process.stop() == 0, process.text()


def form(instance, account, which):
    """The access body of each generation of the client (pam-gateway.md §1.3), with its duration as it sends it."""
    resource, name = account.split("/")
    return {"C-59": {"path": account, "duration": "3600000ms"},
            "C-60": {"path": f"/{account}", "duration": "3600000ms", "reason": "because"},
            "C-61": {"resourceName": resource, "accountName": name, "projectId": instance.project_id, "duration": "4h"},
            "C-62": {"accountPath": account, "projectId": instance.project_id, "duration": "1h"}}[which]


@pytest.mark.parametrize("case", ["C-59", "C-60", "C-61", "C-62"])
def test_kubectl_through_the_clients_proxy(case, postern, account, newest_kubectl, namespace, cluster, tmp_path):
    """The walk of each access form: probe, get, exec on an upgraded connection, and the end by cancellation."""
    cluster.kubectl("-n", namespace, "run", "one", "--image=any", "--", "sh", "-c", "exec sleep 1000")
    cluster.kubectl("-n", namespace, "wait", "--for=condition=Ready", "pod/one", "--timeout=60s")
    with pam_access(postern, tmp_path, **form(postern, account, case)) as (kubeconfig, seen):
        assert "probeError" not in seen and seen["supports"] == ["kubernetes"]
        assert seen["gatewayName"] == postern.gateway_name
        assert seen["context"] == f"infisical-k8s-pam/{account}"
        assert f"{seen['metadata']['resourceName']}/{seen['metadata']['accountName']}" == account
        kubectl = newest_kubectl.using(kubeconfig)
        assert "one" in kubectl("-n", namespace, "get", "pods", "-o", "name").stdout
        assert kubectl("-n", namespace, "exec", "-i", "one", "--", "sh", "-c", "read line; echo you said $line", stdin="hello\n").stdout \
            == "you said hello\n"
        assert state(postern, seen["sessionId"])["status"] == "active"
    ended = until(lambda: (lambda s: s if s["status"] == "ended" else None)(state(postern, seen["sessionId"])), "the end", timeout=5)
    assert ended["endReason"] == "Ended by its client"


def test_what_the_gateway_says(postern, account):
    """C-43…46 and C-49, as the client hears them."""
    answer = session(postern, account)
    assert client("say", "infisical-health", answer=answer) == (b'{"status":"ok","heartbeatTTL":180}\n', "")
    assert client("say", "infisical-ping", answer=answer) == (b"PONG\n", "")
    said, error = client("say", "infisical-pam-capabilities", answer=answer)
    assert not error and int.from_bytes(said[:4]) == len(said) - 4
    assert json.loads(said[4:]) == {"gatewayName": postern.gateway_name, "supportedResourceTypes": ["kubernetes"]}
    for alpn in ("foo", "infisical-tcp-proxy"):
        said, error = client("say", alpn, answer=answer)
        assert said == b"" and error.startswith("gateway: ")


def test_a_cancellation_that_leaves_at_once(postern, account):
    """C-48: completing the handshake is the message; it ends what is open, and the certificate opens nothing afterwards."""
    answer = session(postern, account)
    assert request(postern, answer, "/version")[0] == 200
    assert client("greet", "infisical-pam-session-cancellation", answer=answer) == (b"", "")
    until(lambda: state(postern, answer["sessionId"])["status"] == "ended", "the end", timeout=5)
    assert request(postern, answer, "/version")[0] == 403
    assert client("greet", "infisical-pam-session-cancellation", answer=answer) == (b"", "")
    assert state(postern, answer["sessionId"])["endReason"] == "Ended by its client"


def test_a_cancellation_of_a_session_that_was_never_used(postern, account):
    answer, other = session(postern, account), session(postern, account)
    assert client("greet", "infisical-pam-session-cancellation", answer=answer) == (b"", "")
    until(lambda: state(postern, answer["sessionId"])["status"] == "ended", "the end", timeout=5)
    assert request(postern, answer, "/version")[0] == 403
    assert request(postern, other, "/version")[0] == 200


def test_the_relay_takes_its_own_clients_only(postern, account):
    """C-33: no certificate, and those of other kinds, end at the relay; nothing of theirs reaches a gateway."""
    answer = session(postern, account)
    assert client("outer", answer=answer | {"relayClientCertificate": answer["gatewayClientCertificate"],
                                            "relayClientPrivateKey": answer["gatewayClientPrivateKey"]}) \
        == (b"", "remote error: tls: unknown certificate authority")
    inside = {"gatewayClientCertificate": answer["relayClientCertificate"], "gatewayClientPrivateKey": answer["relayClientPrivateKey"]}
    for alpn in ("infisical-ping", "infisical-pam-session-cancellation", "infisical-pam-proxy"):
        assert client("say", alpn, answer=answer | inside)[0] == b""
    assert client("say", "infisical-ping", answer=answer)[0] == b"PONG\n"
    assert state(postern, answer["sessionId"])["status"] == "starting"


def test_a_gateway_that_is_not_the_sessions(postern, account):
    """The client checks whom it has reached: by authority, and by the name in the certificate."""
    answer = session(postern, account)
    assert "other than" in client("say", "infisical-ping", answer=answer | {"gatewayId": answer["sessionId"]})[1]
    assert "unknown authority" in client("say", "infisical-ping", answer=answer | {
        "gatewayServerCertificateChain": answer["relayServerCertificateChain"]})[1]
    assert "unknown authority" in client("outer", answer=answer | {
        "relayServerCertificateChain": answer["gatewayServerCertificateChain"]})[1]
