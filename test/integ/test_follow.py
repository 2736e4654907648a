"""`pam session logs --follow`: through a server that goes and comes back."""
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


def test_a_follower_outlives_its_machines_token(cluster, postern_dev, newest_kubectl, tmp_path):
    """A pipeline that follows a log has a token of an hour, and the session of eight; here three seconds are the hour."""
    admin = postern_dev.admin
    name = f"follower-{os.urandom(4).hex()}"
    admin("identity", "create", name)
    admin("project", "identity", "add", name, "--role", "admin")
    client_id = admin.json("identity", "universal-auth", "attach", name, "--access-token-ttl", "3", "--access-token-max-ttl", "600")["clientId"]
    secret = secret_file(tmp_path / "secret", admin.json("identity", "universal-auth", "client-secret", "create", name)["clientSecret"])
    machine = Cli(postern_dev, tmp_path / "machine")
    account = postern_dev.connect(cluster, cluster.token("outlived", role="view"))
    with access(postern_dev.user(), account) as kubeconfig:
        kubectl = newest_kubectl.using(kubeconfig)
        kubectl("get", "serviceaccounts")
        machine.token = machine("login", "--method", "universal-auth", "--client-id", client_id, "--client-secret-file", secret, "--plain").stdout.strip()
        follower = machine.start("pam", "session", "logs", last_session(postern_dev)["id"], "--follow")
        follower.wait_for(lambda: "get serviceaccounts" in follower.text(), "the first command", timeout=40)
        until(lambda: postern_dev.api("GET", "/api/v1/projects", token=machine.token).status != 200, "the token is over", timeout=20)
        kubectl("get", "configmaps")
        follower.wait_for(lambda: "get configmaps" in follower.text(), "what was done afterwards", timeout=60)
    assert follower.popen.wait(40) == 0, follower.text()
