"""doc/guide/dynamic-secrets.md, as it stands there, against the real API server (Shows 1, 3)."""
import os
import re
import secrets
import ssl
import subprocess
import textwrap
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from harness import TOP
from harness.kubectl import CACHE, NEWEST
from harness.poll import until
from harness.postern import BINARY
from test_impersonation import Outside

GUIDE = (TOP / "doc/guide/dynamic-secrets.md").read_text()
REVOKED_WITHIN = 15  # seconds, as the guide says


def section(title):
    """The commands of one section."""
    text = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", GUIDE, re.M | re.S)[1]
    return textwrap.dedent("\n".join(line for line in text.splitlines() if line.startswith("    "))) + "\n"


class Reader:
    """Somebody who types what the guide says, in one directory, with one shell's variables."""

    def __init__(self, dev, cluster, folder, namespace):
        self.folder, self.namespace = folder, namespace
        bin_dir = folder / "bin"
        bin_dir.mkdir()
        (bin_dir / "kubectl").symlink_to(CACHE / "kubectl" / NEWEST / "kubectl")
        (bin_dir / "postern").symlink_to(BINARY)
        self.env = dev.admin.env({"PATH": f"{bin_dir}:{os.environ['PATH']}", "KUBECONFIG": str(cluster.kubeconfig),
                                  "KUBECACHEDIR": str(folder / "kube-cache")})

    def type(self, text, exit_code=0):
        """Variables stay for what is typed next."""
        script = f"[ ! -e .vars ] || . ./.vars\nset -eu\n{text}\nset | grep -E '^(NAMESPACE|URL|LEASE)=' >.vars\n"
        done = subprocess.run(["sh", "-c", script], cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == exit_code, f"{text}\nexit code {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def read(self, title, **words):
        text = section(title).replace("NAMESPACE=shop", f"NAMESPACE={self.namespace}")
        for word, other in words.items():
            text = re.sub(rf"\b{word}\b", other, text)
        return self.type(text)


@pytest.fixture(scope="module")
def walk(cluster, tmp_path_factory):
    """All up to the leases, once: four dynamic secrets in one namespace."""
    from harness.postern import Dev  # pylint: disable=import-outside-toplevel
    namespace, folder = f"guide-{secrets.token_hex(4)}", tmp_path_factory.mktemp("guide")
    cluster.kubectl("create", "namespace", f"{namespace}-gateway")
    outside = Outside(cluster, folder, f"{namespace}-gateway", "postern-gateway")
    dev = Dev(folder / "dev", "--pod-identity", outside.folder, env=outside.env())
    reader = Reader(dev, cluster, folder, namespace)
    reader.read("The cluster")
    reader.read("By a token")
    # The gateway's account lives in a namespace of its own here.
    reader.type(section("By a gateway").replace("$NAMESPACE:postern-gateway", f"{namespace}-gateway:postern-gateway"))
    yield SimpleNamespace(reader=reader, dev=dev, cluster=cluster, namespace=namespace)
    dev.stop()
    cluster.kubectl("delete", "namespace", namespace, f"{namespace}-gateway", "--wait=false")


def made_for_leases(walk):
    """What carries our label, in the namespace and beside it."""
    return [f"{item['kind']}/{item['metadata']['name']}" for item in walk.cluster.get(
        "serviceaccounts,secrets,rolebindings", "-n", walk.namespace, "-l", "app.kubernetes.io/managed-by=postern")["items"]]


@pytest.mark.parametrize("name", ["deployer", "viewer", "deployer-inside", "viewer-inside"])
def test_the_walk(walk, name):
    """DS-30, 34, 38, 44, 65, 67: the token works, then does not; nothing is left."""
    reader = walk.reader
    kubectl = "kubectl --kubeconfig lease.kubeconfig"
    listed = reader.read("Leases", deployer=name)
    assert "kube-root-ca.crt" in listed and "EXPIRES" in listed
    assert len(made_for_leases(walk)) == (1 if name.startswith("deployer") else 2), made_for_leases(walk)
    reader.type(f"{kubectl} auth whoami -o json")
    reader.read("The end", deployer=name)
    until(lambda: "nauthorized" in subprocess.run(["sh", "-c", f"{kubectl} get configmaps"], cwd=reader.folder, env=reader.env, capture_output=True,
                                                  text=True, check=False).stderr, "the token is refused", timeout=REVOKED_WITHIN)
    assert made_for_leases(walk) == []
    assert reader.type(f"postern dynamic-secrets lease list {name} -o json").strip() == "[]"


def test_a_viewer_only_looks(walk):
    """DS-43: the rights of a dynamic lease are those of its role."""
    walk.reader.type("postern run --lease viewer -- kubectl get configmaps")
    walk.reader.type("postern run --lease viewer -- kubectl get secrets", exit_code=1)
    assert made_for_leases(walk) == []


@pytest.mark.parametrize(("command", "exit_code"), [("exit 7", 7), ("kill -TERM $$", 128 + 15), ("kill -9 $$", 128 + 9), ("exec no-such-command", 127)])
def test_a_lease_ends_with_its_command(walk, command, exit_code):
    walk.reader.type(f"postern run --lease deployer -- sh -c 'test -n \"$TOKEN\" && test -e \"$KUBECONFIG\" && {command}'", exit_code=exit_code)
    assert made_for_leases(walk) == []


def test_a_lease_ends_when_its_command_is_told_to(walk):
    reader = walk.reader
    process = subprocess.Popen(["postern", "run", "--lease", "deployer", "--", "sh", "-c", "touch started; exec sleep 60"], cwd=reader.folder,
                               env=reader.env, executable=str(BINARY))
    until((reader.folder / "started").exists, "the command")
    assert len(made_for_leases(walk)) == 1
    process.terminate()
    assert process.wait(timeout=20) == 128 + 15
    assert made_for_leases(walk) == []


def test_more_than_a_token(walk):
    """D18: what was asked for, and what all leases of a dynamic secret give."""
    reader = walk.reader
    given = reader.read("More than a token")
    assert re.search(rf"^TOKEN=ey\S+\nNAMESPACE={walk.namespace}\nEXPIRES_AT=20\S+Z$", given, re.M), given
    made = reader.type("postern dynamic-secrets lease create deployer --plain")
    assert [line.partition("=")[0] for line in made.splitlines()] == ["TOKEN", "KUBECONFIG", "NAMESPACE"]
    (reader.folder / "given.kubeconfig").write_text(made.splitlines()[1].partition("=")[2])
    reader.type("kubectl --kubeconfig given.kubeconfig get configmaps")
    reader.type("postern run --lease deployer -- sh -c 'test \"$NAMESPACE\" && test -s \"$KUBECONFIG\" && kubectl get configmaps'")
    reader.type("postern dynamic-secrets set deployer --outputs ''")
    assert re.fullmatch(r"TOKEN=ey\S+\n", reader.type("postern dynamic-secrets lease create deployer --plain"))
    reader.type("postern dynamic-secrets lease list deployer | awk 'NR > 1 { print $1 }' | while read -r id; do postern dynamic-secrets lease revoke $id; done")
    assert made_for_leases(walk) == []


def test_under_the_official_name(walk):
    """DS-121, 122, 123: its verbs and flags, as scripts have them."""
    reader, where = walk.reader, f"--projectId {walk.dev.project_id} --env dev"
    (reader.folder / "bin/infisical").symlink_to(BINARY)
    assert "viewer-inside" in reader.type(f"infisical dynamic-secrets {where}")
    made = reader.type(f"infisical dynamic-secrets lease create viewer --kubernetes-namespace {walk.namespace} --plain --ttl 15m {where}")
    assert re.fullmatch(r"TOKEN=ey\S+\n", made)
    lease = reader.type(f"infisical dynamic-secrets lease list viewer {where} | awk 'NR == 2 {{ print $1 }}'").strip()
    assert len(made_for_leases(walk)) == 2
    reader.type(f"infisical dynamic-secrets lease delete {lease} {where}")
    assert made_for_leases(walk) == []


def test_a_right_that_is_missing_comes_as_a_manifest(walk):
    """DS-89: who makes leases may not make secrets here; what is printed mends it, and leaves the test nothing behind."""
    reader, other = walk.reader, f"{walk.namespace}-other"
    create = (f"postern dynamic-secrets create other --service-account deployer --token-binding secret --namespace {other} --default-ttl 1h "
              "--url $URL --ca-file ca.crt --token-file cluster-token")
    reader.type(f"kubectl create namespace {other}; kubectl -n {other} create serviceaccount deployer")
    reader.type(f"{create} 2>missing.yaml", exit_code=2)
    said = (reader.folder / "missing.yaml").read_text()
    assert "cannot get resource" in said and "postern-leases" in said, said
    reader.type("grep -v '^postern:' missing.yaml | kubectl apply -f -")
    reader.type(f"for i in 1 2 3 4 5 6 7 8 9 10; do {create} && exit 0; done; exit 1")
    reader.type(f"postern dynamic-secrets delete other; kubectl delete namespace {other} --wait=false")


def test_what_is_left_is_swept(walk):
    """The sweeper's section, with the right that its manifest gives."""
    reader = walk.reader
    reader.type("postern dynamic-secrets sweep viewer --dry-run 2>sweep.yaml", exit_code=2)
    reader.type("grep -v '^postern:' sweep.yaml | kubectl apply -f -")
    subject = f"system:serviceaccount:{walk.namespace}:postern-leases"
    until(lambda: walk.cluster.kubectl("-n", walk.namespace, "auth", "can-i", "list", "rolebindings", "--as", subject, check=False).returncode == 0,
          "it may list")
    assert "done" in reader.read("What is left")


def status_of(cluster, namespace, token):
    """What the API server says to a token that lists ConfigMaps."""
    request = urllib.request.Request(f"{cluster.url}/api/v1/namespaces/{namespace}/configmaps", headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, context=ssl.create_default_context(cafile=cluster.ca_file), timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.parametrize("name", ["deployer", "viewer"])
def test_a_hundred_revoked_tokens(walk, name):
    """DS-67: each worked, and is refused within 15 s of its revocation: 100 of 100."""
    slug = walk.dev.ok("GET", f"/api/v1/workspace/{walk.dev.project_id}")["workspace"]["slug"]
    place = {"projectSlug": slug, "environmentSlug": "dev", "path": "/"}
    ended, took, late = {}, [], []

    def make(_):
        made = walk.dev.ok("POST", "/api/v1/dynamic-secrets/leases", place | {"dynamicSecretName": name, "ttl": "15m", "config": None})
        assert until(lambda: status_of(walk.cluster, walk.namespace, made["data"]["TOKEN"]) == 200, "the token works")
        return made["lease"]["id"], made["data"]["TOKEN"]

    def end(lease):
        done = walk.dev.ok("DELETE", f"/api/v1/dynamic-secrets/leases/{lease[0]}", place | {"isForced": False})
        assert done["lease"]["status"] is None
        ended[lease[1]] = time.monotonic()

    def look(token):
        age = time.monotonic() - ended[token]
        if status_of(walk.cluster, walk.namespace, token) == 401:
            took.append(time.monotonic() - ended.pop(token))
        elif age > REVOKED_WITHIN:
            late.append(age)

    def all_are_refused():
        for token in list(ended):
            look(token)
        return not ended

    with ThreadPoolExecutor(3) as pool:  # of the slow workers at most half are with one cluster
        leases = list(pool.map(make, range(100)))
        list(pool.map(end, leases))
    until(all_are_refused, "every token is refused", timeout=2 * REVOKED_WITHIN)
    print(f"{name}: 100 of 100 refused, seen at most {max(took):.1f} s after the revocation")
    assert len(took) == 100 and not late, "accepted, by a request that was sent too late for that"
    assert made_for_leases(walk) == []
