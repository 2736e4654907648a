"""Relays and gateways in number: what dies or leaves, and how long a person waits for the others."""
import signal
import subprocess
import time

import pytest

from harness.poll import until
from harness.postern import Split
from harness.road import access

WITHIN_S = 5.0


@pytest.fixture
def twins(tmp_path):
    """A gateway with a tunnel to each of two relays, as an access answer tells it."""
    instance = Split(tmp_path / "twins", relays=2)
    yield instance
    instance.stop()


def relays_of(instance, account):
    resource, name = account.split("/")
    return instance.ok("POST", "/api/v1/pam/accounts/access", {"resourceName": resource, "accountName": name,
                                                               "projectId": instance.project_id})["relays"]


def ready(instance, account):
    until(lambda: len(relays_of(instance, account)) == 2, "two tunnels at once", timeout=40)
    return account


@pytest.fixture
def account(cluster, twins, namespace):
    return ready(twins, twins.connect(cluster, cluster.token("x", namespace, role="view")))


def in_time(kubectl, *words):
    """One kubectl, which must succeed, and soon."""
    begun = time.monotonic()
    kubectl(*words)
    assert time.monotonic() - begun < WITHIN_S


def revive(instance, number):
    relay = instance.relays[number]
    opened = relay.text().count("tunnel-open")
    (instance.folder / f"relay-{number + 1}.token").unlink(missing_ok=True)  # used up: the start line still names it
    relay.start()
    relay.wait_for(lambda: relay.text().count("tunnel-open") > opened, "the gateway has found it", timeout=60)


@pytest.mark.timeout(300)
def test_each_relay_is_killed_in_turn(newest_kubectl, twins, account, namespace):
    """kill -9 while `pam access` is open: the next kubectl works through the other, and again when it is the other's turn."""
    with access(twins.user(), account) as kubeconfig:
        k = newest_kubectl.using(kubeconfig)
        k("-n", namespace, "get", "pods")
        for number in (0, 1, 0):
            twins.relays[number].kill()
            in_time(k, "-n", namespace, "get", "pods")
            revive(twins, number)


@pytest.mark.timeout(300)
def test_a_relay_that_falls_silent(newest_kubectl, twins, account, namespace):
    """Stopped, not dead: nothing is refused, nothing is answered."""
    with access(twins.user(), account) as kubeconfig:
        k = newest_kubectl.using(kubeconfig)
        for relay in twins.relays:
            k("-n", namespace, "get", "pods")
            relay.popen.send_signal(signal.SIGSTOP)
            try:
                begun = time.monotonic()
                k("-n", namespace, "get", "pods")
                assert time.monotonic() - begun < 2 * WITHIN_S  # what had been sent into the silence is asked again
            finally:
                relay.popen.send_signal(signal.SIGCONT)


@pytest.mark.timeout(300)
def test_a_relay_that_is_new_and_one_that_is_no_more(twins):
    """A gateway hears of it with the next heartbeat: within a minute there are three tunnels, then two again."""
    gateway = twins.gateway
    until(lambda: gateway.text().count('"event":"tunnel-open"') == 2, "two tunnels", timeout=40)
    begun = time.monotonic()
    twins.relays.append(twins.add_relay("relay-3"))
    until(lambda: gateway.text().count('"event":"tunnel-open"') == 3, "the third tunnel", timeout=60)
    print(f"a new relay had its tunnel after {time.monotonic() - begun:.1f} s")
    begun = time.monotonic()
    third = next(relay for relay in twins.ok("GET", "/api/v1/relays") if relay["name"] == "relay-3")
    twins.ok("DELETE", f"/api/v2/relays/{third['id']}")
    until(lambda: '"event":"tunnel-closed"' in twins.relays[2].text(), "the gateway lets it go", timeout=60)
    print(f"a deleted one lost it after {time.monotonic() - begun:.1f} s")


