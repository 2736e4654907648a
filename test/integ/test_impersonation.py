"""The gateway acts by its own pod's identity: as a pod of the cluster, by its own manifest, and outside with a pod's directory."""
import json
import os
import secrets

import pytest

from harness.poll import until
from harness.postern import secret_file
from harness.road import access
from test_walk import compare

VIEWER, DEPLOYER = "viewer", "deployer"


def service_account(cluster, namespace, name, role):
    cluster.kubectl("-n", namespace, "create", "sa", name)
    cluster.bind(name, namespace, role)


def account(postern, namespace, name, gateway, resource=None):
    """A resource whose URL leads nowhere, and an account on it that acts as a service account, whatever its rules are yet."""
    if resource is None:
        resource = f"r-{secrets.token_hex(4)}"
        postern.admin("pam", "resource", "create", resource, "--url", "https://kubernetes.default.svc.cluster.local",
                      "--insecure-skip-tls-verify", "--gateway", gateway, "--no-test")
    postern.admin("pam", "account", "create", f"{resource}/{name}", "--impersonate", f"{namespace}/{name}", "--no-test")
    return f"{resource}/{name}"


def whoami(kubectl, kubeconfig):
    return json.loads(kubectl.using(kubeconfig)("auth", "whoami", "-o", "json").stdout)["status"]["userInfo"]


class PodGateway:
    """A gateway that runs in the cluster, from what `postern gateway manifest` prints."""

    def __init__(self, cluster, postern, folder, namespace, *manifest):
        self.cluster, self.postern, self.namespace = cluster, postern, namespace
        self.name = f"g-{secrets.token_hex(4)}"
        made = postern.admin.json("gateway", "create", self.name)
        token = secret_file(folder / f"{self.name}.token", made["token"])
        self.manifest = postern.admin("gateway", "manifest", self.name, "--namespace", namespace, "--image", "postern",
                                      *manifest).stdout
        # Pods of the test cluster are processes of this host, and mounts but for the identity are not made.
        text = self.manifest.replace("/etc/postern-ca/ca.pem", str(postern.ca_file)).replace("/etc/postern/token", str(token))
        text = text.replace("/var/lib/postern/gateway", str(folder / f"{self.name}.state"))
        cluster.apply(text)
        until(self.is_connected, f"the tunnel of {self.name}", timeout=30)

    def is_connected(self):
        return any(gateway["name"] == self.name and gateway["isConnected"] for gateway in self.postern.admin.json("gateway", "list"))


@pytest.fixture
def pod_gateway(cluster, postern_dev, namespace, tmp_path):
    if not cluster.ready["identityMounted"]:
        pytest.skip("this host gives pods no mount namespace: their identity is not where Kubernetes puts it")
    service_account(cluster, namespace, VIEWER, "view")
    return PodGateway(cluster, postern_dev, tmp_path, namespace, "--impersonate", f"{namespace}/{VIEWER}")


