# SPDX-License-Identifier: Apache-2.0
"""A server of its own for the cases of one folder, and the people and machines that call it."""
import base64
import json
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from runner import totp
from runner.cluster import StubCluster
from runner.http import Api

START_SECONDS = 30
STOP_SECONDS = 20
PASSWORD = "correct horse battery staple"
OURS = ("POSTERN_", "INFISICAL_", "XDG_")


class Failed(Exception):
    """What a case stands on could not be made."""


class Instance:
    """`postern server --dev` with everything in a temporary directory; settings of the folder in instance.json."""

    def __init__(self, binary, options):
        self.is_dev = options.get("dev", True)
        self.folder = Path(tempfile.mkdtemp(prefix="postern-contract-"))
        self.log = self.folder / "server.log"
        self.words = [binary, "server", "--data", str(self.folder / "data"), "--listen", "127.0.0.1:0"]
        if self.is_dev:
            self.words += ["--dev", "--relay-listen", "127.0.0.1:0"]
        if "settings" in options:
            config = self.folder / "postern.json"  # JSON is YAML
            config.write_text(json.dumps(options["settings"]))
            self.words += ["--config", str(config)]
        self.start()

    def start(self):
        ready = self.folder / "ready.json"
        ready.unlink(missing_ok=True)
        env = {name: value for name, value in os.environ.items() if not name.startswith(OURS)} | {"HOME": str(self.folder)}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([*self.words, "--ready", str(ready)], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env)
        self.ready = self._wait(ready)
        self.api = Api(self.ready["url"], self.ready["caFile"])

    def restart(self):
        problem = self._end()
        if problem:
            raise Failed(problem)
        self.start()

    def _wait(self, ready):
        """The ready file is written last and at once (its name appears with its content)."""
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until and self.process.poll() is None:
            if ready.exists():
                return json.loads(ready.read_text())
            time.sleep(0.01)
        log = self.log.read_text(errors="replace")[-4000:]
        code = self.process.poll()
        self._kill()
        raise Failed(f"the server did not become ready (exit code {code}):\n{log}")

    def _kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _end(self):
        """What was wrong with the end: nothing, or the last of the log."""
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            code = "none: it had to be killed"
        return None if code == 0 else f"the server ended with exit code {code}:\n{self.log.read_text(errors='replace')[-6000:]}"

    def stop(self):
        problem = self._end()
        self._kill()
        return problem

    def call(self, method, path, body=None, token=None, headers=None):
        headers = dict(headers or {})
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        if token:
            headers.setdefault("Authorization", f"Bearer {token}")
        return self.api.send(method, path, headers, body.encode() if isinstance(body, str) else body)

    def make(self, method, path, body=None, token=None):
        """The JSON of a call that must succeed."""
        reply = self.call(method, path, body, token)
        if reply.status != 200:
            raise Failed(f"{method} {path}: {reply.status} {reply.text}")
        return reply.json