def asking(kubectl, namespace):
    """An exec in the middle of its work: it ends when it is answered."""
    process = subprocess.Popen(kubectl.argv("-n", namespace, "exec", "-i", "one", "--", "sh", "-c", "echo begun; read word; echo got $word"),
                               env=kubectl.env(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "begun\n", process.communicate()[1]
    return process


@pytest.fixture
def busy(cluster, twins, namespace):
    """An account that may exec, and a pod for it."""
    cluster.kubectl("-n", namespace, "run", "one", "--image=any", "--", "sleep", "1000")
    cluster.kubectl("-n", namespace, "wait", "--for=condition=Ready", "pod/one", "--timeout=60s")
    return ready(twins, twins.connect(cluster, cluster.token("x", namespace, role="edit")))


def test_a_relay_that_leaves(newest_kubectl, twins, busy, namespace):
    """SIGTERM: what runs finishes, what is new goes over the other relay meanwhile, and the relay does not wait for idle connections."""
    with access(twins.user(), busy) as kubeconfig:
        k = newest_kubectl.using(kubeconfig)
        k("-n", namespace, "get", "pods")
        process = asking(k, namespace)
        leaving = twins.relays[0]
        leaving.popen.terminate()
        leaving.wait_for(lambda: '"event":"stopping"' in leaving.text(), "it leaves")
        in_time(k, "-n", namespace, "get", "pods")
        assert leaving.is_running(), "the exec still runs through it"
        begun = time.monotonic()
        said, wrong = process.communicate("done\n", timeout=10)
        assert said == "got done\n" and process.returncode == 0, wrong
        assert leaving.popen.wait(5) == 0 and time.monotonic() - begun < WITHIN_S
        in_time(k, "-n", namespace, "get", "pods")


def test_a_gateway_that_leaves(newest_kubectl, twins, busy, namespace):
    """SIGTERM: what runs finishes, nothing new begins."""
    with access(twins.user(), busy) as kubeconfig:
        k = newest_kubectl.using(kubeconfig)
        k("-n", namespace, "get", "pods")
        process = asking(k, namespace)
        twins.gateway.popen.terminate()
        twins.gateway.wait_for(lambda: '"event":"stopping"' in twins.gateway.text(), "it leaves")
        assert k("-n", namespace, "get", "pods", check=False).returncode != 0
        assert twins.gateway.is_running(), "the exec still runs through it"
        said, wrong = process.communicate("done\n", timeout=10)
        assert said == "got done\n" and process.returncode == 0, wrong
        assert twins.gateway.popen.wait(5) == 0


OWN = """apiVersion: v1
kind: Config
# where I work
clusters:
- name: home
  cluster:
    server: https://home.example:6443
users: []
contexts:
- {name: home, context: {cluster: home, user: me}}
current-context: home
"""


@pytest.fixture
def owner(postern_dev):
    """A person with a kubeconfig of their own."""
    user = postern_dev.user()
    user.kubeconfig = user.home / ".kube/config"
    user.kubeconfig.parent.mkdir()
    user.kubeconfig.write_text(OWN)
    user.kubeconfig.chmod(0o640)
    return user


def merged(user, account, env=None):
    process = user.start("pam", "access", account, "--port", "0", "--merge", env=env)
    process.wait_for(lambda: "kubectl get pods" in process.text(), "the road")
    return process


def test_c121_sessions_in_the_person_s_own_kubeconfig(newest_kubectl, cluster, postern_dev, owner, namespace):
    """Two sessions A and B; A ended, then B: the file is what it was."""
    k = newest_kubectl.using(owner.kubeconfig)
    token = cluster.token("x", namespace, role="view")
    accounts = [postern_dev.connect(cluster, token) for _ in range(2)]
    running = []
    for account in accounts:
        running.append(merged(owner, account))
        assert k("config", "current-context").stdout.strip() == f"postern/{account}"
        k("-n", namespace, "get", "pods")
    assert "# where I work" in owner.kubeconfig.read_text()
    assert running[0].stop() == 0
    assert k("config", "current-context").stdout.strip() == f"postern/{accounts[1]}"
    k("-n", namespace, "get", "pods")
    assert running[1].stop() == 0
    assert owner.kubeconfig.read_text() == OWN and owner.kubeconfig.stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in owner.kubeconfig.parent.iterdir()) == ["config"]


def test_c122_only_the_first_file_changes(newest_kubectl, cluster, postern_dev, owner, namespace):
    second = owner.home / "second"
    second.write_text(OWN)
    first = owner.home / "first"
    account = postern_dev.connect(cluster, cluster.token("x", namespace, role="view"))
    env = {"KUBECONFIG": f"{first}:{second}"}
    owner("kube", "login", account, "--merge", env=env)
    newest_kubectl("-n", namespace, "get", "pods", env=owner.env(env))
    assert second.read_text() == OWN and "home.example" not in first.read_text()
    assert owner.kubeconfig.read_text() == OWN
    owner("kube", "logout", account)
    assert not first.exists() and second.read_text() == OWN


def test_what_kubectl_writes_meanwhile_stays(newest_kubectl, cluster, postern_dev, owner, namespace):
    k = newest_kubectl.using(owner.kubeconfig)
    account = postern_dev.connect(cluster, cluster.token("x", namespace, role="view"))
    owner("kube", "login", account, "--merge")
    k("config", "set-context", "mine", "--cluster=home", "--namespace=n")
    k("-n", namespace, "get", "pods")
    owner("kube", "logout", account)
    text = owner.kubeconfig.read_text()
    assert "mine" in text and "postern" not in text
    assert k("config", "current-context").stdout.strip() == "home"


def test_a_kubeconfig_that_cannot_be_changed(cluster, postern_dev, owner, namespace):
    account = postern_dev.connect(cluster, cluster.token("x", namespace, role="view"))
    owner.kubeconfig.write_text("clusters: [\n")
    assert "left as it is" in owner("pam", "access", account, "--port", "0", "--merge", "--", "true", exit_code=None).stderr
    assert owner.kubeconfig.read_text() == "clusters: [\n"
    owner("pam", "access", account, "--merge", "--kubeconfig", "x", exit_code=64)
