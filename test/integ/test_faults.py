"""What breaks, and what people then read."""
import json
import os
import signal

import pytest

from harness.kubectl import NEWEST, Kubectl
from harness.poll import until
from harness.postern import free_address
from harness.raw import request, session
from harness.road import access


@pytest.fixture
def own(new_dev):
    return new_dev(is_fixed=True)


def test_bootstrap_happens_once(postern_dev):
    answer = postern_dev.api("POST", "/api/v1/admin/bootstrap", {"email": "a@b.c", "password": "x", "organization": "x"}, token="")
    assert answer.status == 400 and "already" in answer.json["message"]


@pytest.mark.parametrize("path", ["/api/status", "/livez", "/readyz"])
def test_health(path, postern_dev):
    assert postern_dev.api("GET", path, token="").status == 200


def test_metrics(postern_dev):
    text = postern_dev.api("GET", "/metrics", token="").text
    assert "# TYPE" in text and "postern_" in text


def test_an_api_server_that_is_down(newest_kubectl, cluster, postern_dev, namespace, tmp_path):
    """C-93."""
    name = f"down-{os.getpid()}"
    postern_dev.admin("pam", "resource", "create", name, "--url", f"https://{free_address()}", "--ca-file", cluster.ca_file, "--gateway", "dev",
                      "--no-test")
    postern_dev.admin("pam", "account", "create", f"{name}/a", "--token-file", "-", "--no-test", stdin=cluster.token("x", namespace))
    with access(postern_dev.user(), f"{name}/a") as kubeconfig:
        done = newest_kubectl.using(kubeconfig)("get", "pods", check=False)
    assert done.returncode == 1 and "EOF" not in done.stderr and "127.0.0.1" not in done.stderr, done.stderr


def test_a_wrong_ca(newest_kubectl, cluster, postern_dev, namespace):
    name = f"wrong-ca-{os.getpid()}"
    postern_dev.admin("pam", "resource", "create", name, "--url", cluster.url, "--ca-file", postern_dev.ca_file, "--gateway", "dev", "--no-test")
    postern_dev.admin("pam", "account", "create", f"{name}/a", "--token-file", "-", "--no-test", stdin=cluster.token("x", namespace))
    with access(postern_dev.user(), f"{name}/a") as kubeconfig:
        done = newest_kubectl.using(kubeconfig)("get", "pods", check=False)
    assert done.returncode == 1 and "certificate" in done.stderr, done.stderr


def test_a_token_the_cluster_does_not_know(newest_kubectl, cluster, postern_dev):
    account = postern_dev.connect(cluster, "not-a-token-of-this-cluster", "--no-test")
    with access(postern_dev.user(), account) as kubeconfig:
        done = newest_kubectl.using(kubeconfig)("get", "pods", check=False)
    assert done.returncode == 1 and ("nauthorized" in done.stderr or "logged in" in done.stderr), done.stderr


def test_kill_9_of_everything(newest_kubectl, cluster, own, namespace):
    """What was answered is still there; the next `pam access` works."""
    account = own.connect(cluster, cluster.token("x", namespace, role="view"))
    own.server.restart(kill=True)
    until(lambda: any(g["isConnected"] for g in own.admin.json("gateway", "list")), "the gateway is back", timeout=30)
    with access(own.user(), account) as kubeconfig:
        assert newest_kubectl.using(kubeconfig)("-n", namespace, "get", "pods", check=False).returncode == 0


def test_no_acknowledged_write_is_lost(own):
    """kill -9 in the middle of writes: every one that was answered is there."""
    import concurrent.futures
    answered = []

    def write(number):
        try:
            answer = own.api("POST", "/api/v1/projects", {"projectName": f"p{number}"})
            if answer.status == 200:
                answered.append(answer.json["project"]["id"])
        except OSError:
            pass
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        done = [pool.submit(write, number) for number in range(200)]
        until(lambda: len(answered) > 40, "some answers")
        os.kill(own.server.pid, signal.SIGKILL)
        concurrent.futures.wait(done)
    own.server.restart(kill=True)
    there = {project["id"] for project in own.ok("GET", "/api/v1/projects")["projects"]}
    assert set(answered) <= there and answered


def test_the_gateway_is_gone(cluster, postern_split, namespace):
    account = postern_split.connect(cluster, cluster.token("x", namespace, role="view"))
    postern_split.gateway.kill()
    try:
        def refused():
            done = postern_split.admin("pam", "access", account, "--port", "0", "--", "true", exit_code=None)
            return done if done.returncode != 0 else None
        done = until(refused, "the server knows", timeout=45)
        assert "ateway" in done.stderr and done.returncode in (2, 7), done.stderr
    finally:
        postern_split.gateway.start()
        until(postern_split._is_healthy, "the tunnel is back", timeout=40)


def test_the_relay_is_killed_and_comes_back(newest_kubectl, cluster, postern_split, namespace):
    account = postern_split.connect(cluster, cluster.token("x", namespace, role="view"))
    with access(postern_split.user(), account) as kubeconfig:
        k = newest_kubectl.using(kubeconfig)
        assert k("-n", namespace, "get", "pods").returncode == 0
        (postern_split.folder / "relay-1.token").unlink()  # used up: its start line still names it
        postern_split.relay_process.restart(kill=True)
        until(lambda: k("-n", namespace, "get", "pods", check=False).returncode == 0, "the same session works again", timeout=40)


def test_enrolment_tokens_work_once(postern_dev):
    made = postern_dev.admin.json("gateway", "create", f"once-{os.getpid()}")
    assert postern_dev.api("POST", "/api/v3/gateways/token-auth/enroll", {"token": made["token"]}, token="").status == 200
    assert postern_dev.api("POST", "/api/v3/gateways/token-auth/enroll", {"token": made["token"]}, token="").status in (400, 401)


def test_a_graceful_end(new_dev):
    instance = new_dev()
    assert instance.server.stop() == 0


def test_the_user_s_own_kubeconfig_is_untouched(newest_kubectl, cluster, postern_dev, namespace):
    account = postern_dev.connect(cluster, cluster.token("x", namespace, role="view"))
    user = postern_dev.user()
    own = user.home / ".kube/config"
    own.parent.mkdir()
    own.write_text("apiVersion: v1\nkind: Config\n# mine\n")
    before = own.read_bytes(), own.stat().st_mtime_ns
    with access(user, account) as kubeconfig:
        newest_kubectl.using(kubeconfig)("-n", namespace, "get", "pods")
    assert before == (own.read_bytes(), own.stat().st_mtime_ns)
