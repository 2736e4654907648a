"""Workloads log in with their service account: every way of review against a real API server, and what goes wrong."""
import base64
import json
import secrets
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.poll import until

LOGIN = "/api/v1/auth/kubernetes-auth/login"
ISSUER = "https://kubernetes.default.svc.cluster.local"


@pytest.fixture
def reviewer(cluster, namespace):
    """A token that may review tokens."""
    return reviewing(cluster, namespace, "reviewer")


def reviewing(cluster, namespace, name):
    token = cluster.token(name, namespace)
    cluster.kubectl("create", "clusterrolebinding", f"{namespace}-{name}", "--clusterrole=system:auth-delegator",
                    f"--serviceaccount={namespace}:{name}")
    subject = f"system:serviceaccount:{namespace}:{name}"
    until(lambda: cluster.kubectl("auth", "can-i", "create", "tokenreviews.authentication.k8s.io", "--as", subject, check=False).returncode == 0,
          f"{subject} may review")
    return token


def app_token(cluster, namespace, name="app", audience=None):
    if cluster.kubectl("-n", namespace, "get", "sa", name, check=False).returncode != 0:
        cluster.kubectl("-n", namespace, "create", "sa", name)
    words = [f"--audience={audience}"] if audience else []
    return cluster.kubectl("-n", namespace, "create", "token", name, "--duration=1h", *words).stdout.strip()


def config(cluster, **more):
    return {"kubernetesHost": cluster.url, "caCert": cluster.ca_file.read_text()} | more


class Machine:
    """A machine identity with Kubernetes Auth."""

    def __init__(self, instance, body, status=200):
        self.instance = instance
        organization = instance.ok("GET", "/api/v1/identities/details")["identityDetails"]["organization"]["id"]
        self.id = instance.ok("POST", "/api/v1/identities", {"name": f"m-{secrets.token_hex(4)}", "organizationId": organization})["identity"]["id"]
        self.path = f"/api/v1/auth/kubernetes-auth/identities/{self.id}"
        self.attached = instance.api("POST", self.path, body)
        assert self.attached.status == status, self.attached.text

    def update(self, **body):
        return self.instance.ok("PATCH", self.path, body)

    def login(self, jwt):
        return self.instance.api("POST", LOGIN, {"identityId": self.id, "jwt": jwt}, token="")

    def works(self, jwt):
        answer = self.login(jwt)
        assert answer.status == 200, answer.text
        assert self.instance.api("GET", "/api/v1/identities/details", token=answer.json["accessToken"]).status == 200
        return answer.json

    def fails(self, jwt, status, error, part=""):
        answer = self.login(jwt)
        assert (answer.status, answer.json["error"]) == (status, error), answer.text
        assert part in answer.json["message"], answer.text
        assert "eyJhbGciOi" not in answer.text and "127.0.0.1" not in answer.text, "no secret and no address"
        return answer.json