class Cast:
    """Who calls. Each is made when a case first names it, and plays in all cases of the folder."""

    def __init__(self, instance):
        self.instance = instance
        self.actors = {}
        self.first = {}
        self._cluster = None
        if instance.is_dev:
            first = json.loads((instance.folder / "data/dev/admin.json").read_text())
            self.first = first | {"relay": instance.ready["relay"]}

    @property
    def cluster(self):
        """A stand-in for API servers (cluster.py); starts when it is first named."""
        self._cluster = self._cluster or StubCluster()
        return self._cluster

    def lookup(self, name):
        """${organization}, ${project}, …; ${user.id}, ${user.email}, ${gateway.token}, …"""
        known = {"organization": "organizationId", "project": "projectId", "dev.gateway": "gatewayId", "dev.relay": "relayId",
                 "relay.address": "relay"}
        if name in known:
            return self.first.get(known[name])
        if name == "cluster":
            return self.cluster.url
        actor, _, member = name.partition(".")
        return self.get(actor).get(member) if member and hasattr(self, "_make_" + actor) else None

    def token(self, name):
        return self.get(name)["token"]

    def get(self, name):
        if name not in self.actors:
            self.actors[name] = getattr(self, "_make_" + name)()
        return self.actors[name]

    def knows(self, name):
        return hasattr(self, "_make_" + name)

    # --- people

    def _make_admin(self):
        """The organisation's first administrator, a machine identity."""
        return {"id": self.first["identityId"], "token": self.first["token"]}

    def _make_owner(self):
        """The first administrator, a person."""
        return self._login(self.first["email"], self.first["password"])

    def _make_user(self):
        return self._person("member", "member")

    def _make_manager(self):
        """Administers the project, and is a plain member of the organization."""
        return self._person("member", "admin")

    def _make_viewer(self):
        return self._person("member", "viewer")

    def _make_outsider(self):
        """A member of the organization but of none of its projects."""
        return self._person("member", None)

    def _make_noaccess(self):
        return self._person("no-access", "no-access")

    def _make_foreigner(self):
        """Administers an organization of his own, and belongs to no other."""
        person = self._person("no-access", None)
        mine = self.instance.make("POST", "/api/v2/organizations", {"name": f"Elsewhere {secrets.token_hex(4)}"}, person["token"])
        memberships = f"/api/v2/organizations/{self.first['organizationId']}/memberships"
        for member in self.instance.make("GET", memberships, token=self.first["token"])["users"]:
            if member["user"]["id"] == person["id"]:
                self.instance.make("DELETE", f"{memberships}/{member['id']}", token=self.first["token"])
        return person | self._login(person["email"], PASSWORD, mine["organization"]["id"])

    def person(self, organization_role):
        """Somebody new, who belongs to no project."""
        return self._person(organization_role, None)

    def _person(self, organization_role, project_role):
        body = {"email": f"{secrets.token_hex(6)}@example.org", "password": PASSWORD, "firstName": "Con", "lastName": "Tract",
                "organizationRole": organization_role}
        if project_role:
            body |= {"projectId": self.first["projectId"], "projectRole": project_role}
        self.instance.make("POST", "/api/v1/admin/user-management/users", body, self.first["token"])
        return self._login(body["email"], PASSWORD)

    def _login(self, email, password, organization=None):
        organization = organization or self.first["organizationId"]
        bare = self.instance.make("POST", "/api/v3/auth/login", {"email": email, "password": password})["accessToken"]
        chosen = self.instance.make("POST", "/api/v3/auth/select-organization", {"organizationId": organization}, bare)
        claims = bare.split(".")[1]
        user = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["userId"]
        return {"id": user, "email": email, "password": password, "bare": bare, "token": chosen["token"], "organization": organization}

    def _make_halfway(self):
        """Somebody who has still to show a second factor, with the token to show it by."""
        person = self._person("admin", "admin")
        url = self.instance.make("POST", "/api/v1/user/me/totp/register", token=person["bare"])["otpUrl"]
        self.instance.make("POST", "/api/v1/user/me/totp/verify", {"totp": totp.code(url, 0)}, person["bare"])
        return person | self._login(person["email"], PASSWORD)

    # --- machines

    def _make_service(self):
        """A service token that may do in the project what service tokens may do."""
        body = {"workspaceId": self.first["projectId"], "name": "all", "scopes": [{"environment": "dev", "secretPath": "/**"}],
                "permissions": ["read", "write"], "expiresIn": None, "encryptedKey": "", "iv": "", "tag": ""}
        made = self.instance.make("POST", "/api/v2/service-token", body, self.token("manager"))
        return {"id": made["serviceTokenData"]["id"], "token": made["serviceToken"]}

    def _make_identity(self):
        """A machine identity, member of the project."""
        name = f"job-{secrets.token_hex(4)}"
        body = {"name": name, "organizationId": self.first["organizationId"], "role": "member"}
        made = self.instance.make("POST", "/api/v1/identities", body, self.first["token"])["identity"]
        membership = f"/api/v1/projects/{self.first['projectId']}/memberships/identities/{made['id']}"
        self.instance.make("POST", membership, {"role": "member"}, self.first["token"])
        token_auth = f"/api/v1/auth/token-auth/identities/{made['id']}"
        self.instance.make("POST", token_auth, {}, self.first["token"])
        token = self.instance.make("POST", f"{token_auth}/tokens", {"name": "contract"}, self.first["token"])["accessToken"]
        return {"id": made["id"], "name": name, "token": token}

    def _make_gateway(self):
        return self._gateway()

    def _make_neighbour(self):
        """Another gateway of the same organization."""
        return self._gateway()

    def _gateway(self):
        """Enrolled, and reached directly, so that sessions can be opened through it."""
        name, admin = f"gw-{secrets.token_hex(4)}", self.first["token"]
        made = self.instance.make("POST", "/api/v3/gateways", {"name": name, "authMethod": {"method": "token"}}, admin)
        minted = self.instance.make("POST", f"/api/v3/gateways/{made['id']}/token", token=admin)["token"]
        token = self.instance.make("POST", "/api/v3/gateways/token-auth/enroll", {"token": minted})["accessToken"]
        self.instance.make("POST", "/api/v2/gateways/heartbeat", {"directAddress": "127.0.0.1:1"}, token)
        return {"id": made["id"], "name": name, "token": token}

    def _make_relay(self):
        name, admin = f"relay-{secrets.token_hex(4)}", self.first["token"]
        body = {"name": name, "host": "relay.example.org:8443", "authMethod": {"method": "token"}}
        made = self.instance.make("POST", "/api/v2/relays", body, admin)
        minted = self.instance.make("POST", f"/api/v2/relays/{made['id']}/token-auth/generate-enrollment-token", token=admin)["token"]
        token = self.instance.make("POST", "/api/v2/relays/login", {"method": "token", "token": minted})["accessToken"]
        return {"id": made["id"], "name": name, "token": token}

    # --- nobody

    def _make_nobody(self):
        return {"token": None}
