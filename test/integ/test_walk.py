"""kubectl through Postern does what kubectl does directly: the same output, the same exit codes (Shows 3)."""
import hashlib
import os
import pty
import re
import socket
import subprocess

import pytest

from harness.cluster import Cluster
from harness.kubectl import NEWEST, Kubectl, websockets
from harness.poll import until
from harness.road import ROADS, access, road, speaks, steady

WORKLOADS = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: hello}
spec:
  replicas: 1
  selector: {matchLabels: {app: hello}}
  template:
    metadata: {labels: {app: hello}}
    spec:
      containers:
      - {name: hello, image: any, command: [sh, -c, "echo hello from the pod; exec sleep 1000000"]}
---
apiVersion: v1
kind: Pod
metadata: {name: ticker}
spec:
  restartPolicy: Never
  containers:
  - {name: ticker, image: any, command: [sh, -c, "for i in 1 2 3 4 5; do echo tick $i; sleep 0.2; done"]}
---
apiVersion: v1
kind: Pod
metadata: {name: parrot}
spec:
  restartPolicy: Never
  containers:
  - {name: parrot, image: any, stdin: true, stdinOnce: true, command: [sh, -c, "read line; echo you said $line"]}
---
apiVersion: v1
kind: Pod
metadata: {name: echo}
spec:
  containers:
  - name: echo
    image: any
    command:
    - python3
    - -c
    - |
      import socketserver
      class Echo(socketserver.StreamRequestHandler):
          def handle(self):
              for line in self.rfile:
                  self.wfile.write(line.upper())
      socketserver.TCPServer.request_queue_size = 128  # a hundred come at once; five would be reset
      server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo)
      open("port", "w").write(str(server.server_address[1]))
      server.serve_forever()
"""


class Walk:
    """A series of commands; what each said, made comparable."""

    def __init__(self, kubectl, namespace, folder):
        self.kubectl, self.namespace, self.folder = kubectl, namespace, folder
        self.seen = {}

    def run(self, *words, stdin="", label=None, text=True, env=None):
        done = self.kubectl("-n", self.namespace, *words, stdin=stdin, check=False, timeout=90, text=text, env=env)
        if text:
            self.seen[label or " ".join(map(str, words))] = (done.returncode, steady(done.stdout), steady(done.stderr))
        return done

    def everything(self):
        folder = self.folder
        (folder / "workloads.yaml").write_text(WORKLOADS)
        self.run("get", "serviceaccounts", "-o", "name")
        self.run("apply", "-f", folder / "workloads.yaml", label="apply")
        self.run("wait", "--for=condition=Available", "deployment/hello", "--timeout=60s")
        self.run("wait", "--for=condition=Ready", "pod/echo", "--timeout=60s")
        self.run("get", "deployments")
        self.run("describe", "deployment", "hello")
        self.run("get", "pods", "-l", "app=hello", "-o", "jsonpath={.items[*].status.phase}")
        self.run("logs", "-f", "ticker")
        self.run("logs", "deployment/hello")
        self.run("exec", "deployment/hello", "--", "sh", "-c", "echo out; echo err >&2; exit 3", label="exec, exit code 3")
        self.run("exec", "deployment/hello", "--", "sh", "-c", "exit 127", label="exec, exit code 127")
        self.run("exec", "deployment/hello", "--", "sh", "-c", "kill -9 $$", label="exec, killed")
        self.terminal()
        self.run("exec", "-i", "echo", "--", "cat", stdin="through and back\n", label="exec with input")
        self.run("attach", "-i", "parrot", stdin="hello\n", label="attach")
        self.copy()
        self.forward()
        self.run("auth", "can-i", "list", "pods")
        if self.kubectl.minor >= 28:
            self.run("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}")
        self.run("get", "pod", "nobody")
        self.run("get", "secrets", "-n", "kube-system", label="what RBAC forbids")
        self.run("apply", "--server-side", "--force-conflicts", "-f", folder / "workloads.yaml", label="server-side apply")
        self.run("edit", "deployment", "hello", env={"KUBE_EDITOR": "sed -i 's/replicas: 1$/replicas: 2/'"})
        self.run("get", "deployment", "hello", "-o", "jsonpath={.spec.replicas}")
        self.run("delete", "-f", folder / "workloads.yaml", "--grace-period=1", label="delete")
        return self.seen

    def terminal(self):
        """exec -it: what is typed, what is shown, how it ends."""
        master, slave = pty.openpty()
        argv = self.kubectl.argv("-n", self.namespace, "exec", "-it", "echo", "--", "sh", "-c", "test -t 0 && echo ready; read word; echo got $word; exit 5")
        with subprocess.Popen(argv, env=self.kubectl.env(), stdin=slave, stdout=slave, stderr=slave) as process:
            os.close(slave)
            shown = b""
            try:
                while b"ready" not in shown:
                    shown += os.read(master, 4096)
                os.write(master, b"hello\r")
                while True:
                    shown += os.read(master, 4096)
            except OSError:  # Linux says so when the other side is closed
                pass
            finally:
                os.close(master)
        self.seen["exec with a terminal"] = process.returncode, shown.decode(), ""

    def copy(self):
        """cp both ways, bytes compared."""
        data = bytes(range(256)) * 4096
        (self.folder / "up.bin").write_bytes(data)
        self.run("cp", self.folder / "up.bin", f"{self.namespace}/echo:there.bin", label="cp up")
        self.run("cp", f"{self.namespace}/echo:there.bin", self.folder / "down.bin", label="cp down")
        assert hashlib.sha256((self.folder / "down.bin").read_bytes()).digest() == hashlib.sha256(data).digest()
        (self.folder / "down.bin").unlink()

    def forward(self):
        """port-forward: several connections through one."""
        port = until(lambda: self.run("exec", "echo", "--", "cat", "port", label="port").stdout, "the echo server's port")
        del self.seen["port"]
        argv = self.kubectl.argv("-n", self.namespace, "port-forward", "pod/echo", f":{port}")
        with subprocess.Popen(argv, env=self.kubectl.env(), stdout=subprocess.PIPE, text=True) as process:
            try:
                local = int(process.stdout.readline().split("127.0.0.1:")[1].split()[0])
                for number in range(5):
                    with socket.create_connection(("127.0.0.1", local), timeout=20) as stream:
                        stream.sendall(f"line {number}\n".encode())
                        assert stream.makefile().readline() == f"LINE {number}\n"
            finally:
                process.terminate()


def without_hints(result):
    """A denial is the cluster's own; before it stands what Postern knows of its reason."""
    code, out, err = result
    return code, out, re.sub(r"^Warning: Postern acts here .*\n", "", err, flags=re.MULTILINE)


