"""Credentials on lease against a real API server: they work, they end, and nothing is left behind."""
import json
import secrets
import time
import uuid

import pytest

from harness.gate import Gate
from harness.leases import claims, moment, seconds_left
from harness.poll import until


def test_a_static_credential_works_and_then_does_not(leases):
    """DS-30, 46, 67: for an existing service account, bound to a Secret of its own."""
    made = leases.create("static", leases.inputs())["dynamicSecret"]
    assert made["inputs"]["tokenBinding"] == "secret" and "clusterToken" not in json.dumps(made)
    lease, other = leases.lease("static"), leases.lease("static")
    assert lease.data.keys() == {"TOKEN"} and lease.externalEntityId == "app"
    assert abs(claims(lease.token)["exp"] - claims(lease.token)["iat"] - 3600) <= 2
    assert 3590 < seconds_left(lease) <= 3601
    assert leases.status_of(lease.token) == 200
    [secret] = leases.objects(lease.id)
    assert secret["kind"] == "Secret" and secret["metadata"]["namespace"] == leases.namespace
    leases.revoke(lease.id)
    assert leases.objects(lease.id) == []
    leases.is_dead(lease.token)
    assert leases.status_of(other.token) == 200
    assert leases.get(lease.id).status == 404
    leases.revoke(other.id)


def test_a_secret_of_the_same_name_revives_no_token(leases, cluster):
    """DS-68: it has another UID."""
    leases.create("revived", leases.inputs(tokenBinding="secret"))
    lease = leases.lease("revived")
    name = leases.objects(lease.id)[0]["metadata"]["name"]
    assert leases.status_of(lease.token) == 200
    leases.revoke(lease.id)
    leases.is_dead(lease.token)
    cluster.kubectl("-n", leases.namespace, "create", "secret", "generic", name)
    since = time.monotonic()
    until(lambda: leases.status_of(lease.token) != 401 or time.monotonic() - since > 12, "longer than the API server remembers a verdict")
    assert leases.status_of(lease.token) == 401
    cluster.kubectl("-n", leases.namespace, "delete", "secret", name)


def test_a_cluster_at_an_ipv6_address(leases, cluster):
    """DS-29: its brackets stay where they are."""
    gate = Gate(cluster, host="::1")
    assert gate.url.startswith("http://[::1]:")
    made = leases.create("six", leases.through(gate))["dynamicSecret"]
    assert made["inputs"]["url"] == gate.url
    lease = leases.lease("six")
    until(lambda: leases.status_of(lease.token) == 200, "the binding counts")
    leases.revoke(lease.id)
    assert leases.objects(lease.id) == [] and gate.count > 4
    gate.stop()


def test_an_unbound_static_token_lives_to_its_end(leases):
    """DS-66, 35: nothing in the cluster ends it, so it is not made shorter than Kubernetes makes tokens."""
    leases.create("unbound", leases.inputs(tokenBinding="none"))
    lease = leases.lease("unbound", ttl="10m")
    assert leases.objects(lease.id) == []
    leases.revoke(lease.id)
    assert leases.status_of(lease.token) == 200
    assert "10 minutes" in leases.lease("unbound", status=400, ttl="2m")["message"]


