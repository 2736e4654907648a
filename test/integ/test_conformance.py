"""Numbered cases of the PAM contract, and acceptance tests of the proxying one, that no other file is about."""
import json
import re
import subprocess
import threading
import time
import urllib.request
from datetime import datetime, timedelta, timezone

import pytest

from harness import TOP
from harness.poll import until
from harness.raw import connect, request, session, talk
from harness.road import access, last_session, login
from harness.setup import where
from harness.shim import Shim
from harness.apiserver import Stub, authority, leaf


@pytest.fixture
def account(cluster, postern_dev, namespace):
    return postern_dev.connect(cluster, cluster.token("somebody", namespace, role="edit"))


def stub_account(postern, stub, ca_text):
    """A resource at the stub and an account on it: (resource's id, path)."""
    gateway = next(each["id"] for each in postern.admin.json("gateway", "list") if each["name"] == "dev")
    name = f"stub-{stub.url.rsplit(':', 1)[1]}"
    made = postern.ok("POST", "/api/v1/pam/resources/kubernetes",
                      {"projectId": postern.project_id, "name": name, "gatewayId": gateway,
                       "connectionDetails": {"url": stub.url, "sslCertificate": ca_text}})["resource"]
    assert made["connectionTest"]["status"] == "ok", made
    postern.ok("POST", "/api/v1/pam/accounts/kubernetes",
               {"resourceId": made["id"], "name": "a", "credentials": {"authMethod": "service-account-token", "serviceAccountToken": "stub-token"}})
    return made["id"], f"{name}/a"


@pytest.mark.parametrize("where_to", ["https://evil.example/token", "/elsewhere", "//evil.example/"])
def test_c94_a_redirect_is_passed_on_and_not_followed(where_to, postern_dev, tmp_path):
    """To the cluster itself it leads below the session's path, as all that this kubeconfig names."""
    stub = Stub(tmp_path, lambda path: (302, {"Location": where_to}, b"") if "moved" in path else (200, {}, b"{}"))
    _, path = stub_account(postern_dev, stub, stub.ca[0].read_text())
    answer = session(postern_dev, path)
    before = len(stub.seen)
    status, body = request(postern_dev, answer, f"/{answer['accountId']}/api/v1/moved")
    seen = f"/{answer['accountId']}/elsewhere" if where_to == "/elsewhere" else where_to
    assert status == 302 and f"\r\nlocation: {seen}\r\n" in body.decode().lower(), body
    assert [seen[0] for seen in stub.seen[before:]] == ["/api/v1/moved"]
    stub.close()


def test_ca_rotation_under_load_fails_no_request(postern_dev, tmp_path):
    """Both CAs in the bundle, then the certificate changes, then the old CA goes: acceptance 10 of kube-proxying §19."""
    stub = Stub(tmp_path)
    second = authority(tmp_path, "second")
    resource, path = stub_account(postern_dev, stub, stub.ca[0].read_text() + second[0].read_text())
    answer = session(postern_dev, path)
    statuses, is_over = [], threading.Event()

    def load():
        while not is_over.is_set():
            statuses.append(request(postern_dev, answer, f"/{answer['accountId']}/api")[0])

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    until(lambda: len(statuses) > 40, "some load", timeout=60)
    stub.use(leaf(tmp_path, second))
    count = len(statuses)
    until(lambda: len(statuses) > count + 40, "more load", timeout=60)
    is_over.set()
    for thread in threads:
        thread.join()
    assert set(statuses) == {200}, statuses

    # The old CA is gone: what was opened for the old one ends, and the next session trusts the new one alone.
    postern_dev.ok("PATCH", f"/api/v1/pam/resources/kubernetes/{resource}", {"connectionDetails": {"sslCertificate": second[0].read_text()}})
    state = postern_dev.ok("GET", f"/api/v1/pam/sessions/{answer['sessionId']}")["session"]
    assert state["status"] == "terminated" and state["endReason"] == "The resource was changed"
    answer = session(postern_dev, path)
    assert request(postern_dev, answer, f"/{answer['accountId']}/api")[0] == 200
    refused = postern_dev.api("PATCH", f"/api/v1/pam/resources/kubernetes/{resource}", {"connectionDetails": {"sslCertificate": stub.ca[0].read_text()}})
    assert refused.status == 400 and "certificate" in refused.json["message"], refused.text
    stub.close()


