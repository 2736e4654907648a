"""Leases in a cluster that is reached through a gateway: as the gateway's own pod, by a token that it passes on, by a pool."""
import json
import time

import pytest

from harness.apiserver import Stub
from harness.leases import BASE, Leases
from harness.poll import until
from harness.raw import connect, session, talk
from test_conformance import stub_account
from test_gateway_road import Member
from test_impersonation import Outside, credential_of

LEASER = "postern"  # the account that Leases.made() gives its rights to


@pytest.fixture
def here(new_dev, cluster):
    return Leases.made(new_dev(), cluster)


@pytest.fixture
def outside(here, cluster, tmp_path):
    return Outside(cluster, tmp_path, here.namespace, LEASER)


@pytest.fixture
def members(here, outside, tmp_path):
    made = [Member(here.postern, outside, tmp_path) for _ in range(2)]
    yield made
    for member in made:
        if member.process.is_running():
            member.process.stop()


def as_gateway(here, **more):
    """What a dynamic secret says whose leases are made by the gateway's own account: no token, no address, no CA."""
    inputs = here.dynamic(authMethod="gateway", sslEnabled=False, **more)
    for name in ("url", "ca", "clusterToken"):
        del inputs[name]
    return inputs


def made_by(cluster, lease):
    """Who made the account of a lease, as the API server saw it."""
    def seen(event):
        return (event["verb"] == "create" and event.get("objectRef", {}).get("resource") == "serviceaccounts"
                and not event["objectRef"].get("subresource") and event["objectRef"].get("name") == lease.externalEntityId)
    return until(lambda: cluster.audit(seen), "the audit log")[0]


def test_a_gateway_makes_leases_as_itself(here, cluster, members, outside):
    """DS-113, 115, 119: the cluster sees the gateway's account and nothing of ours; a renewed token is taken up, and one that is missing is a sentence."""
    made = here.create("inside", as_gateway(here, gatewayId=members[0].id))["dynamicSecret"]
    assert made["inputs"]["authMethod"] == "gateway" and not made["inputs"].get("url")
    lease = here.lease("inside")
    event = made_by(cluster, lease)
    assert event["user"]["username"] == f"system:serviceaccount:{here.namespace}:{LEASER}"
    assert lease.token not in json.dumps(event)
    until(lambda: here.status_of(lease.token) == 200, "the binding counts")
    here.revoke(lease.id)
    assert here.objects(lease.id) == []
    here.is_dead(lease.token)

    first = credential_of(event)
    outside.renew()

    def with_another_token():
        other = here.lease("inside")
        here.revoke(other.id)
        return credential_of(made_by(cluster, other)) != first
    until(with_another_token, "the renewed token", timeout=60)

    (outside.folder / "ca.crt").unlink()
    kept = []

    def refused():
        begun = time.monotonic()
        answer = here.postern.api("POST", f"{BASE}/leases", here.place(dynamicSecretName="inside"))
        assert time.monotonic() - begun < 8
        if answer.status == 200:
            kept.append(answer.json["lease"]["id"])
        return answer if answer.status != 200 else None
    answer = until(refused, "the gateway reads its pod again", timeout=60)
    assert answer.status == 400 and answer.json["message"].startswith("Failed to create lease from provider: "), answer.text
    assert "ca.crt cannot be read" in answer.json["message"], answer.text
    assert {each["id"] for each in here.list("inside")} == set(kept)
    outside.write("ca.crt", cluster.ca_file.read_text())
    for lease_id in kept:
        here.revoke(lease_id)
    assert here.list("inside") == []
    until(lambda: here.objects() == [], "nothing is left", timeout=70)


def test_a_gateway_that_is_away(here, members):
    """DS-116, 117: nothing is made while it is; what should end is tried again, and ends when it is back."""
    here.create("away", as_gateway(here, gatewayId=members[0].id))
    lease = here.lease("away")
    members[0].process.kill()
    until(lambda: not next(each for each in here.postern.admin.json("gateway", "list") if each["id"] == members[0].id)["isConnected"], "its tunnel ends")
    assert here.lease("away", status=400)["message"].startswith("Failed to create lease from provider: ")
    assert [each["id"] for each in here.list("away")] == [lease.id]
    failed = here.revoke(lease.id)["lease"]
    assert failed["status"] == "Failed to delete" and failed["statusDetails"].startswith("Failed to revoke lease from provider: "), failed
    assert len(here.objects(lease.id)) == 2
    members[0].process.start()
    until(lambda: here.get(lease.id).status == 404, "its next try", timeout=60)
    assert here.objects() == []


@pytest.mark.timeout(240)
def test_a_gateway_that_dies_with_a_request(here, members, gate):
    """The cluster has made the account, and nobody is left to say so: it is in doubt, and cleaned when the gateway is back."""
    here.create("lost", here.through(gate, gatewayId=members[0].id))

    def die(phase, method, path):
        if (phase, method) == ("after", "POST") and path.endswith("/serviceaccounts"):
            members[0].process.kill()
            return False
        return None
    gate.on = die
    assert here.lease("lost", status=400)["message"].startswith("Failed to create lease from provider: ")
    gate.on = None
    assert here.list("lost") == [] and len(here.owned("lost")[1]) == 1
    kinds = [job["kind"] for job in here.postern.ok("GET", "/api/v1/admin/jobs")["jobs"]]  # with those that always come again
    assert kinds.count("lease") == 1, "its intent is kept"
    members[0].process.start()
    until(lambda: here.owned("lost") == (set(), set()), "nothing is left", timeout=120)