@pytest.mark.parametrize("role, kinds, elsewhere", [
    ({"roleType": "role"}, {"ServiceAccount", "RoleBinding"}, 403),
    ({"roleType": "cluster-role", "role": "view", "bindingScope": "namespace"}, {"ServiceAccount", "RoleBinding"}, 403),
    ({"roleType": "cluster-role", "role": "view"}, {"ServiceAccount", "ClusterRoleBinding"}, 200),
])
def test_a_dynamic_credential_has_an_account_of_its_own(leases, role, kinds, elsewhere):
    """DS-38, 42, 43, 44, 65"""
    name = f"d-{secrets.token_hex(3)}"
    leases.create(name, leases.dynamic(**role))
    lease = leases.lease(name)
    objects = leases.objects(lease.id)
    assert {item["kind"] for item in objects} == kinds
    for item in objects:
        labels = dict(item["metadata"]["labels"])
        assert uuid.UUID(labels.pop("postern/instance"))
        assert labels == {"app.kubernetes.io/managed-by": "postern", "postern/lease-id": lease.id, "postern/ds-id": lease.dynamicSecretId}
    assert any(item["metadata"].get("ownerReferences") for item in objects)
    until(lambda: leases.status_of(lease.token) == 200, "the binding counts")
    until(lambda: leases.status_of(lease.token, leases.namespaces[1]) == elsewhere, "elsewhere")
    leases.revoke(lease.id)
    leases.is_dead(lease.token)
    assert leases.objects(lease.id) == [] and leases.get(lease.id).status == 404


def test_a_kubeconfig_for_who_may_only_lease(leases, newest_kubectl, tmp_path):
    """D9, D18: where the cluster is, they hear when the dynamic secret says so; refused, they leave no lease."""
    leases.create("told", leases.inputs())
    person, admin = leases.postern.user(role=None), leases.postern
    admin.ok("POST", f"/api/v1/projects/{leases.project_id}/roles",
             {"slug": "leaser", "name": "Leaser", "permissions": [{"subject": "dynamic-secrets", "action": ["lease"]}]})
    admin.ok("POST", f"/api/v1/projects/{leases.project_id}/memberships", {"emails": [person.home.name], "roleSlugs": ["leaser"]})
    words = ("dynamic-secrets", "lease", "create", "told", "--project-slug", leases.slug, "--env", "dev")
    assert "--server URL" in person(*words, "-o", "kubeconfig", exit_code=64).stderr
    person(*words, "--outputs", "KUBECONFIG", exit_code=5)
    person(*words, "--outputs", "PASSWORD", exit_code=2)
    assert leases.list("told") == []
    admin.admin("dynamic-secrets", "set", "told", "--outputs", "KUBECONFIG", "--project", leases.project_id, "--env", "dev")
    for name, more in (("whole", ("-o", "kubeconfig")), ("part", ("--plain",))):
        (tmp_path / name).write_text(person(*words, *more).stdout.rpartition("KUBECONFIG=")[2])
        assert "kube-root-ca.crt" in newest_kubectl.using(tmp_path / name)("get", "configmaps").stdout
    for lease in leases.list("told"):
        leases.revoke(lease["id"])


def test_a_lease_chooses_one_of_the_namespaces(leases):
    """DS-39, 40, 50, 51"""
    leases.create("spaces", leases.dynamic())
    second = leases.namespaces[1]
    lease = leases.lease("spaces", config={"namespace": second})
    assert lease.config == {"namespace": second}
    assert {item["metadata"]["namespace"] for item in leases.objects(lease.id)} == {second}
    refused = leases.lease("spaces", status=400, config={"namespace": "c"})
    assert refused["message"] == ("Failed to create lease from provider: Namespace c is not allowed. Allowed namespaces: "
                                  f"{leases.namespaces[0]}, {second}")
    leases.revoke(lease.id)
    assert leases.objects(lease.id) == []


def test_a_lease_ends_by_itself(leases):
    """DS-34, 81: two minutes are shorter than any token; the end of its account ends it."""
    leases.create("short", leases.dynamic(), defaultTTL="1m")
    lease = leases.lease("short")
    assert claims(lease.token)["exp"] - claims(lease.token)["iat"] == 600
    assert seconds_left(lease) <= 60
    until(lambda: leases.status_of(lease.token) == 200, "it works")
    assert leases.objects(lease.id)
    until(lambda: leases.get(lease.id).status == 404, "it is gone", timeout=75)
    [ended] = leases.endings(lease.id)
    assert 0 <= (ended - moment(lease.expireAt)).total_seconds() <= 5, "not before its time, and soon after"
    assert leases.objects(lease.id) == []
    leases.is_dead(lease.token)
