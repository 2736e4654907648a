"""Leases while the server's wall clock is wrong, or is set, and at the moment of their end."""
import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone

import pytest

from harness.leases import BASE, claims
from harness.poll import until
from harness.shim import Shim


class Server:
    """One whose clock is told, with a dynamic secret of leases of a minute. The gate has no certificate that would not be valid yet."""

    def __init__(self, new_dev, leases, gate, folder):
        folder.mkdir()
        self.shim = Shim(folder)
        self.mine = leases.having(new_dev(env=self.shim.env))
        self.mine.create("minute", self.mine.through(gate), defaultTTL="1m")

    def lease(self):
        self.asked = time.monotonic()
        self.made = self.mine.lease("minute")
        self.given = time.monotonic()
        self.names = {item["metadata"]["name"] for item in self.mine.objects(self.made.id)}

    def is_over(self):
        return self.mine.get(self.made.id).status == 404

    def ages(self, deletions):
        """How old it was at most, and at least, when the server began to take it away; `deletions` are those that the gate saw."""
        ended = min(moment for moment, path in deletions if path.rpartition("/")[2] in self.names)
        return ended - self.asked, ended - self.given


@pytest.mark.timeout(300)
def test_a_minute_is_a_minute(new_dev, leases, gate, tmp_path):
    """DS-109, 110: ten minutes before or behind the cluster, and set by an hour while a lease lives: what was signed counts, and nothing is longer."""
    ahead, behind, set_back, set_forward = (Server(new_dev, leases, gate, tmp_path / name) for name in ("ahead", "behind", "back", "forward"))
    deletions = []
    gate.on = lambda phase, method, path: deletions.append((time.monotonic(), path)) if (phase, method) == ("before", "DELETE") else None
    ahead.shim.clock(600)
    behind.shim.clock(-600)
    for server in (ahead, behind, set_back, set_forward):
        server.lease()
        assert claims(server.made.token)["exp"] - claims(server.made.token)["iat"] == 600
    for server in (ahead, behind, set_forward):
        until(lambda s=server: s.mine.status_of(s.made.token) == 200, "the token works")
    # What is taken for the truth ends leases early, never late.
    set_forward.shim.clock(3600)
    until(set_forward.is_over, "an hour later it is over", timeout=15)
    assert set_forward.mine.objects(set_forward.made.id) == []
    set_back.shim.clock(-3600)
    for server, off_ms in ((ahead, -600000), (behind, 600000)):
        said = [json.loads(line)["ms"] for line in server.mine.postern.logs().splitlines() if "cluster-clock-differs" in line]
        assert said and abs(said[0] - off_ms) < 15000, said
    for server in (ahead, behind, set_back):
        until(server.is_over, "its end", timeout=90)
        at_most, at_least = server.ages(deletions)
        assert at_most >= 59 and at_least <= 66, (at_most, at_least)
        assert server.mine.objects(server.made.id) == []
        server.mine.is_dead(server.made.token)


def test_renewed_or_gone(leases):
    """DS-64: at the moment of its end a lease is renewed or gone; none is renewed and then taken away."""
    leases.create("race", leases.dynamic(tokenLifetime="max"), defaultTTL="1m")
    moments = [-10, -5] + [number / 10 for number in range(-12, 12)]  # of its end; on a slow machine, too, the first comes before it
    with ThreadPoolExecutor(3) as pool:
        made = list(pool.map(lambda _: leases.lease("race"), moments))

    def renew(at, lease):
        left = datetime.fromisoformat(lease.expireAt) - datetime.now(timezone.utc)
        time.sleep(max(0, left.total_seconds() + at))
        return leases.postern.api("POST", f"{BASE}/leases/{lease.id}/renew", leases.place(ttl="10m"))
    with ThreadPoolExecutor(len(made)) as pool:
        answers = list(pool.map(renew, moments, made))
    renewed = [lease for lease, answer in zip(made, answers) if answer.status == 200]
    late = [lease for lease, answer in zip(made, answers) if answer.status != 200]
    assert renewed and late, [answer.text for answer in answers]
    assert all("Dynamic secret lease with ID" in answer.json["message"] for answer in answers if answer.status != 200)
    until(lambda: {lease["id"] for lease in leases.list("race")} == {lease.id for lease in renewed}, "the others are gone")
    for lease in renewed:
        assert len(leases.objects(lease.id)) == 2 and leases.status_of(lease.token) == 200
        leases.revoke(lease.id)
