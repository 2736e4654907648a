"""kill -9 of a server while leases are made and ended, at a step or at random."""
import random
import threading
import time

from harness.poll import until


class Killing:
    """A server that is killed when a request to the cluster comes by, and started again."""

    def __init__(self, postern, gate):
        self.postern, self.gate = postern, gate

    def at(self, phase, number, run, method=None):
        """While run() is under way: at the number-th request (of a method) of it, before or after the cluster has seen it."""
        seen, killed = [0], threading.Event()

        def on(now, verb, _):
            if method in (None, verb) and now == phase and not killed.is_set():
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
            self.postern.server._start()  # pylint: disable=protected-access
        return was_killed

    @staticmethod
    def quietly(run):
        try:
            run()
        except Exception:  # pylint: disable=broad-except
            pass  # the server is gone: that is the point


def settles(leases, name, timeout=100):
    """In the end the cluster has the objects of the leases that are shown, and no others."""
    until(lambda: len(set(map(frozenset, leases.owned(name)))) == 1, "nothing is left behind", timeout)


def killed_at_random(postern, leases, gate, times):
    """Under load; in the end nothing is left that no live lease owns, and no live lease is without its objects."""
    mine = leases.having(postern)
    mine.create("load", mine.through(gate), defaultTTL="10m")
    killing, stop = Killing(postern, gate), threading.Event()
    rng = random.Random(7)

    def load():
        while not stop.is_set():
            killing.quietly(lambda: mine.revoke(mine.lease("load").id) if rng.random() < 0.7 else mine.lease("load"))
            time.sleep(0.02)
    threads = [threading.Thread(target=load) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(times):
            time.sleep(rng.uniform(0.2, 1.5))
            postern.server.kill()
            postern.server._start()  # pylint: disable=protected-access
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    settles(mine, "load", timeout=120)
    shown, there = mine.owned("load")
    assert shown == there
