"""Leases as the operator and the template daemon of Infisical keep them: their loops after their sources (dynamic-secrets.md §3), hours in seconds."""
import random
import re
import time

import pytest

from harness.leases import BASE, claims
from harness.poll import until
from harness.shim import Shim

ANEW = ("TTL cannot be larger than max ttl", "Dynamic secret lease with ID")  # what the operator looks for in a refused renewal
LENGTH = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


class World:
    """A server whose clock runs as fast as a test wants it to."""

    def __init__(self, new_dev, leases, gate, folder):
        self.shim, self.off_s, self.gate = Shim(folder), 0, gate
        self.mine = leases.having(new_dev(env=self.shim.env))

    def now(self):
        return time.time() + self.off_s

    def pass_by(self, seconds):
        self.off_s += seconds
        self.shim.clock(self.off_s)


@pytest.fixture
def world(new_dev, leases, gate, tmp_path):
    return World(new_dev, leases, gate, tmp_path)


def seconds_of(text):
    """As the operator reads a length: one number, one letter; nothing is no limit."""
    match = re.fullmatch(r"(\d+)([smhdw])", text or "0s")
    assert match, f"the operator cannot read {text!r}"
    return int(match[1]) * LENGTH[match[2]]


class Operator:
    """A custom resource: the lease whose token its Secret holds."""

    def __init__(self, world, name, ttl):
        self.world, self.name, self.ttl, self.made, self.renewed = world, name, ttl, [], 0
        self.rng = random.Random(3)
        self.mint()

    def mint(self):
        answer = self.world.mine.postern.ok("POST", f"{BASE}/leases", self.world.mine.place(dynamicSecretName=self.name, ttl=self.ttl))
        self.max_s = seconds_of(answer["dynamicSecret"]["maxTTL"])
        self.begun, self.ends = self.world.now(), self.world.now() + seconds_of(self.ttl)
        self.token, self.id = answer["data"]["TOKEN"], answer["lease"]["id"]
        self.token_ends = self.begun + claims(self.token)["exp"] - claims(self.token)["iat"]
        self.made.append(self.id)

    def renew(self):
        answer = self.world.mine.postern.api("POST", f"{BASE}/leases/{self.id}/renew", self.world.mine.place(ttl=self.ttl))
        if answer.status == 200:
            self.ends += seconds_of(self.ttl)
            self.renewed += 1
        else:
            assert any(text in answer.json["message"] for text in ANEW), f"an error loop: {answer.text}"
            self.mint()

    def reconcile(self):
        now, length = self.world.now(), seconds_of(self.ttl)
        if self.max_s and self.begun + self.max_s - now <= 0.4 * self.max_s or now >= self.ends:
            self.mint()
        elif self.ends - now < max(30, length * self.rng.uniform(0.2, 0.3)):
            self.renew()


@pytest.mark.parametrize("max_ttl, more", [("24h", {}), (None, {}), ("24h", {"tokenLifetime": "max"})])
def test_the_operator_always_holds_a_token_that_lives(world, max_ttl, more):
    """DS-126, 127, 128: over three hours, in passes of five minutes; with the resource its lease goes."""
    mine = world.mine
    mine.create("held", mine.through(world.gate, **more), maxTTL=max_ttl)
    operator = Operator(world, "held", "1h")
    for _ in range(36):
        world.pass_by(300)
        operator.reconcile()
        assert operator.token_ends > world.now(), "the Secret holds a token that is dead"
        assert mine.get(operator.id).status == 200
    if more:
        assert operator.renewed >= 3 and len(operator.made) == 1, "what may be renewed is"
    else:
        assert operator.renewed == 0 and 3 < len(operator.made) < 8, operator.made
    until(lambda: mine.owned("held") == ({operator.id}, {operator.id}), "those before it have ended")
    until(lambda: mine.status_of(operator.token) == 200, "and its token works")
    mine.revoke(operator.id)
    assert mine.owned("held") == (set(), set())
    mine.is_dead(operator.token)


def test_the_template_daemon_makes_one_after_another(world):
    """DS-124, 125: a new one 15 s before the end of the old, which the server ends; after a restart it asks for the one it has, in a folder."""
    mine = world.mine
    mine.postern.ok("POST", "/api/v1/folders", {"workspaceId": mine.project_id, "environment": "dev", "name": "x", "path": "/"})
    mine.create("kept", mine.through(world.gate), defaultTTL="1m", path="/x")
    place = mine.place(dynamicSecretName="kept", path="/x", ttl="1m")
    held = mine.postern.ok("POST", f"{BASE}/leases", place)["lease"]["id"]
    seen = [held]
    for _ in range(4):
        world.pass_by(29)  # 16 of the 45 have passed
        held = mine.postern.ok("POST", f"{BASE}/leases", place)["lease"]["id"]
        seen.append(held)
        world.pass_by(16)
        until(lambda h=held: {item["metadata"]["labels"]["postern/lease-id"] for item in mine.objects()} & set(seen) == {h}, "the old one has ended")
    at = f"projectSlug={mine.slug}&environmentSlug=dev"
    again = mine.postern.api("GET", f"{BASE}/leases/{held}?{at}&secretPath=/x")  # as the daemon spells the folder
    assert again.status == 200 and again.json["lease"]["id"] == held, again.text
    assert mine.postern.api("GET", f"{BASE}/leases/{seen[0]}?{at}&secretPath=/x").status == 404, "exactly what it takes for gone"
    assert len(mine.postern.ok("GET", f"{BASE}/kept/leases?{at}&path=/x")["leases"]) == 1
