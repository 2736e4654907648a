"""What takes minutes: silent streams, large bodies, every version by every road with processes apart. ./check long."""
import filecmp
import http.client
import json
import os
import resource
import socket
import ssl
import statistics
import subprocess
import time
from urllib.parse import urlsplit

import pytest

from harness.killing import killed_at_random
from harness.kubectl import BUILT, VERSIONS, Kubectl, websockets
from harness.leases import BASE
from harness.poll import until
from harness.postern import Split, free_address
from harness.road import ROADS, access, login
from harness.tap import Tap
from test_walk import compare

pytestmark = [pytest.mark.long, pytest.mark.timeout(3600)]
IDLE_S, BALANCER_IDLE_S = 20 * 60, 60


@pytest.mark.parametrize("version, switch", [(version, switch) for version in VERSIONS + BUILT for switch in ("true", "false")
                                             if version != "1.20.2" or switch == "false"])  # which has no such switch, and speaks SPDY
def test_every_version_by_every_road_with_processes_apart(version, switch, cluster, postern_split, namespace, tmp_path):
    compare(Kubectl(version, tmp_path, settings=websockets(switch)), cluster, postern_split, namespace, tmp_path, ROADS)


class Balanced(Split):
    """Before its relay a load balancer that closes what is silent for a minute."""

    def relay_places(self):
        listen = free_address()
        self.tap = Tap(listen, idle_s=BALANCER_IDLE_S)
        return self.tap.address, listen


@pytest.fixture
def balanced(tmp_path):
    instance = Balanced(tmp_path / "balanced")
    yield instance
    instance.stop()
    instance.tap.close()


@pytest.mark.parametrize("road", [access, login])
def test_silent_streams_stay_open(road, newest_kubectl, cluster, balanced, namespace):
    """logs -f, a watch and an exec say nothing for twenty minutes, and then do (C-90; acceptance 8 of kube-proxying §19)."""
    account = balanced.connect(cluster, cluster.token("patient", namespace, role="edit"))
    cluster.kubectl("-n", namespace, "run", "quiet", "--image=any", "--", "sh", "-c", f"sleep {IDLE_S}; echo awake; sleep 1000")
    cluster.kubectl("-n", namespace, "wait", "--for=condition=Ready", "pod/quiet", "--timeout=60s")
    user = balanced.user()
    with road(user, account, "--duration", "2h") as kubeconfig:
        k = newest_kubectl.using(kubeconfig)
        commands = {"logs": ("logs", "-f", "quiet"), "exec": ("exec", "quiet", "--", "sh", "-c", f"sleep {IDLE_S}; echo awake"),
                    "watch": ("get", "configmaps", "-w", "-o", "name", "--field-selector=metadata.name=late")}
        running = {name: subprocess.Popen(k.argv("-n", namespace, *words), env=k.env(user.env()), stdout=subprocess.PIPE, text=True)
                   for name, words in commands.items()}
        try:
            begun = time.monotonic()
            assert running["exec"].stdout.readline() == "awake\n"
            assert time.monotonic() - begun > IDLE_S - 5
            assert running["logs"].stdout.readline() == "awake\n"
            cluster.kubectl("-n", namespace, "create", "configmap", "late")
            assert running["watch"].stdout.readline() == "configmap/late\n"
        finally:
            for process in running.values():
                process.terminate()


@pytest.mark.parametrize("switch", ["true", "false"])
def test_a_gibibyte_by_cp_there_and_back(switch, newest_kubectl, cluster, postern_split, namespace, tmp_path):
    """Acceptance 1 of kube-proxying §19."""
    account = postern_split.connect(cluster, cluster.token("large", namespace, role="edit"))
    cluster.kubectl("-n", namespace, "run", "keeper", "--image=any", "--", "sleep", "10000")
    cluster.kubectl("-n", namespace, "wait", "--for=condition=Ready", "pod/keeper", "--timeout=60s")
    there, back = tmp_path / "there", tmp_path / "back"
    block = os.urandom(1 << 20)
    with there.open("wb") as file:
        for number in range(1 << 10):
            file.write(number.to_bytes(4, "big") + block[4:])
    with access(postern_split.user(), account) as kubeconfig:
        k = newest_kubectl.using(kubeconfig)
        for source, target in ((there, f"{namespace}/keeper:large"), (f"{namespace}/keeper:large", back)):
            k("cp", source, target, timeout=1200, env=websockets(switch))
    assert filecmp.cmp(there, back, shallow=False)
    there.unlink()
    back.unlink()


def resident_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


