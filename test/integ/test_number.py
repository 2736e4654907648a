"""Relays and gateways in number: what dies or leaves, and how long a person waits for the others."""
import signal
import subprocess
import threading
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
    relay._start()
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
