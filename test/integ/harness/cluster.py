"""One real Kubernetes cluster (test/cluster), as its administrator sees it."""
import json
import subprocess

from harness import TOP
from harness.kubectl import NEWEST, Kubectl
from harness.poll import until
from harness.process import Process


class Cluster:
    """Starts when made; `kubectl` acts as the administrator, everybody else needs a token()."""

    def __init__(self, folder, images=None):
        self.dir = folder / "cluster"
        binary = subprocess.run([TOP / "test/cluster/build.sh"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
        options = [f"--image={name}={path}" for name, path in (images or {}).items()]
        self.process = Process("testcluster", [binary, "up", "--dir", self.dir, *options], folder / "testcluster.log",
                               ready=self.dir / "ready", ready_s=150)
        self.ready = json.loads((self.dir / "ready").read_text())
        self.url, self.ca_file, self.kubeconfig = self.ready["server"], self.dir / "ca.crt", self.dir / "admin.kubeconfig"
        self.kubectl = Kubectl(NEWEST, folder, self.kubeconfig)

    def stop(self):
        self.process.stop()

    def get(self, *words):
        """The objects that `kubectl get` finds."""
        return json.loads(self.kubectl("get", *words, "-o", "json").stdout)

    def apply(self, text):
        self.kubectl("apply", "-f", "-", stdin=text)

    def token(self, account, namespace="default", role=None, duration="1h"):
        """A token of a service account, which is made if need be, with a ClusterRole in its namespace."""
        if self.kubectl("-n", namespace, "get", "sa", account, check=False).returncode != 0:
            self.kubectl("-n", namespace, "create", "sa", account)
        if role:
            self.bind(account, namespace, role)
        return self.kubectl("-n", namespace, "create", "token", account, f"--duration={duration}").stdout.strip()

    def bind(self, account, namespace, role):
        """Gives a service account a ClusterRole in its namespace, and waits until that counts."""
        subject = f"system:serviceaccount:{namespace}:{account}"
        self.kubectl("-n", namespace, "create", "rolebinding", f"{account}-{role}", f"--clusterrole={role}",
                     f"--serviceaccount={namespace}:{account}")
        until(lambda: self.kubectl("-n", namespace, "auth", "can-i", "get", "pods", "--as", subject, check=False).returncode == 0,
              f"{subject} is {role}")

    def kubeconfig_of(self, token, path, namespace="default"):
        """Writes a kubeconfig that goes to the cluster directly with a token."""
        path.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "direct",
            "clusters": [{"name": "direct", "cluster": {"server": self.url, "certificate-authority": str(self.ca_file)}}],
            "users": [{"name": "direct", "user": {"token": token}}],
            "contexts": [{"name": "direct", "context": {"cluster": "direct", "user": "direct", "namespace": namespace}}]}))
        path.chmod(0o600)
        return path

    def audit(self, where=lambda event: True):
        """Events of the audit log; a line may come a moment after the response, so poll."""
        events = []
        with open(self.dir / "audit.log", encoding="utf-8") as lines:
            for line in lines:
                if line.endswith("\n"):
                    events.append(json.loads(line))
        return [event for event in events if where(event)]
