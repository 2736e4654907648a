"""What is lost between our own processes, in one direction or both: who waits is told, who is elsewhere loses nothing; each with its figure."""
import time

import pytest

from harness.live import WITHIN_S, Exec, Proxied, Straight, account_on, all_end, lost, two_ways, watch
from harness.poll import until
from harness.postern import Cli, Split, free_address, secret_file
from harness.raw import request, session
from harness.road import access
from harness.tap import Tap


class Tapped(Split):
    """Its first relay is reached through a tap; the second is not."""

    def relay_places(self):
        listen = free_address()
        self.tap = Tap(listen)
        return self.tap.address, listen


@pytest.fixture
def tapped(tmp_path):
    instance = Tapped(tmp_path / "tapped", relays=2)
    yield instance
    instance.stop()
    instance.tap.close()


def is_tunnel(first):
    return b"postern-tunnel/1" in first


@pytest.mark.timeout(240)
@pytest.mark.parametrize("way", ["up", "down"])
@pytest.mark.parametrize("whose", ["gateway", "client"])
def test_bytes_to_or_from_a_relay_are_lost(whose, way, tapped, stub):
    """Between the gateway or a client and one of two relays, in one direction: those streams end, the others lose nothing."""
    account = account_on(tapped, stub)
    ways = two_ways(tapped, account)
    with access(tapped.user(), account) as kubeconfig:
        proxied = Proxied(kubeconfig)
        lives = [watch(ways[0]), Exec(ways[0])] if whose == "gateway" else []
        other = Exec(ways[1])
        mine = watch(proxied)
        tapped.tap.drop(way, is_tunnel if whose == "gateway" else lambda first: not is_tunnel(first))
        begun = time.monotonic()
        for live in lives:
            if isinstance(live, Exec):
                live.listen()
        affected = [*lives] if whose == "gateway" else [mine]
        took = all_end(affected, begun, WITHIN_S)
        missing = lost(other)
        assert missing == 0
        shell = until(lambda: Exec(proxied), "the local proxy takes the other relay", timeout=WITHIN_S)
        assert lost(shell) == 0
        print(f"{whose} and relay, bytes lost {way}: its streams ended after {took:.1f} s; bytes lost by the other relay: {missing}")
        if whose == "client":
            assert b'"type":"ERROR"' in mine.tail and b"gateway broke" in mine.tail, mine.tail


@pytest.mark.timeout(240)
@pytest.mark.parametrize("way", ["up", "down"])
def test_the_server_is_cut_off_from_everyone(way, tmp_path, stub):
    """Gateway and relay lose the server, not each other: what is open goes on, and what was ended stays ended."""
    instance = Split(tmp_path / "split")
    tap = Tap(instance.url.removeprefix("https://"))
    try:
        made = instance.admin.json("gateway", "create", "far")
        token = secret_file(instance.folder / "far.token", made["token"])
        far = Cli(instance, instance.folder / "far").start("gateway", "start", "far", "--token-file", token, "--state", instance.folder / "far/state",
                                                          env={"POSTERN_DOMAIN": f"https://{tap.address}"})
        account = account_on(instance, stub, "far")
        answer = until(lambda: session(instance, account), "its tunnel", timeout=40)
        ended = session(instance, account)
        way_in = Straight(instance, answer)
        assert request(instance, ended, f"/{ended['accountId']}/version")[0] == 200
        shell, watched = Exec(way_in), watch(way_in)
        instance.ok("POST", f"/api/v1/pam/sessions/{ended['sessionId']}/end", {})
        until(lambda: request(instance, ended, f"/{ended['accountId']}/version")[0] == 403, "its end is known", timeout=5)
        tap.drop(way)
        begun = time.monotonic()
        until(lambda: "server-away" in far.text(), "the gateway misses the server", timeout=60)
        noticed = time.monotonic() - begun
        assert lost(shell) == 0 and watched.ended is None
        assert request(instance, ended, f"/{ended['accountId']}/version")[0] == 403
        tap.mend()
        until(lambda: request(instance, session(instance, account), f"/{ended['accountId']}/version")[0] == 200, "new sessions", timeout=60)
        print(f"server cut off ({way}): noticed after {noticed:.1f} s, 0 bytes lost, what was ended is refused meanwhile")
        far.stop()
    finally:
        instance.stop()
        tap.close()


