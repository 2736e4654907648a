"""Sessions: how they begin, how they end, and what is seen afterwards."""
import json
import re
import socket
import subprocess
from datetime import datetime, timedelta, timezone

import pytest

from harness.poll import until
from harness.raw import connect, request, session, talk
from harness.road import access, last_session, login, road
from harness.tap import Tap


@pytest.fixture
def account(cluster, postern_dev, namespace):
    return postern_dev.connect(cluster, cluster.token("somebody", namespace, role="edit"))


def state(instance, session_id):
    return instance.ok("GET", f"/api/v1/pam/sessions/{session_id}")["session"]


def test_starting_active_ended(postern_dev, account):
    answer = session(postern_dev, account)
    assert state(postern_dev, answer["sessionId"])["status"] == "starting"
    assert request(postern_dev, answer, f"/{answer['accountId']}/version")[0] == 200
    assert state(postern_dev, answer["sessionId"])["status"] == "active"
    postern_dev.ok("POST", f"/api/v1/pam/sessions/{answer['sessionId']}/end", {})
    assert state(postern_dev, answer["sessionId"])["status"] == "ended"
    postern_dev.ok("POST", f"/api/v1/pam/sessions/{answer['sessionId']}/end", {})


def test_after_the_end_403_with_the_reason(postern_dev, account):
    answer = session(postern_dev, account)
    assert request(postern_dev, answer, f"/{answer['accountId']}/version")[0] == 200
    postern_dev.ok("POST", f"/api/v1/pam/sessions/{answer['sessionId']}/end", {})
    status, body = until(lambda: (lambda r: r if r[0] != 200 else None)(request(postern_dev, answer, f"/{answer['accountId']}/version")),
                         "the gateway knows", timeout=5)
    assert status == 403 and json.loads(body.partition(b"\r\n\r\n")[2])["kind"] == "Status"


def test_expired_401(postern_dev, account):
    answer = session(postern_dev, account, duration="3s")
    assert request(postern_dev, answer, f"/{answer['accountId']}/version")[0] == 200
    until(lambda: state(postern_dev, answer["sessionId"])["status"] == "ended", "the expiry", timeout=15)
    assert state(postern_dev, answer["sessionId"])["endReason"] == "The session has expired"
    status, body = request(postern_dev, answer, f"/{answer['accountId']}/version")
    assert status == 401 and b"expired" in body


REASON = "the session has ended"


@pytest.mark.parametrize("kind", ["access", "login"])
def test_what_is_open_hears_why_its_session_ends(kind, kubectl, cluster, postern_dev, account, namespace, tmp_path):
    """
    An exec fails at kubectl with the reason, a watch prints it (`get -w` exits 0 however its watch ends); a followed log, where there is
    no place for one, and a port-forward without connections fail (old kubectls say "lost connection" and exit 0).
    """
    cluster.kubectl("-n", namespace, "run", "one", "--image=any", "--", "sh", "-c", "echo spoken; exec sleep 1000")
    cluster.kubectl("-n", namespace, "wait", "--for=condition=Ready", "pod/one", "--timeout=60s")
    user = postern_dev.user()
    with road(kind, cluster, user, account, None, tmp_path, namespace) as kubeconfig:
        k = kubectl.using(kubeconfig)
        env = user.env() | k.env()

        def start(*words):
            return subprocess.Popen(k.argv("-n", namespace, *words), env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                    stderr=subprocess.PIPE, text=True)

        told = {"exec": start("exec", "-i", "one", "--", "sh", "-c", "echo begun; cat"),
                "exec without stdin": start("exec", "one", "--", "sh", "-c", "echo begun; exec sleep 1000"),
                "watch": start("get", "pods", "one", "-w", "--no-headers")}
        untold = {"log": start("logs", "-f", "one")}
        for process, line in zip([*told.values(), *untold.values()], ["begun", "begun", "one", "spoken"]):
            assert process.stdout.readline().startswith(line), process.communicate()[1]
        forward = start("port-forward", "pod/one", ":1")
        assert "Forwarding from" in forward.stdout.readline()
        found = last_session(postern_dev)
        postern_dev.ok("POST", f"/api/v1/pam/sessions/{found['id']}/end", {})
        for name, process in (told | untold | {"port-forward": forward}).items():
            process.wait(10)
            said = process.stdout.read() + process.stderr.read()
            forgives = name == "watch" or (name == "port-forward" and k.minor < 30)
            assert process.returncode != 0 or forgives, f"{name}: what was cut must not look like success: {said}"
            if name in told:
                assert REASON in said, f"{name}: {said}"


