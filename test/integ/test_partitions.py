"""What fails beside our processes and in them: API servers that misbehave, kills, strangers, limits, clocks; each with its figure."""
import json
import os
import resource
import signal
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest

from harness.kubectl import NEWEST, Kubectl
from harness.live import WATCH, WITHIN_S, Exec, Proxied, Straight, account_on, all_end, ask, lost, two_ways, watch
from harness.poll import until
from harness.postern import Cli, Split, secret_file
from harness.raw import connect, request, session, talk
from harness.road import access
from harness.stub import FAULTS, FarStub, StalledH2, near_stub


# ---- the API server ----

@pytest.mark.parametrize("fault", [pytest.param(f, marks=[pytest.mark.long, pytest.mark.timeout(200)]) if f == "stall" else f for f in FAULTS])
def test_an_api_server_that_misbehaves(fault, postern_dev, stub):
    """A request gets a Status or a broken answer, never half of one that looks whole; the next request works."""
    answer = session(postern_dev, account_on(postern_dev, stub))
    begun = time.monotonic()
    with connect(postern_dev, answer) as stream:
        stream.settimeout(100)
        status, received = talk(stream, f"GET /{answer['accountId']}/api/v1/pods?labelSelector={fault} HTTP/1.1\r\nHost: any\r\n\r\n".encode())
    took = time.monotonic() - begun
    head, _, body = received.partition(b"\r\n\r\n")
    if "body" in fault:
        assert status in (0, 502) or (status == 200 and len(body) < 100000 and b"100000" in head), received
    else:
        text = json.loads(body)
        assert status in (502, 503, 504) and text["kind"] == "Status" and text["status"] == "Failure" and "127.0.0.1" not in text["message"], received
    assert request(postern_dev, answer, f"/{answer['accountId']}/version")[0] == 200
    print(f"{fault}: {status} after {took:.2f} s")


def test_an_api_server_that_takes_requests_and_falls_silent(postern_dev, tmp_path):
    """Over HTTP/2 a busy server answers pings. One that does not is gone: a request gets 504, and so does a watch, which has no deadline."""
    stub = near_stub(tmp_path, StalledH2)
    try:
        answer = session(postern_dev, account_on(postern_dev, stub))
        begun = time.monotonic()

        def ask(query):
            status, received = request(postern_dev, answer, f"/{answer['accountId']}/api/v1/pods{query}")
            return query, status, json.loads(received.partition(b"\r\n\r\n")[2]), time.monotonic() - begun
        with ThreadPoolExecutor() as side_by_side:
            answers = list(side_by_side.map(ask, ("", "?watch=true")))
    finally:
        stub.stop()
    for query, status, text, took in answers:
        print(f"silent over HTTP/2{query}: {status} after {took:.2f} s")
        assert status == 504 and text["kind"] == "Status" and text["reason"] == "Timeout" and "127.0.0.1" not in text["message"], text
        assert took < WITHIN_S


@pytest.mark.parametrize("kind", ["straight", "proxied"])
def test_who_waits_reads_that_the_api_server_broke_off(kind, postern_dev, stub):
    """A watch ends with an ERROR event, an exec with a failure on the channel where kubectl looks."""
    account = account_on(postern_dev, stub)
    with access(postern_dev.user(), account) as kubeconfig:
        way = Straight(postern_dev, session(postern_dev, account)) if kind == "straight" else Proxied(kubeconfig)
        begun = time.monotonic()
        watched = watch(way, "&labelSelector=reset")
        shell = Exec(way, "&labelSelector=reset")
        stub.breaks.set()
        shell.frames.write(2, b"\0x")
        shell.listen()
        took = all_end([watched, shell], begun, WITHIN_S)
    assert b'"type":"ERROR"' in watched.tail and b"API server broke" in watched.tail and watched.tail.endswith(b"0\r\n\r\n"), watched.tail
    assert b"\x03{" in shell.tail and b'"status":"Failure"' in shell.tail and b"API server broke" in shell.tail, shell.tail
    print(f"an API server that resets: both ended with the reason after {took:.2f} s")


