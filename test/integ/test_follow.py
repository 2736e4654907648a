"""`pam session logs --follow`: through a server that goes and comes back."""
import json
import os

from harness.poll import until
from harness.postern import Cli, secret_file
from harness.road import access, last_session


def test_a_follower_survives_a_restart_of_the_server(cluster, new_dev, newest_kubectl):
    dev = new_dev(is_fixed=True)
    account = dev.connect(cluster, cluster.token("followed", role="view"))
    with access(dev.user(), account) as kubeconfig:
        kubectl = newest_kubectl.using(kubeconfig)
        kubectl("get", "serviceaccounts")
        follower = dev.admin.start("pam", "session", "logs", last_session(dev)["id"], "--follow")
        follower.wait_for(lambda: "get serviceaccounts" in follower.text(), "the first command", timeout=40)
        dev.server.stop()
        follower.wait_for(lambda: "trying again" in follower.text(), "the news", timeout=40)
        dev.server.restart()
        kubectl("get", "configmaps")
        follower.wait_for(lambda: "get configmaps" in follower.text(), "what was done afterwards", timeout=60)
        assert follower.text().count("get serviceaccounts") == 1
    assert follower.popen.wait(40) == 0


def new_machine(dev, tmp_path):
    """One whose tokens last eight seconds, and the words by which it logs in."""
    name = f"follower-{os.urandom(4).hex()}"
    dev.admin("identity", "create", name)
    dev.admin("project", "identity", "add", name, "--role", "admin")
    client_id = dev.admin.json("identity", "universal-auth", "attach", name, "--access-token-ttl", "8", "--access-token-max-ttl", "600")["clientId"]
    secret = secret_file(tmp_path / "secret", dev.admin.json("identity", "universal-auth", "client-secret", "create", name)["clientSecret"])
    return Cli(dev, tmp_path / "machine"), ("login", "--method", "universal-auth", "--client-id", client_id, "--client-secret-file", secret)


def test_a_follower_outlives_its_machines_token(cluster, postern_dev, newest_kubectl, tmp_path):
    """A pipeline that follows a log has a token of an hour, and the session of eight; here eight seconds are the hour."""
    machine, login = new_machine(postern_dev, tmp_path)
    account = postern_dev.connect(cluster, cluster.token("outlived", role="view"))
    with access(postern_dev.user(), account) as kubeconfig:
        kubectl = newest_kubectl.using(kubeconfig)
        kubectl("get", "serviceaccounts")
        machine.token = machine(*login, "--plain").stdout.strip()
        follower = machine.start("pam", "session", "logs", last_session(postern_dev)["id"], "--follow")
        follower.wait_for(lambda: "get serviceaccounts" in follower.text(), "the first command", timeout=40)
        until(lambda: postern_dev.api("GET", "/api/v1/projects", token=machine.token).status != 200, "the token is over", timeout=20)
        kubectl("get", "configmaps")
        follower.wait_for(lambda: "get configmaps" in follower.text(), "what was done afterwards", timeout=60)
    assert follower.popen.wait(40) == 0, follower.text()


def test_a_follower_renews_the_login_that_it_took_up(cluster, postern_dev, newest_kubectl, tmp_path):
    """Its own login is revoked when another terminal has made a new one; from then on that is the one to be renewed."""
    machine, login = new_machine(postern_dev, tmp_path)
    account = postern_dev.connect(cluster, cluster.token("taken-up", role="view"))

    def log_in():
        machine(*login)
        return json.loads((machine.config / "postern/credentials.json").read_text())["token"]

    def is_over(token):
        return postern_dev.api("GET", "/api/v1/projects", token=token).status != 200

    with access(postern_dev.user(), account) as kubeconfig:
        kubectl = newest_kubectl.using(kubeconfig)
        kubectl("get", "serviceaccounts")
        first = log_in()
        follower = machine.start("pam", "session", "logs", last_session(postern_dev)["id"], "--follow")
        follower.wait_for(lambda: "get serviceaccounts" in follower.text(), "the first command", timeout=40)
        second = log_in()
        assert postern_dev.api("POST", "/api/v1/auth/token/revoke", {"accessToken": first}).status == 200
        until(lambda: is_over(second), "the second token is over", timeout=20)
        kubectl("get", "configmaps")
        follower.wait_for(lambda: "get configmaps" in follower.text(), "what was done afterwards", timeout=60)
    assert follower.popen.wait(40) == 0, follower.text()
