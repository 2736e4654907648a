"""The test cluster keeps its promises, so that a failure elsewhere is Postern's."""
import json
import subprocess

import pytest

from harness.poll import until

IDENTITY = "/var/run/secrets/kubernetes.io/serviceaccount"
POD = """
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
  - {name: main, image: none, command: [sh, -c, "echo started; exec sleep infinity"]}
"""


@pytest.fixture
def pod(cluster, namespace):
    """A running pod `web`, as words for kubectl."""
    cluster.kubectl("-n", namespace, "apply", "-f", "-", stdin=POD)
    cluster.kubectl("-n", namespace, "wait", "pod/web", "--for=condition=Ready", "--timeout=30s")
    return ["-n", namespace]


def inside(cluster, pod, script):
    return cluster.kubectl(*pod, "exec", "web", "--", "sh", "-c", script).stdout


def test_pod_environment(cluster, pod):
    host, port, tls_port = inside(cluster, pod, "echo $KUBERNETES_SERVICE_HOST $KUBERNETES_SERVICE_PORT $KUBERNETES_SERVICE_PORT_HTTPS").split()
    assert f"https://{host}:{port}" == cluster.url
    assert tls_port == port


def test_identity_is_mounted(cluster, pod, namespace):
    if not cluster.ready["identityMounted"]:
        pytest.skip("mounting a pod's identity takes root, and a machine that lets it")
    assert inside(cluster, pod, f"cat {IDENTITY}/namespace") == namespace
    assert inside(cluster, pod, f"cat {IDENTITY}/ca.crt") == cluster.ca_file.read_text()
    answer = inside(cluster, pod, f"""curl -sS --cacert {IDENTITY}/ca.crt -H "Authorization: Bearer $(cat {IDENTITY}/token)" \
        https://$KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT_HTTPS/apis/authentication.k8s.io/v1/selfsubjectreviews \
        -H 'Content-Type: application/json' -d '{{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}}'""")
    user = json.loads(answer)["status"]["userInfo"]
    assert user["username"] == f"system:serviceaccount:{namespace}:default"
    assert user["extra"]["authentication.kubernetes.io/pod-name"] == ["web"]


def test_identities_differ_and_the_host_has_none(cluster, pod, namespace):
    if not cluster.ready["identityMounted"]:
        pytest.skip("mounting a pod's identity takes root, and a machine that lets it")
    cluster.kubectl(*pod, "run", "other", "--image=none", "--", "sleep", "infinity")
    cluster.kubectl(*pod, "wait", "pod/other", "--for=condition=Ready", "--timeout=30s")
    tokens = {cluster.kubectl(*pod, "exec", name, "--", "cat", f"{IDENTITY}/token").stdout for name in ("web", "other")}
    assert len(tokens) == 2
    host = subprocess.run(["cat", f"{IDENTITY}/token"], capture_output=True, text=True, check=False)
    assert host.stdout not in tokens


def test_image_names_a_program(cluster, namespace):
    cluster.kubectl("-n", namespace, "apply", "-f", "-", stdin="""
apiVersion: apps/v1
kind: Deployment
metadata: {name: hello}
spec:
  selector: {matchLabels: {app: hello}}
  template:
    metadata: {labels: {app: hello}}
    spec: {containers: [{name: main, image: "greeter:1.0", args: [two, words]}]}
""")
    cluster.kubectl("-n", namespace, "rollout", "status", "deployment/hello", "--timeout=30s")
    until(lambda: cluster.kubectl("-n", namespace, "logs", "deployment/hello").stdout == "I am greeter of two words\n", "its log")


def test_unknown_image_runs_args(cluster, namespace):
    cluster.kubectl("-n", namespace, "run", "one", "--image=no/greeter", "--restart=Never", "--", "echo", "myself")
    until(lambda: cluster.kubectl("-n", namespace, "logs", "one", check=False).stdout == "myself\n", "its log")


def test_missing_command_fails(cluster, namespace):
    cluster.kubectl("-n", namespace, "run", "one", "--image=none", "--restart=Never", "--", "no-such-command")
    state = until(lambda: cluster.get("-n", namespace, "pod", "one")["status"]["containerStatuses"][0]["state"].get("terminated"), "its end")
    assert (state["reason"], state["exitCode"]) == ("StartError", 128)


def test_exec_and_logs_with_each_kubectl(cluster, pod, kubectl):
    kubectl = kubectl.using(cluster.kubeconfig)
    assert kubectl(*pod, "exec", "-i", "web", "--", "cat", stdin="through\n").stdout == "through\n"
    assert kubectl(*pod, "exec", "web", "--", "sh", "-c", "exit 7", check=False).returncode == 7
    assert kubectl(*pod, "logs", "web").stdout == "started\n"


def test_token_has_only_its_rights(cluster, namespace, newest_kubectl, tmp_path):
    token = cluster.token("reader", namespace, role="view")
    direct = newest_kubectl.using(cluster.kubeconfig_of(token, tmp_path / "kubeconfig", namespace))
    assert direct("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}").stdout == f"system:serviceaccount:{namespace}:reader"
    assert direct("get", "pods").returncode == 0
    denied = direct("create", "configmap", "x", check=False)
    assert denied.returncode == 1
    assert "forbidden" in denied.stderr


def test_audit_log_tells_who_and_what(cluster, namespace):
    cluster.kubectl("-n", namespace, "create", "configmap", "seen")
    event = until(lambda: cluster.audit(lambda e: e["verb"] == "create" and e.get("objectRef", {}).get("namespace") == namespace
                                        and e["objectRef"].get("name") == "seen"), "the event")[0]
    assert event["user"]["username"] == "kubernetes-admin"
    assert event["responseStatus"]["code"] == 201