def claims_of(token):
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def forged(cluster, tmp_path, claims, key=None):
    """A token with these claims, signed by the cluster's own key or by another."""
    def b64(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
    private = key or cluster.dir / "pki" / "sa.key"
    kind = subprocess.run(["openssl", "pkey", "-in", private, "-noout", "-text"], capture_output=True, text=True, check=True).stdout
    is_rsa = "RSA" in kind or "modulus" in kind
    text = b64(json.dumps({"alg": "RS256" if is_rsa else "ES256"}).encode()) + "." + b64(json.dumps(claims).encode())
    (tmp_path / "text").write_text(text)
    signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", private, tmp_path / "text"], capture_output=True, check=True).stdout
    return text + "." + b64(signature if is_rsa else raw_pair(signature))


def raw_pair(der):
    """An ECDSA signature as JWS writes it."""
    numbers, at = [], 2
    for _ in range(2):
        length = der[at + 1]
        numbers.append(int.from_bytes(der[at + 2:at + 2 + length], "big").to_bytes(32, "big"))
        at += 2 + length
    return b"".join(numbers)


@pytest.fixture
def dev(new_dev):
    """Without memory: each login asks the cluster."""
    return new_dev("--verdict-cache", "0s")


def test_a_reviewer_token(postern_dev, cluster, namespace, reviewer):
    machine = Machine(postern_dev, config(cluster, tokenReviewerJwt=reviewer, allowedNamespaces=namespace, allowedNames="app"))
    answer = machine.works(app_token(cluster, namespace) + "\n")
    assert answer["tokenType"] == "Bearer" and answer["expiresIn"] == 3600 and answer["accessTokenMaxTTL"] == 1000000000  # D3
    assert claims_of(answer["accessToken"])["identityAuth"] == {"kubernetes": {"namespace": namespace, "name": "app"}}
    assert reviewer not in json.dumps(postern_dev.ok("GET", machine.path))


def test_the_clients_own_token(postern_dev, cluster, namespace):
    machine = Machine(postern_dev, config(cluster))
    token = app_token(cluster, namespace)
    machine.fails(token, 401, "KubernetesTokenReviewerForbidden", "tokenreviews")  # KV-19
    machine.works(reviewing(cluster, namespace, "app"))
    machine.fails(app_token(cluster, namespace, "app", "elsewhere"), 401, "KubernetesTokenReviewerUnauthorized", "audience")  # KV-20


def test_as_the_servers_own_pod(new_dev, cluster, namespace, reviewer, tmp_path, monkeypatch):
    """D11, in-cluster: address from the environment, CA and token from the pod's directory, read again when renewed."""
    host, _, port = cluster.url.removeprefix("https://").partition(":")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT_HTTPS", port)
    pod = tmp_path / "pod"
    pod.mkdir()
    (pod / "ca.crt").write_text(cluster.ca_file.read_text())
    (pod / "token").write_text("stale.and.wrong\n")
    (pod / "namespace").write_text(namespace)
    instance = new_dev("--pod-identity", pod, "--verdict-cache", "0s")
    refused = Machine(instance, {"verification": "in-cluster"}, status=400)
    assert refused.attached.json["error"] == "TokenReviewerPermissionError", refused.attached.text
    (pod / "token").write_text(reviewer + "\n")
    machine = Machine(instance, {"verification": "in-cluster", "allowedNamespaces": namespace})
    assert machine.attached.json["identityKubernetesAuth"] | {"tokenReviewMode": "api", "verification": "in-cluster"} == \
        machine.attached.json["identityKubernetesAuth"]
    machine.works(app_token(cluster, namespace))


def test_by_the_clusters_keys(dev, cluster, namespace, reviewer, tmp_path):
    """D11, jwks: signature, issuer, audience and times, and no TokenReview."""
    machine = Machine(dev, config(cluster, tokenReviewerJwt=reviewer, verification="jwks", issuer=ISSUER, allowedAudience="infisical",
                                  allowedNamespaces=namespace))
    token = app_token(cluster, namespace, audience="infisical")
    machine.works(token)
    own = claims_of(token)
    machine.works(forged(cluster, tmp_path, own))  # that is how the others are made
    another = tmp_path / "another.key"
    subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", another], check=True,
                   capture_output=True)
    now = int(time.time())
    for claims, key, part in ((own, another, "signature"), (own | {"exp": now - 1}, None, "expired"), (own | {"nbf": now + 600}, None, "not valid yet"),
                              (own | {"iss": "https://elsewhere"}, None, "issuer"), (own | {"sub": "system:serviceaccount:kube-system:x"}, None, "signature")):
        machine.fails(forged(cluster, tmp_path, claims, key), 401, "KubernetesTokenReviewError", part)
    head, body, signature = token.split(".")
    machine.fails(f"{head}.{body}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}", 401, "KubernetesTokenReviewError", "signature")
    machine.fails(app_token(cluster, namespace, audience="vault"), 401, "UnauthorizedError", "audience")
    machine.update(allowedNamespaces="elsewhere")
    machine.fails(token, 403, "ForbiddenError", "namespace")
    user = f"system:serviceaccount:{namespace}:reviewer"
    reviews = cluster.audit(lambda e: e["user"].get("username") == user and e.get("objectRef", {}).get("resource") == "tokenreviews")
    assert not reviews, "the keys were enough"


