"""Postern in each of its forms (Dev: one process; Split: three), its API and its command line."""
import json
import os
import random
import secrets
import signal
import socket
import ssl
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from types import SimpleNamespace

from harness import TOP
from harness.poll import until
from harness.process import Process

BINARY = Path(os.environ.get("POSTERN") or TOP / "build/postern")
ANY_PORT = "127.0.0.1:0"


def clean_env(**extra):
    """Our own environment without what would tell a client where to go or who it is."""
    foreign = ("POSTERN_", "INFISICAL_", "KUBECONFIG", "XDG_")
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign)} | extra


def secret_file(path, text):
    path.write_text(text)
    path.chmod(0o600)
    return path


class Cli:
    """A person or job with a home of its own: cli("pam", "access", …)."""

    def __init__(self, instance, home, token=None):
        self.instance, self.home = instance, Path(home)
        self.home.mkdir(parents=True, exist_ok=True)
        self.config = self.home / "config"
        self.token = token
        self.started = 0

    def env(self, extra=None):
        env = clean_env(HOME=str(self.home), XDG_CONFIG_HOME=str(self.config), POSTERN_DOMAIN=self.instance.domain or self.instance.url,
                        POSTERN_CA_FILE=self.instance.ca_file, POSTERN_PROJECT_ID=self.instance.project_id) | self.instance.env
        if self.token:
            env["POSTERN_TOKEN"] = self.token
        return env | (extra or {})

    def __call__(self, *words, stdin="", exit_code=0, timeout=60, env=None):
        """Runs to the end; another exit code than the expected one (None: any) is a failure that shows the output."""
        words = [str(word) for word in words]
        done = subprocess.run([str(BINARY), *words], input=stdin, capture_output=True, text=True, timeout=timeout, env=self.env(env),
                              check=False)
        if exit_code is not None and done.returncode != exit_code:
            raise AssertionError(f"postern {' '.join(words)}: exit code {done.returncode}, not {exit_code}\n{done.stdout}{done.stderr}")
        return done

    def json(self, *words, **options):
        return json.loads(self(*words, "-o", "json", **options).stdout)

    def start(self, *words, env=None):
        """Runs in the background (pam access without a command)."""
        self.started += 1
        return Process(f"postern {words[0]}", [BINARY, *words], self.home / f"{words[0]}-{self.started}.log", env=self.env(env))


class Instance:
    """What both forms have: an API, an administrator, and a gateway to be reached through a relay."""

    folder: Path
    url = relay = ca_file = project_id = token = None
    domain = None  # as its processes and people know it, when that is not the url
    env = {}  # what all of them find in their environment
    gateway_name = "dev"
    password = "correct horse battery staple"

    def api(self, method, path, body=None, token=None, headers=None):
        """One call; token None is the administrator's, "" is nobody's. Answers: .status, .headers, .text, .json."""
        token = self.token if token is None else token
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {}) | (headers or {})
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method, headers=headers)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}),
                                             urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=self.ca_file)))
        try:
            answer = opener.open(request, timeout=30)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            text = answer.read().decode()
            is_json = "json" in answer.headers.get("Content-Type", "")
            return SimpleNamespace(status=answer.status, headers=answer.headers, text=text, json=json.loads(text) if is_json else None)

    def ok(self, method, path, body=None, **options):
        """The JSON of a call that must succeed."""
        answer = self.api(method, path, body, **options)
        assert answer.status == 200, f"{method} {path}: {answer.status} {answer.text}"
        return answer.json

    @property
    def admin(self):
        return Cli(self, self.folder / "admin", self.token)

    def user(self, role="member"):
        """A new user of the project, logged in."""
        email = f"{secrets.token_hex(4)}@example.org"
        cli = Cli(self, self.folder / email)
        password = secret_file(cli.home / "password", self.password)
        self.admin("user", "create", email, "--password-file", password, *(["--project-role", role] if role else []))
        cli("login", "--email", email, "--password-file", password)
        return cli

    def connect(self, cluster, token, *options, name=None):
        """Makes a resource of the cluster and an account with the token; its name for `pam access`."""
        name = name or f"r-{secrets.token_hex(4)}"
        self.admin("pam", "resource", "create", name, "--url", cluster.url, "--ca-file", cluster.ca_file, "--gateway", self.gateway_name)
        self.admin("pam", "account", "create", f"{name}/account", "--token-file", "-", *options, stdin=token)
        return f"{name}/account"

    def logs(self):
        """Everything that its processes have said."""
        return "".join(process.text() for process in self.processes())

    def processes(self):
        raise NotImplementedError

    def stop(self):
        for process in reversed(self.processes()):
            code = process.stop()
            assert code in (0, -signal.SIGKILL), f"{process.name} ended with {code}:\n{process.text()[-4000:]}"


