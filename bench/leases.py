# SPDX-License-Identifier: Apache-2.0
"""Leases of Kubernetes tokens: made, revoked, expiring all at once, and many of them at a restart; against kubestub."""
import concurrent.futures
import http.client
import json
import ssl
import statistics
import threading
import time
import urllib.request

import api

CONNECTIONS = (1, 16, 64)
LIMIT = 10000  # leases of one dynamic secret
# name, inputs beside the common ones, target of leases a second
KINDS = (
    ("static, unbound", {"credentialType": "static", "serviceAccountName": "bench", "tokenBinding": "none"}, None),
    ("static, bound", {"credentialType": "static", "serviceAccountName": "bench", "tokenBinding": "secret"}, 300),
    ("dynamic", {"credentialType": "dynamic", "roleType": "role", "role": "viewer"}, 100),
)
# OpenBao's engine does 5 a second: its Kubernetes client throttles itself.
OPENBAO_RPS = 5


class Place:
    """A server of its own with dynamic secrets in front of the stub."""

    def __init__(self, bench, tools, stub):
        self.bench, self.tools, self.stub_url = bench, tools, stub
        self.store = api.Store(bench, 0, tools)
        self.slug = json.loads(self.store.call("GET", f"/api/v1/workspace/{self.store.project}"))["workspace"]["slug"]
        self.at = {"projectSlug": self.slug, "environmentSlug": "dev", "path": "/"}
        self.unchecked, self.refused = ssl._create_unverified_context(), 0

    def stub(self, path):
        with urllib.request.urlopen(self.stub_url + path, context=self.unchecked) as reply:
            return json.load(reply)

    def dynamic_secret(self, name, inputs):
        ca = (self.bench.work / "pki/ca.pem").read_text()
        self.store.ask("POST", "/api/v1/dynamic-secrets", {**self.at, "name": name, "defaultTTL": "1h", "maxTTL": "24h", "provider": {
            "type": "kubernetes", "inputs": {"url": self.stub_url, "ca": ca, "sslEnabled": True, "clusterToken": "bench.cluster.token",
                                             "namespace": "default", "audiences": [], "authMethod": "api", **inputs}}})

    def load(self, name, connections, seconds):
        body = self.bench.work / f"lease-{name}.body"
        body.write_text(json.dumps({**self.at, "dynamicSecretName": name, "config": {}}))
        road = self.tools.Road("postern", self.store.url, [self.store.process.pid])
        return self.bench.load(f"lease {name} {connections}", road, "/api/v1/dynamic-secrets/leases", "-c", connections, "-warm", "200ms", "-d",
                               f"{seconds}s", "-m", "POST", "-H", f"Authorization: Bearer {self.store.token}", "-body", body)

    def lease_ids(self, name):
        query = f"projectSlug={self.slug}&environmentSlug=dev&path=/"
        return [lease["id"] for lease in self.store.ask("GET", f"/api/v1/dynamic-secrets/{name}/leases?{query}")["leases"]]

    def caller(self):
        """A call over a connection that is this thread's own, again when it is told to come again; the seconds that it took."""
        local, address = threading.local(), self.store.url.removeprefix("https://")
        headers = {"Authorization": f"Bearer {self.store.token}", "Content-Type": "application/json"}

        def once(method, path, body):
            if not hasattr(local, "connection"):
                local.connection = http.client.HTTPSConnection(address, context=self.store.context, timeout=60)
            local.connection.request(method, path, json.dumps(body), headers)
            answer = local.connection.getresponse()
            return answer.status, answer.headers, answer.read()

        def call(method, path, body):
            begun = time.monotonic()
            while (answer := once(method, path, body))[0] == 429:  # as clients do
                self.refused += 1
                time.sleep(int(answer[1]["Retry-After"]))
            if answer[0] != 200:
                raise SystemExit(f"bench: {method} {path}: {answer[0]} {answer[2][:300]}")
            return time.monotonic() - begun
        return call


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def direct_token(bench, tools, stub, pid, seconds):
    """One TokenRequest made directly: what a lease is compared with."""
    body = bench.work / "token.body"
    body.write_text(json.dumps({"spec": {"expirationSeconds": 3600}}))
    return bench.load("TokenRequest", tools.Road("stub", stub, [pid]), "/api/v1/namespaces/default/serviceaccounts/bench/token", "-c", 1, "-warm",
                      "200ms", "-d", f"{seconds}s", "-m", "POST", "-body", body)