def test_keys_and_a_review(dev, cluster, namespace, reviewer):
    """jwks with a TokenReview: a deleted account is noticed, which no key tells."""
    machine = Machine(dev, config(cluster, tokenReviewerJwt=reviewer, verification="jwks", issuer=ISSUER, allowedAudience="infisical",
                                  jwksTokenReview=True))
    token = app_token(cluster, namespace, audience="infisical")
    machine.works(token)
    cluster.kubectl("-n", namespace, "delete", "sa", "app")
    until(lambda: machine.login(token).status == 401, "the cluster forgets the account", timeout=20)


def test_troubleshooting_row_by_row(dev, cluster, namespace, reviewer, tmp_path):
    """The table of the documentation: 401, 403, 403, and each fault its own words."""
    machine = Machine(dev, config(cluster, tokenReviewerJwt=reviewer, allowedNamespaces=namespace, allowedNames="app", allowedAudience="infisical"))
    token = app_token(cluster, namespace, audience="infisical")
    machine.works(token)
    # Invalid or expired service account token
    machine.fails(forged(cluster, tmp_path, claims_of(token) | {"exp": int(time.time()) - 3600}), 401, "KubernetesTokenReviewError", "expired")
    head, body, _ = token.split(".")
    for junk in ("nonsense", f"{head}.{body}.c2lnbmF0dXJl", "a.b.c"):
        machine.fails(junk, 401, "KubernetesTokenReviewError")
    # Namespace, then name not in the list
    machine.update(allowedNamespaces="default")
    machine.fails(token, 403, "ForbiddenError", "Access denied: K8s namespace not allowed.")
    machine.update(allowedNamespaces=f"{namespace[:4]}*,default", allowedNames="other")
    machine.fails(token, 403, "ForbiddenError", "Access denied: K8s name not allowed.")
    machine.update(allowedNames="{api,app}")
    machine.works(token)
    # Audience mismatch
    machine.fails(app_token(cluster, namespace, audience="other"), 401, "KubernetesTokenReviewError", "audience")
    # Token reviewer JWT expired or wrong: it worked when it was stored
    cluster.kubectl("-n", namespace, "delete", "sa", "reviewer")
    until(lambda: machine.login(token).json["error"] == "KubernetesTokenReviewerUnauthorized", "the reviewer is gone", timeout=20)
    machine.fails(token, 401, "KubernetesTokenReviewerUnauthorized", "Unauthorized")


def test_what_is_wrong_is_said_before_it_is_stored(postern_dev, cluster, namespace, tmp_path):
    """Wrong host, CA, certificate check, reviewer, role."""
    other = tmp_path / "other.crt"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=other", "-days", "2",
                    "-keyout", tmp_path / "other.key", "-out", other], check=True, capture_output=True)
    port = cluster.url.rpartition(":")[2]
    for body, error, part in (
            (config(cluster, caCert=other.read_text()), "KubernetesHostCertificateError", "Verify the CA certificate is correct"),
            (config(cluster, kubernetesHost=f"https://does-not-exist.invalid:{port}"), "KubernetesHostHostNotFound", "does-not-exist.invalid"),
            (config(cluster, kubernetesHost="https://127.0.0.1:1"), "KubernetesHostConnectionRefused", "Connection refused"),
            (config(cluster, kubernetesHost=postern_dev.url), "KubernetesHostConnectionError", "this server itself"),
            (config(cluster, tokenReviewerJwt="wrong.reviewer.token"), "TokenReviewerPermissionError", "invalid or expired"),
            (config(cluster, tokenReviewerJwt=app_token(cluster, namespace, "plain")), "TokenReviewerPermissionError", "system:auth-delegator")):
        answer = Machine(postern_dev, body, status=400).attached.json
        assert answer["error"] == error and part in answer["message"], answer
    insecure = Machine(postern_dev, {"kubernetesHost": cluster.url, "tokenReviewerJwt": reviewing(cluster, namespace, "r2")})  # KH-21
    assert any("not verified" in warning for warning in insecure.attached.json["identityKubernetesAuth"]["warnings"])
    insecure.works(app_token(cluster, namespace))


