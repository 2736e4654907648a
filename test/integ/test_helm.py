"""Helm 3 and 4 as they were released, through Postern, say and do what they do directly. ./check long."""
import subprocess

import pytest

from harness import TOP
from harness.poll import until
from harness.road import ROADS, road, steady
from harness.setup import where

pytestmark = [pytest.mark.long, pytest.mark.timeout(1200)]
CHART = TOP / "test/integ/clients/helm/chart"


class Walk:
    """The life of a release: what each command said, made comparable, and what was in the cluster after it."""

    def __init__(self, helm, cluster, namespace, env):
        self.helm, self.cluster, self.namespace, self.env = helm, cluster, namespace, env
        self.seen = {}

    def run(self, *words, code=0):
        done = subprocess.run([self.helm, "-n", self.namespace, *words], env=self.env, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == code, f"helm {words}: {done.returncode}\n{done.stdout}{done.stderr}"
        said = sorted(done.stdout.splitlines()) if words[0] == "status" else [done.stdout]  # 4 shows resources in no order
        self.seen[f"{len(self.seen)}: {' '.join(map(str, words))}"] = [steady(part) for part in said], steady(done.stderr)
        return done.stdout

    def greeting(self):
        return self.cluster.get("-n", self.namespace, "configmap", "one")["data"]["greeting"]

    def everything(self):
        self.run("install", "one", CHART, "--wait", "--timeout=60s")
        assert self.greeting() == "hello"
        self.run("install", "one", CHART, code=1)
        self.run("status", "one")
        self.run("upgrade", "one", CHART, "--set", "greeting=good morning,replicas=2", "--wait", "--timeout=60s")
        assert self.greeting() == "good morning"
        assert self.cluster.get("-n", self.namespace, "deployment", "one")["status"]["readyReplicas"] == 2
        assert "good morning from the test" in self.run("test", "one", "--logs")
        self.run("get", "values", "one", "-o", "json")
        self.run("rollback", "one", "1", "--wait", "--timeout=60s")
        assert self.greeting() == "hello"
        self.run("history", "one")
        self.run("list")
        self.run("uninstall", "one", "--wait", "--timeout=60s")
        self.run("status", "one", code=1)
        return self.seen


@pytest.mark.parametrize("version", [3, 4])
def test_the_life_of_a_release(version, cluster, postern_dev, namespace, tmp_path):
    token = cluster.token("helmsman", namespace, role="edit")
    account = postern_dev.connect(cluster, token)
    user = postern_dev.user()
    seen = {}
    for kind in ROADS:
        folder = tmp_path / kind
        folder.mkdir()
        with road(kind, cluster, user, account, token, folder, namespace) as kubeconfig:
            env = user.env() | {"HOME": str(folder), "KUBECONFIG": str(kubeconfig)}
            seen[kind] = Walk(where(f"helm{version}") / "helm", cluster, namespace, env).everything()
        cluster.kubectl("-n", namespace, "delete", "pod", "one-test", "--ignore-not-found")
        until(lambda: not cluster.get("-n", namespace, "pods")["items"], "the pods are gone", timeout=60)
    for kind in ROADS[1:]:
        assert seen[kind] == seen["direct"], kind