@pytest.mark.skipif(os.geteuid() != 0, reason="cutting a cable needs root")
@pytest.mark.timeout(180)
@pytest.mark.parametrize("direction", ["there", "back", "both"])
def test_a_cable_between_gateway_and_api_server_is_cut(direction, postern_dev, stub, tmp_path):
    """Streams that were idle and streams in the middle of a word end with a reason; those to another cluster go on."""
    (tmp_path / "far").mkdir()
    try:
        far = FarStub(tmp_path / "far")
    except Exception as error:  # pylint: disable=broad-except
        pytest.skip(f"this host has no network namespaces: {error}")
    try:
        way = Straight(postern_dev, session(postern_dev, account_on(postern_dev, far)))
        other = Exec(Straight(postern_dev, session(postern_dev, account_on(postern_dev, stub))))
        lives = [watch(way), Exec(way), Exec(way)]
        assert lives[1].echo(b"hello") == b"hello"
        far.cut(direction)
        begun = time.monotonic()
        lives[2].frames.write(2, b"\0said into the void")
        took = all_end([lives[0], *(shell.listen() for shell in lives[1:])], begun, WITHIN_S)
        assert b'"type":"ERROR"' in lives[0].tail and all(b'"status":"Failure"' in shell.tail for shell in lives[1:])
        missing = lost(other)
        print(f"cable to the API server cut ({direction}): ended with the reason after {took:.1f} s; bytes lost elsewhere: {missing}")
        assert missing == 0
        far.mend(direction)
        assert until(lambda: request(postern_dev, way.answer, f"{way.prefix}/version")[0] == 200, "it works again", timeout=30)
    finally:
        far.stop()


# ---- kills ----

@pytest.fixture
def twins(tmp_path):
    instance = Split(tmp_path / "twins", relays=2)
    yield instance
    instance.stop()


@pytest.mark.timeout(180)
def test_a_relay_is_killed_under_fifty_watches(twins, stub):
    """kill -9: what went through it ends at once, what goes through the other loses no byte."""
    account = account_on(twins, stub)
    ways = two_ways(twins, account)
    first, second = ([watch(way) for _ in range(25)] for way in ways)
    shells = [Exec(way) for way in ways]
    assert all(shell.echo(b"hello") == b"hello" for shell in shells)
    twins.relay_process.kill()
    begun = time.monotonic()
    took = all_end([*first, shells[0].listen()], begun, WITHIN_S)
    missing = lost(shells[1])
    print(f"relay killed: 25 watches and an exec ended after {took:.2f} s; 25 watches and an exec by the other relay: {missing} bytes lost")
    assert missing == 0 and not any(live.ended for live in second)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("is_killed", [False, True], ids=["leaves", "killed"])
def test_c42_a_relay_is_restarted_under_fifty_watches(is_killed, tmp_path, stub):
    """They end with a reason, the gateway is there again, and the same `pam access` goes on."""
    instance = Split(tmp_path / "split")
    try:
        account = account_on(instance, stub)
        with access(instance.user(), account) as kubeconfig:
            way = Proxied(kubeconfig)
            lives = [watch(way) for _ in range(50)]
            (instance.folder / "relay-1.token").unlink()  # used up: its start line still names it
            begun = time.monotonic()
            instance.relay_process.restart(kill=is_killed)
            back = time.monotonic()
            took = all_end(lives, begun, WITHIN_S)
            until(lambda: status_of(way, way.address, way.fields) == 200, "the same session works again", timeout=WITHIN_S)
            again = time.monotonic() - back
            assert all(b'"type":"ERROR"' in live.tail for live in lives) and again <= WITHIN_S
            shell = Exec(way)
            assert lost(shell) == 0
        print(f"relay {'killed' if is_killed else 'stopped'} and started under 50 watches: all ended with a reason after {took:.1f} s; calls work {again:.1f} s after it is back")
    finally:
        instance.stop()


