"""What the cluster's audit log has and what the session's log has are the same requests (Shows 4)."""
import json

from harness.poll import until
from harness.road import access, last_session

NEVER = ("Authorization", "Bearer ")


def forwarded(cluster, username):
    """Audit-IDs of what the account did, by the cluster's own record; without what Postern asked for itself, as when the account was saved."""
    return {event["auditID"]: event for event in cluster.audit(
        lambda e: e["user"].get("username") == username and not e.get("userAgent", "").startswith(("postern/", "postern-gateway/")))}


def test_records_and_audit_log_agree(newest_kubectl, cluster, postern, namespace, tmp_path):
    token = cluster.token("recorded", namespace, role="edit")
    account = postern.connect(cluster, token)
    user = postern.user()
    with access(user, account) as kubeconfig:
        k = newest_kubectl.using(kubeconfig)
        k("-n", namespace, "create", "configmap", "one", "--from-literal=a=b")
        k("-n", namespace, "get", "configmaps", "-o", "name")
        k("-n", namespace, "run", "pod-one", "--image=any", "--", "sh", "-c", "echo hi; sleep 1000")
        k("-n", namespace, "wait", "--for=condition=Ready", "pod/pod-one", "--timeout=60s")
        k("-n", namespace, "exec", "pod-one", "--", "true")
        k("-n", namespace, "logs", "pod-one")
        k("-n", namespace, "get", "secrets", "-A", check=False)
        k("-n", namespace, "delete", "pod", "pod-one", "--grace-period=1")
    session = last_session(postern)
    username = f"system:serviceaccount:{namespace}:recorded"

    def agree():
        ours = postern.admin.json("pam", "session", "logs", session["id"], "--requests")
        theirs = forwarded(cluster, username)
        same = {r["auditId"] for r in ours} == set(theirs) and all(r["status"] for r in ours)
        return (ours, theirs) if same else None
    ours, theirs = until(agree, "both logs list the same requests")
    assert len(ours) == len({r["auditId"] for r in ours}) == len(theirs)
    for request in ours:
        event = theirs[request["auditId"]]
        assert request["url"] == event["requestURI"]
        assert request["verb"] == event["verb"]
        reference = event.get("objectRef", {})
        assert (request["resource"] or "") == reference.get("resource", "")
        assert (request["namespace"] or "") == reference.get("namespace", "")
        assert (request["subresource"] or "") == reference.get("subresource", "")
        assert request["status"] == event["responseStatus"]["code"]
        assert request["durationMs"] >= 0 and request["startedAt"]
    upgrades = [r for r in ours if r["subresource"] == "exec"]
    assert any(r["upgrade"] and r["status"] == 101 for r in upgrades)
    assert any(r["status"] == 403 and r["resource"] == "secrets" for r in ours)

    events = json.dumps(postern.ok("GET", f"/api/v1/pam/sessions/{session['id']}/logs?limit=100")["logs"])
    assert not any(word in events for word in NEVER)
    folded = postern.admin("pam", "session", "logs", session["id"]).stdout
    assert "pods/exec" in folded and "/apis" not in folded
    shown = postern.admin.json("pam", "session", "show", session["id"])
    assert shown["status"] == "ended" and shown["startedAt"] and shown["endedAt"]


