"""kill -9 of the server while leases are made and ended, against a real API server behind a gate; test_long.py has a thousand."""
import time

import pytest

from harness.killing import Killing, killed_at_random, settles
from harness.leases import seconds_left
from harness.poll import until


def idle(since, calls):
    """For how long none of these calls was under way, from then to the last one's end: (moment, phase) as the gate saw them."""
    total, under_way = 0, 0
    for moment, phase in sorted(calls):
        total += 0 if under_way else max(0, moment - since)
        under_way += 1 if phase == "before" else -1
        since = max(since, moment)
    return total


@pytest.mark.timeout(240)
def test_what_ended_while_the_server_was_down(new_dev, leases, gate):
    """DS-82: killed, and started again after their end: two seconds later none has an object, but for what the cluster takes to answer."""
    postern = new_dev(is_fixed=True)
    mine = leases.having(postern)
    mine.create("overdue", mine.through(gate), defaultTTL="1m")
    made = [mine.lease("overdue") for _ in range(5)]
    postern.server.kill()
    until(lambda: max(seconds_left(lease) for lease in made) < 0, "their end", timeout=70)
    assert len(mine.objects()) >= 10
    calls = []
    gate.on = lambda phase, method, path: calls.append((time.monotonic(), phase)) if method == "DELETE" else None
    postern.server.start()
    back = time.monotonic()
    until(lambda: mine.owned("overdue") == (set(), set()), "all are gone")
    own = idle(back, calls)
    print(f"5 leases that ended while the server was down: the last object went {calls[-1][0] - back:.2f} s after it was back, {own:.2f} s of them its own")
    assert len(calls) == 20 and own < 2
    for lease in made:
        mine.is_dead(lease.token)


@pytest.mark.timeout(400)
def test_killed_at_every_step(new_dev, leases, gate):
    """DS-82, 83, 96, 97, 98: nothing without an intent, nothing without an end; what was handed out lives on."""
    postern = new_dev(is_fixed=True)
    mine = leases.having(postern)
    mine.create("killed", mine.through(gate))
    mine.create("expiring", mine.through(gate), defaultTTL="1m")
    kept, expiring = mine.lease("killed"), mine.lease("expiring")
    killing = Killing(postern, gate)
    for phase in ("before", "after"):
        for number in (1, 2, 3):
            assert killing.at(phase, number, lambda: mine.lease("killed"), method="POST"), (phase, number)
    for phase in ("before", "after"):
        for number in (1, 2):
            victim = mine.lease("killed")
            assert killing.at(phase, number, lambda v=victim: mine.revoke(v.id), method="DELETE"), (phase, number)
            until(lambda v=victim: mine.get(v.id).status == 404, "the revocation goes on after the start", timeout=90)
    assert mine.status_of(kept.token) in (200, 403), "what was handed out lives on"
    settles(mine, "killed")
    until(lambda: mine.get(expiring.id).status == 404, "what was due while the server was down", timeout=30)
    settles(mine, "expiring")
    shown, _ = mine.owned("killed")
    assert kept.id in shown
    postern.server.kill()
    postern.server.start()
    assert {lease["id"] for lease in mine.list("killed")} == shown


@pytest.mark.timeout(400)
def test_killed_at_random(new_dev, leases, gate):
    """A dozen kills under load."""
    killed_at_random(new_dev(is_fixed=True), leases, gate, times=12)
