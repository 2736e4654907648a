"""What goes wrong while leases are made and ended, against a real API server behind a gate: the client, the cluster; the server: test_lease_kills.py."""
import http.client
import io
import json
import socket
import ssl
import struct
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from harness.apiserver import Stub
from harness.leases import BASE, moment, seconds_left
from harness.poll import until
from harness.shim import Shim


@pytest.fixture
def here(postern_dev, leases):
    return leases.having(postern_dev)


def test_a_limit_is_never_passed(new_dev, leases):
    """DS-52, 53: also by twenty at once; what was refused has left nothing."""
    limited = leases.having(new_dev("--lease-limit", "5"))
    limited.create("few", limited.dynamic())
    with ThreadPoolExecutor(20) as pool:
        body = limited.place(dynamicSecretName="few")
        answers = list(pool.map(lambda _: limited.postern.api("POST", f"{BASE}/leases", body), range(20)))
    good = [answer for answer in answers if answer.status == 200]
    refused = [answer for answer in answers if answer.status == 400]
    assert len(good) == 5, [answer.text for answer in answers]
    assert all(answer.json["message"] == "Max lease limit reached. Limit: 5" for answer in refused)
    shown, there = limited.owned("few")
    assert len(shown) == 5 and shown == there
    assert len(refused) + len(good) + sum(answer.status == 429 for answer in answers) == 20
    limited.revoke(good[0].json["lease"]["id"])
    limited.lease("few")


def test_a_client_that_leaves_gets_no_lease(here, gate):
    """DS-107, 108: its answer reached nobody, so the lease ends at once; the request is worked on to its end."""
    here.create("left", here.through(gate))
    begun, gone = threading.Event(), threading.Event()

    def hold(phase, method, path):
        if phase == "before" and path.endswith("/token"):
            begun.set()
            gone.wait(10)
            time.sleep(0.5)
    gate.on = hold
    where = urlsplit(here.postern.url)
    client = http.client.HTTPSConnection(where.hostname, where.port, context=ssl.create_default_context(cafile=here.postern.ca_file))
    client.request("POST", f"{BASE}/leases", json.dumps(here.place(dynamicSecretName="left")),
                   {"Authorization": f"Bearer {here.postern.token}", "Content-Type": "application/json"})
    assert begun.wait(10)
    client.close()
    gone.set()
    events = f"/api/v1/organization/audit-logs?projectId={here.project_id}&eventType=delete-dynamic-secret-lease"
    until(lambda: here.postern.ok("GET", events)["auditLogs"], "the lease was made, and ended")
    assert here.owned("left") == (set(), set())


def test_a_full_disk(new_dev, leases, gate, tmp_path):
    """DS-112: without an intent nothing is asked of the cluster; with room again all goes on."""
    shim = Shim(tmp_path)
    mine = leases.having(new_dev(env=shim.env))
    mine.create("full", mine.through(gate))
    kept, count = mine.lease("full"), gate.count
    shim.disk(is_full=True)
    answer = mine.postern.api("POST", f"{BASE}/leases", mine.place(dynamicSecretName="full"))
    assert answer.status == 500 and answer.json["message"] == "Something went wrong", answer.text
    assert gate.count == count
    assert mine.get(kept.id).status in (200, 500)
    shim.disk(is_full=False)
    mine.lease("full")
    mine.revoke(kept.id)
    shown, there = mine.owned("full")
    assert len(shown) == 1 and shown == there


def test_a_full_disk_after_the_intent(new_dev, leases, gate, tmp_path):
    """The disk fills while the cluster works: what was made is not handed out, and is taken away."""
    shim = Shim(tmp_path)
    mine = leases.having(new_dev(env=shim.env))
    mine.create("full", mine.through(gate))
    gate.on = lambda phase, method, path: shim.disk(is_full=True) if path.endswith("/token") else None
    answer = mine.postern.api("POST", f"{BASE}/leases", mine.place(dynamicSecretName="full"))
    assert answer.status == 500 and "TOKEN" not in answer.text, answer.text
    gate.on = None
    shim.disk(is_full=False)
    assert mine.list("full") == []
    until(lambda: mine.owned("full") == (set(), set()), "nothing is left", timeout=90)


