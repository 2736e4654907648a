"""The server calls a cluster through gateways: as reviewer, by one and by a pool, whatever becomes of a member."""
import secrets
import signal
import time

import pytest

from harness.poll import until
from harness.postern import Cli, Split, secret_file
from harness.tap import Tap
from test_impersonation import Outside, steps
from test_kubernetes_auth import Machine, app_token, config, reviewing

REVIEWER = "postern-gateway"


@pytest.fixture
def dev(new_dev):
    """Without memory: each login asks the cluster."""
    return new_dev("--verdict-cache", "0s")


class Member:
    """A gateway process beside the cluster, with the identity of one of its service accounts."""

    def __init__(self, dev, outside, folder):
        self.name = f"g-{secrets.token_hex(4)}"
        made = dev.admin.json("gateway", "create", self.name)
        self.id = made["id"]
        token = secret_file(folder / f"{self.name}.token", made["token"])
        self.process = Cli(dev, folder / self.name).start("gateway", "start", self.name, "--token-file", token, "--state",
                                                          folder / self.name / "state", "--pod-identity", outside.folder, env=outside.env())
        until(lambda: steps(dev.admin, self.name)["identity"][0] == "ok", f"{self.name} reaches its cluster")


@pytest.fixture
def members(cluster, dev, namespace, tmp_path):
    reviewing(cluster, namespace, REVIEWER)
    outside = Outside(cluster, tmp_path, namespace, REVIEWER)
    made = [Member(dev, outside, tmp_path) for _ in range(2)]
    yield made
    for member in made:
        if member.process.is_running():
            member.process.stop()


def test_a_gateway_reviews(cluster, dev, namespace, members):
    first = members[0]
    machine = Machine(dev, {"tokenReviewMode": "gateway", "gatewayId": first.id, "allowedNamespaces": namespace})
    machine.works(app_token(cluster, namespace))
    event = until(lambda: cluster.audit(lambda event: event.get("objectRef", {}).get("resource") == "tokenreviews"
                                        and event["user"].get("username") == f"system:serviceaccount:{namespace}:{REVIEWER}"), "the audit log")
    assert event
    # With a reviewer's token the gateway is the way only; the cluster is verified by the CA that was given.
    by_way = Machine(dev, config(cluster, tokenReviewerJwt=reviewing(cluster, namespace, "other"), gatewayId=first.id))
    by_way.works(app_token(cluster, namespace))
    used = dev.api("DELETE", f"/api/v3/gateways/{first.id}")
    assert used.status == 400 and "is used by 2 others (the identity m-" in used.json["message"], used.text
    # A gateway that is gone is a sentence, and nobody goes there directly instead.
    first.process.kill()
    answer = machine.login(app_token(cluster, namespace))
    assert answer.status == 400, answer.text
    assert by_way.login(app_token(cluster, namespace)).status == 400


def test_a_pool_reviews_while_a_member_dies(cluster, dev, namespace, members):
    """KV-28: no login of 200 fails; with all of them dead it is an error of the pool."""
    dev.admin("gateway", "pool", "create", "reviewers")
    for member in members:
        dev.admin("gateway", "pool", "add", "reviewers", member.name)
    pool = dev.admin.json("gateway", "pool", "list")[0]
    assert (pool["memberCount"], pool["healthyMemberCount"]) == (2, 2)
    machine = Machine(dev, {"tokenReviewMode": "gateway", "gatewayPoolId": pool["id"], "allowedNamespaces": namespace})
    jwt = app_token(cluster, namespace)
    failed, slowest = [], 0
    for count in range(200):
        if count == 60:
            members[0].process.kill()
        began = time.monotonic()
        answer = machine.login(jwt)
        slowest = max(slowest, time.monotonic() - began)
        if answer.status != 200:
            failed.append((count, answer.text))
    assert not failed, failed
    print(f"200 logins, a member killed at the 60th: 0 failed, the slowest took {slowest:.2f} s")
    assert slowest < 10
    # All dead: an error of the pool, no review.
    members[1].process.kill()
    answer = machine.login(jwt)
    assert answer.status == 400, answer.text
    used = dev.api("DELETE", f"/api/v1/gateway-pools/{pool['id']}")
    assert used.status == 400 and "Gateway pool reviewers is used by the identity m-" in used.json["message"], used.text
    dev.ok("DELETE", machine.path)
    dev.ok("DELETE", f"/api/v1/gateway-pools/{pool['id']}")


