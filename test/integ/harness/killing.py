"""kill -9 of a server while leases are made and ended, at a step or at random."""
import random
import threading
import time

from harness.leases import seconds_left
from harness.poll import until

KINDS = {"dynamic": {"ServiceAccount", "RoleBinding"}, "bound": {"Secret"}}  # what a lease of each dynamic secret consists of


class Killing:
    """A server that is killed when a request to the cluster comes by, and started again."""

    def __init__(self, postern, gate):
        self.postern, self.gate = postern, gate

    def at(self, phase, number, run=lambda: None, method=None, late_s=0, while_dead=lambda: None):
        """While run() or others are under way: at the number-th request (of a method), before or after the cluster has seen it, or late_s later."""
        seen, killed, lock = [0], threading.Event(), threading.Lock()

        def kill():
            self.postern.server.kill()
            killed.set()

        def on(now, verb, _):
            with lock:
                if method in (None, verb) and now == phase:
                    seen[0] += 1
                    if seen[0] == number and late_s:
                        threading.Timer(late_s, kill).start()
                    elif seen[0] == number:
                        kill()
                return False if killed.is_set() else None
        self.gate.on = on
        thread = threading.Thread(target=self.quietly, args=(run,))
        thread.start()
        was_killed = killed.wait(30)
        thread.join()
        if was_killed:
            while_dead()
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


class Load:
    """Clients that make leases of two kinds, long and short ones, and end most of them; what they were told is remembered."""

    def __init__(self, leases, gate, clients):
        self.leases = leases
        made = [leases.create("dynamic", leases.through(gate), defaultTTL="10m"),
                leases.create("bound", leases.inputs(url=gate.url, sslEnabled=False, ca="", tokenBinding="secret"), defaultTTL="10m")]
        self.ids = {one["dynamicSecret"]["id"] for one in made}
        self.handed_out, self.asked_back, self.ended = {}, set(), set()
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=self.go_on, args=(random.Random(seed),)) for seed in range(clients)]

    def once(self, rng):
        lease = self.leases.lease(rng.choice(list(KINDS)), **({"ttl": "1m"} if rng.random() < 0.2 else {}))
        self.handed_out[lease.id] = lease
        if rng.random() < 0.7:
            self.asked_back.add(lease.id)
            if self.leases.revoke(lease.id)["lease"]["status"] is None:
                self.ended.add(lease.id)

    def go_on(self, rng):
        while not self.stop.wait(0.02):
            Killing.quietly(lambda: self.once(rng))

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def found(self):
        """Kinds of the objects that the cluster has, by lease; of these two dynamic secrets: other tests have leases in these namespaces."""
        there = {}
        for item in self.leases.objects():
            labels = item["metadata"]["labels"]
            if labels["postern/ds-id"] in self.ids:
                there.setdefault(labels["postern/lease-id"], []).append(item["kind"])
        return there

    def shown(self):
        return {lease["id"]: (name, lease["status"]) for name in KINDS for lease in self.leases.list(name)}

    def odds(self):
        """(Leases that nobody shows and of which the cluster has objects, shown ones that are not whole); those whose end failed may be anything."""
        there, shown = self.found(), self.shown()
        broken = {lease for lease, (name, status) in shown.items() if status is None and sorted(there.get(lease, [])) != sorted(KINDS[name])}
        return set(there) - set(shown), broken

    def is_settled(self):
        unowned, broken = self.odds()
        assert not unowned and not broken, (f"{len(unowned)} leases that nobody shows have objects, {len(broken)} that are shown are not whole; "
                                            f"what the server says of them:\n{self.said_of(unowned | broken)}")
        return True

    def said_of(self, leases):
        """The server's log, of all its lives."""
        return "\n".join(line for line in self.leases.postern.server.text().splitlines() if any(lease in line for lease in leases))

    def kept(self):
        """What was handed out, not asked back, and has not come near its end."""
        return [lease for lease in self.handed_out.values() if lease.id not in self.asked_back and seconds_left(lease) > 30]


def killed_at_random(postern, leases, gate, times):
    """Under load; in the end nothing is left that no live lease owns, no live lease is without its objects, and what was handed out lives."""
    rng, begun = random.Random(7), time.monotonic()
    killing, left_over = Killing(postern, gate), []
    with Load(leases.having(postern), gate, clients=4) as load:
        for number in range(1, times + 1):
            late_s = rng.choice((0, 0, rng.random() * 0.03))  # also between the calls: at commits and answers
            there = {}
            look = (lambda: there.update(load.found())) if number % 10 == 0 else lambda: None
            assert killing.at(rng.choice(("before", "after")), rng.randint(1, 40), late_s=late_s, while_dead=look), "there was no load"
            if number % 10 == 0:
                left_over.append(len(set(there) - set(load.shown())))
            if number % 50 == 0:
                print(f"{number} kills in {time.monotonic() - begun:.0f} s: {len(load.handed_out)} leases handed out, {len(load.ended)} ended, "
                      f"waiting to be cleaned after a kill: {max(left_over[-5:])} at most", flush=True)
    until(load.is_settled, "nothing is left behind, and nothing lacks what it needs", timeout=150)
    shown = load.shown()
    failed = [lease for lease, (_, status) in shown.items() if status is not None]
    kept = load.kept()
    print(f"{times} kills, {len(load.handed_out)} leases handed out, {len(load.ended)} ended by their clients; unowned at a kill, waiting to be "
          f"cleaned: {sum(left_over) / max(len(left_over), 1):.1f} on average, {max(left_over, default=0)} at most; after recovery: 0, and {len(shown)} live leases, "
          f"all whole but {len(failed)} that are tried again", flush=True)
    assert len(load.handed_out) > times and load.ended
    assert times < 50 or sum(left_over) > 0, "no kill left anything behind: they came at moments without interest"
    assert not load.ended & set(shown), "what was answered as ended is back"
    assert kept and {lease.id for lease in kept} <= set(shown), "what was handed out lives on"
    assert {load.leases.status_of(lease.token) for lease in kept[:20]} == {200}
