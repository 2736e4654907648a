"""A project with dynamic secrets of the test cluster: leases as clients make them, and what of them is in the cluster."""
import base64
import json
import secrets
import ssl
import time
import urllib.error
import urllib.request
from datetime import datetime
from types import SimpleNamespace

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
---
apiVersion: v1
kind: ServiceAccount
metadata: {{name: app, namespace: {ns}}}
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
        cluster.apply("---".join([RULES.format(ns=ns, home=self.namespace) for ns in namespaces] + [WIDE.format(ns=self.namespace)]))
        self.token = cluster.token("postern", self.namespace)
        subject = f"system:serviceaccount:{self.namespace}:postern"
        until(lambda: cluster.kubectl("-n", namespaces[-1], "auth", "can-i", "bind", "roles/reader", "--as", subject, check=False).returncode == 0,
              f"{subject} may bind")
        until(lambda: cluster.kubectl("auth", "can-i", "create", "clusterrolebindings", "--as", subject, check=False).returncode == 0,
              f"{subject} may bind in the whole cluster")

    @classmethod
    def made(cls, postern, cluster):
        names = [f"lease-{secrets.token_hex(3)}-{letter}" for letter in "ab"]
        cluster.apply("---".join(f"\napiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n" for name in names))
        return cls(postern, cluster, names)

    def having(self, postern):
        """The same rights in the same namespaces, for a project of its own, perhaps at another server."""
        other = object.__new__(Leases)
        other.__dict__ |= self.__dict__ | {"postern": postern, "slug": f"p-{secrets.token_hex(4)}"}
        other.project_id = postern.ok("POST", "/api/v1/projects", {"projectName": other.slug, "slug": other.slug})["project"]["id"]
        return other

    def through(self, gate, **more):
        return self.dynamic(url=gate.url, sslEnabled=False, ca="", **more)

    def owned(self, name):
        """The leases that are shown, and those of which the cluster has objects, of one dynamic secret."""
        made = self.postern.ok("GET", f"{BASE}/{name}?projectSlug={self.slug}&environmentSlug=dev")["dynamicSecret"]["id"]
        there = {item["metadata"]["labels"]["postern/lease-id"] for item in self.objects()
                 if item["metadata"]["labels"]["postern/ds-id"] == made}
        return {lease["id"] for lease in self.list(name)}, there

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

    def endings(self, lease_id):
        """When it was revoked or ended, as the audit log has it."""
        rows = self.postern.ok("GET", f"/api/v1/organization/audit-logs?projectId={self.project_id}&eventType=delete-dynamic-secret-lease")
        return [moment(row["createdAt"]) for row in rows["auditLogs"] if row["event"]["metadata"]["leaseId"] == lease_id]

    def list(self, name):
        return self.postern.ok("GET", f"{BASE}/{name}/leases?projectSlug={self.slug}&environmentSlug=dev")["leases"]

    def objects(self, lease_id=None):
        """What of a lease (or of all of this project's) is in the cluster."""
        label = f"postern/lease-id={lease_id}" if lease_id else "app.kubernetes.io/managed-by=postern"
        found = self.cluster.get("-A", f"{KINDS},clusterrolebindings", "-l", label)["items"]
        return [item for item in found if (item["metadata"].get("namespace") or item["subjects"][0]["namespace"]) in self.namespaces]

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


def moment(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def seconds_left(lease):
    return moment(lease.expireAt).timestamp() - time.time()
