"""Everything that dials, behind an HTTP proxy: each name here is known to the proxy alone."""
import secrets
from urllib.parse import urlsplit

import pytest

from harness.connect_proxy import ConnectProxy
from harness.poll import until
from harness.postern import Split, free_address
from harness.road import access, login


class Behind(Split):
    """Server, relay and cluster have names; whoever dials them finds the proxy in the environment."""

    def __init__(self, folder):
        self.proxy = ConnectProxy()
        self.variables = {"HTTPS_PROXY": self.proxy.url, "NO_PROXY": "no.test"}
        listen = free_address()
        self.domain = "https://" + self.proxy.lead("server.test", listen.rsplit(":", 1)[1])
        super().__init__(folder, settings={"listen": listen, "public-url": self.domain}, env=self.variables)

    def relay_places(self):
        listen = free_address()
        return self.proxy.lead("relay.test", listen.rsplit(":", 1)[1]), listen

    def reach(self, cluster, token):
        """As connect(), by a name of the cluster that no certificate has."""
        name = f"r-{secrets.token_hex(4)}"
        url = f"https://{self.proxy.lead('cluster.test', urlsplit(cluster.url).port)}"
        self.admin("pam", "resource", "create", name, "--url", url, "--insecure-skip-tls-verify")
        self.admin("pam", "account", "create", f"{name}/account", "--token-file", "-", stdin=token)
        return f"{name}/account"


@pytest.fixture(scope="module")
def behind(tmp_path_factory):
    instance = Behind(tmp_path_factory.mktemp("behind"))
    yield instance
    instance.stop()
    instance.proxy.close()


@pytest.fixture(scope="module")
def account(behind, cluster):
    return behind.reach(cluster, cluster.token("egress", role="view"))


def names_asked(proxy):
    return {place.rsplit(":", 1)[0] for place in proxy.asked}


def test_every_dial_goes_through_the_proxy(behind, account, newest_kubectl):
    cli = behind.user()
    with access(cli, account) as kubeconfig:
        assert "default" in newest_kubectl.using(kubeconfig)("get", "sa").stdout
    assert {"server.test", "relay.test", "cluster.test"} <= names_asked(behind.proxy)
    assert behind.proxy.refused == []


def test_kubectl_takes_the_same_way_with_kube_login(behind, account, newest_kubectl):
    """Its own dial to the relay goes by the same variables; it asks us for the certificate."""
    cli = behind.user()
    with login(cli, account) as kubeconfig:
        before = behind.proxy.asked.count(behind.relay)
        newest_kubectl.using(kubeconfig)("get", "sa", env=behind.variables)
        assert behind.proxy.asked.count(behind.relay) > before


def test_the_server_reviews_tokens_through_it(behind, cluster):
    """The server's own call to a cluster; what the proxy refuses is told as such."""
    url = f"https://{behind.proxy.lead('review.test', urlsplit(cluster.url).port)}"
    identity = behind.admin.json("identity", "create", f"i-{secrets.token_hex(3)}")["id"]
    words = ["identity", "kubernetes", "attach", identity, "--namespaces", "default", "--reviewer-token-file", "-",
             "--ca-file", cluster.ca_file]
    token = cluster.token("egress-reviewer")
    refused = behind.admin(*words, "--host", "https://unknown.test:6443", stdin=token, exit_code=None)
    assert refused.returncode != 0 and "unknown.test:6443" in behind.proxy.asked
    behind.admin(*words, "--host", url, stdin=token, exit_code=None)
    assert "review.test" in names_asked(behind.proxy)


def test_a_literal_metadata_address_is_refused_before_the_proxy_is_asked(behind, cluster):
    identity = behind.admin.json("identity", "create", f"i-{secrets.token_hex(3)}")["id"]
    done = behind.admin("identity", "kubernetes", "attach", identity, "--namespaces", "default", "--reviewer-token-file", "-",
                        "--host", "https://169.254.169.254", stdin=cluster.token("egress-reviewer"), exit_code=2)
    assert "metadata" in done.stderr
    assert not any(place.startswith("169.254.") for place in behind.proxy.asked)


def test_a_wrong_password_is_told_without_it(behind):
    env = {"HTTPS_PROXY": behind.proxy.url.replace("s3cret%40", "gu3ss")}
    done = behind.admin("pam", "session", "list", env=env, exit_code=7)
    assert "wants a user and a password" in done.stderr
    assert "gu3ss" not in done.stderr
    behind.proxy.refused.clear()


def test_a_proxy_that_is_none_stops_a_daemon_at_its_start(behind, tmp_path):
    env = {"HTTPS_PROXY": "socks5://ada:gu3ss@127.0.0.1:1080"}
    for words in (["server", "--dev", "--data", tmp_path / "data"], ["relay", "start", "r"], ["gateway", "start", "g"]):
        done = behind.admin(*words, env=env, exit_code=64)
        assert "HTTPS_PROXY has a scheme that is not supported" in done.stderr and "gu3ss" not in done.stderr


def test_loopback_is_dialled_directly(behind):
    """The server's address on loopback, with a proxy that is gone."""
    env = {"HTTPS_PROXY": "http://127.0.0.1:1", "POSTERN_DOMAIN": behind.url}
    assert until(lambda: behind.admin("pam", "session", "list", env=env).returncode == 0, "the list")