def test_c100_ctrl_c_ends_the_session_with_all_it_did_on_record(newest_kubectl, postern_dev, account, namespace):
    user = postern_dev.user()
    kubeconfig = user.home / "c100.yaml"
    process = user.start("pam", "access", account, "--port", "0", "--kubeconfig", kubeconfig)
    process.wait_for(kubeconfig.exists, "the road")
    newest_kubectl.using(kubeconfig)("-n", namespace, "get", "configmaps")
    begin = time.monotonic()
    assert process.stop() == 0, process.text()
    assert not kubeconfig.exists()
    found = last_session(postern_dev)

    def is_complete():
        state = postern_dev.ok("GET", f"/api/v1/pam/sessions/{found['id']}")["session"]
        events = postern_dev.ok("GET", f"/api/v1/pam/sessions/{found['id']}/logs?limit=100")["logs"]
        answered = {event["requestId"] for event in events if event["eventType"] == "response"}
        return state["status"] == "ended" and any(event["eventType"] == "request" and "configmaps" in event["url"]
                                                  and event["requestId"] in answered for event in events)
    until(is_complete, "the end and the last event", timeout=5)
    assert time.monotonic() - begin < 5


@pytest.fixture
def shim(tmp_path_factory):
    return Shim(tmp_path_factory.mktemp("shim"))


@pytest.mark.parametrize("off", [-45, 45])
def test_c106_a_client_whose_clock_is_45_s_off(off, shim, newest_kubectl, postern_dev, account, namespace):
    user = postern_dev.user()
    shim.clock(off)
    clock = shim.env
    now = subprocess.run(["date", "-u", "+%s"], env=clock, capture_output=True, text=True, check=True)
    assert abs(int(now.stdout) - time.time() - off) < 5, "the shim works"
    kubeconfig = user.home / "c106.yaml"
    process = user.start("pam", "access", account, "--port", "0", "--duration", "5m", "--kubeconfig", kubeconfig, env=clock)
    process.wait_for(kubeconfig.exists, "the road")
    try:
        newest_kubectl.using(kubeconfig)("-n", namespace, "get", "pods")
        # The server's clock counts: five minutes, whatever this machine believes.
        left = datetime.fromisoformat(last_session(postern_dev)["expiresAt"]) - datetime.now(timezone.utc)
        assert timedelta(minutes=4) < left <= timedelta(minutes=5), left
    finally:
        assert process.stop() == 0, process.text()
    user("kube", "login", account, "--kubeconfig", kubeconfig, env=clock)
    newest_kubectl.using(kubeconfig)("-n", namespace, "get", "pods", env=user.env() | clock)
    user("kube", "logout", account, env=clock)