def test_the_given_ca_is_the_only_trust(new_dev, cluster, namespace, reviewer, tmp_path):
    """KH-22: the system trusts the cluster's certificate, but a CA was given that did not sign it."""
    instance = new_dev(env={"SSL_CERT_FILE": str(cluster.ca_file)})
    other = tmp_path / "other.crt"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=other", "-days", "2",
                    "-keyout", tmp_path / "other.key", "-out", other], check=True, capture_output=True)
    refused = Machine(instance, config(cluster, caCert=other.read_text(), tokenReviewerJwt=reviewer), status=400)
    assert refused.attached.json["error"] == "KubernetesHostCertificateError", refused.attached.text
    Machine(instance, config(cluster, tokenReviewerJwt=reviewer)).works(app_token(cluster, namespace))


def test_an_account_made_again_is_the_same_to_us(dev, cluster, namespace, reviewer):
    """KV-25: names decide; the old account's token is the cluster's to refuse."""
    machine = Machine(dev, config(cluster, tokenReviewerJwt=reviewer, allowedNamespaces=namespace, allowedNames="app"))
    old = app_token(cluster, namespace)
    machine.works(old)
    cluster.kubectl("-n", namespace, "delete", "sa", "app")
    until(lambda: machine.login(old).status == 401, "the cluster forgets the account", timeout=20)
    machine.works(app_token(cluster, namespace))
    machine.fails(old, 401, "KubernetesTokenReviewError")


def test_junk_is_refused_without_asking(new_dev, cluster, namespace, reviewer):
    """Once keys are known to be the cluster's, junk costs it nothing, and honest logins go on."""
    instance = new_dev("--verdict-cache", "0s")
    machine = Machine(instance, config(cluster, tokenReviewerJwt=reviewer))
    token = app_token(cluster, namespace)
    machine.works(token)
    user = f"system:serviceaccount:{namespace}:reviewer"

    def reviews():
        return len(cluster.audit(lambda e: e["user"].get("username") == user and e.get("objectRef", {}).get("resource") == "tokenreviews"))
    before = until(reviews, "the first reviews on record")
    head, body, signature = token.split(".")
    for i in range(200):
        bad = signature[:20] + f"{i:03}" + signature[23:]
        machine.fails(f"{head}.{body}.{bad}", 401, "KubernetesTokenReviewError", "not authenticated")
    machine.works(token)
    until(lambda: reviews() > before, "the honest one's review")
    assert reviews() == before + 1, "junk caused reviews"


class Door:
    """A way to the cluster that can be shut: then connections are taken, and nothing passes."""

    def __init__(self, cluster):
        self.target = ("127.0.0.1", int(cluster.url.rpartition(":")[2]))
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://127.0.0.1:{self.listener.getsockname()[1]}"
        self.is_shut, self.held = False, []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            self.held.append(client)
            if not self.is_shut:
                server = socket.create_connection(self.target)
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=self.pump, args=pair, daemon=True).start()

    def pump(self, source, sink):
        while (data := source.recv(65536)) and not self.is_shut:
            sink.sendall(data)
        if not self.is_shut:
            sink.close()


def test_a_dead_cluster_leaves_room_for_others(dev, cluster, namespace, reviewer):
    """KH-20: it takes connections and never answers. Half of the slow lane at most waits for it: others are refused at once, and logins elsewhere go on."""
    door = Door(cluster)
    dead = Machine(dev, config(cluster, kubernetesHost=door.url, tokenReviewerJwt=reviewer))
    alive = Machine(dev, config(cluster, tokenReviewerJwt=reviewer))
    tokens = [app_token(cluster, namespace, f"app-{i}") for i in range(4)]
    for token in tokens:
        dead.works(token)
    door.is_shut = True
    shut = time.monotonic()
    with ThreadPoolExecutor(32) as pool:
        waiting = [pool.submit(dead.login, tokens[i % len(tokens)]) for i in range(32)]
        until(lambda: sum(login.done() for login in waiting) >= 24, "who finds no turn is refused", timeout=8)
        for _ in range(20):
            began = time.monotonic()
            alive.works(tokens[0])
            assert time.monotonic() - began < 2
        answers = [login.result() for login in waiting]
    assert 9 < time.monotonic() - shut < 12
    refused = [answer for answer in answers if answer.status == 503]
    assert len(refused) >= 24 and all(int(answer.headers["Retry-After"]) > 0 for answer in refused)
    assert {answer.json["error"] for answer in answers} == {"ServiceUnavailable", "KubernetesConnectionTimeout"}