@pytest.fixture
def split(tmp_path):
    """Two relays, and a server without memory."""
    instance = Split(tmp_path / "split", relays=2, settings={"verdict-cache": "0s"})
    yield instance
    instance.stop()


@pytest.mark.timeout(300)
def test_a_relay_that_accepts_and_says_nothing(cluster, split, tmp_path, namespace):
    """Each relay in turn, on connections that were kept and on new ones: a login takes the other way within 5 s."""
    reviewing(cluster, namespace, REVIEWER)
    member = Member(split, Outside(cluster, tmp_path, namespace, REVIEWER), tmp_path)
    machine = Machine(split, {"tokenReviewMode": "gateway", "gatewayId": member.id, "allowedNamespaces": namespace})
    jwt, slowest = app_token(cluster, namespace), 0
    for relay in split.relays:
        until(lambda r=relay: r.text().count(member.id) >= 1, "the gateway's tunnel", timeout=40)
        for _ in range(4):
            machine.works(jwt)
        idle_since = time.monotonic()
        until(lambda t=idle_since: time.monotonic() - t > 1.1, "what is kept has waited")
        relay.popen.send_signal(signal.SIGSTOP)
        try:
            for _ in range(4):
                begun = time.monotonic()
                machine.works(jwt)
                slowest = max(slowest, time.monotonic() - begun)
        finally:
            relay.popen.send_signal(signal.SIGCONT)
    print(f"a relay accepts and says nothing: the slowest of 8 logins took {slowest:.2f} s")
    assert slowest < 5
    member.process.stop()


def test_the_certificate_is_checked_against_the_bare_host(cluster, dev, namespace, members):
    """KH-06: by way of a gateway too, an address is no name, a name is no address, and another's name is refused."""
    port, gateway = cluster.url.rpartition(":")[2], members[0].id
    token, reviewer = app_token(cluster, namespace), reviewing(cluster, namespace, "other")
    for host in (f"https://127.0.0.1:{port}", f"127.0.0.1:{port}", f"https://localhost:{port}"):
        Machine(dev, config(cluster, kubernetesHost=host, tokenReviewerJwt=reviewer, gatewayId=gateway)).works(token)
    elsewhere = Tap(f"127.0.0.1:{port}", host="127.0.0.2")  # the same server, by an address that is not on its certificate
    for host in (f"https://{elsewhere.address}", f"https://[::ffff:127.0.0.1]:{port}"):
        refused = Machine(dev, config(cluster, kubernetesHost=host, tokenReviewerJwt=reviewer, gatewayId=gateway), status=400)
        assert refused.attached.json["error"] == "KubernetesHostConnectionError", refused.attached.text
        assert "the certificate of the server is for another name" in refused.attached.text, refused.attached.text
    elsewhere.close()
    # Without a reviewer's token the client's own goes the same way.
    machine = Machine(dev, config(cluster, gatewayId=gateway))
    machine.fails(token, 401, "KubernetesTokenReviewerForbidden", "tokenreviews")
    machine.works(reviewing(cluster, namespace, "app"))


def test_a_gateway_without_its_pod_says_so(cluster, dev, namespace, members, tmp_path):
    """KV-27: the gateway's own words about its token and CA, and no review."""
    machine = Machine(dev, {"tokenReviewMode": "gateway", "gatewayId": members[0].id, "allowedNamespaces": namespace})
    token = app_token(cluster, namespace)
    machine.works(token)
    file = tmp_path / "identity" / "token"
    kept = file.read_text()
    file.unlink()
    until(lambda: machine.login(token).status != 200, "the gateway reads its pod again", timeout=60)
    machine.fails(token, 400, "GatewayTokenReviewRequestError", "token cannot be read")
    file.write_text(kept)
    machine.works(token)