def test_large_bodies_grow_nobody(newest_kubectl, cluster, postern_split, namespace):
    """5 GiB through the chain: no process grows by more than 16 MiB."""
    account = postern_split.connect(cluster, cluster.token("large", namespace, role="edit"))
    cluster.kubectl("-n", namespace, "run", "talker", "--image=any", "--", "sleep", "10000")
    cluster.kubectl("-n", namespace, "wait", "--for=condition=Ready", "pod/talker", "--timeout=60s")
    user = postern_split.user()
    with access(user, account) as kubeconfig:
        k = newest_kubectl.using(kubeconfig)
        argv = k.argv("-n", namespace, "exec", "talker", "--", "head", "-c", str(5 << 30), "/dev/zero")
        subprocess.run(k.argv("-n", namespace, "exec", "talker", "--", "head", "-c", "10000000", "/dev/zero"), env=k.env(), check=True,
                       stdout=subprocess.DEVNULL)
        pids = [process.pid for process in postern_split.processes()]
        before = [resident_kib(pid) for pid in pids]
        peak = list(before)
        with subprocess.Popen(argv, env=k.env(), stdout=subprocess.DEVNULL) as process:
            def is_over():
                for index, pid in enumerate(pids):
                    peak[index] = max(peak[index], resident_kib(pid))
                return process.poll() is not None
            until(is_over, "5 GiB have passed", timeout=1800)
            assert process.returncode == 0
    assert all(after - first < 16 * 1024 for first, after in zip(before, peak)), (before, peak)


def test_strangers_without_a_hello_are_dropped(postern_split):
    """5,000 half-open connections at the relay, more than one address may have: all are reclaimed within 45 s."""
    host, port = postern_split.relay.rsplit(":", 1)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
    before = len(os.listdir(f"/proc/{postern_split.relay_process.pid}/fd"))
    streams = []
    try:
        streams = [socket.create_connection((host, int(port))) for _ in range(5000)]
        begun = time.monotonic()
        for stream in streams:
            stream.settimeout(45)
            try:
                assert stream.recv(1) == b""
            except ConnectionResetError:
                pass
        took = time.monotonic() - begun
        left = len(os.listdir(f"/proc/{postern_split.relay_process.pid}/fd")) - before
        print(f"5,000 half-open connections: all closed {took:.1f} s after the last was made, {left} descriptors left")
        assert took < 45 and left <= 5
    finally:
        for stream in streams:
            stream.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def asking(url, ca_file, token):
    """A kept connection; call(path, body) says how long it took."""
    where = urlsplit(url)
    connection = http.client.HTTPSConnection(where.hostname, where.port, context=ssl.create_default_context(cafile=ca_file), timeout=30)

    def call(path, body):
        begun = time.monotonic()
        connection.request("POST", path, json.dumps(body), {"Authorization": f"Bearer {token}", "Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        assert answer.status in (200, 201), text
        return time.monotonic() - begun
    return call


def test_a_lease_beside_one_token_request(postern_dev, leases, cluster):
    """What it costs one caller, in turns, against the real API server: p50 of each kind over that of a TokenRequest made directly."""
    kinds = {"unbound": leases.inputs(tokenBinding="none"), "bound": leases.inputs(tokenBinding="secret"), "dynamic": leases.dynamic()}
    for name, inputs in kinds.items():
        leases.create(f"cost-{name}", inputs)
    direct, ours = asking(cluster.url, cluster.ca_file, leases.token), asking(postern_dev.url, postern_dev.ca_file, postern_dev.token)
    took = {name: [] for name in ("TokenRequest", *kinds)}
    for _ in range(150):
        took["TokenRequest"].append(direct(f"/api/v1/namespaces/{leases.namespace}/serviceaccounts/app/token", {"spec": {"expirationSeconds": 3600}}))
        for name in kinds:
            took[name].append(ours(f"{BASE}/leases", leases.place(dynamicSecretName=f"cost-{name}")))
    p50 = {name: statistics.median(values) for name, values in took.items()}
    print("; ".join(f"{name} {value * 1000:.1f} ms, {value / p50['TokenRequest']:.2f}×" for name, value in p50.items()))
    assert p50["unbound"] <= 3 * p50["TokenRequest"]


@pytest.mark.timeout(4 * 3600)
def test_a_thousand_kills(new_dev, leases, gate):
    """kill -9 at random while leases are made and ended: nothing is left behind, and nothing that lives has lost what it needs."""
    killed_at_random(new_dev(is_fixed=True), leases, gate, times=int(os.environ.get("POSTERN_TEST_KILLS", "1000")))