@pytest.mark.parametrize("way", [access, login])
def test_c98_a_program_with_client_go(way, cluster, postern_dev, account, namespace):
    """List, informer, server-side apply; exec by WebSocket and by SPDY, with standard input and the exit code."""
    cluster.kubectl("-n", namespace, "run", "one", "--image=any", "--", "sleep", "1000")
    until(lambda: cluster.get("-n", namespace, "pod", "one")["status"]["phase"] == "Running", "the pod")
    user = postern_dev.user()
    with way(user, account) as kubeconfig:
        done = subprocess.run([where("client-kube") / "client", namespace, "one"], env=user.env() | {"KUBECONFIG": str(kubeconfig)},
                              capture_output=True, text=True, timeout=90, check=False)
    said = json.loads(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    exec_said = {"Out": "hello", "Err": "bad\n", "Code": 3}
    assert said["Websocket"] == said["Spdy"] == exec_said, said
    assert said["Listed"] == ["one"] and "kube-root-ca.crt" in said["Informed"]
    assert said["Applied"] == "by-client-go" and said["Seen"] == ["by-client-go"]


def test_c98_three_mebibytes_by_server_side_apply(newest_kubectl, cluster, postern_dev, account, namespace):
    text = "\n---\n".join(json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"large-{n}", "namespace": namespace},
                                      "data": {"a": chr(97 + n) * 800_000}}) for n in range(4))
    with access(postern_dev.user(), account) as kubeconfig:
        run = newest_kubectl.using(kubeconfig)
        applied = run("apply", "--server-side", "-f", "-", stdin=text, timeout=120)
        assert applied.stdout.count("serverside-applied") == 4
        again = run("apply", "--server-side", "-f", "-", stdin=text, timeout=120)
        assert again.stdout.count("serverside-applied") == 4
    for n in range(4):
        assert cluster.get("-n", namespace, "configmap", f"large-{n}")["data"]["a"] == chr(97 + n) * 800_000


def test_c98_kubectl_proxy(newest_kubectl, postern_dev, account, namespace):
    """Without the option it drops the path of its server, which is how a session is told from others."""
    with access(postern_dev.user(), account) as kubeconfig:
        run = newest_kubectl.using(kubeconfig)
        with subprocess.Popen(run.argv("proxy", "--port=0", "--append-server-path"), env=run.env(), stdout=subprocess.PIPE, text=True) as proxy:
            try:
                port = re.search(r":(\d+)$", proxy.stdout.readline().strip())[1]
                opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
                for _ in range(3):
                    with opener.open(f"http://127.0.0.1:{port}/api/v1/namespaces/{namespace}/pods", timeout=20) as answer:
                        assert json.load(answer)["kind"] == "PodList"
            finally:
                proxy.terminate()


HOSTILE = [["Connection: impersonate-user, authorization", "Impersonate-User: admin"], ["Connection: authorization", "Authorization: Bearer evil"],
           ["Impersonate-User: a", "Impersonate-User: b"], ["IMPERSONATE-USER: admin"], ["Impersonate-User : admin"],
           ["X-A: b\r\n Impersonate-User: admin"], ["X-A: b\x00Impersonate-User: admin"],
           ["Transfer-Encoding: chunked", "Trailer: Impersonate-User"]]


@pytest.mark.parametrize("headers", HOSTILE, ids=lambda headers: headers[0].split("\r")[0].replace("\x00", "NUL"))
def test_header_attacks_never_become_somebody_else(headers, cluster, postern_dev, account, namespace):
    """Acceptance 5 of kube-proxying §19: refused, or the cluster sees the session's own account and nobody impersonated."""
    answer = session(postern_dev, account)
    me = f"system:serviceaccount:{namespace}:somebody"
    target, mark = f"/{answer['accountId']}/api/v1/namespaces/{namespace}/configmaps", f"attack-{abs(hash(tuple(headers)))}"
    body = b"0\r\nImpersonate-User: admin\r\n\r\n" if "Trailer: Impersonate-User" in headers else b""
    status, said = request(postern_dev, answer, f"{target}?labelSelector={mark}", headers, body=body)
    assert status in (0, 200, 400, 403), said
    # A clean one behind it shows that the road is whole, and that the cluster's record has come so far.
    assert request(postern_dev, answer, f"{target}?labelSelector={mark}-after")[0] == 200
    events = until(lambda: (lambda found: found if any(f"{mark}-after" in each["requestURI"] for each in found) else None)(
        cluster.audit(lambda event: mark in event.get("requestURI", ""))), "the audit log", timeout=30)
    assert all(event["user"]["username"] == me and "impersonatedUser" not in event for event in events), events


