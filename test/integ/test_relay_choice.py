"""`kube login` with several relays: its kubeconfig can name one only."""
import json
import re

from harness.postern import Split
from harness.road import login


def relay_of(kubeconfig):
    return re.search(r"https://(127\.0\.0\.1:\d+)/", kubeconfig.read_text()).group(1)


def test_a_relay_that_is_gone_is_passed_over_by_the_next_command(cluster, newest_kubectl, tmp_path):
    postern = Split(tmp_path / "split", relays=2)
    account = postern.connect(cluster, cluster.token("choice", role="view"))
    cli = postern.user()
    with login(cli, account) as kubeconfig:
        kubectl = newest_kubectl.using(kubeconfig)
        assert "default" in kubectl("get", "sa").stdout
        named = relay_of(kubeconfig)
        gone = next(process for process in postern.relays if named in json.dumps(process.argv) or
                    named in process.text())
        gone.kill()
        first = kubectl("get", "sa", check=False)
        assert first.returncode != 0 and "run the command again" in first.stderr, first.stderr
        assert relay_of(kubeconfig) != named
        assert "default" in kubectl("get", "sa").stdout
    postern.stop()
