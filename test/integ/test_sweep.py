"""The sweeper against a real API server: what leases that nobody knows left, and nothing else (DS-88)."""
import json
import secrets

import pytest

from harness.leases import BASE
from harness.poll import until

ORPHAN = "0a0a0a0a-0a0a-4a0a-8a0a-0a0a0a0a0a0a"
ACCOUNT = """
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {name}
  namespace: {namespace}
  labels: {{app.kubernetes.io/managed-by: {manager}, postern/lease-id: {lease}{instance}}}
"""


@pytest.fixture
def here(postern_dev, leases):
    return leases.having(postern_dev)


def cli(here, *words, exit_code=0):
    return here.postern.admin(*words, "--project", here.project_id, "--env", "dev", exit_code=exit_code)


def forget(here, gate, name):
    """A lease whose row goes while its cluster is away: as if the database were of yesterday."""
    lease = here.lease(name)
    gate.on = lambda *_: False
    here.revoke(lease.id, is_forced=True)
    gate.on = None
    assert here.objects(lease.id) and here.get(lease.id).status == 404
    return lease


def put(here, cluster, **more):
    made = {"name": f"x-{secrets.token_hex(4)}", "namespace": here.namespace, "manager": "postern", "lease": ORPHAN, "instance": ""} | more
    cluster.apply(ACCOUNT.format(**made))
    return made["name"]


def manifest_of(refused):
    """What the command said to apply, as it is."""
    return refused.stderr[refused.stderr.index("---"):].split("\npostern:")[0]


def may_list(here, cluster, *kinds):
    subject = f"system:serviceaccount:{here.namespace}:postern"
    return all(cluster.kubectl("-n", namespace, "auth", "can-i", "list", what, "--as", subject, check=False).returncode == 0
               for namespace in here.namespaces for what in kinds)


def test_what_nobody_owns_is_swept(here, cluster, gate):
    here.create("swept", here.through(gate))
    kept, lost = here.lease("swept"), forget(here, gate, "swept")
    instance = here.postern.ok("GET", "/api/v1/admin/config")["config"]["instanceId"]
    theirs = [put(here, cluster, instance=f", postern/instance: {ORPHAN}"), put(here, cluster),
              put(here, cluster, manager="Helm", instance=f", postern/instance: {instance}")]
    ours = put(here, cluster, namespace=here.namespaces[1], instance=f", postern/instance: {instance}")

    # Leases may not list: who asks is told what to allow, and nothing has begun.
    for words in (("--dry-run",), ()):
        refused = cli(here, "dynamic-secrets", "sweep", "swept", *words, exit_code=2)
        assert "postern-lease-sweeper" in refused.stderr and "list, delete" in refused.stderr
    assert here.postern.api("GET", f"{BASE}/swept/sweep?projectSlug={here.slug}&environmentSlug=dev").status == 404
    cluster.apply(manifest_of(refused))
    until(lambda: may_list(here, cluster, "serviceaccounts", "rolebindings"), "it may list")

    seen = json.loads(cli(here, "dynamic-secrets", "sweep", "swept", "--dry-run", "-o", "json").stdout)
    assert {(item["kind"], item["leaseId"]) for item in seen} == {("ServiceAccount", lost.id), ("RoleBinding", lost.id), ("ServiceAccount", ORPHAN)}
    assert len(here.objects(lost.id)) == 2, "it only looked"

    done = json.loads(cli(here, "dynamic-secrets", "sweep", "swept", "-o", "json").stdout)
    assert done["state"] == "done" and done["removed"] >= 2 and done["error"] is None
    assert here.objects(lost.id) == []
    here.is_dead(lost.token)
    assert here.status_of(kept.token) == 200 and len(here.objects(kept.id)) == 2
    for name in theirs:
        assert cluster.kubectl("-n", here.namespace, "get", "sa", name).returncode == 0
    assert cluster.kubectl("-n", here.namespaces[1], "get", "sa", ours, check=False).returncode != 0
    assert json.loads(cli(here, "dynamic-secrets", "sweep", "swept", "--dry-run", "-o", "json").stdout) == []
    events = here.postern.ok("GET", f"/api/v1/organization/audit-logs?projectId={here.project_id}&eventType=sweep-dynamic-secret-orphans")["auditLogs"]
    assert lost.externalEntityId in json.dumps(events) and kept.externalEntityId not in json.dumps(events)


def test_nothing_sweeps_by_itself_and_not_for_everybody(here, cluster, gate):
    here.create("left", here.through(gate))
    lost = forget(here, gate, "left")
    person = here.postern.user()
    for words in (("--dry-run",), ()):
        person("dynamic-secrets", "sweep", "left", *words, "--project", here.project_id, "--env", "dev", exit_code=5)
    jobs = json.loads(here.postern.admin("job", "list", "-o", "json", "--limit", "1000").stdout)
    assert all(job["kind"] != "lease-sweep" for job in jobs)
    assert len(here.objects(lost.id)) == 2


def test_what_reaches_over_the_whole_cluster_is_swept(here, cluster, gate):
    """A binding of the whole cluster is of no namespace; what is printed allows that too, and no more than leases of that kind need."""
    here.create("wide", here.through(gate, roleType="cluster-role", role="view"))
    kept, lost = here.lease("wide"), forget(here, gate, "wide")
    assert {item["kind"] for item in here.objects(lost.id)} == {"ServiceAccount", "ClusterRoleBinding"}
    refused = cli(here, "dynamic-secrets", "sweep", "wide", exit_code=2)
    assert 'resources: ["clusterrolebindings"], verbs: [list, delete]' in refused.stderr and '"rolebindings"' not in refused.stderr
    cluster.apply(manifest_of(refused))
    until(lambda: may_list(here, cluster, "serviceaccounts", "clusterrolebindings"), "it may list")
    seen = json.loads(cli(here, "dynamic-secrets", "sweep", "wide", "--dry-run", "-o", "json").stdout)
    assert {(item["kind"], item["leaseId"]) for item in seen} >= {("ServiceAccount", lost.id), ("ClusterRoleBinding", lost.id)}
    assert kept.id not in {item["leaseId"] for item in seen}
    assert json.loads(cli(here, "dynamic-secrets", "sweep", "wide", "-o", "json").stdout)["state"] == "done"
    assert here.objects(lost.id) == []
    here.is_dead(lost.token)
    assert here.status_of(kept.token) == 200 and len(here.objects(kept.id)) == 2
    here.revoke(kept.id)
