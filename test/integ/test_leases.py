"""Credentials on lease against a real API server: they work, they end, and nothing is left behind."""
import base64
import json
import secrets
import ssl
import time
import urllib.error
import urllib.request
from types import SimpleNamespace

import pytest

from harness.poll import until

BASE = "/api/v1/dynamic-secrets"
RULES = """
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: postern, namespace: {ns}}}
rules:
- {{apiGroups: [""], resources: [serviceaccounts], verbs: [get, create, delete]}}
- {{apiGroups: [""], resources: [serviceaccounts/token], verbs: [create]}}
- {{apiGroups: [""], resources: [secrets], verbs: [create, delete]}}
- {{apiGroups: [rbac.authorization.k8s.io], resources: [rolebindings], verbs: [create, delete]}}
- {{apiGroups: [rbac.authorization.k8s.io], resources: [roles], resourceNames: [reader], verbs: [bind, get]}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: postern, namespace: {ns}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: postern}}
subjects: [{{kind: ServiceAccount, name: postern, namespace: {home}}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: reader, namespace: {ns}}}
rules:
- {{apiGroups: [""], resources: [configmaps], verbs: [list, get]}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: app, namespace: {ns}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}}
subjects: [{{kind: ServiceAccount, name: app, namespace: {ns}}}]
"""
WIDE = """
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {{name: postern-{ns}}}
rules:
- {{apiGroups: [rbac.authorization.k8s.io], resources: [clusterrolebindings], verbs: [create, delete]}}
- {{apiGroups: [rbac.authorization.k8s.io], resources: [clusterroles], resourceNames: [view], verbs: [bind, get]}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{name: postern-{ns}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: postern-{ns}}}
subjects: [{{kind: ServiceAccount, name: postern, namespace: {ns}}}]
"""
KINDS = "serviceaccounts,secrets,rolebindings.rbac.authorization.k8s.io"


class Leases:
    """A project with dynamic secrets of a cluster, and rights in the namespaces that are given: exactly those that the contract lists."""

    def __init__(self, postern, cluster, namespaces):
        self.postern, self.cluster, self.namespaces = postern, cluster, namespaces
        self.namespace = namespaces[0]
        self.slug = f"p-{secrets.token_hex(4)}"
        self.project_id = postern.ok("POST", "/api/v1/projects", {"projectName": self.slug, "slug": self.slug})["project"]["id"]
        self.token = cluster.token("postern", self.namespace)
        for ns in namespaces:
            cluster.apply(RULES.format(ns=ns, home=self.namespace))
            cluster.kubectl("-n", ns, "create", "sa", "app")
        cluster.apply(WIDE.format(ns=self.namespace))
        subject = f"system:serviceaccount:{self.namespace}:postern"
        for verb, what in (("create", "serviceaccounts/token"), ("delete", "secrets"), ("bind", "roles/reader"), ("create", "clusterrolebindings")):
            until(lambda v=verb, w=what: cluster.kubectl("-n", namespaces[-1], "auth", "can-i", v, w, "--as", subject, check=False).returncode == 0,
                  f"{subject} may {verb} {what}")

    def place(self, **more):
        return {"projectSlug": self.slug, "environmentSlug": "dev", "path": "/"} | more

    def inputs(self, **more):
        return {"credentialType": "static", "url": self.cluster.url, "clusterToken": self.token, "ca": self.cluster.ca_file.read_text(),
                "sslEnabled": True, "serviceAccountName": "app", "namespace": self.namespace, "audiences": []} | more

    def dynamic(self, **more):
        inputs = self.inputs(credentialType="dynamic", roleType="role", role="reader", namespace=",".join(self.namespaces))
        del inputs["serviceAccountName"]
        return inputs | more

    def create(self, name, inputs, status=200, defaultTTL="1h", maxTTL="24h", **more):
        body = self.place(name=name, defaultTTL=defaultTTL, maxTTL=maxTTL, provider={"type": "kubernetes", "inputs": inputs}, **more)
        answer = self.postern.api("POST", BASE, body)
        assert answer.status == status, answer.text
        return answer.json

    def lease(self, name, status=200, **more):
        answer = self.postern.api("POST", f"{BASE}/leases", self.place(dynamicSecretName=name, **more))
        assert answer.status == status, answer.text
        if status != 200:
            return answer.json
        return SimpleNamespace(**answer.json["lease"], token=answer.json["data"]["TOKEN"], data=answer.json["data"])

    def revoke(self, lease_id, status=200, is_forced=False):
        answer = self.postern.api("DELETE", f"{BASE}/leases/{lease_id}", self.place(isForced=is_forced))
        assert answer.status == status, answer.text
        return answer.json

    def get(self, lease_id):
        return self.postern.api("GET", f"{BASE}/leases/{lease_id}?projectSlug={self.slug}&environmentSlug=dev&path=/")

    def list(self, name):
        return self.postern.ok("GET", f"{BASE}/{name}/leases?projectSlug={self.slug}&environmentSlug=dev")["leases"]

    def objects(self, lease_id=None):
        """What of a lease (or of all of this project's) is in the cluster."""
        label = f"postern/lease-id={lease_id}" if lease_id else "app.kubernetes.io/managed-by=postern"
        found = []
        for ns in self.namespaces:
            found += self.cluster.get("-n", ns, KINDS, "-l", label)["items"]
        wide = self.cluster.get("clusterrolebindings", "-l", label)["items"]
        return found + [item for item in wide if item["subjects"][0]["namespace"] in self.namespaces]

    def status_of(self, token, namespace=None, what="configmaps"):
        """What the API server says to who holds the token."""
        path = f"/api/v1/namespaces/{namespace or self.namespace}/{what}" if what != "nodes" else "/api/v1/nodes"
        request = urllib.request.Request(self.cluster.url + path, headers={"Authorization": f"Bearer {token}"})
        try:
            with urllib.request.urlopen(request, context=ssl.create_default_context(cafile=self.cluster.ca_file), timeout=10) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code

    def is_dead(self, token, seconds=15):
        until(lambda: self.status_of(token) == 401, "the API server refuses the token", timeout=seconds)


def claims(token):
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def seconds_left(lease):
    ends = time.mktime(time.strptime(lease.expireAt[:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone
    return ends - time.time()


@pytest.fixture(scope="session")
def leases(postern_dev, cluster):
    names = [f"lease-{secrets.token_hex(3)}-{letter}" for letter in "ab"]
    for name in names:
        cluster.kubectl("create", "namespace", name)
    return Leases(postern_dev, cluster, names)


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
        assert item["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "postern", "postern/lease-id": lease.id,
                                              "postern/ds-id": lease.dynamicSecretId}
    assert any(item["metadata"].get("ownerReferences") for item in objects)
    until(lambda: leases.status_of(lease.token) == 200, "the binding counts")
    until(lambda: leases.status_of(lease.token, leases.namespaces[1]) == elsewhere, "elsewhere")
    leases.revoke(lease.id)
    leases.is_dead(lease.token)
    assert leases.objects(lease.id) == [] and leases.get(lease.id).status == 404


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
    time.sleep(max(0, seconds_left(lease) - 0.5))
    assert leases.objects(lease.id)
    until(lambda: leases.get(lease.id).status == 404, "it is gone", timeout=5.5)
    assert leases.objects(lease.id) == []
    leases.is_dead(lease.token)