def compare(kubectl, cluster, postern, namespace, tmp_path, roads, connect=None):
    """`connect`, given the cluster and the walker's token, makes the account (None: with that token)."""
    token = cluster.token("walker", namespace, role="edit")
    account = (connect or postern.connect)(cluster, token)
    user = postern.user()
    seen = {}
    for kind in roads:
        folder = tmp_path / kind
        folder.mkdir()
        with road(kind, cluster, user, account, token, folder, namespace) as kubeconfig:
            seen[kind] = Walk(kubectl.using(kubeconfig), namespace, folder).everything()
        if kind != "direct":
            speaks(postern, kubectl, "exec", "attach", "portforward")
        until(lambda: not cluster.get("-n", namespace, "pods")["items"], "the pods are gone", timeout=60)
    codes = {label: result[0] for label, result in seen["direct"].items()}
    assert codes["exec, exit code 127"] == 127 and codes["exec, killed"] == 137 and codes["exec with a terminal"] == 5, codes
    assert seen["direct"]["get deployment hello -o jsonpath={.spec.replicas}"][1] == "2", seen["direct"]
    assert codes["exec, exit code 3"] == 3 and codes["what RBAC forbids"] == 1 and codes["apply"] == 0, codes
    for kind in roads[1:]:
        for label, result in seen["direct"].items():
            assert without_hints(seen[kind][label]) == result, f"{label} by {kind}"


def test_kubectl_by_every_road(kubectl, cluster, postern_dev, namespace, tmp_path):
    compare(kubectl, cluster, postern_dev, namespace, tmp_path, ROADS)


@pytest.mark.walk
def test_kubectl_walk_newest(cluster, postern_dev, namespace, tmp_path):
    compare(Kubectl(NEWEST, tmp_path), cluster, postern_dev, namespace, tmp_path, ["direct", "access"])


