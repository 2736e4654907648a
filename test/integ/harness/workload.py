"""An identity whose pods log in from the test cluster, and a project with secrets that it may read."""
import secrets

from harness.poll import until


class Workload:
    """`postern identity …` has made it: .id; .token() is a service account token that may log in; .project_id has secrets."""

    def __init__(self, postern, cluster, namespace, **settings):
        self.postern, self.cluster, self.namespace = postern, cluster, namespace
        self.name = f"w-{secrets.token_hex(4)}"
        admin = postern.admin
        self.project_id = admin.json("project", "create", self.name)["id"]
        self.id = admin.json("identity", "create", self.name)["id"]
        self.in_project = ["--project", self.project_id]
        admin("project", "identity", "add", self.id, "--role", "member", *self.in_project)
        admin("secret", "set", "DATABASE_URL=postgres://db", "API_KEY=k-1", "--env", "prod", *self.in_project)
        self.attach(**{"namespaces": namespace, "names": "app", "audience": "postern", "access-token-ttl": 3600} | settings)

    def attach(self, **settings):
        """Kubernetes Auth with a reviewer that may review."""
        words = [word for name, value in settings.items() for word in (f"--{name}", str(value))]
        self.postern.admin("identity", "kubernetes", "attach", self.id, "--host", self.cluster.url, "--ca-file", self.cluster.ca_file,
                           "--reviewer-token-file", "-", *words, stdin=self.reviewer())

    def reviewer(self, may_review=True, name=None):
        """The token of a service account that may review tokens, or may not."""
        name = name or f"reviewer-{secrets.token_hex(3)}"
        token = self.cluster.token(name, self.namespace)
        if may_review:
            self.cluster.kubectl("create", "clusterrolebinding", f"{self.namespace}-{name}", "--clusterrole=system:auth-delegator",
                                 f"--serviceaccount={self.namespace}:{name}")
            subject = f"system:serviceaccount:{self.namespace}:{name}"
            until(lambda: self.cluster.kubectl("auth", "can-i", "create", "tokenreviews.authentication.k8s.io", "--as", subject,
                                               check=False).returncode == 0, f"{subject} may review")
        return token

    def token(self, account="app", audience="postern", namespace=None):
        namespace = namespace or self.namespace
        kubectl = self.cluster.kubectl
        if kubectl("-n", namespace, "get", "sa", account, check=False).returncode != 0:
            kubectl("-n", namespace, "create", "sa", account)
        words = [f"--audience={audience}"] if audience else []
        return kubectl("-n", namespace, "create", "token", account, *words).stdout.strip()

    def update(self, *words, **options):
        self.postern.admin("identity", "kubernetes", "update", self.id, *words, **options)

    def delete(self):
        self.postern.admin("identity", "delete", self.id)
        self.postern.admin("project", "delete", self.project_id)