def test_a_cluster_that_shortens_tokens(here, gate):
    """DS-37: the lease is no longer than the token; the cluster's own words are on record."""
    def cap(method, path, body):
        question = json.loads(body) if path.endswith("/token") else {}
        if question.get("spec", {}).get("expirationSeconds", 0) > 3600:
            question["spec"]["expirationSeconds"] = 3600
            gate.more = {"Warning": '299 - "requested expiration of 28800 seconds shortened to 3600 seconds"'}
            return json.dumps(question).encode()
        return body
    gate.change = cap
    here.create("capped", here.through(gate), defaultTTL="8h")
    lease = here.lease("capped")
    assert 3500 < seconds_left(lease) <= 3601
    events = f"/api/v1/organization/audit-logs?projectId={here.project_id}&eventType=create-dynamic-secret-lease"
    [event] = here.postern.ok("GET", events)["auditLogs"]
    assert "shortened to 3600 seconds" in event["event"]["metadata"]["warning"], event
    here.revoke(lease.id)


def test_a_cluster_token_that_was_replaced(here, cluster):
    """DS-86: what was made with a token that is dead ends with the one that came after it."""
    cluster.kubectl("-n", here.namespace, "create", "secret", "generic", "holder")
    dying = cluster.kubectl("-n", here.namespace, "create", "token", "postern", "--bound-object-kind=Secret", "--bound-object-name=holder").stdout.strip()
    here.create("replaced", here.dynamic(clusterToken=dying))
    lease = here.lease("replaced")
    cluster.kubectl("-n", here.namespace, "delete", "secret", "holder")
    here.is_dead(dying)
    failed = here.revoke(lease.id)["lease"]
    assert failed["status"] == "Failed to delete" and "nauthorized" in failed["statusDetails"], failed
    assert len(here.objects(lease.id)) == 2
    here.postern.ok("PATCH", f"{BASE}/replaced", here.place(data={"inputs": {"clusterToken": here.token}}))
    assert here.revoke(lease.id)["lease"]["status"] is None
    assert here.objects(lease.id) == [] and here.get(lease.id).status == 404


# ---- the cluster's answers ----

def half(handler, status, body):
    """It breaks off in the middle."""
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body[:len(body) // 2])
    handler.close_connection = True
    return True


def reset(handler, status, body):
    """As half, and with a RST."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    half(handler, status, body)
    handler.wfile.flush()
    handler.connection.close()
    return True


@pytest.mark.parametrize("way", [half, reset])
@pytest.mark.parametrize("step", ["/serviceaccounts", "/rolebindings", "/token"])
def test_an_answer_that_breaks_off(way, step, here, gate):
    """Whether it was done nobody knows: the client hears 400, and what there is goes at once."""
    name = f"{way.__name__}-{step[1:]}"
    here.create(name, here.through(gate))
    gate.answer = lambda handler, status, body: handler.command == "POST" and handler.path.endswith(step) and way(handler, status, body)
    refused = here.lease(name, status=400)
    assert refused["message"].startswith("Failed to create lease from provider: "), refused
    assert here.list(name) == [] and here.owned(name) == (set(), set())


def test_an_answer_that_comes_twice(here, gate):
    """The second one is nobody's: taken for the answer to what is asked next, it would end a lease without a call."""
    here.create("twice-answered", here.through(gate))

    def twice(handler, status, body):
        wire, handler.wfile = handler.wfile, io.BytesIO()
        handler.say(status, body)
        handler.say(200, b'{"kind": "Status", "status": "Success"}')
        both, handler.wfile = handler.wfile.getvalue(), wire
        wire.write(both)  # in one piece: what comes once the next request is out cannot be told from its answer
        return True
    gate.answer = twice
    leases = [here.lease("twice-answered") for _ in range(3)]
    for lease in leases:
        until(lambda one=lease: here.status_of(one.token) == 200, "the binding counts")
        assert here.revoke(lease.id)["lease"]["status"] is None
        assert here.objects(lease.id) == [], "it was answered as gone"
    assert here.owned("twice-answered") == (set(), set())


@pytest.mark.timeout(240)
def test_an_object_that_comes_late(here, gate):
    """DS-94, 95: the cluster makes it when nobody waits any more; the second cleaning finds it."""
    here.create("late", here.through(gate))
    given_up = threading.Event()

    def hold(phase, method, path):
        if method == "POST" and path.endswith("/serviceaccounts") and phase == "before":
            given_up.wait(30)
    gate.on = hold
    begun = time.monotonic()
    here.lease("late", status=400)
    assert time.monotonic() - begun < 8 + 2
    assert here.owned("late") == (set(), set())
    given_up.set()
    until(lambda: len(here.owned("late")[1]) == 1, "the late object")
    assert here.list("late") == []
    until(lambda: here.owned("late") == (set(), set()), "the second cleaning", timeout=80)


def test_who_is_not_the_cluster_gets_no_token(here, cluster, tmp_path):
    """DS-104, 105: another CA, another name; not a byte of a request comes there."""
    stranger = Stub(tmp_path)  # its certificate is for 127.0.0.1 alone
    for url, ca in ((stranger.url, cluster.ca_file), (stranger.url.replace("127.0.0.1", "localhost"), stranger.ca[0])):
        refused = here.create("stranger", here.dynamic(url=url, ca=ca.read_text()), status=400)
        assert refused["message"].startswith("Failed to connect with provider: ") and "certificate" in refused["message"], refused
    assert stranger.seen == []
    here.create("stranger", here.dynamic(url=stranger.url, ca=stranger.ca[0].read_text()), status=400)
    assert stranger.seen[0][1] == f"Bearer {here.token}", "the right one does"
    stranger.close()


# ---- both sides at once, and clusters that are away ----

def test_two_revoke_at_once(here, gate):
    """DS-75"""
    here.create("twice", here.through(gate))
    lease = here.lease("twice")
    gate.on = lambda phase, method, path: time.sleep(0.5) if method == "DELETE" and phase == "before" else None
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: here.postern.api("DELETE", f"{BASE}/leases/{lease.id}", here.place()), range(2)))
    assert sorted(answer.status for answer in answers) in ([200, 200], [200, 404])
    assert all(answer.json.get("lease", {}).get("status") is None for answer in answers)
    until(lambda: here.owned("twice") == (set(), set()), "it is gone")


