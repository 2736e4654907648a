"""What somebody on the wire between client, relay and gateway can read (Shows 5)."""
import pytest

from harness.postern import Split, free_address
from harness.road import access
from harness.tap import Tap


class Tapped(Split):
    """Processes apart, with everything for the relay passing the tap."""

    def __init__(self, folder):
        self.relay_at = free_address()
        self.tap = Tap(self.relay_at)
        super().__init__(folder)

    def relay_places(self):
        return self.tap.address, self.relay_at


@pytest.fixture
def tapped(tmp_path):
    instance = Tapped(tmp_path)
    yield instance
    instance.stop()
    instance.tap.close()


def test_the_wire_shows_no_plaintext(newest_kubectl, cluster, tapped, namespace):
    token = cluster.token("tapped", namespace, role="edit")
    account = tapped.connect(cluster, token)
    with access(tapped.user(), account) as kubeconfig:
        k = newest_kubectl.using(kubeconfig)
        k("-n", namespace, "create", "configmap", "plain", "--from-literal=word=words-nobody-may-read")
        assert "words-nobody-may-read" in k("-n", namespace, "get", "configmap", "plain", "-o", "yaml").stdout
    seen = bytes(tapped.tap.seen)
    assert len(seen) > 20000 and b"gateway.postern.internal" in seen, "the tap is where the bytes pass"
    for needle in (token.encode(), token.rsplit(".", 1)[1].encode(), b"words-nobody-may-read", b"configmaps", b"HTTP/1.1", b"apiVersion",
                   namespace.encode()):
        assert needle not in seen, needle