def test_another_member_of_the_pool_ends_the_lease(here, members):
    """DS-120"""
    here.postern.admin("gateway", "pool", "create", "leasers")
    for member in members:
        here.postern.admin("gateway", "pool", "add", "leasers", member.name)
    pool = here.postern.admin.json("gateway", "pool", "list")[0]["id"]
    here.create("pooled", as_gateway(here, gatewayPoolId=pool))
    leases = [here.lease("pooled") for _ in range(4)]
    members[0].process.kill()
    for lease in leases[:2]:
        assert here.revoke(lease.id)["lease"]["status"] is None
    members[0].process.start()
    until(lambda: next(each for each in here.postern.admin.json("gateway", "list") if each["id"] == members[0].id)["isConnected"], "it is back")
    members[1].process.kill()
    for lease in leases[2:]:
        assert here.revoke(lease.id)["lease"]["status"] is None
    assert here.objects() == []
    assert here.list("pooled") == []


@pytest.mark.parametrize(("role", "kinds"), [({}, {"ServiceAccount", "RoleBinding"}),
                                            ({"roleType": "cluster-role", "role": "view"}, {"ServiceAccount", "ClusterRoleBinding"})])
def test_what_is_left_is_swept_through_a_gateway(role, kinds, here, cluster, members):
    """D15: with the gateway's own account, which is whom the printed manifest names."""
    here.create("left", as_gateway(here, gatewayId=members[0].id, **role))
    kept, lost = here.lease("left"), here.lease("left")

    def is_connected(wanted):
        return next(each for each in here.postern.admin.json("gateway", "list") if each["id"] == members[0].id)["isConnected"] == wanted
    members[0].process.kill()
    until(lambda: is_connected(False), "its tunnel ends")
    here.revoke(lost.id, is_forced=True)
    members[0].process.start()
    until(lambda: is_connected(True), "it is back")
    assert {item["kind"] for item in here.objects(lost.id)} == kinds and here.get(lost.id).status == 404

    words = ("dynamic-secrets", "sweep", "left", "--project", here.project_id, "--env", "dev", "-o", "yaml")
    def refused():
        said = here.postern.admin(*words, exit_code=2).stderr
        return said if "---" in said and "<service account" not in said else None
    manifest = until(refused, "the cluster says what is missing, and to whom")
    cluster.apply(manifest[manifest.index("---"):].split("\npostern:")[0])
    done = until(lambda: (lambda run: run if run.returncode == 0 else None)(here.postern.admin(*words, exit_code=None)), "it may list")
    assert "state: done" in done.stdout and "removed: 0" not in done.stdout
    assert here.objects(lost.id) == []
    here.is_dead(lost.token)
    assert {item["kind"] for item in here.objects(kept.id)} == kinds and here.status_of(kept.token) == 200
    here.revoke(kept.id)
    assert here.objects() == []


def test_a_token_by_way_of_a_gateway(here, cluster, members, tmp_path):
    """The cluster is who `url` and `ca` say, or nothing is sent; whatever is between."""
    here.create("way", here.dynamic(gatewayId=members[0].id))
    lease = here.lease("way")
    until(lambda: here.status_of(lease.token) == 200, "the binding counts")
    event = made_by(cluster, lease)
    assert event["user"]["username"] == f"system:serviceaccount:{here.namespace}:{LEASER}"
    here.revoke(lease.id)
    assert here.objects() == []
    stranger = Stub(tmp_path)  # its certificate is for 127.0.0.1 alone
    for url, ca in ((stranger.url, cluster.ca_file), (stranger.url.replace("127.0.0.1", "localhost"), stranger.ca[0])):
        refused = here.create("elsewhere", here.dynamic(gatewayId=members[0].id, url=url, ca=ca.read_text()), status=400)
        assert refused["message"].startswith("Failed to connect with provider: ") and "certificate" in refused["message"], refused
    assert stranger.seen == [], "who is not the one that was meant gets no token"
    here.create("elsewhere", here.dynamic(gatewayId=members[0].id, url=stranger.url, ca=stranger.ca[0].read_text()), status=400)
    assert stranger.seen[0][1] == f"Bearer {here.token}", "the right one does"
    stranger.close()


def test_who_has_a_session_is_not_the_platform(postern_dev, tmp_path):
    """DS-114: the word that asks for the pod's own identity comes from the platform alone; a user's is dropped."""
    stub = Stub(tmp_path)
    _, path = stub_account(postern_dev, stub, stub.ca[0].read_text())
    answer = session(postern_dev, path)
    seen = len(stub.fields)
    for word in ("use-k8s-sa", "inject-k8s-sa-auth-token"):
        request = "\r\n".join([f"GET /{answer['accountId']}/api HTTP/1.1", "Host: any", f"x-infisical-action: {word}", "", ""])
        with connect(postern_dev, answer) as stream:
            assert talk(stream, request.encode())[0] == 200
    assert len(stub.fields) == seen + 2
    for fields in stub.fields[seen:]:
        assert "x-infisical-action" not in fields and fields["authorization"] == "Bearer stub-token", fields
    stub.close()