def test_kubectl_by_processes_apart(cluster, postern_split, namespace, tmp_path):
    compare(Kubectl(NEWEST, tmp_path), cluster, postern_split, namespace, tmp_path, ROADS)


@pytest.mark.parametrize("switch", ["true", "false"])
def test_exec_over_both_transports(switch, cluster, postern_dev, namespace, tmp_path):
    """SPDY and WebSocket, by the newest kubectl's own switch. The whole walk over both, with more versions: test_long.py."""
    account = postern_dev.connect(cluster, cluster.token("walker", namespace, role="edit"))
    cluster.kubectl("-n", namespace, "run", "one", "--image=any", "--", "sleep", "1000")
    cluster.kubectl("-n", namespace, "wait", "--for=condition=Ready", "pod/one", "--timeout=60s")
    with access(postern_dev.user(), account) as kubeconfig:
        k = Kubectl(NEWEST, tmp_path, kubeconfig, websockets(switch))
        done = k("-n", namespace, "exec", "-i", "one", "--", "sh", "-c", "cat; exit 7", stdin="x" * 100000, check=False)
        assert (done.returncode, done.stdout) == (7, "x" * 100000)
    speaks(postern_dev, k, "exec")


@pytest.mark.parametrize("switch", ["true", "false"])
def test_a_hundred_connections_at_once_by_one_port_forward(switch, cluster, postern_dev, namespace, tmp_path):
    account = postern_dev.connect(cluster, cluster.token("walker", namespace, role="edit"))
    cluster.apply(WORKLOADS.split("---")[-1].replace("name: echo}", f"name: echo, namespace: {namespace}}}"))
    cluster.kubectl("-n", namespace, "wait", "--for=condition=Ready", "pod/echo", "--timeout=60s")
    far = until(lambda: cluster.kubectl("-n", namespace, "exec", "echo", "--", "cat", "port", check=False).stdout, "the echo server's port")
    with access(postern_dev.user(), account) as kubeconfig:
        k = Kubectl(NEWEST, tmp_path, kubeconfig, websockets(switch))
        argv = k.argv("-n", namespace, "port-forward", "pod/echo", f":{far}")
        with subprocess.Popen(argv, env=k.env(), stdout=subprocess.PIPE, text=True) as process:
            try:
                local = int(process.stdout.readline().split("127.0.0.1:")[1].split()[0])
                streams = [socket.create_connection(("127.0.0.1", local), timeout=60) for _ in range(100)]
                for number, stream in enumerate(streams):  # all are open before one is answered
                    stream.sendall(f"line {number}\n".encode())
                for number, stream in enumerate(streams):
                    with stream, stream.makefile() as lines:
                        assert lines.readline() == f"LINE {number}\n"
            finally:
                process.terminate()
    speaks(postern_dev, k, "portforward")


def test_what_administrators_do(newest_kubectl, new_dev, tmp_path):
    """debug in a running pod, and a node drained and back, in a cluster that nobody else needs."""
    cluster = Cluster(tmp_path)
    try:
        cluster.kubectl("create", "clusterrolebinding", "walker", "--clusterrole=cluster-admin", "--serviceaccount=default:walker")
        dev = new_dev()
        account = dev.connect(cluster, cluster.token("walker"))
        cluster.kubectl("run", "one", "--image=any", "--", "sleep", "1000")
        cluster.kubectl("wait", "--for=condition=Ready", "pod/one", "--timeout=60s")
        node = cluster.get("pod", "one")["spec"]["nodeName"]
        with access(dev.user(), account) as kubeconfig:
            k = newest_kubectl.using(kubeconfig)
            done = k("debug", "one", "--image=any", "--profile=general", "-i", "--quiet", "--", "sh", "-c", "read word; echo debugged $word", stdin="well\n")
            assert "debugged well" in done.stdout, done
            assert f"node/{node} drained" in k("drain", node, "--ignore-daemonsets", "--force", "--delete-emptydir-data", "--timeout=60s").stdout
            assert cluster.kubectl("get", "pod", "one", check=False).returncode == 1
            assert "uncordoned" in k("uncordon", node).stdout
    finally:
        cluster.stop()