@pytest.mark.parametrize("way", [access, login])
def test_a_list_that_breaks_off_is_an_error(way, newest_kubectl, postern_dev, tmp_path):
    """Acceptance 9 of kube-proxying §19: nobody takes half a body for a whole one."""
    def answer(path):
        return (200, {"Content-Length": "1000"}, b'{"kind":"PodList","items":[') if "broken" in path else (200, {}, b"{}")
    stub = Stub(tmp_path, answer)
    _, path = stub_account(postern_dev, stub, stub.ca[0].read_text())
    user = postern_dev.user()
    with way(user, path) as kubeconfig:
        run = newest_kubectl.using(kubeconfig)
        assert run("get", "--raw", "/whole", env=user.env()).stdout == "{}"
        done = run("get", "--raw", "/broken", check=False, env=user.env())
    assert done.returncode != 0, done.stdout
    stub.close()


def test_discovery_of_two_clusters_is_not_mixed(newest_kubectl, cluster, postern_dev, account, namespace, tmp_path):
    """Acceptance 12: two clusters by one program's port, one after the other; a warm `kubectl get` asks for little."""
    groups = {"kind": "APIGroupList", "apiVersion": "v1", "groups": []}
    versions = {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
    resources = {"kind": "APIResourceList", "groupVersion": "v1",
                 "resources": [{"name": "widgets", "singularName": "widget", "namespaced": True, "kind": "Widget", "verbs": ["get", "list"]}]}
    bodies = {"/api": versions, "/apis": groups, "/api/v1": resources}
    stub = Stub(tmp_path, lambda path: (200, {}, json.dumps(bodies.get(path.split("?")[0], {})).encode()))
    _, other = stub_account(postern_dev, stub, stub.ca[0].read_text())
    user = postern_dev.user()
    for _ in range(2):
        for path, has, lacks in ((account, "configmaps", "widgets"), (other, "widgets", "configmaps")):
            with login(user, path) as kubeconfig:
                names = newest_kubectl.using(kubeconfig)("api-resources", "--api-group=", "-o", "name", env=user.env()).stdout.split()
            assert has in names and lacks not in names, (path, names)
    stub.close()
    # What is warm costs two requests at most, also in a session of its own.
    with login(user, account) as kubeconfig:
        run = newest_kubectl.using(kubeconfig)
        for _ in range(2):
            run("-n", namespace, "get", "configmaps", env=user.env())
        found = last_session(postern_dev)

        def requests():
            return [event["url"] for event in postern_dev.ok("GET", f"/api/v1/pam/sessions/{found['id']}/logs?limit=100")["logs"]
                    if event["eventType"] == "request" and ".well-known" not in event["url"]]
        before = until(lambda: (lambda seen: seen if sum("/configmaps" in url for url in seen) == 2 else None)(requests()), "the record")
        run("-n", namespace, "get", "configmaps", env=user.env())
        after = until(lambda: (lambda seen: seen if sum("/configmaps" in url for url in seen) == 3 else None)(requests()), "the record")
    assert len(after) - len(before) <= 2, after[len(before):]


@pytest.mark.parametrize("way", [access, login])
def test_a_program_with_the_python_client(way, cluster, postern_dev, account, namespace):
    """
    List, watch, create; exec by the older v4.channel.k8s.io, with standard input and the exit code. Before Python 3.13 its TLS takes nothing but
    a root for an authority.
    """
    cluster.kubectl("-n", namespace, "run", "one", "--image=any", "--", "sleep", "1000")
    until(lambda: cluster.get("-n", namespace, "pod", "one")["status"]["phase"] == "Running", "the pod")
    user = postern_dev.user()
    program = [where("client-kube-python") / "bin/python", TOP / "test/integ/clients/kube-python/client.py"]
    with way(user, account) as kubeconfig:
        done = subprocess.run([*program, kubeconfig, namespace, "one"], env=user.env(), capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(done.stdout)
    assert said["listed"] == ["one"] and said["seen"] == ["by-python"]
    assert said["exec"] == {"out": "got hello\n", "err": "bad\n", "code": 3}, said