class FarServer(Split):
    """Its relay knows the server by a tap."""

    def _join(self, name, create=(), start=()):
        if not name.startswith("relay"):
            return super()._join(name, create, start)
        self.tap = Tap(self.url.removeprefix("https://"))
        self.domain = f"https://{self.tap.address}"
        try:
            return super()._join(name, create, start)
        finally:
            self.domain = None


@pytest.mark.timeout(240)
@pytest.mark.parametrize("way", ["up", pytest.param("down", marks=pytest.mark.long)])
def test_a_relay_loses_the_server(way, tmp_path, stub):
    """What it carries goes on, who comes meanwhile is carried too, and afterwards it is one relay among others again."""
    instance = FarServer(tmp_path / "split")
    try:
        account = account_on(instance, stub)
        answer = until(lambda: session(instance, account), "its tunnel", timeout=40)
        way_in = Straight(instance, answer)
        shell, watched = Exec(way_in), watch(way_in)
        relay = instance.relay_process
        instance.tap.drop(way)
        begun = time.monotonic()
        until(lambda: "relay-server-lost" in relay.text(), "the relay misses the server", timeout=60)
        noticed = time.monotonic() - begun
        missing = lost(shell)
        assert missing == 0 and watched.ended is None
        assert request(instance, answer, f"{way_in.prefix}/version")[0] == 200, "who comes meanwhile"
        found = relay.text().count("relay-server-found")
        instance.tap.mend()
        begun = time.monotonic()
        until(lambda: relay.text().count("relay-server-found") > found, "the relay has the server again", timeout=60)
        again = time.monotonic() - begun
        assert until(lambda: request(instance, session(instance, account), f"{way_in.prefix}/version")[0] == 200, "new sessions", timeout=60)
        assert lost(shell) == 0 and watched.ended is None
        print(f"relay without the server (bytes lost {way}): noticed after {noticed:.1f} s, {missing} bytes lost, there again {again:.1f} s after the cable")
    finally:
        instance.stop()
        instance.tap.close()


@pytest.mark.timeout(240)
@pytest.mark.parametrize("way", ["up", pytest.param("down", marks=pytest.mark.long)])
def test_a_client_loses_the_server(way, postern_dev, stub):
    """Its session goes on, also for new requests; what needs the server says so in time, and its end does not wait for it."""
    account = account_on(postern_dev, stub)
    user = postern_dev.user()
    tap = Tap(postern_dev.url.removeprefix("https://"))
    by_tap = {"POSTERN_DOMAIN": f"https://{tap.address}"}
    kubeconfig = user.home / "far.yaml"
    user("login", "--email", user.home.name, "--password-file", user.home / "password", env=by_tap)
    process = user.start("pam", "access", account, "--port", "0", "--kubeconfig", kubeconfig, env=by_tap)
    try:
        process.wait_for(kubeconfig.exists, "the road")
        proxied = Proxied(kubeconfig)
        shell, watched = Exec(proxied), watch(proxied)
        tap.drop(way)
        begun = time.monotonic()
        done = user("pam", "access", account, "--", "true", exit_code=None, timeout=60, env=by_tap)
        refused = time.monotonic() - begun
        assert done.returncode == 7 and tap.address in done.stderr, done.stderr  # unreachable, and who
        missing = lost(shell)
        assert missing == 0 and watched.ended is None and process.is_running()
        assert lost(Exec(proxied)) == 0, "who comes meanwhile"
        begun = time.monotonic()
        process.popen.terminate()
        process.popen.wait(30)
        ended = time.monotonic() - begun
        assert "the session ends by itself" in process.text() and ended < WITHIN_S, process.text()
        print(f"client without the server (bytes lost {way}): {missing} bytes lost, a new session refused after {refused:.1f} s, ended after {ended:.1f} s")
    finally:
        process.stop()
        tap.close()
