# SPDX-License-Identifier: Apache-2.0
"""Sessions by impersonation, beside nginx, haproxy and kubectl proxy, and through the whole chain; interleaved."""
import http.client
import json
import secrets
import ssl
import statistics
import subprocess
import time

EXEC = "/api/v1/namespaces/default/pods/p/exec?command=sh&stdin=true&stdout=true"
US = "µs"


def verdict(value, target, unit="×", is_least=False):
    met = value >= target if is_least else value <= target
    return f"{value:.2f}{unit} (target {'≥' if is_least else '≤'} {target:g}{unit}: {'met' if met else 'MISSED'})"


class Api:
    """The server, on one kept-alive connection, as the administrator."""

    def __init__(self, bench):
        self.token = bench.admin["token"]
        host = bench.ready["url"].removeprefix("https://")
        self.connection = http.client.HTTPSConnection(host, context=ssl.create_default_context(cafile=bench.ready["caFile"]))

    def post(self, path, body):
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        try:
            self.connection.request("POST", path, json.dumps(body), headers)
            reply = self.connection.getresponse()
        except (http.client.HTTPException, OSError):  # it waited too long for this request
            self.connection.close()
            self.connection.request("POST", path, json.dumps(body), headers)
            reply = self.connection.getresponse()
        text = reply.read()
        return json.loads(text) if reply.status == 200 else None