def making(bench, place, direct):
    say, seconds = bench.say, bench.options.api_seconds
    base = statistics.median(line["p50_us"] for line in direct)
    say(f"  one TokenRequest made directly: p50 {base:.0f} µs")
    say(f"\n{'':18s}{'conn.':>6s}{'leases/s':>10s}{'p50 ms':>9s}{'p99 ms':>9s}{'CPU µs':>9s}{'p50 over TokenRequest':>24s}")
    for number, (kind, inputs, target) in enumerate(KINDS):
        best = 0
        for connections in CONNECTIONS:
            name = f"k{number}-{connections}"
            place.dynamic_secret(name, inputs)
            lines = [place.load(name, connections, seconds) for _ in range(bench.options.api_rounds)]
            rate, p50, p99, cpu = (statistics.median(line[member] for line in lines) for member in ("rps", "p50_us", "p99_us", "cpu_us_req"))
            best = max(best, rate)
            note = f"{p50 / base:20.1f}×" + (f" (target ≤ 3×: {'met' if p50 <= 3 * base else 'MISSED'})" if kind == "static, unbound" else "")
            say(f"{kind if connections == 1 else '':18s}{connections:6d}{rate:10.0f}{p50 / 1000:9.2f}{p99 / 1000:9.2f}{cpu:9.0f}"
                + (note if connections == 1 else ""))
        if target:
            say(f"  {kind}: {best:.0f} leases/s, {best / OPENBAO_RPS:.0f}× OpenBao's {OPENBAO_RPS} (target ≥ {target}: {'met' if best >= target else 'MISSED'})")


def revoking(bench, place):
    for number, (kind, _, _) in enumerate(KINDS[1:], start=1):
        ids = place.lease_ids(f"k{number}-16")[:1000]
        call = place.caller()
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            begun = time.monotonic()
            took = list(pool.map(lambda one: call("DELETE", f"/api/v1/dynamic-secrets/leases/{one}", {**place.at, "isForced": False}), ids))
            rate = len(ids) / (time.monotonic() - begun)
        bench.say(f"  {kind}: {len(ids)} revoked by 16 callers, {rate:.0f} a second, p50 {percentile(took, 0.5) * 1000:.1f} ms, p99 {percentile(took, 0.99) * 1000:.1f} ms")


def storm(bench, place, count):
    """All of them end in the same second."""
    place.dynamic_secret("storm", KINDS[1][1])
    call = place.caller()
    end = time.time() + 70 + count / 80

    def make(_):
        left_ms = int((end - time.time()) * 1000)
        return call("POST", "/api/v1/dynamic-secrets/leases", {**place.at, "dynamicSecretName": "storm", "ttl": f"{left_ms}ms", "config": {}})
    others = place.stub("/leases")["objects"]
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        list(pool.map(make, range(count)))
    bench.say(f"  {count} leases made, {place.refused} times told to come again, waiting {end - time.time():.0f} s for their end")
    time.sleep(max(0, end - time.time() - 1))
    place.stub("/leases")  # from here on: most calls at once
    bench.tools.await_true("the end of all leases", lambda: place.stub("/leases?keep")["objects"] <= others or time.sleep(0.2), seconds=300)
    seen = place.stub("/leases?keep")
    lag = seen["lastDone"] - end
    bench.say(f"  {count} leases that end in one second: the last is gone {lag:.1f} s later (target ≤ 60 s: {'met' if lag <= 60 else 'MISSED'}), "
              f"at most {seen['mostAtOnce']} calls at once (target ≤ 200: {'met' if seen['mostAtOnce'] <= 200 else 'MISSED'})")


def restart(bench, place, count):
    """A server that comes back with so many leases."""
    tools, begun, tokens, number = bench.tools, time.monotonic(), place.stub("/stats")["tokens"], 0
    while (made := place.stub("/stats")["tokens"] - tokens) < count:
        number += 1
        place.dynamic_secret(f"many-{number}", KINDS[0][1])
        while place.stub("/stats")["tokens"] - tokens < min(count, number * LIMIT - 1000):
            place.load(f"many-{number}", 64, 2)
    bench.say(f"  {made} leases made in {time.monotonic() - begun:.0f} s")
    process = place.store.process
    process.terminate()
    process.wait(30)
    ready = bench.work / "again.json"
    begun = time.monotonic()
    process = bench.spawn("again", bench.options.postern, "server", "--data", place.store.data, "--listen", "127.0.0.1:0", "--ready", ready,
                          "--cluster-networks", "127.0.0.0/8")
    tools.await_true("the server", lambda: ready.exists() or process.poll() is not None)
    took, memory = time.monotonic() - begun, tools.resident_kib(process.pid) / 1024
    bench.say(f"  restart with {made} live leases: ready after {took:.2f} s (target ≤ 2 s: {'met' if took <= 2 else 'MISSED'}), "
              f"resident {memory:.0f} MiB (target ≤ 200 MiB: {'met' if memory <= 200 else 'MISSED'})")


def run(bench, tools):
    bench.tools, bench.say = tools, tools.say
    options = bench.options
    port = tools.free_port()
    pid = bench.stub(port).pid
    stub = f"https://127.0.0.1:{port}"
    bench.say(f"\n== leases: against the stub; {options.api_rounds} rounds of {options.api_seconds} s, medians")
    place = Place(bench, tools, stub)
    making(bench, place, [direct_token(bench, tools, stub, pid, options.api_seconds) for _ in range(options.api_rounds)])
    revoking(bench, place)
    storm(bench, place, 1000 if options.quick else 10000)
    restart(bench, place, 5000 if options.quick else 100000)