@pytest.mark.timeout(180)
def test_a_gateway_is_killed_under_fifty_watches(twins, stub):
    """kill -9: all end at once; when it is back the same session goes on, and new ones open."""
    account = account_on(twins, stub)
    ways = two_ways(twins, account)
    with access(twins.user(), account) as kubeconfig:
        proxied = Proxied(kubeconfig)
        lives = [watch(way) for way in ways for _ in range(25)] + [Exec(way).listen() for way in ways]
        told = [watch(proxied), Exec(proxied).listen()]
        twins.gateway.kill()
        begun = time.monotonic()
        took = all_end(lives + told, begun, WITHIN_S)
        assert b'"type":"ERROR"' in told[0].tail and b'"status":"Failure"' in told[1].tail and b"gateway broke" in told[1].tail
        (twins.folder / "gateway-1.token").unlink(missing_ok=True)
        twins.gateway.start()
        again = until(lambda: Exec(ways[0]), "the same session", timeout=40)
        assert lost(again) == 0
        shell = until(lambda: Exec(proxied), "through the local proxy", timeout=40)
        assert lost(shell) == 0
    print(f"gateway killed: 50 watches and 3 execs ended after {took:.2f} s, those of the local proxy with a reason")


@pytest.mark.timeout(180)
@pytest.mark.parametrize("version, websockets", [("1.20.2", "false"), (NEWEST, "false"), (NEWEST, "true")])
def test_kubectl_reads_that_the_road_broke(version, websockets, twins, cluster, namespace, tmp_path):
    """By SPDY and by WebSocket, the local proxy says why a shell and a watch end when the gateway is gone."""
    cluster.kubectl("-n", namespace, "run", "one", "--image=any", "--", "sleep", "1000")
    cluster.kubectl("-n", namespace, "wait", "--for=condition=Ready", "pod/one", "--timeout=60s")
    account = twins.connect(cluster, cluster.token("x", namespace, role="edit"))
    user = twins.user()
    with access(user, account) as kubeconfig:
        k = Kubectl(version, tmp_path, kubeconfig)
        env = k.env({"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": websockets})
        lives = [subprocess.Popen(k.argv("-n", namespace, *words), env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  text=True)
                 for words in (("exec", "-i", "one", "--", "sh", "-c", "echo begun; cat"), ("exec", "one", "--", "sh", "-c", "echo begun; exec sleep 1000"))]
        for live in lives:
            assert live.stdout.readline() == "begun\n", live.communicate()[1]
        twins.gateway.kill()
        begun = time.monotonic()
        for live in lives:
            assert live.wait(WITHIN_S) != 0
            said = live.stderr.read()
            assert "the connection to the gateway broke" in said, said
        print(f"gateway killed: kubectl {version} (WebSockets {websockets}) had read it after {time.monotonic() - begun:.2f} s")


def outcome(instance, answer):
    """The status of a request, or that there was none."""
    try:
        return request(instance, answer, f"/{answer['accountId']}/version")[0] or "cut off"
    except OSError:
        return "cut off"


@pytest.mark.timeout(240)
def test_what_has_ended_is_refused_after_a_restart_without_the_server(tmp_path, stub):
    """An ended session's certificate opens nothing: after the gateway's restart, and while the server cannot be asked."""
    instance = Split(tmp_path / "split")
    try:
        account = account_on(instance, stub)
        ended, live = session(instance, account), session(instance, account)
        for answer in (ended, live):
            assert request(instance, answer, f"/{answer['accountId']}/version")[0] == 200
        instance.ok("POST", f"/api/v1/pam/sessions/{ended['sessionId']}/end", {})
        until(lambda: request(instance, ended, f"/{ended['accountId']}/version")[0] == 403, "its end is known", timeout=5)
        instance.gateway.restart()
        until(lambda: request(instance, live, f"/{live['accountId']}/version")[0] == 200, "the gateway is back", timeout=40)
        assert request(instance, ended, f"/{ended['accountId']}/version")[0] == 403
        asked = stub.requests
        instance.server.popen.send_signal(signal.SIGSTOP)
        try:
            status, body = request(instance, ended, f"/{ended['accountId']}/version")
            assert status == 403, body
            instance.gateway.restart(kill=True)
            outcomes = {outcome(instance, ended) for _ in range(10)}
        finally:
            instance.server.popen.send_signal(signal.SIGCONT)
        assert stub.requests == asked, "no byte upstream"
        assert outcomes <= {"cut off", 403, 503}
        print(f"ended; gateway restarted while the server is unreachable: {outcomes}, no byte upstream")
    finally:
        instance.stop()