def test_a_gateway_as_a_pod_acts_as_service_accounts(cluster, postern_dev, namespace, pod_gateway, newest_kubectl):
    service_account(cluster, namespace, DEPLOYER, "edit")
    cluster.kubectl("-n", namespace, "run", "one", "--image=any", "--", "sleep", "1000")
    viewer = account(postern_dev, namespace, VIEWER, pod_gateway.name)
    resource = viewer.split("/")[0]
    deployer = account(postern_dev, namespace, DEPLOYER, pod_gateway.name, resource)
    # Both methods on one resource: a token beside them. (Its URL leads nowhere, so nobody goes there.)
    postern_dev.admin("pam", "account", "create", f"{resource}/by-token", "--token-file", "-", "--no-test", stdin="x")

    with access(postern_dev.user(), viewer) as kubeconfig:
        user = whoami(newest_kubectl, kubeconfig)
        assert user["username"] == f"system:serviceaccount:{namespace}:{VIEWER}"
        assert set(user["groups"]) == {"system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"}
        run = newest_kubectl.using(kubeconfig)
        assert "one" in run("-n", namespace, "get", "pods").stdout
        # The account's own RBAC: the cluster's words, and a hint beside them.
        direct = cluster.kubectl("-n", namespace, "get", "secrets", "--as", user["username"], check=False)
        refused = run("-n", namespace, "get", "secrets", check=False)
        assert refused.returncode == 1
        assert direct.stderr.strip() in refused.stderr
        assert f"--rules --impersonate {namespace}/{VIEWER}" in refused.stderr

    with access(postern_dev.user(), deployer) as kubeconfig:
        run = newest_kubectl.using(kubeconfig)
        refused = run("get", "--raw", f"/api/v1/namespaces/{namespace}/pods", check=False)
        assert refused.returncode == 1 and "cannot impersonate resource" in refused.stderr, refused.stderr
        # In discovery kubectl keeps the cluster's words to itself: the hint is all that a person sees.
        refused = run("-n", namespace, "get", "pods", check=False)
        assert refused.returncode == 1
        hint = f"postern gateway manifest {pod_gateway.name} --rules --impersonate {namespace}/{DEPLOYER}"
        assert hint in refused.stderr
        rules = postern_dev.admin(*hint.split()[1:], "--namespace", namespace).stdout
        assert "Deployment" not in rules
        cluster.apply(rules)
        until(lambda: run("-n", namespace, "get", "pods", check=False).returncode == 0, "the new rule counts")
        assert run("-n", namespace, "exec", "one", "--", "echo", "hello").stdout == "hello\n"

    def impersonated(event):
        return event.get("impersonatedUser", {}).get("username") == f"system:serviceaccount:{namespace}:{VIEWER}" \
            and event["verb"] == "list" and event["objectRef"].get("resource") == "pods"
    event = until(lambda: cluster.audit(impersonated), "the audit log")[0]
    assert event["user"]["username"] == f"system:serviceaccount:{namespace}:postern-gateway-{pod_gateway.name}"

    # Nothing but that: the gateway's own token reads nothing.
    gateway = f"system:serviceaccount:{namespace}:postern-gateway-{pod_gateway.name}"
    assert cluster.kubectl("-n", namespace, "auth", "can-i", "get", "pods", "--as", gateway, check=False).stdout.strip() == "no"
    assert cluster.kubectl("auth", "can-i", "impersonate", "serviceaccounts/default", "--as", gateway, "-n", namespace,
                           check=False).stdout.strip() == "no"


class Outside:
    """A gateway on no node of the cluster, with the identity of one of its service accounts in a directory."""

    def __init__(self, cluster, folder, namespace, name):
        self.cluster, self.folder, self.namespace, self.name = cluster, folder / "identity", namespace, name
        self.folder.mkdir()
        self.write("ca.crt", cluster.ca_file.read_text())
        self.write("namespace", namespace)
        self.renew()

    def write(self, name, text):
        """As the kubelet does: whole, by a rename."""
        (self.folder / f".{name}").write_text(text)
        os.replace(self.folder / f".{name}", self.folder / name)

    def renew(self):
        self.write("token", self.cluster.token(self.name, self.namespace) + "\n")

    def env(self):
        host, port = self.cluster.url.removeprefix("https://").rsplit(":", 1)
        return {"KUBERNETES_SERVICE_HOST": host.strip("[]"), "KUBERNETES_SERVICE_PORT_HTTPS": port}


def credential_of(event):
    return event["user"].get("extra", {}).get("authentication.kubernetes.io/credential-id", [""])[0]


def test_constrained_impersonation_and_a_renewed_token(cluster, new_dev, namespace, newest_kubectl, tmp_path):
    service_account(cluster, namespace, VIEWER, "view")
    outside = Outside(cluster, tmp_path, namespace, "postern-gateway-dev")
    dev = new_dev("--pod-identity", outside.folder, env=outside.env())
    cluster.apply(dev.admin("gateway", "manifest", "dev", "--rules", "--constrained", "--namespace", namespace,
                            "--impersonate", f"{namespace}/{VIEWER}").stdout)
    assert cluster.kubectl("-n", namespace, "auth", "can-i", "impersonate", f"serviceaccounts/{VIEWER}", "--as",
                           f"system:serviceaccount:{namespace}:postern-gateway-dev", check=False).stdout.strip() == "no"
    viewer = account(dev, namespace, VIEWER, "dev")

    def used():
        return {credential_of(event) for event in cluster.audit(
            lambda event: event["user"].get("username") == f"system:serviceaccount:{namespace}:postern-gateway-dev"
            and "impersonatedUser" in event)}

    with access(dev.user(), viewer) as kubeconfig:
        run = newest_kubectl.using(kubeconfig)
        until(lambda: run("-n", namespace, "get", "pods", check=False).returncode == 0, "the rules count")
        assert whoami(newest_kubectl, kubeconfig)["username"] == f"system:serviceaccount:{namespace}:{VIEWER}"
        first = until(used, "the audit log")
        assert len(first) == 1
        outside.renew()

        def is_renewed():
            run("-n", namespace, "get", "pods")
            return used() - first
        until(is_renewed, "the renewed token", timeout=60)

        # An identity that is gone ends the session with a sentence, and nothing stands in for it.
        (outside.folder / "ca.crt").unlink()
        gone = until(lambda: (done := run("-n", namespace, "get", "pods", check=False)).returncode and done, "the end", timeout=60)
        assert "ca.crt cannot be read" in gone.stderr, gone.stderr
    assert "eyJhbGciOi" not in dev.logs()


