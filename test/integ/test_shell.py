"""`kube shell`, and the program as a plugin of kubectl."""
import os
import pty
import select
import subprocess
import time

import pytest

from harness.kubectl import NEWEST, VERSIONS, Kubectl
from harness.poll import until
from harness.postern import BINARY
from harness.road import last_session


@pytest.fixture(scope="module")
def account(cluster, postern_dev):
    return postern_dev.connect(cluster, cluster.token("shell", role="view"))


@pytest.fixture
def person(postern_dev):
    """Somebody with kubectl in PATH, and a cache of their own."""
    cli = postern_dev.user()
    bin_dir = cli.home / "bin"
    bin_dir.mkdir()
    (bin_dir / "kubectl").symlink_to(Kubectl(NEWEST, cli.home).path)
    (bin_dir / "kubectl-postern").symlink_to(BINARY)
    (bin_dir / "kubectl_complete-postern").symlink_to(BINARY)
    runtime = cli.home / "run"
    runtime.mkdir(mode=0o700)
    cli.extra = {"PATH": f"{bin_dir}:{os.environ['PATH']}", "XDG_RUNTIME_DIR": str(runtime)}
    return cli


def test_a_shell_has_the_session_and_its_exit_code_passes(person, account, postern_dev):
    done = person("kube", "shell", account, "--reason", "a test", exit_code=7, env=person.extra | {"SHELL": "/bin/sh"},
                  stdin="kubectl get sa default -o name\necho \"in $POSTERN_ACCOUNT with $KUBECONFIG\"\nexit 7\n")
    assert "serviceaccount/default" in done.stdout
    assert f"in {account} with /" in done.stdout
    session = last_session(postern_dev)
    assert session["status"] == "ended" and session["accountPath"] == account
    assert not list((person.home / "run").rglob("*.yaml"))


def test_a_shell_that_a_signal_ends(person, account):
    person("kube", "shell", account, exit_code=128 + 15, env=person.extra | {"SHELL": "/bin/sh"}, stdin="kill -TERM $$\n")


def test_no_session_no_shell(person):
    done = person("kube", "shell", "no-such/account", exit_code=6, env=person.extra, stdin="echo reached\n")
    assert "reached" not in done.stdout


def read_until(master, wanted, deadline):
    seen = b""
    while wanted not in seen:
        ready, _, _ = select.select([master], [], [], max(0, deadline - time.monotonic()))
        assert ready, f"{wanted} is not in {seen}"
        seen += os.read(master, 65536)
    return seen


@pytest.mark.parametrize("shell", ["/bin/bash", "/bin/sh"])
def test_the_prompt_says_where_one_is(shell, person, account):
    """On a terminal; in bash the person's own rc file sets PS1 first."""
    (person.home / ".bashrc").write_text("PS1='mine> '\n")
    master, slave = pty.openpty()
    with subprocess.Popen([BINARY, "kube", "shell", account], stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
                          env=person.env(person.extra | {"SHELL": shell, "TERM": "dumb"})) as process:
        os.close(slave)
        deadline = time.monotonic() + 60
        prompt = f"({account}) mine> " if shell == "/bin/bash" else f"({account}) $ "
        read_until(master, prompt.encode(), deadline)
        os.write(master, b"exit 3\n")
        assert process.wait(60) == 3
    os.close(master)


@pytest.mark.parametrize("version", VERSIONS)
def test_kubectl_runs_it_as_a_plugin(version, person, account, postern_dev):
    env = person.env(person.extra)
    run = lambda *words: subprocess.run([Kubectl(version, person.home).path, *words], env=env, capture_output=True, text=True,
                                        timeout=60, check=False)
    done = run("postern", "access", account, "--", "kubectl", "get", "sa", "default", "-o", "name")
    assert done.returncode == 0 and done.stdout == "serviceaccount/default\n", done
    session = last_session(postern_dev)["id"]
    until(lambda: "kubectl get" in run("postern", "sessions", "logs", session, "-o", "json").stdout, "the record")
    assert run("postern", "access", "no-such/account", "--", "true").returncode == 6
    if int(version.split(".")[1]) >= 26:
        assert "access\t" in run("__complete", "postern", "ac").stdout
