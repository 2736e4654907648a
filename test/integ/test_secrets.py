"""No secret where none may be: data, logs, process arguments, the wire (Shows 5)."""
import os
from pathlib import Path

from harness.poll import until
from harness.road import access


def everything_below(folder, leave_out):
    for path in sorted(Path(folder).rglob("*")):
        if path.is_file() and path not in leave_out:
            yield path, path.read_bytes()


def arguments_and_environment():
    for process in Path("/proc").glob("[0-9]*"):
        try:
            yield process, (process / "cmdline").read_bytes()
        except OSError:
            pass


def test_no_secret_lies_around(newest_kubectl, cluster, new_dev, namespace):
    postern = new_dev()
    token = cluster.token("quiet", namespace, role="edit", duration="2h")
    account = postern.connect(cluster, token)
    user = postern.user()
    with access(user, account) as kubeconfig:
        k = newest_kubectl.using(kubeconfig)
        k("-n", namespace, "create", "secret", "generic", "s", "--from-literal=password=hunter2-never-recorded")
        k("-n", namespace, "get", "pods", "--v=6")
        k("--token=a-token-the-client-typed", "-n", namespace, "get", "pods", check=False)
        needles = {"service account token": token.encode(), "its signature": token.rsplit(".", 1)[1].encode(),
                   "a password": postern.password.encode(), "the administrator's password": postern.first["password"].encode(),
                   "what a Secret held": b"hunter2-never-recorded", "a token the client typed": b"a-token-the-client-typed"}
        for process, words in arguments_and_environment():
            if process.name == str(os.getpid()):
                continue
            for what in ("service account token", "its signature", "a password", "the administrator's password"):
                assert needles[what] not in words, f"{what} in the arguments of {process}"
    session = postern.admin.json("pam", "session", "list")[0]
    until(lambda: postern.admin.json("pam", "session", "logs", session["id"], "--requests"), "the records")
    for path, data in everything_below(postern.data, {postern.data / "dev/admin.json", postern.data / "dev/password"}):
        for what, needle in needles.items():
            assert needle not in data, f"{what} in {path}"
    for what, needle in needles.items():
        assert needle.decode() not in postern.logs(), f"{what} in the log"


def test_reading_an_account_never_shows_its_token(cluster, postern_dev, namespace):
    """C-84."""
    token = cluster.token("quiet", namespace)
    account = postern_dev.connect(cluster, token)
    shown = postern_dev.admin("pam", "account", "show", account, "-o", "json").stdout
    assert token not in shown and "serviceAccountToken" not in shown
    assert token not in postern_dev.admin("pam", "account", "list", "-o", "json").stdout
