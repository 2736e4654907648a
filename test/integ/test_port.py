"""The one local port: several sessions share it, it outlives each of them, and kubectl's cache stays warm."""
import os
import re
import shutil
import signal
import tempfile

import pytest

from harness.kubectl import VERSIONS, Kubectl
from harness.poll import until
from harness.road import last_session


@pytest.fixture(scope="module")
def accounts(cluster, postern_dev):
    return [postern_dev.connect(cluster, cluster.token(f"port-{number}", role="view")) for number in (1, 2)]


@pytest.fixture
def person(postern_dev):
    """Somebody with a runtime directory of their own, in which sessions find each other."""
    cli = postern_dev.user()
    runtime = tempfile.mkdtemp(prefix="pn-run-")
    cli.extra = {"XDG_RUNTIME_DIR": runtime}
    yield cli
    shutil.rmtree(runtime)


def start(person, *words):
    """`pam access` as people type it; the process and the KUBECONFIG that it prints."""
    process = person.start("pam", "access", *words, env=person.extra)
    found = process.wait_for(lambda: re.search(r"export KUBECONFIG=(\S+)", process.text()), "the road", timeout=60)
    return process, found.group(1)


def port_of(kubeconfig):
    with open(kubeconfig, encoding="utf-8") as file:
        return re.search(r"https://127\.0\.0\.1:(\d+)/", file.read()).group(1)


def test_two_processes_have_one_port(person, accounts, newest_kubectl):
    (first, one), (second, two) = start(person, accounts[0]), start(person, accounts[1])
    assert one != two and port_of(one) == port_of(two)
    for _ in range(8):  # whichever process the kernel asks
        for kubeconfig, number in ((one, 1), (two, 2)):
            assert f"port-{number}" in newest_kubectl.using(kubeconfig)("auth", "whoami").stdout
    assert first.stop() == 0  # the port is still held
    assert "port-2" in newest_kubectl.using(two)("auth", "whoami").stdout
    third, again = start(person, accounts[0])
    assert again == one and port_of(again) == port_of(two)
    assert "port-1" in newest_kubectl.using(again)("auth", "whoami").stdout
    assert third.stop() == 0 and second.stop() == 0
    assert not [name for name in os.listdir(person.extra["XDG_RUNTIME_DIR"] + "/postern") if not name.endswith(".lock")]


def test_a_session_that_died_is_no_hindrance(person, accounts, newest_kubectl):
    first, one = start(person, accounts[0])
    second, two = start(person, accounts[1])
    first.popen.send_signal(signal.SIGKILL)
    first.popen.wait()
    for _ in range(8):
        assert "port-2" in newest_kubectl.using(two)("auth", "whoami").stdout
    third, again = start(person, accounts[0])
    assert again == one
    assert "port-1" in newest_kubectl.using(again)("auth", "whoami").stdout
    assert third.stop() == 0 and second.stop() == 0


def test_one_process_has_several_sessions(person, accounts, newest_kubectl):
    process, kubeconfig = start(person, *accounts)
    kubectl = newest_kubectl.using(kubeconfig)
    assert "port-1" in kubectl("auth", "whoami").stdout  # the first is the current context
    for number, account in enumerate(accounts, 1):
        assert f"port-{number}" in kubectl("--context", f"postern/{account}", "auth", "whoami").stdout
    assert process.stop() == 0


def test_one_of_several_ends_and_the_other_goes_on(person, accounts, newest_kubectl, postern_dev):
    process, kubeconfig = start(person, *accounts)
    session = next(row for row in postern_dev.admin.json("pam", "session", "list") if row["accountPath"] == accounts[0])
    postern_dev.admin("pam", "session", "terminate", session["id"], "--reason", "enough")
    process.wait_for(lambda: "enough" in process.text(), "the news", timeout=30)
    assert "port-2" in newest_kubectl.using(kubeconfig)("--context", f"postern/{accounts[1]}", "auth", "whoami").stdout
    assert process.stop() == 0


@pytest.mark.parametrize("version", VERSIONS)
def test_a_warm_get_is_two_requests_at_most(version, person, accounts, postern_dev):
    """Over a restart: the second session's record is counted, where nothing is folded."""
    kubectl = Kubectl(version, person.home)
    kubectl.env = lambda extra=None: person.env(person.extra | {"KUBECACHEDIR": str(person.home / "cache"), "PATH": os.environ["PATH"]})
    command = [*kubectl.argv("get", "serviceaccounts", "-o", "name")]
    for _ in range(2):
        done = person("pam", "access", accounts[0], "--", *command, env=person.extra | {"KUBECACHEDIR": str(person.home / "cache")})
        assert "serviceaccount/default" in done.stdout
    session = last_session(postern_dev)["id"]

    def all_of_them():
        """The record comes a moment after the end; the session counts its requests, too."""
        requests = postern_dev.admin.json("pam", "session", "logs", session, "--requests")
        counted = postern_dev.admin.json("pam", "session", "show", session)["requests"]
        return requests if requests and len(requests) == counted else None
    assert len(until(all_of_them, "the record")) <= 2