@pytest.mark.timeout(300)
def test_the_walk_by_constrained_impersonation_alone(cluster, new_dev, namespace, newest_kubectl, tmp_path):
    """Acceptance 11 of kube-proxying §19: what kubectl does for a service account itself, it does for who may act as it."""
    outside = Outside(cluster, tmp_path, namespace, "postern-gateway-dev")
    dev = new_dev("--pod-identity", outside.folder, env=outside.env())

    def connect(_cluster, _token):
        cluster.apply(dev.admin("gateway", "manifest", "dev", "--rules", "--constrained", "--namespace", namespace,
                                "--impersonate", f"{namespace}/walker").stdout)
        until(lambda: dev.admin("gateway", "check", "dev", "--impersonate", f"{namespace}/walker", exit_code=None).returncode == 0, "the rules count")
        assert cluster.kubectl("-n", namespace, "auth", "can-i", "impersonate", "serviceaccounts/walker", "--as",
                               f"system:serviceaccount:{namespace}:postern-gateway-dev", check=False).stdout.strip() == "no"
        return account(dev, namespace, "walker", "dev")
    compare(newest_kubectl, cluster, dev, namespace, tmp_path, ["direct", "access"], connect)


def test_outside_a_pod_there_is_nobody_to_act(cluster, new_dev, namespace, newest_kubectl, tmp_path):
    dev = new_dev("--pod-identity", tmp_path / "nothing", env={"KUBERNETES_SERVICE_HOST": "", "KUBERNETES_SERVICE_PORT_HTTPS": ""})
    viewer = account(dev, namespace, VIEWER, "dev")
    done = dev.user()("pam", "access", viewer, "--", newest_kubectl.path, "get", "pods", exit_code=None)
    assert done.returncode != 0
    assert "does not run as a pod of the cluster" in done.stdout + done.stderr, done.stdout + done.stderr


def steps(cli, gateway, *options, exit_code=0):
    """`gateway check`: what each step says, by its name."""
    found = cli.json("gateway", "check", gateway, *options, exit_code=exit_code)
    return {step["name"]: (step["status"], step["message"]) for step in found}


def test_check_says_what_a_gateway_can_do(cluster, postern_dev, namespace, pod_gateway):
    admin, name = postern_dev.admin, pod_gateway.name
    found = until(lambda: steps(admin, name, "--impersonate", f"{namespace}/{VIEWER}"), "the rules count")
    assert [found[step][0] for step in ("tunnel", "gateway", "clock", "pod", "api-server", "identity")] == ["ok"] * 6, found
    assert found["tunnel"][1] == f"through the relay {postern_dev.relay}"
    assert found["api-server"][1].startswith("Kubernetes v1.")
    assert found["identity"][1] == f"system:serviceaccount:{namespace}:postern-gateway-{name}"
    assert found["impersonation"] == ("ok", f"system:serviceaccount:{namespace}:{VIEWER}")
    assert found["token-reviews"][0] == "no" and "--reviewer" in found["token-reviews"][1]

    # The cluster's own words where it refuses, and the rule that mends it.
    status, message = steps(admin, name, "--impersonate", f"{namespace}/nobody", exit_code=1)["impersonation"]
    assert status == "failed" and "cannot impersonate resource" in message, message
    cluster.apply(admin("gateway", "manifest", name, "--rules", "--reviewer", "--namespace", namespace).stdout)
    until(lambda: steps(admin, name)["token-reviews"][0] == "ok", "the binding counts")

    admin("gateway", "check", name, "--impersonate", "a:b", exit_code=2)
    postern_dev.user()("gateway", "check", "no-such-gateway", exit_code=6)


def test_check_of_a_gateway_that_is_no_pod(new_dev, tmp_path):
    dev = new_dev("--pod-identity", tmp_path / "nothing", env={"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT_HTTPS": "443"})
    found = steps(dev.admin, "dev", exit_code=1)
    assert found["gateway"][0] == "ok"
    assert found["pod"][0] == "failed" and "ca.crt cannot be read" in found["pod"][1], found
    assert "identity" not in found
    other = dev.admin.json("gateway", "create", "silent")
    assert steps(dev.admin, "silent", exit_code=1) == {"tunnel": ("failed", "no relay holds a tunnel of it: is it running?")}
    assert dev.api("POST", f"/api/v3/gateways/{other['id']}/check", {}, token="").status == 401