def start_server(folder, *options, env=None):
    """A server, and what its ready file says."""
    if not BINARY.exists():
        raise FileNotFoundError(f"{BINARY}: build it first (./check integ does)")
    ready = folder / "ready.json"
    server = Process("server", [BINARY, "server", *options, "--ready", ready], folder / "server.log", ready=ready,
                     env=clean_env(HOME=str(folder)) | (env or {}))
    return server, json.loads(ready.read_text())


FIXED_PORTS = range(20000, 30000)  # the kernel gives these to nobody who asks for any port: its own begin at 32768, a cluster's at 30000
WORKERS = 16
GIVEN = set()


def free_address():
    """For what has to come (back) at an address that is known before: nobody else takes its port in between, no other worker of pytest either."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % WORKERS
    ports = [port for port in FIXED_PORTS if port % WORKERS == worker and port not in GIVEN]
    for port in random.sample(ports, len(ports)):
        GIVEN.add(port)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return f"127.0.0.1:{port}"
            except OSError:
                pass  # another's
    raise OSError("no port is free")


class Dev(Instance):
    """`postern server --dev`; with `is_fixed` it can be restarted and found where it was."""

    def __init__(self, folder, *options, is_fixed=False, env=None):
        self.folder, self.data = Path(folder), Path(folder) / "data"
        self.folder.mkdir(parents=True, exist_ok=True)
        listen, relay_listen = (free_address(), free_address()) if is_fixed else (ANY_PORT, ANY_PORT)
        self.server, self.ready = start_server(self.folder, "--dev", "--data", self.data, "--listen", listen,
                                               "--relay-listen", relay_listen, *options, env=env)
        self.url, self.relay, self.ca_file = self.ready["url"], self.ready["relay"], self.ready["caFile"]
        self.first = json.loads((self.data / "dev/admin.json").read_text())
        self.project_id, self.token = self.first["projectId"], self.first["token"]

    def processes(self):
        return [self.server]


class Split(Instance):
    """`postern server` (with more settings), `postern relay start` (as many as `relays`) and `postern gateway start`."""

    gateway_name = "gateway-1"

    def __init__(self, folder, relays=1, settings=None, env=None):
        self.folder, self.env = Path(folder), env or {}
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "postern.json"  # JSON is YAML
        settings = {"data": str(self.folder / "data"), "listen": free_address(), "rate-limits": False,
                    "cluster-networks": "127.0.0.0/8,::1"} | (settings or {})
        config.write_text(json.dumps(settings))
        self.server, self.ready = start_server(self.folder, "--config", config, env=self.env)
        self.url, self.ca_file = f"https://{settings['listen']}", self.ready["caFile"]
        first = self.ok("POST", "/api/v1/admin/bootstrap", {"email": "admin@example.org", "password": self.password,
                                                            "organization": "Split"}, token="")
        self.token = first["identity"]["credentials"]["token"]
        self.project_id = self.ok("POST", "/api/v1/projects", {"projectName": "split"})["project"]["id"]
        self.relay, listen = self.relay_places()
        self.relay_process = self._join("relay-1", ["--host", self.relay], ["--listen", listen])
        self.relays = [self.relay_process] + [self.add_relay(f"relay-{number}") for number in range(2, relays + 1)]
        self.gateway = self._join("gateway-1")
        until(self._is_healthy, "the gateway's tunnel")

    def add_relay(self, name):
        """One more, on this machine."""
        address = free_address()
        return self._join(name, ["--host", address], ["--listen", address])

    def relay_places(self):
        """Where clients and gateways find the relay, and where it listens."""
        address = free_address()
        return address, address

    def _join(self, name, create=(), start=()):
        kind = name.split("-")[0]
        made = self.admin.json(kind, "create", name, *create)
        token = secret_file(self.folder / f"{name}.token", made["token"])
        return Cli(self, self.folder / name).start(kind, "start", made["name"], "--token-file", token, "--state", self.folder / name / "state",
                                                   *start)

    def _is_healthy(self):
        return any(gateway.get("isConnected") for gateway in self.admin.json("gateway", "list"))

    def processes(self):
        return [self.server, *self.relays, self.gateway]
