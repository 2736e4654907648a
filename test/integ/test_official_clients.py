"""Infisical's own SDKs, unmodified, against a real server (Shows 1). What they do is in clients/README.md."""
import json
import os
import subprocess

import pytest

from harness import TOP
from harness.postern import clean_env, secret_file
from harness.setup import where
from harness.workload import Workload

CLIENTS = TOP / "test/integ/clients"


def command(language):
    """The words that run a client, and what it needs in the environment beside what all need."""
    match language:
        case "python":
            return [where("client-python") / "bin/python", CLIENTS / "python/client.py"], {}
        case "node":
            return [where("node"), CLIENTS / "node/client.js"], {"MODULES": str(where("client-node"))}
        case "go":
            return [where("client-go") / "client"], {}


def walk(postern, project_id, language, **login):
    words, env = command(language)
    ca = str(postern.ca_file)
    env = clean_env(**env, **login, SERVER=postern.url, CA_FILE=ca, REQUESTS_CA_BUNDLE=ca, NODE_EXTRA_CA_CERTS=ca, PROJECT=project_id)
    done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def project(postern_dev):
    """A project that only this test has, with a secret that was there before."""
    made = postern_dev.ok("POST", "/api/v1/projects", {"projectName": f"p-{os.urandom(4).hex()}"})["project"]
    postern_dev.ok("POST", "/api/v4/secrets/BEFORE", {"projectId": made["id"], "environment": "dev", "secretValue": "there"})
    return made["id"]


def check(seen, language):
    assert seen["created"] == seen["got"] == "one" and seen["comment"] == f"by {language}"
    assert seen["updated"] == "two" and seen["version"] == 2
    assert seen["listed"] == {"BEFORE": "there", "WALK": "two"}
    assert seen["deleted"] == "WALK" and seen["missing"] == 404, seen


@pytest.mark.parametrize("language", ["python", "node", "go"])
def test_with_a_token(language, postern_dev, project):
    check(walk(postern_dev, project, language, ACCESS_TOKEN=postern_dev.token), language)


@pytest.mark.parametrize("language", ["python", "node", "go"])
def test_with_a_client_secret(language, postern_dev, project):
    admin = postern_dev.admin
    name = f"ua-{os.urandom(4).hex()}"
    identity = admin.json("identity", "create", name)["id"]
    admin("project", "identity", "add", name, "--role", "member", "--project", project)
    client_id = admin.json("identity", "universal-auth", "attach", name)["clientId"]
    secret = admin.json("identity", "universal-auth", "client-secret", "create", name)["clientSecret"]
    seen = walk(postern_dev, project, language, CLIENT_ID=client_id, CLIENT_SECRET=secret)
    check(seen, language)
    assert seen["tokenType"] == "Bearer"
    admin("identity", "delete", identity)


def test_go_from_kubernetes(postern_dev, cluster, namespace, project, tmp_path):
    workload = Workload(postern_dev, cluster, namespace)
    postern_dev.admin("project", "identity", "add", workload.id, "--role", "member", "--project", project)
    token = secret_file(tmp_path / "token", workload.token() + "\n")
    check(walk(postern_dev, project, "go", IDENTITY_ID=workload.id, TOKEN_FILE=str(token)), "go")
    workload.delete()


class Leases:
    """A project with a dynamic secret whose leases can be renewed."""

    def __init__(self, postern, cluster, namespace):
        made = postern.ok("POST", "/api/v1/projects", {"projectName": f"p-{os.urandom(4).hex()}"})["project"]
        self.project, self.slug = made["id"], made["slug"]
        cluster.kubectl("-n", namespace, "create", "role", "viewer", "--verb=get,list", "--resource=configmaps")
        self.inputs = {"url": cluster.url, "ca": cluster.ca_file.read_text(), "sslEnabled": True, "authMethod": "api", "audiences": [],
                       "clusterToken": cluster.token("postern-leases", namespace, role="cluster-admin"), "namespace": namespace,
                       "credentialType": "dynamic", "roleType": "role", "role": "viewer", "tokenLifetime": "max"}
        postern.ok("POST", "/api/v1/dynamic-secrets", {"projectSlug": self.slug, "environmentSlug": "dev", "path": "/", "name": "viewer",
                                                       "defaultTTL": "1h", "maxTTL": "2h",
                                                       "provider": {"type": "kubernetes", "inputs": self.inputs}})


@pytest.mark.parametrize("language", ["python", "node", "go"])
def test_leases(language, postern_dev, cluster, namespace, newest_kubectl, tmp_path):
    """DS-31, 129, 130: made, found, renewed and revoked by what knows nothing of us (Shows 5)."""
    of = Leases(postern_dev, cluster, namespace)
    words, env = command(language)
    ca = str(postern_dev.ca_file)
    env = clean_env(**env, SERVER=postern_dev.url, CA_FILE=ca, REQUESTS_CA_BUNDLE=ca, NODE_EXTRA_CA_CERTS=ca, PROJECT=of.project, PROJECT_SLUG=of.slug,
                    ACCESS_TOKEN=postern_dev.token, LEASE_OF="viewer", INPUTS=json.dumps(of.inputs))
    with subprocess.Popen(words, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as client:
        try:
            first = client.stdout.readline()
            seen = json.loads(first) if first else {}
            if seen:
                assert list(seen["data"]) == ["TOKEN"] and seen["renewed"] > seen["expires"]
                holder = newest_kubectl.using(cluster.kubeconfig_of(seen["data"]["TOKEN"], tmp_path / "lease.yaml", namespace))
                assert holder("get", "configmaps").returncode == 0
                accounts = [item["metadata"]["name"] for item in cluster.get("sa", "-n", namespace, "-l", "app.kubernetes.io/managed-by=postern")["items"]]
                assert seen["found"] in accounts and len(accounts) == 2
            out, err = client.communicate("\n", timeout=60)
        finally:
            client.kill()
    assert client.returncode == 0, first + out + err
    seen = json.loads(out)
    assert seen["revoked"] == [seen["lease"], seen["without"]] and seen["refused"] == 422, seen
    assert cluster.get("sa,rolebindings", "-n", namespace, "-l", "app.kubernetes.io/managed-by=postern")["items"] == []
    if language != "go":
        assert seen["made"] == [f"viewer-{language}", "kubernetes", "1h"] and seen["deleted"] == f"viewer-{language}"
