# SPDX-License-Identifier: Apache-2.0
"""The server's API beside nginx serving a static body of the same size over TLS, interleaved."""
import getpass
import json
import math
import secrets
import ssl
import statistics
import subprocess
import urllib.error
import urllib.request

CONNECTIONS = (1, 16, 64)
SIZES = (10, 1000, 100000)
VALUE_BYTES = 64
LOGIN = "/api/v1/auth/kubernetes-auth/login"
JUNK_PER_SECOND = 5000

# OpenBao 2.6 on two shared cores, 22 November 2026, measured with the same generator (raft, one node): rates at 1, 16 and
# 64 connections, CPU µs per request at 16. Its resident memory is 125–130 MiB idle, the p99 of its login 125 ms at 64.
OPENBAO = {"read": ("1,491 / 2,649 / 2,614", 650), "write": ("512 / 833 / 1,227", 1184), "kubernetes login": ("194 / 566 / 1,127", 1099)}
# CPU of Postern over CPU of nginx, at 16 connections.
TARGETS = {"read": 1.5, "write": 4.0, "kubernetes login": 4.0}


class Store:
    """A server of its own with so many secrets."""

    def __init__(self, bench, count, tools):
        self.bench, self.count, self.tools = bench, count, tools
        self.data = bench.work / f"api-{count}"
        ready = bench.work / f"api-{count}.json"
        self.process = bench.spawn(f"api-{count}", bench.options.postern, "server", "--data", self.data, "--listen", "127.0.0.1:0",
                                   "--ready", ready, "--rate-limits", "false", "--verdict-cache", "0s", "--cluster-networks", "127.0.0.0/8",
                                   *(f"--{setting}" for setting in bench.options.more))
        tools.await_true("the server", lambda: ready.exists() or self.process.poll() is not None)
        if self.process.poll() is not None:
            raise SystemExit((bench.work / f"api-{count}.log").read_text()[-2000:])
        where = json.loads(ready.read_text())
        self.url, self.context, self.token = where["url"], ssl.create_default_context(cafile=where["caFile"]), None
        self.idle_kib = tools.resident_kib(self.process.pid)
        self.bootstrap()
        self.fill()

    def call(self, method, path, body=None):
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {self.token}"} if self.token else {})
        request = urllib.request.Request(self.url + path, method=method, headers=headers, data=json.dumps(body).encode() if body is not None else None)
        try:
            with urllib.request.urlopen(request, context=self.context) as reply:
                return reply.read()
        except urllib.error.HTTPError as error:
            raise SystemExit(f"bench: {method} {path}: {error.code} {error.read().decode()[:500]}") from None

    def ask(self, method, path, body=None):
        return json.loads(self.call(method, path, body))

    def bootstrap(self):
        first = self.ask("POST", "/api/v1/admin/bootstrap", {"email": "bench@example.com", "password": secrets.token_urlsafe(18), "organization": "bench"})
        self.token, self.org = first["identity"]["credentials"]["token"], first["organization"]["id"]
        self.project = self.ask("POST", "/api/v1/projects", {"projectName": "bench"})["project"]["id"]

    def fill(self):
        """All secrets in one folder of dev, but for 50 in a folder beside it."""
        self.ask("POST", "/api/v1/folders", {"workspaceId": self.project, "environment": "dev", "name": "fifty", "path": "/"})
        for path, names in (("/fifty", [f"F{i:08d}" for i in range(50)]), ("/", [f"S{i:08d}" for i in range(self.count)])):
            for at in range(0, len(names), 1000):
                self.ask("POST", "/api/v3/secrets/batch/raw", {
                    "workspaceId": self.project, "environment": "dev", "secretPath": path,
                    "secrets": [{"secretKey": name, "secretValue": secrets.token_hex(VALUE_BYTES // 2)} for name in names[at:at + 1000]]})

    def identity(self):
        made = self.ask("POST", "/api/v1/identities", {"name": f"bench-{secrets.token_hex(4)}", "organizationId": self.org, "role": "member"})
        return made["identity"]["id"]

    def attach(self, identity, kubernetes_host):
        self.ask("POST", f"/api/v1/auth/kubernetes-auth/identities/{identity}", {
            "kubernetesHost": kubernetes_host, "caCert": (self.bench.work / "pki/ca.pem").read_text(), "tokenReviewerJwt": "bench.reviewer.token",
            "allowedNamespaces": "default", "allowedNames": "bench"})
        return identity

    def operations(self, kubernetes_host):
        """Name, method, path and body of each kind of request; {{n}} is the generator's counter."""
        where = f"workspaceId={self.project}&environment=dev"
        universal, kubernetes = self.identity(), self.identity()
        client = self.ask("POST", f"/api/v1/auth/universal-auth/identities/{universal}", {})["identityUniversalAuth"]["clientId"]
        secret = self.ask("POST", f"/api/v1/auth/universal-auth/identities/{universal}/client-secrets", {})["clientSecret"]
        self.attach(kubernetes, kubernetes_host)
        jwt = subprocess.run([self.bench.bin / "kubestub", "-mint"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
        head, claims, signature = jwt.split(".")
        jwt = f"{head}.{claims}.{{{{n}}}}{signature[8:]}"  # each login another token: nothing to share between them
        return [
            Operation("read", "GET", f"/api/v3/secrets/raw/S{{{{n}}}}?{where}"),
            Operation("list of 50", "GET", f"/api/v3/secrets/raw?{where}&secretPath=/fifty"),
            Operation("write", "POST", "/api/v3/secrets/raw/W@RUN@_{{n}}", {
                "workspaceId": self.project, "environment": "staging", "secretPath": "/", "secretValue": secrets.token_hex(VALUE_BYTES // 2)}),
            Operation("kubernetes login", "POST", LOGIN, {"identityId": kubernetes, "jwt": jwt}),
            Operation("universal auth login", "POST", "/api/v1/auth/universal-auth/login", {"clientId": client, "clientSecret": secret}),
        ]


class Operation:
    def __init__(self, name, method, path, body=None):
        self.name, self.method, self.path, self.body = name, method, path, body


class Peers:
    """nginx with one static body per operation, as large as Postern's answer."""

    def __init__(self, bench, store, operations, tools):
        self.bench, self.tools, self.runs = bench, tools, 0
        (bench.work / "static").mkdir()
        for op in operations:
            path = op.path.replace("@RUN@", "first").replace("{{n}}", "00000007")
            body = json.loads(json.dumps(op.body).replace("{{n}}", "00000007"))
            answer = store.call(op.method, path, body)
            (bench.work / "static" / op.name.replace(" ", "-")).write_bytes(answer)
            op.bytes = len(answer)
            if op.body is not None:
                (bench.work / f"{op.name}.body").write_text(json.dumps(op.body))
        port = tools.free_port()
        self.url = f"https://127.0.0.1:{port}"
        text = (tools.HERE / "conf/static.conf.in").read_text()
        (bench.work / "static.conf").write_text(
            text.replace("@W@", str(bench.work)).replace("@P@", str(bench.work / "pki")).replace("@PORT@", str(port))
            .replace("@USER@", getpass.getuser()))
        subprocess.run(["nginx", "-c", bench.work / "static.conf"], check=True)
        tools.await_true("nginx", lambda: tools.is_open(port))
        master = int((bench.work / "static.pid").read_text())
        bench.masters.append(master)
        self.worker = int(tools.await_value("nginx's worker", lambda: open(f"/proc/{master}/task/{master}/children").read().split())[0])

    def nginx(self, op, connections, seconds):
        road = self.tools.Road("nginx", self.url, [self.worker])
        return self.bench.load(f"{op.name} {connections}", road, "/" + op.name.replace(" ", "-"), "-c", connections, "-warm", "200ms", "-d", f"{seconds}s")

    def postern(self, store, op, connections, seconds):
        self.runs += 1
        args = ["-m", op.method, "-H", f"Authorization: Bearer {store.token}", "-n", store.count if op.name == "read" else 10**9]
        if op.body is not None:
            args += ["-body", self.bench.work / f"{op.name}.body"]
        road = self.tools.Road(f"postern {store.count}", store.url, [store.process.pid])
        return self.bench.load(f"{op.name} {connections}", road, op.path.replace("@RUN@", str(self.runs)), "-c", connections, "-warm", "200ms",
                               "-d", f"{seconds}s", *args)


def median(lines, member):
    return statistics.median(line[member] for line in lines)


def over(value, peer):
    """A ratio; not a number where the peer's time was too short for the kernel's clock to see."""
    return value / peer if peer else math.nan


def commits(bench):
    done = subprocess.run([bench.bin / "commits", bench.work, str(bench.options.api_seconds)], stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def stub_says(stub, path):
    with urllib.request.urlopen(stub + path, context=ssl._create_unverified_context()) as reply:
        return json.load(reply)


def reviews(stub):
    return stub_says(stub, "/stats")["reviews"]


def verdict(value, target, unit="×"):
    if math.isnan(value):
        return f"not measured: the peer's CPU time was too short (target ≤ {target:g}{unit})"
    return f"{value:.2f}{unit} (target ≤ {target:g}{unit}: {'met' if value <= target else 'MISSED'})"


def measure(bench, peers, store, operations):
    """Every operation at every number of connections, beside nginx; and SQLite alone beside the writes."""
    lines, alone, reviewed = {}, [], [0, 0]
    for _ in range(bench.options.api_rounds):
        for op in operations:
            for connections in CONNECTIONS:
                cell = lines.setdefault((op.name, connections), ([], []))
                cell[0].append(peers.nginx(op, connections, bench.options.api_seconds))
                before = reviews(bench.api_stub)
                line = peers.postern(store, op, connections, bench.options.api_seconds)
                cell[1].append(line)
                if op.name == "kubernetes login":
                    reviewed[0] += reviews(bench.api_stub) - before
                    reviewed[1] += line["total"]
            if op.name == "write":
                alone.append(commits(bench))
    return lines, alone, reviewed


def print_table(bench, operations, lines):
    say = bench.say
    say(f"\n{'':22s}{'':>6s} {'CPU µs per request':>26s} {'':10s}{'p50 µs':>18s} {'p99 µs':>18s} {'a second':>18s}")
    say(f"{'':22s}{'conn.':>6s} {'nginx':>8s} {'postern':>8s} {'ratio':>8s} {'OpenBao':>8s} " + f"{'nginx':>9s} {'postern':>9s} " * 3)
    for op in operations:
        for connections in CONNECTIONS:
            nginx, postern = lines[op.name, connections]
            cpu = median(nginx, "cpu_us_req"), median(postern, "cpu_us_req")
            bao = str(OPENBAO[op.name][1]) if op.name in OPENBAO and connections == 16 else ""
            rest = "".join(f"{median(nginx, m):9.0f} {median(postern, m):9.0f} " for m in ("p50_us", "p99_us", "rps"))
            say(f"{op.name + f', {op.bytes} B' if connections == 1 else '':22s}{connections:6d} {cpu[0]:8.1f} {cpu[1]:8.1f} {over(cpu[1], cpu[0]):7.2f}× {bao:>8s} {rest}")
    say("\nOpenBao's rates at 1 / 16 / 64 connections: " + "; ".join(f"{name} {rates}" for name, (rates, _) in OPENBAO.items())
        + ". p99 of its login at 64: 125 ms.")
    for name, target in TARGETS.items():
        nginx, postern = lines[name, 16]
        say(f"  {name}: CPU at 16 connections " + verdict(over(median(postern, "cpu_us_req"), median(nginx, "cpu_us_req")), target) + " nginx")


def print_sizes(bench, peers, stores, read):
    """The same read where there are few and many secrets, interleaved."""
    lines = {store.count: [] for store in stores}
    for _ in range(bench.options.api_rounds):
        for store in stores:
            lines[store.count].append(peers.postern(store, store.operation, 16, bench.options.api_seconds))
    few = median(lines[stores[0].count], "cpu_us_req")
    for store in stores:
        cpu = median(lines[store.count], "cpu_us_req")
        memory = bench.tools.resident_kib(store.process.pid) / 1024
        bench.say(f"  {store.count:7d} secrets: read {cpu:6.1f} µs, {median(lines[store.count], 'p99_us')} µs p99, {over(cpu, few):.2f}× that at "
                  f"{stores[0].count}; resident {store.idle_kib / 1024:.1f} MiB at its start, {memory:.1f} MiB after all of this")
    many = stores[-1]
    bench.say("  read, many over few: " + verdict(over(median(lines[many.count], "cpu_us_req"), few), 1.3))
    bench.say("  idle: " + verdict(stores[0].idle_kib / 1024, 32, " MiB") + f"; with {many.count}: "
              + verdict(bench.tools.resident_kib(many.process.pid) / 1024, 256, " MiB"))


def print_growth(bench, peers, store, operations):
    """Memory and descriptors over many requests of each kind that changes no row count."""
    tools, pid, done, wanted = bench.tools, store.process.pid, 0, bench.options.api_growth
    before = tools.resident_kib(pid), tools.open_files(pid)
    while done < wanted:
        for op in operations:
            done += peers.postern(store, op, 16, bench.options.api_seconds)["n"]
    bench.say(f"  {done} requests (read, list, Universal Auth login): resident {(tools.resident_kib(pid) - before[0]) / 1024:+.1f} MiB, descriptors "
              f"{tools.open_files(pid) - before[1]:+d}")


def junk_tokens(minted):
    """What strangers send, each time another token."""
    def altered(token):
        head, claims, signature = token.split(".")
        return f"{head}.{claims}.{{{{n}}}}{signature[8:]}"

    return {"malformed": "junk-{{n}}", "expired": altered(minted["expired"]), "of another cluster": altered(minted["foreign"]),
            "badly signed": altered(minted["good"])}


class Flood:
    """Junk logins at so many a second, beside which honest ones are measured."""

    def __init__(self, bench, store, identity, tokens, seconds):
        self.loads = []
        for kind, token in tokens.items():
            body = bench.work / f"junk {kind}.body"
            body.write_text(json.dumps({"identityId": identity, "jwt": token}))
            self.loads.append(subprocess.Popen(
                [bench.bin / "load", "-url", store.url + LOGIN, "-m", "POST", "-body", body, "-n", "100000000", "-c", "8", "-warm", "0s", "-d",
                 f"{seconds}s", "-rate", str(JUNK_PER_SECOND / len(tokens))], stdout=subprocess.PIPE, text=True))

    def end(self):
        lines = [json.loads(load.communicate()[0]) for load in self.loads]
        return sum(line["rps"] for line in lines), sum(line["total"] - line["non2xx"] for line in lines), sum(line["err"] for line in lines)


def print_junk(bench, peers, store, title, *stub_args):
    """Issue 4: a flood of wrong tokens neither starves good logins nor calls the cluster for each."""
    tools, seconds = bench.tools, 4 * bench.options.api_seconds
    stub = f"https://127.0.0.1:{tools.free_port()}"
    bench.stub(int(stub.rsplit(":", 1)[1]), "-signs", *stub_args)
    minted = stub_says(stub, "/mint")
    identity = store.attach(store.identity(), stub)
    honest = Operation("honest login", "POST", LOGIN, {"identityId": identity, "jwt": minted["good"]})
    (bench.work / "honest login.body").write_text(json.dumps(honest.body))
    store.ask("POST", LOGIN, honest.body)  # the cluster's keys, where it shows them, are known from here on
    alone = peers.postern(store, honest, 1, seconds)
    before, cpu = stub_says(stub, "/stats")["rejected"], tools.cpu_ms(store.process.pid)
    flood = Flood(bench, store, identity, junk_tokens(minted), seconds + 1)
    beside = peers.postern(store, honest, 1, seconds)
    rate, let_in, errors = flood.end()
    rejected = (stub_says(stub, "/stats")["rejected"] - before) / (seconds + 1)
    cpu = 1000 * (tools.cpu_ms(store.process.pid) - cpu) / max(rate * (seconds + 1), 1)
    bench.say(f"\n  junk logins, {title}: {rate} a second of {JUNK_PER_SECOND} wanted ({errors} errors), {cpu:.0f} µs CPU each, "
              f"{let_in} let in (must be 0)")
    bench.say("    TokenReviews that are rejected, a second: " + verdict(rejected, 50, ""))
    bench.say(f"    honest logins, p50: {alone['p50_us']} µs alone, {beside['p50_us']} µs beside them: "
              + verdict(over(beside["p50_us"], alone["p50_us"]), 2) + f"; p99 {alone['p99_us']} and {beside['p99_us']} µs")


def run(bench, tools):
    bench.tools, bench.say = tools, tools.say
    bench.say(f"\n== api: beside nginx with a static body of the same size over TLS; {bench.options.api_rounds} rounds of {bench.options.api_seconds} s, medians")
    port = tools.free_port()
    bench.stub(port)
    bench.api_stub = f"https://127.0.0.1:{port}"
    stores = [Store(bench, count, tools) for count in SIZES if count <= bench.options.api_most]
    for store in stores:
        operations = store.operations(bench.api_stub)
        store.operation = operations[0]
        if store.count == 1000:
            middle, chosen = store, operations
    peers = Peers(bench, middle, chosen, tools)
    lines, alone, reviewed = measure(bench, peers, middle, chosen)
    print_table(bench, chosen, lines)
    rate, sqlite = median(lines["write", 64][1], "rps"), median(alone, "rps")
    bench.say(f"  writes a second at 64 connections: {rate:.0f}; SQLite alone, one by one: {sqlite:.0f} (fdatasync {median(alone, 'fdatasync_us'):.0f} µs): "
              f"{rate / sqlite:.2f}× (target ≥ 0.6×: {'met' if rate >= 0.6 * sqlite else 'MISSED'}; OpenBao 0.16×)")
    bench.say("  TokenReviews per login, cache off: " + verdict(reviewed[0] / max(reviewed[1], 1), 1.05, ""))
    print_junk(bench, peers, middle, "the cluster's keys are known")
    print_junk(bench, peers, middle, "the cluster shows no keys", "-hides-keys")
    print_sizes(bench, peers, stores, chosen[0])
    print_growth(bench, peers, middle, [op for op in chosen if op.name in ("read", "list of 50", "universal auth login")])