def test_leases_are_revoked_where_they_were_made(new_dev, leases, cluster, gate, tmp_path):
    """DS-73, 74, 79: whatever the dynamic secret has become."""
    shim = Shim(tmp_path)
    here = leases.having(new_dev(env=shim.env))
    here.create("moved", here.dynamic(), defaultTTL="1m")
    second = here.namespaces[1]
    expiring = here.lease("moved", config={"namespace": second})
    revoked = here.lease("moved", config={"namespace": second}, ttl="1h")
    here.postern.ok("PATCH", f"{BASE}/moved", here.place(data={"inputs": here.through(gate, namespace=here.namespace)}))
    here.revoke(revoked.id)
    assert here.objects(revoked.id) == [] and gate.count > 0
    replaced = here.lease("moved", ttl="1h")
    cluster.kubectl("-n", here.namespace, "delete", "sa", replaced.externalEntityId)
    cluster.kubectl("-n", here.namespace, "create", "sa", replaced.externalEntityId)
    here.revoke(replaced.id)
    assert cluster.kubectl("-n", here.namespace, "get", "sa", replaced.externalEntityId).returncode == 0, "another's account of the name stays"
    assert here.get(replaced.id).status == 404
    assert here.objects(expiring.id)
    shim.clock(60)
    until(lambda: here.get(expiring.id).status == 404, "the one in the other namespace has ended")
    assert here.objects(expiring.id) == []


def test_a_cluster_that_is_away_is_tried_again(here, gate):
    """DS-84, 85, 116, 117: and nothing is made while it is."""
    here.create("away", here.through(gate))
    lease = here.lease("away")
    gate.on = lambda *_: False
    failed = here.revoke(lease.id)["lease"]
    assert failed["status"] == "Failed to delete" and failed["statusDetails"].startswith("Failed to revoke lease from provider: ")
    until(lambda: here.get(lease.id).json["lease"]["statusDetails"].endswith(" - Retrying automatically"), "tried again")
    shown = json.loads(here.postern.admin("job", "list", "--failing", "-o", "json").stdout)
    assert [job["kind"] for job in shown if job["id"] == lease.id] == ["lease"]
    assert here.lease("away", status=400)["message"].startswith("Failed to create lease from provider: ")
    assert len(here.list("away")) == 1
    gate.on = None
    assert lease.id in here.postern.admin("job", "retry", "lease", lease.id).stdout
    here.postern.user()("job", "list", exit_code=5)
    until(lambda: here.get(lease.id).status == 404, "its next try, which was asked for", timeout=5)
    here.postern.admin("job", "retry", "lease", lease.id, exit_code=6)
    assert here.owned("away") == (set(), set())


def test_a_cluster_that_is_away_holds_up_no_other(new_dev, leases, gate, tmp_path):
    """DS-87: all are due at once, and those of the silent cluster first."""
    shim = Shim(tmp_path)
    here = leases.having(new_dev(env=shim.env))
    here.create("dark", here.through(gate), defaultTTL="1m")
    here.create("bright", here.dynamic(), defaultTTL="1m")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: here.lease("dark"), range(24)))
    silence = threading.Event()
    gate.on = lambda *_: silence.wait(20) and None
    bright = here.lease("bright")
    shim.clock(60)
    until(lambda: here.get(bright.id).status == 404, "the other cluster's lease ends on its time", timeout=40)
    [ended] = here.endings(bright.id)
    assert (ended - moment(bright.expireAt)).total_seconds() < 20
    silence.set()
    gate.on = None
