"""kill -9 of a server while leases are made and ended, at a step or at random."""
import random
import threading

from harness.leases import seconds_left
from harness.poll import until


class Killing:
    """A server that is killed when a request to the cluster comes by, and started again."""

    def __init__(self, postern, gate):
        self.postern, self.gate = postern, gate

    def at(self, phase, number, run=lambda: None, method=None):
        """While run() or others are under way: at the number-th request (of a method), before or after the cluster has seen it."""
        seen, killed, lock = [0], threading.Event(), threading.Lock()

        def on(now, verb, _):
            with lock:
                if method in (None, verb) and now == phase:
                    seen[0] += 1
                    if seen[0] == number:
                        self.postern.server.kill()
                        killed.set()
                return False if killed.is_set() else None
        self.gate.on = on
        thread = threading.Thread(target=self.quietly, args=(run,))
        thread.start()
        was_killed = killed.wait(15)
        thread.join()
        self.gate.on = None
        if was_killed:
            self.postern.server.start()
        return was_killed

    @staticmethod
    def quietly(run):
        try:
            run()
        except Exception:  # pylint: disable=broad-except
            pass  # the server is gone: that is the point


def settles(leases, name, timeout=100):
    """In the end the cluster has the objects of the leases that are shown, and no others; those it returns."""
    def owned():
        shown, there = leases.owned(name)
        return [shown] if shown == there else None
    return until(owned, "nothing is left behind", timeout)[0]


def killed_at_random(postern, leases, gate, times):
    """Under load; in the end nothing is left that no live lease owns, no live lease is without its objects, and what was handed out lives."""
    mine = leases.having(postern)
    mine.create("load", mine.through(gate), defaultTTL="10m")
    killing, stop, handed_out, asked_back = Killing(postern, gate), threading.Event(), {}, set()
    rng = random.Random(7)

    def ask():
        lease = mine.lease("load")
        handed_out[lease.id] = lease
        if rng.random() < 0.7:
            asked_back.add(lease.id)
            mine.revoke(lease.id)

    def load():
        while not stop.wait(0.02):
            killing.quietly(ask)
    threads = [threading.Thread(target=load) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(times):
            assert killing.at(rng.choice(("before", "after")), rng.randint(1, 40)), "there was no load"
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    shown = settles(mine, "load", timeout=120)
    assert len(handed_out) > times and asked_back
    kept = {lease.id for lease in handed_out.values() if lease.id not in asked_back and seconds_left(lease) > 30}
    assert kept and kept <= shown, "what was handed out lives on"
