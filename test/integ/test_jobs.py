"""What happens at its time, all by one engine: what an operator sees of it, and that no cluster holds up what needs none."""
import json
import threading
from datetime import datetime

import pytest

from harness.leases import BASE
from harness.poll import until
from harness.raw import session


@pytest.fixture
def here(new_dev, leases):
    return leases.having(new_dev(env={"POSTERN_JOB_THREADS": "1"}))


def jobs(instance, *words):
    return json.loads(instance.admin("job", "list", "-o", "json", "--limit", "1000", *words).stdout)


def ended(instance, session_id):
    found = instance.ok("GET", f"/api/v1/pam/sessions/{session_id}")["session"]
    return found if found["status"] == "ended" else None


def moment(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def test_what_is_to_happen_is_seen(here, cluster, namespace):
    """A lease, a session and what recurs are rows of one table; what has not failed is not tried early."""
    account = here.postern.connect(cluster, cluster.token("somebody", namespace, role="edit"))
    here.create("seen", here.dynamic())
    lease, opened = here.lease("seen"), session(here.postern, account)["sessionId"]
    rows = {row["kind"]: row for row in jobs(here.postern)}
    assert {kind: row["organizationId"] is None for kind, row in rows.items()} == {
        "lease": False, "pam-session": False, "sweep-logins": True, "keep-clock": True, "prune-audit-log": True}
    assert (rows["lease"]["id"], rows["pam-session"]["id"]) == (lease.id, opened)
    assert all(row["attempts"] == 0 and row["lastError"] is None for row in rows.values())
    for kind in ("pam-session", "sweep-logins"):
        here.postern.admin("job", "retry", kind, rows[kind]["id"], exit_code=2)
    here.postern.admin("job", "retry", "no-such-kind", lease.id, exit_code=6)
    here.postern.ok("POST", f"/api/v1/pam/sessions/{opened}/end", {})
    here.revoke(lease.id)
    assert {row["kind"] for row in jobs(here.postern)} == {"sweep-logins", "keep-clock", "prune-audit-log"}


@pytest.mark.timeout(180)
def test_sessions_end_on_time_whatever_clusters_do(here, gate, cluster, namespace):
    """One thread for clusters, and it is with a silent one for six seconds and more: a session ends on its time all the same."""
    account = here.postern.connect(cluster, cluster.token("somebody", namespace, role="edit"))
    here.create("silent", here.through(gate))
    made = [here.lease("silent") for _ in range(3)]
    silence, asked = threading.Event(), threading.Event()
    gate.on = lambda *_: asked.set() or silence.wait(120) and None
    here.postern.ok("DELETE", f"{BASE}/silent", here.place())
    assert asked.wait(10), "the thread is with the cluster"
    opened = session(here.postern, account, duration="1s")["sessionId"]
    found = until(lambda: ended(here.postern, opened), "it ends", timeout=20)
    assert found["endReason"] == "The session has expired"
    late = (moment(found["endedAt"]) - moment(found["expiresAt"])).total_seconds()
    print(f"a session ended {late:.2f} s after its time")
    assert late < 3.5
    assert any(row["isRunning"] for row in jobs(here.postern) if row["kind"] == "lease"), "still there"
    gate.on = None
    silence.set()
    for lease in made:
        until(lambda v=lease: here.get(v.id).status == 404, "the leases go when it answers", timeout=60)