# ---- watches that never fall silent ----

def resident_mib(process):
    with open(f"/proc/{process.pid}/statm", encoding="ascii") as numbers:
        return int(numbers.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


@pytest.mark.parametrize("size", [256 << 20, pytest.param(5 << 30, marks=[pytest.mark.long, pytest.mark.timeout(1800)])], ids=["256MiB", "5GiB"])
def test_c89_a_watch_of_many_events_grows_nobody(size, split, stub):
    """Bytes enough for two hours of a busy cluster: the gateway grows by less than 16 MiB, and so do the others."""
    account = account_on(split, stub)
    stream = ask(Straight(split, until(lambda: session(split, account), "the tunnel", timeout=40)), WATCH + "&labelSelector=flood")
    processes = {"server": split.server, "relay": split.relay_process, "gateway": split.gateway}
    room, seen, before, peak = memoryview(bytearray(1 << 20)), 0, {}, {}
    while seen < size:
        count = stream.recv_into(room)
        assert count > 0, f"it ended after {seen} bytes"
        seen += count
        if not before and seen > 16 << 20:  # buffers have their size
            before = {name: resident_mib(process) for name, process in processes.items()}
        if before and seen // (8 << 20) != (seen - count) // (8 << 20):
            peak = {name: max(peak.get(name, 0), resident_mib(process)) for name, process in processes.items()}
    stream.close()
    grown = {name: peak[name] - before[name] for name in processes}
    print(f"{seen >> 20} MiB of events: " + ", ".join(f"{name} {by:+.1f} MiB" for name, by in grown.items()))
    assert all(by < 16 for by in grown.values()), grown


def test_events_keep_a_session_from_its_idle_limit(postern_dev, stub):
    """As C-89 in two hours, with the limit shortened: a watch with four events a second lives four limits long, and one without them."""
    account = account_on(postern_dev, stub, options=("--idle-timeout", "3s"))
    watched = watch(Straight(postern_dev, session(postern_dev, account)), "&labelSelector=steady")
    begun = time.monotonic()
    until(lambda: watched.tail.count(b"ADDED") >= 48 or watched.ended, "events of twelve seconds", timeout=40)
    lived = time.monotonic() - begun
    assert watched.ended is None and lived > 9, watched.tail
    stub.breaks.set()
    took = all_end([watched], time.monotonic(), WITHIN_S)
    assert b"No activity for 3 seconds" in watched.tail, watched.tail
    print(f"idle limit of 3 s: a watch with events lived {lived:.0f} s, and ended {took:.1f} s after they stopped")


# ---- strangers, limits, clocks ----

def status_of(way, host, fields):
    """What a request to the local proxy is answered."""
    with way.connect() as stream:
        status, _ = talk(stream, "\r\n".join([f"GET {way.prefix}/version HTTP/1.1", f"Host: {host}", *fields, "", ""]).encode())
    return status


def test_strangers_at_the_local_proxy_reach_nobody(postern_dev, stub):
    """Another user of this machine, a page by DNS rebinding, a page that knows the address: not a byte goes upstream."""
    with access(postern_dev.user(), account_on(postern_dev, stub)) as kubeconfig:
        way = Proxied(kubeconfig)
        bearer, own = way.fields, way.address
        before = stub.requests
        strangers = {"another user": (own, [], 401), "another user who guesses": (own, ["Authorization: Bearer " + "A" * 43], 401),
                     "a rebound name": (f"evil.example:{own.rsplit(':', 1)[1]}", [], 403), "a rebound name with the bearer": ("evil.example", bearer, 403),
                     "a page": (own, ["Origin: https://evil.example", *bearer], 403), "a file": (own, ["Origin: null", *bearer], 403)}
        for who, (host, fields, status) in strangers.items():
            assert status_of(way, host, fields) == status, who
        assert stub.requests == before
        assert status_of(way, own, bearer) == 200 and stub.requests == before + 1
    print(f"{len(strangers)} strangers at the local proxy: 401 or 403, 0 requests upstream")


def cpu_s(pid):
    fields = open(f"/proc/{pid}/stat", encoding="ascii").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.fixture
def split(tmp_path):
    instance = Split(tmp_path / "split")
    yield instance
    instance.stop()


@pytest.mark.timeout(180)
@pytest.mark.parametrize("who", ["relay", "server"])
def test_no_descriptor_is_left(who, split, stub):
    """Who comes too late is refused or waits; what is open goes on; nobody spins; and it recovers when others leave."""
    account = account_on(split, stub)
    way = Straight(split, until(lambda: session(split, account), "the tunnel", timeout=40))
    process, place = (split.relay_process, split.relay) if who == "relay" else (split.server, split.url.removeprefix("https://"))
    shell = Exec(way)
    host, port = place.rsplit(":", 1)
    before = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
    strangers = []
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (len(os.listdir(f"/proc/{process.pid}/fd")) + 8, before[1]))
    try:
        strangers = [socket.create_connection((host, int(port)), timeout=20) for _ in range(100)]
        begun, used = time.monotonic(), cpu_s(process.pid)
        missing = lost(shell)
        until(lambda: time.monotonic() - begun > 3, "it had time to spin")
        busy = (cpu_s(process.pid) - used) / (time.monotonic() - begun)
        assert missing == 0 and busy < 0.5 and process.is_running()
        for stranger in strangers:
            stranger.close()
        begun = time.monotonic()
        if who == "relay":
            until(lambda: request(split, way.answer, f"{way.prefix}/version")[0] == 200, "clients get through again", timeout=45)
        else:
            until(lambda: split.api("GET", "/api/status", token="").status == 200, "it answers again", timeout=45)
        print(f"{who} without descriptors: 0 bytes lost of what was open, {busy * 100:.0f} % of a core, well again after {time.monotonic() - begun:.1f} s")
    finally:
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, before)
        for stranger in strangers:
            stranger.close()