def test_the_log_reads_like_the_commands(kubectl, cluster, postern_dev, namespace, tmp_path):
    """What was typed, reconstructed: its line, status and objects; `--follow` shows each as it is over, until the session is."""
    account = postern_dev.connect(cluster, cluster.token("typist", namespace, role="edit"))
    cluster.kubectl("-n", namespace, "run", "one", "--image=any", "--", "sh", "-c", "echo spoken; exec sleep 1000")
    cluster.kubectl("-n", namespace, "wait", "--for=condition=Ready", "pod/one", "--timeout=60s")
    maps = tmp_path / "maps.yaml"
    maps.write_text("".join(f"---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {n}, namespace: {namespace}}}\n" for n in "ab"))
    typed = [(["get", "pods", "-l", "run=one"], 0), (["apply", "-f", str(maps)], 0), (["logs", "one", "--tail", "1"], 0),
             (["exec", "one", "--", "sh", "-c", "exit 3"], 3), (["delete", "configmap", "a", "b"], 0), (["get", "nodes"], 1)]
    user = postern_dev.user()
    with access(user, account) as kubeconfig:
        session = last_session(postern_dev)
        follower = user.start("pam", "session", "logs", session["id"], "--follow")
        k = kubectl.using(kubeconfig)
        for words, code in typed:
            assert k("-n", namespace, *words, check=False).returncode == code, words
    commands = until(lambda: (lambda c: c if c and (kubectl.minor < 22 or c[-1]["status"] == 403) else None)(
        postern_dev.admin.json("pam", "session", "logs", session["id"])), "the records", timeout=10)
    claimed = [c["command"] for c in commands]
    if kubectl.minor < 22:  # it says nothing of itself: what runs within a second looks like one command
        assert all(line.startswith("kubectl ") for line in claimed) and not any(c["isVerbClaimed"] for c in commands)
    else:
        assert claimed == [f"kubectl get pods -n {namespace} -l run=one", f"kubectl apply configmaps (2 objects) -n {namespace}",
                           f"kubectl logs one -n {namespace} -c one --tail 1", f"kubectl exec one -n {namespace} -c one -- sh -c 'exit 3'",
                           f"kubectl delete configmaps/a configmaps/b -n {namespace}", "kubectl get nodes"]
        assert [c["objects"] for c in commands] == [1, 2, 1, 1, 2, 1]
        assert commands[-1]["status"] == 403 and all(c["duration"] for c in commands)
        follower.popen.wait(30)
        assert all(line in follower.text() for line in claimed), follower.text()


def test_the_log_is_whole_right_after_the_end(newest_kubectl, cluster, postern_dev):
    """Who asks for it with the next command reads all of it, not what had arrived by then."""
    account = postern_dev.connect(cluster, cluster.token("hasty", role="view"))
    user = postern_dev.user()
    for _ in range(3):
        user("pam", "access", account, "--port", "0", "--", newest_kubectl.path, "get", "services")
        commands = user.json("pam", "session", "logs", last_session(postern_dev)["id"])
        assert [c["command"] for c in commands if c["resource"] == "services"] == ["kubectl get services -n default"]


def test_a_refused_exec_is_on_record(newest_kubectl, cluster, postern_dev, namespace):
    """C-92: denied by RBAC: 403 at the client, and in the record."""
    account = postern_dev.connect(cluster, cluster.token("looker", namespace, role="view"))
    cluster.kubectl("-n", namespace, "run", "one", "--image=any", "--", "sleep", "1000")
    cluster.kubectl("-n", namespace, "wait", "--for=condition=Ready", "pod/one", "--timeout=60s")
    with access(postern_dev.user(), account) as kubeconfig:
        done = newest_kubectl.using(kubeconfig)("-n", namespace, "exec", "one", "--", "true", check=False)
    assert done.returncode == 1 and "forbidden" in done.stderr.lower()
    session = last_session(postern_dev)
    until(lambda: any(r["subresource"] == "exec" and r["status"] == 403
                      for r in postern_dev.admin.json("pam", "session", "logs", session["id"], "--requests")), "the refused exec")


def test_nothing_is_lost_while_the_server_is_away(newest_kubectl, cluster, new_dev, namespace):
    """kill -9 of everything in the middle of a session: what was recorded arrives after the restart."""
    postern = new_dev(is_fixed=True)
    account = postern.connect(cluster, cluster.token("steady", namespace, role="view"))
    user = postern.user()
    with access(user, account) as kubeconfig:
        k = newest_kubectl.using(kubeconfig)
        for number in range(20):
            k("-n", namespace, "get", "pods", "-l", f"number={number}")
        session = last_session(postern)
        postern.server.restart(kill=True)
        until(lambda: k("-n", namespace, "get", "pods", "-l", "number=20", check=False).returncode == 0, "the road is open again",
              timeout=40)

    def numbers():
        urls = [r["url"] for r in postern.admin.json("pam", "session", "logs", session["id"], "--requests")]
        return {n for n in range(21) if any(f"number%3D{n}" in url.split("&")[0] + "&" + url for url in urls)}
    until(lambda: numbers() == set(range(21)), "every request is on record", timeout=40)