class Pam:
    """A gateway of its own that is the pod of a cluster (the stub) and acts in it as a service account."""

    def __init__(self, bench, tools):
        self.bench, self.tools, self.options, self.say = bench, tools, bench.options, tools.say
        identity = bench.work / "identity"
        identity.mkdir()
        (identity / "token").write_text("pod-token-" + secrets.token_hex(16))
        (identity / "ca.crt").write_text((bench.work / "pki/ca.pem").read_text())
        (identity / "namespace").write_text("postern")
        made = json.loads(bench.postern("gateway", "create", "pam", "-o", "json"))
        token = bench.work / "pam.token"
        token.write_text(made["token"])
        token.chmod(0o600)
        self.port, self.address, self.process = tools.free_port(), None, None
        self.command = ["gateway", "start", "pam", "--token-file", token, "--state", bench.work / "pam-gateway", "--listen",
                        f"127.0.0.1:{self.port}", "--pod-identity", identity]
        self.fresh()
        bench.postern("pam", "resource", "create", "pam", "--url", "https://nowhere.invalid", "--insecure-skip-tls-verify", "--gateway", "pam")
        bench.postern("pam", "account", "create", "pam/robot", "--impersonate", "default/robot", "--no-test")
        self.api = Api(bench)
        self.account = {"path": "pam/robot", "duration": "30m"}
        self.answer = tools.await_value("a session", lambda: (lambda a: a if a and a["relays"] else None)(self.access()))
        self.args = self.certificate(self.answer)

    def fresh(self):
        """A gateway process that has done nothing yet."""
        if self.process:
            self.process.terminate()
            self.process.wait(20)
        host, port = self.tools.STUB.removeprefix("https://").rsplit(":", 1)
        self.process = self.bench.spawn("pam-gateway", self.options.postern, *self.command,
                                        env=self.bench.env | {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT_HTTPS": port})
        self.address, log = f"127.0.0.1:{self.port}", self.bench.work / "pam-gateway.log"
        self.tools.await_true("the gateway", lambda: '"tunnel-open"' in log.read_text() and self.tools.is_open(self.port))

    def access(self):
        return self.api.post("/api/v1/pam/accounts/access", self.account)

    def certificate(self, answer):
        name = secrets.token_hex(4)
        cert, key = self.bench.work / f"{name}.pem", self.bench.work / f"{name}.key"
        cert.write_text(answer["gatewayClientCertificate"])
        key.write_text(answer["gatewayClientPrivateKey"])
        key.chmod(0o600)
        return ["-cert", str(cert), "-key", str(key), "-sni", answer["gatewayServerName"]]

    def road(self):
        """One hop: straight to the gateway."""
        return self.tools.Road("postern gateway", f"https://{self.address}/{self.answer['accountId']}", [self.process.pid], self.args)

    def tunnelled(self):
        """By way of the relay, as a client without a local proxy goes."""
        pids = [self.process.pid, self.bench.server_process.pid]
        return self.tools.Road("relay and gateway", f"https://{self.answer['relayHost']}/{self.answer['accountId']}", pids, self.args)

    def hold(self, roads, what, *args):
        """Memory and descriptors of many idle streams."""
        tools, seconds, own = self.tools, "2s", 0
        for road in roads:
            files = sum(map(tools.open_files, road.pids))
            line = self.bench.load(what, road, *args, "-d", seconds)
            count = max(line[what], 1)
            each = (line["rss_kib"] - line["rss_before_kib"]) / count
            own = each if road.name == "postern gateway" else own
            self.say(f"  {road.name:22s} {line[what]} {what}, opened in {line['open_s']:.2f} s  {each:6.1f} KiB each  {(line['fds'] - files) / count:.2f} "
                     f"descriptors each  CPU {line['idle_cpu_us'] / 1000:.0f} ms in {seconds}")
        self.say("  " + verdict(own, 32, " KiB"))

    def streams(self, roads):
        self.say(f"\n== idle streams, the gateway's on a fresh process: {self.options.watches} watches, {self.options.execs} execs")
        self.hold([*roads, self.road()], "watches", self.tools.WATCH, "-hold", "-c", self.options.watches)
        self.fresh()
        self.hold([self.road()], "execs", EXEC, "-exec", "hold", "-c", self.options.execs)

    def compare(self, medians, target, peers):
        best = min((medians[p] for p in peers if p in medians), default=None)
        if best:
            self.say("  over the better of " + ", ".join(peers) + ": " + verdict(medians["postern gateway"] / best, target))

    def hop(self, roads):
        bench, tools, seconds = self.bench, self.tools, f"{self.options.seconds}s"
        self.say("\n== one hop, TLS in and out, impersonating, every request recorded")
        timed = ("-warm", "300ms", "-d", seconds)
        bench.table("small GET, 1 connection: p50", bench.rounds("get1", roads, tools.GET, "p50_us", "-c", 1, *timed), US, tools.PEERS)
        medians = bench.table("small GET, 16 connections: CPU per request",
                              bench.rounds("get16", roads, tools.GET, "cpu_us_req", "-c", 16, *timed), US, tools.PEERS)
        self.compare(medians, 1.0, tools.PEERS[:2])
        medians = bench.table("1 MiB list, 1 connection: CPU per request",
                              bench.rounds("list", roads, tools.LIST, "cpu_us_req", "-c", 1, *timed), US, tools.PEERS)
        self.compare(medians, 1.0, tools.PEERS[1:2])
        cpu, wall = bench.stream_cpu(roads, f"{max(self.options.seconds, 2)}s")
        bench.table("100 MiB stream: CPU", cpu, "ms", tools.PEERS)
        bench.table("100 MiB stream: time", wall, "ms", tools.PEERS)
        bench.table("execs opened, typed into once and closed, 16 at a time",
                    bench.rounds("exec opens", roads, EXEC, "rps", "-exec", "open", "-c", 16, *timed), "a second", tools.PEERS)

    def chain(self, direct):
        bench, tools = self.bench, self.tools
        kubeconfig = bench.work / "pam.yaml"
        process = bench.spawn("pam-access", self.options.postern, "pam", "access", "pam/robot", "--port", "0", "--kubeconfig", kubeconfig)
        tools.await_true("pam access", lambda: kubeconfig.exists() or process.poll() is not None)
        values = dict(line.strip().split(": ", 1) for line in kubeconfig.read_text().splitlines() if ": " in line)
        road = tools.Road("whole chain", json.loads(values["server"]), [process.pid, bench.server_process.pid, self.process.pid],
                          ["-H", f"Authorization: Bearer {json.loads(values['token'])}"])
        self.say("\n== the whole chain: local proxy → relay → gateway → stub")
        medians = bench.table("small GET, 1 connection: p50", bench.rounds("chain", [direct, road], tools.GET, "p50_us", "-c", 1, "-warm", "300ms",
                                                                          "-d", f"{self.options.seconds}s"), US, ["direct"])
        self.say("  added by the chain: " + verdict((medians["whole chain"] - medians["direct"]) / 1000, 0.5, " ms"))
        self.kubectl(kubeconfig)
        process.terminate()
        process.wait(10)

    def kubectl(self, kubeconfig):
        """A warm `kubectl get ns`, in turn directly and through the chain."""
        kubectl = self.options.kubectl or self.tools.shutil.which("kubectl")
        if not kubectl:
            self.say("  no kubectl here: its wall time is not measured")
            return
        configs = {"direct": self.bench.work / "kubectl.json", "whole chain": kubeconfig}
        times = {name: [] for name in configs}
        for turn in range(self.options.kubectls + 2):
            for name, config in configs.items():
                begun = time.monotonic()
                subprocess.run([kubectl, "--kubeconfig", config, "--cache-dir", self.bench.work / f"cache-{name[:5]}", "get", "ns"], check=True,
                               stdout=subprocess.DEVNULL, env=self.bench.env | {"HOME": str(self.bench.work)})
                if turn >= 2:  # the first ones fill the cache of discovery
                    times[name].append((time.monotonic() - begun) * 1000)
        medians = self.bench.table("warm kubectl get ns: wall time", times, "ms", ["direct"])
        self.say("  " + verdict(medians["whole chain"] / medians["direct"], 1.05))

    def opens(self):
        """Sessions opened one after the other."""
        bench, wanted = self.bench, self.options.sessions
        body = bench.work / "access.json"
        body.write_text(json.dumps(self.account))
        road = self.tools.Road("server", bench.ready["url"], [bench.server_process.pid], ["-H", f"Authorization: Bearer {self.api.token}"])
        total, rates, cpus = 0, [], []
        while total < wanted:
            line = bench.load("session opens", road, "/api/v1/pam/accounts/access", "-m", "POST", "-body", body, "-c", 1, "-warm", "0s", "-d", "1s")
            if line["n"] == 0:
                raise SystemExit("bench: no session was opened")
            total += line["n"]
            rates.append(line["rps"])
            cpus.append(line["cpu_us_req"])
        self.say(f"\n== {total} sessions opened one after the other: {statistics.median(cpus):.0f} µs of CPU each, "
                 + verdict(statistics.median(rates), 200, " a second", is_least=True))

    def keys(self):
        """Keystrokes in an exec, alone and beside a flood through the same tunnel."""
        bench, road, seconds = self.bench, self.tunnelled(), max(self.options.seconds, 1)
        quiet, busy = [], []
        for _ in range(self.options.rounds):
            quiet.append(bench.load("keys quiet", road, EXEC, "-exec", "type", "-c", 1, "-warm", "300ms", "-d", f"{seconds}s"))
            flood = subprocess.Popen([bench.bin / "load", "-label", "flood", "-url", road.url + EXEC + "&flood", *road.args, "-exec", "flood", "-c", "1",
                                      "-warm", "300ms", "-d", f"{seconds + 1}s"], stdout=subprocess.PIPE, text=True)
            busy.append(bench.load("keys busy", road, EXEC, "-exec", "type", "-c", 1, "-warm", "500ms", "-d", f"{seconds}s"))
            line = json.loads(flood.communicate()[0])
            busy[-1]["flood"] = line["mb_s"]
        p99 = {name: statistics.median(line["p99_us"] for line in lines) for name, lines in (("quiet", quiet), ("busy", busy))}
        self.say(f"\n== keystroke echo through the relay: p50 {statistics.median(line['p50_us'] for line in quiet):.0f} µs, p99 {p99['quiet']:.0f} µs; beside a flood "
                 f"of {statistics.median(line['flood'] for line in busy):.0f} MB/s p50 {statistics.median(line['p50_us'] for line in busy):.0f} µs, p99 "
                 f"{p99['busy']:.0f} µs: " + verdict(p99["busy"] / max(p99["quiet"], 1), 3))

    def use_one(self, trust):
        """Opens a session, asks once through it, and ends it."""
        answer = self.access()
        name, key = self.certificate(answer)[1:4:2]
        trust.load_cert_chain(name, key)
        connection = http.client.HTTPSConnection(self.address, context=trust)
        connection.request("GET", f"/{answer['accountId']}{self.tools.GET}")
        reply = connection.getresponse()
        reply.read()
        connection.close()
        if reply.status != 200:
            raise SystemExit(f"bench: a session's request was answered {reply.status}")
        self.api.post(f"/api/v1/pam/sessions/{answer['sessionId']}/end", {})

    def growth(self):
        """What many requests and many sessions leave behind."""
        tools, processes = self.tools, {"server": self.bench.server_process.pid, "gateway": self.process.pid}

        def look():
            return {name: (tools.resident_kib(pid), tools.open_files(pid)) for name, pid in processes.items()}
        before, done, road = look(), 0, self.road()
        while done < self.options.growth:
            done += self.bench.load("growth", road, tools.GET, "-c", 16, "-warm", "0s", "-d", "2s")["total"]
        middle = look()
        trust = ssl._create_unverified_context()  # whom it talks to is not what is measured
        for _ in range(self.options.sessions):
            self.use_one(trust)
        end = time.monotonic() + 20
        after = look()
        while any(after[name][1] > before[name][1] for name in processes) and time.monotonic() < end:
            time.sleep(0.5)  # connections that wait for a next request go by themselves
            after = look()
        self.say(f"\n== left behind by {done} requests and {self.options.sessions} sessions")
        for name in processes:
            self.say(f"  {name:8s} {(middle[name][0] - before[name][0]) / 1024:+6.1f} MiB after the requests, {(after[name][0] - before[name][0]) / 1024:+6.1f} MiB after the "
                     f"sessions (from {before[name][0] / 1024:.1f}), descriptors {after[name][1] - before[name][1]:+d}")


def run(bench, tools, direct, peers):
    begun = time.monotonic()
    pam = Pam(bench, tools)
    tools.say(f"\n==== pam: {bench.options.rounds} rounds of {bench.options.seconds} s; load {open('/proc/loadavg').read().split()[0]}")
    steps = {"streams": lambda: pam.streams([direct, *peers]), "hop": lambda: pam.hop([direct, *peers, pam.road()]), "chain": lambda: pam.chain(direct),
             "keys": pam.keys, "opens": pam.opens, "growth": pam.growth}
    for name in bench.options.only or steps:
        steps[name]()
    tools.say(f"\npam took {time.monotonic() - begun:.0f} s; load at its end {open('/proc/loadavg').read().split()[0]}")
