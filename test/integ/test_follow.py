"""`pam session logs --follow`: through a server that goes and comes back."""
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