def test_bulk_output_is_cut_between_two_frames(kubectl, cluster, postern_dev, account, namespace, tmp_path):
    """In the middle of a flood there is a place for the reason too."""
    cluster.kubectl("-n", namespace, "run", "one", "--image=any", "--", "sleep", "1000")
    cluster.kubectl("-n", namespace, "wait", "--for=condition=Ready", "pod/one", "--timeout=60s")
    with access(postern_dev.user(), account) as kubeconfig:
        k = kubectl.using(kubeconfig)
        process = subprocess.Popen(k.argv("-n", namespace, "exec", "one", "--", "cat", "/dev/zero"), env=k.env(),
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert process.stdout.read(1 << 20).strip(b"\0") == b""
        found = last_session(postern_dev)
        postern_dev.ok("POST", f"/api/v1/pam/sessions/{found['id']}/end", {})
        rest, said = process.communicate(timeout=20)
        assert process.returncode != 0 and REASON.encode() in said, said
        assert rest.strip(b"\0") == b"", "not a byte of ours among the command's"


def test_ctrl_c_tells_what_is_open(newest_kubectl, cluster, postern_dev, account, namespace):
    """The owner's own end is no surprise to others who share the session's kubeconfig: their shells hear why they end."""
    cluster.kubectl("-n", namespace, "run", "one", "--image=any", "--", "sleep", "1000")
    cluster.kubectl("-n", namespace, "wait", "--for=condition=Ready", "pod/one", "--timeout=60s")
    with access(postern_dev.user(), account) as kubeconfig:
        k = newest_kubectl.using(kubeconfig)
        shell = subprocess.Popen(k.argv("-n", namespace, "exec", "one", "--", "sh", "-c", "echo begun; exec sleep 1000"), env=k.env(),
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert shell.stdout.readline() == "begun\n"
    assert shell.wait(10) != 0
    assert REASON in shell.stderr.read()


def test_durations(postern_dev, account):
    """C-65, C-66."""
    assert postern_dev.api("POST", "/api/v1/pam/accounts/access", {"path": account, "duration": "abc"}).status == 400
    answer = session(postern_dev, account, duration="2h30m")
    left = datetime.fromisoformat(answer["expiresAt"]) - datetime.now(timezone.utc)
    assert timedelta(hours=2, minutes=29) < left <= timedelta(hours=2, minutes=30), left
    assert all(isinstance(value, str) for value in answer["metadata"].values()), "C-81"


@pytest.mark.parametrize("path, status", [("nobody", 400), ("nobody/", 400), ("/", 400), ("no/body", 404)])
def test_c63_paths(path, status, postern_dev):
    assert postern_dev.api("POST", "/api/v1/pam/accounts/access", {"path": path}).status in (status, 422)


def test_c60_a_leading_slash(postern_dev, account):
    session(postern_dev, "/" + account)


def test_all_body_shapes(postern_dev, account):
    resource, name = account.split("/")
    found = postern_dev.admin.json("pam", "account", "show", account)
    project = postern_dev.project_id
    for body in ({"path": account}, {"resourceName": resource, "accountName": name, "projectId": project, "duration": "1h"},
                 {"accountPath": account, "projectId": project, "duration": "1h"}, {"accountId": found["id"]}):
        answer = postern_dev.ok("POST", "/api/v1/pam/accounts/access", body)
        assert answer["accountType"] == answer["resourceType"] == "kubernetes"


def test_machine_identities_own_sessions_too(cluster, newest_kubectl, postern_dev, account, namespace):
    """dev/admin.json's token is a machine identity's."""
    with access(postern_dev.admin, account) as kubeconfig:
        assert newest_kubectl.using(kubeconfig)("-n", namespace, "get", "pods", check=False).returncode == 0


def test_kube_login_is_not_reopened_after_an_end(newest_kubectl, postern_dev, account, namespace):
    user = postern_dev.user()
    with login(user, account) as kubeconfig:
        k = newest_kubectl.using(kubeconfig)
        env = user.env()
        assert k("-n", namespace, "get", "pods", env=env).returncode == 0
        found = last_session(postern_dev)
        postern_dev.ok("POST", f"/api/v1/pam/sessions/{found['id']}/end", {})
        done = until(lambda: (lambda d: d if d.returncode else None)(k("-n", namespace, "get", "pods", check=False, env=env)), "refused",
                     timeout=10)
        assert "orbidden" in done.stderr, done.stderr
        assert last_session(postern_dev)["id"] == found["id"], "no new session was opened"


def test_many_kubectl_at_once_open_one_session(newest_kubectl, postern_dev, account, namespace):
    import concurrent.futures
    user = postern_dev.user()
    with login(user, account) as kubeconfig:
        k = newest_kubectl.using(kubeconfig)
        before = len(postern_dev.admin.json("pam", "session", "list"))
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            codes = list(pool.map(lambda _: k("-n", namespace, "get", "pods", env=user.env()).returncode, range(16)))
        assert codes == [0] * 16 and len(postern_dev.admin.json("pam", "session", "list")) == before


def test_c95_one_handshake_for_a_hundred_requests(cluster, postern_dev, namespace):
    """Counted between gateway and cluster."""
    tap = Tap(cluster.url.removeprefix("https://"))
    name = f"tapped-{namespace}"
    postern_dev.admin("pam", "resource", "create", name, "--url", f"https://{tap.address}", "--ca-file", cluster.ca_file, "--gateway", "dev")
    postern_dev.admin("pam", "account", "create", f"{name}/a", "--token-file", "-", stdin=cluster.token("counted", namespace))
    before = tap.connections  # the account was tried when it was saved
    answer = session(postern_dev, f"{name}/a")
    with connect(postern_dev, answer) as stream:
        for _ in range(100):
            status, _ = talk(stream, f"GET /{answer['accountId']}/version HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            assert status == 200
    tap.close()
    assert tap.connections == before + 1


def test_the_local_port_is_remembered_and_gives_way(postern_dev, account):
    """Sessions share it (test_port.py); to another program that has it they give way, and say so."""
    user = postern_dev.user()

    def port_of(name):
        file = user.home / name
        process = user.start("pam", "access", account, "--kubeconfig", file)
        process.wait_for(file.exists, "the road")
        port = int(re.search(r"127.0.0.1:(\d+)", file.read_text())[1])
        assert process.stop() == 0 and not file.exists()
        return port, process.text()
    first, _ = port_of("first.yaml")
    with socket.create_server(("127.0.0.1", first)):
        other, text = port_of("second.yaml")
        assert other != first and f"port {first} is taken" in text
    assert port_of("third.yaml")[0] == first


def test_the_command_s_exit_code_is_ours(postern_dev, account):
    user = postern_dev.user()
    assert user("pam", "access", account, "--port", "0", "--", "sh", "-c", "exit 42", exit_code=42)
    assert user("pam", "access", account, "--port", "0", "--", "/no/such/command", exit_code=127)


def test_c118_a_quiet_session_ends(newest_kubectl, cluster, postern, namespace):
    """Neither a request nor a byte: it ends, an open shell hears why, and so does the server. What is busy goes on."""
    quiet = postern.connect(cluster, cluster.token("quiet", namespace, role="edit"), "--idle-timeout", "3s")
    cluster.kubectl("-n", namespace, "run", "one", "--image=any", "--", "sleep", "1000")
    cluster.kubectl("-n", namespace, "wait", "--for=condition=Ready", "pod/one", "--timeout=60s")
    with access(postern.user(), quiet) as kubeconfig:
        k = newest_kubectl.using(kubeconfig)
        busy = k("-n", namespace, "exec", "one", "--", "sh", "-c", "for i in 1 2 3 4 5 6; do echo $i; sleep 1; done")
        assert busy.stdout.split() == list("123456")
        done = k("-n", namespace, "exec", "one", "--", "sleep", "100", check=False, timeout=30)
        assert done.returncode != 0 and "No activity for 3 seconds" in done.stderr, done.stderr
        found = until(lambda: (lambda s: s if s["status"] == "ended" else None)(last_session(postern)), "the server knows", timeout=5)
        assert found["endReason"] == "No activity for 3 seconds" and found["requests"] > 0


def test_an_administrator_terminates(newest_kubectl, postern_dev, account, namespace):
    """C-102: the next kubectl is refused with the administrator's words; the person may not end others' sessions."""
    user = postern_dev.user()
    with login(user, account) as kubeconfig:
        k, env = newest_kubectl.using(kubeconfig), user.env()
        assert k("-n", namespace, "get", "pods", env=env).returncode == 0
        found = last_session(postern_dev)
        user("pam", "session", "terminate", found["id"], exit_code=5)
        postern_dev.admin("pam", "session", "terminate", found["id"], "--reason", "lunch is over")
        done = until(lambda: (lambda d: d if d.returncode else None)(k("-n", namespace, "get", "pods", check=False, env=env)), "refused",
                     timeout=5)
        assert "lunch is over" in done.stderr, done.stderr
        assert postern_dev.admin.json("pam", "session", "show", found["id"])["status"] == "terminated"