CLOCK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
static long skew(void) { const char *text = getenv("SKEW_S"); return text ? atol(text) : 0; }
int clock_gettime(clockid_t clock, struct timespec *out)
{
    static int (*real)(clockid_t, struct timespec *);
    int done;
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    done = real(clock, out);
    if (done == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) out->tv_sec += skew();
    return done;
}
time_t time(time_t *out)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out) *out = now.tv_sec;
    return now.tv_sec;
}
int gettimeofday(struct timeval *restrict out, void *restrict zone)
{
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    out->tv_sec = now.tv_sec;
    out->tv_usec = now.tv_nsec / 1000;
    return 0;
}
"""


@pytest.mark.timeout(180)
@pytest.mark.parametrize("skew", [45, -45])
def test_a_gateway_whose_clock_is_45_seconds_off(skew, split, stub, tmp_path):
    """Certificates are good for a minute before they were made: sessions open, and their streams live."""
    (tmp_path / "clock.c").write_text(CLOCK)
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", tmp_path / "clock.so", tmp_path / "clock.c", "-ldl"], check=True)
    made = split.admin.json("gateway", "create", "off")
    token = secret_file(split.folder / "off.token", made["token"])
    started = time.time()
    gateway = Cli(split, split.folder / "off").start("gateway", "start", "off", "--token-file", token, "--state", split.folder / "off/state",
                                                     env={"LD_PRELOAD": str(tmp_path / "clock.so"), "SKEW_S": str(skew)})
    try:
        account = account_on(split, stub, "off", is_checked=False)  # the stub's certificate was made just now
        answer = until(lambda: session(split, account), "its tunnel", timeout=40)
        way = Straight(split, answer)
        assert request(split, answer, f"{way.prefix}/version")[0] == 200
        shell = Exec(way)
        assert lost(shell) == 0
        shifted = int(datetime.fromisoformat(json.loads(gateway.text().splitlines()[0])["time"]).timestamp() - started)
        assert abs(shifted - skew) < 40, "its clock is off indeed"
        print(f"gateway's clock {skew:+d} s: session opened, 0 bytes lost")
    finally:
        gateway.stop()
