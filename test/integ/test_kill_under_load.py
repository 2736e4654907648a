"""kill -9, again and again, under secret writes, revocations and counted uses: what was answered holds (issue 4)."""
import os
import secrets
import signal
import subprocess
import threading

import pytest

from harness.poll import until
from harness.postern import BINARY
from harness.shim import Shim

ROUNDS = 6
WRITERS = 4
USE_LIMIT = 60
BUSY = 30  # answers that a round waits for before it kills


class Load:
    """Threads that ask until they are told to end, and remember what was answered."""

    def __init__(self, own):
        self.own = own
        self.project = own.ok("POST", "/api/v1/projects", {"projectName": f"kill-{secrets.token_hex(3)}"})["project"]["id"]
        self.organization = own.ok("GET", "/api/v1/projects")["projects"][0]["orgId"]
        self.identity, self.counted = self.make_identity(), self.make_identity(accessTokenNumUsesLimit=USE_LIMIT)
        self.answered, self.asked = {}, {}  # number that a secret was set to: surely, at most
        self.deleted, self.revoked = set(), set()

    def make_identity(self, **terms):
        body = {"name": f"k-{secrets.token_hex(3)}", "organizationId": self.organization}
        identity = self.own.ok("POST", "/api/v1/identities", body)["identity"]["id"]
        self.own.ok("POST", f"/api/v1/auth/token-auth/identities/{identity}", terms)
        return identity

    def make_token(self, identity):
        return self.own.ok("POST", f"/api/v1/auth/token-auth/identities/{identity}/tokens", {})["accessToken"]

    def ask(self, method, path, body=None, **options):
        """The status; None when no answer came: then nobody knows."""
        try:
            return self.own.api(method, path, body, **options).status
        except (OSError, ValueError):
            return None

    def place(self, **more):
        return {"projectId": self.project, "environment": "dev", "secretPath": "/"} | more

    def values(self):
        query = f"projectId={self.project}&environment=dev&secretPath=/"
        found = self.own.ok("GET", f"/api/v4/secrets?{query}")["secrets"]
        return {each["secretKey"]: each["secretValue"] for each in found}

    def write(self, writer, is_over):
        """A pair of secrets counts up together in a batch; now and then one is made and deleted."""
        pair = [f"W{writer}_A", f"W{writer}_B"]
        number = max(self.asked.get(pair[0], 0), 0)
        while not is_over.is_set():
            number += 1
            self.asked[pair[0]] = number
            items = [{"secretKey": key, "secretValue": str(number)} for key in pair]
            if self.ask("PATCH", "/api/v4/secrets/batch", self.place(mode="upsert", secrets=items)) == 200:
                self.answered[pair[0]] = number
            passing = f"GONE_{writer}_{number}_{secrets.token_hex(2)}"
            if number % 4 == 0 and self.ask("POST", f"/api/v4/secrets/{passing}", self.place(secretValue="x")) == 200:
                if self.ask("DELETE", f"/api/v4/secrets/{passing}", self.place()) == 200:
                    self.deleted.add(passing)

    def revoke(self, is_over):
        while not is_over.is_set():
            try:
                token = self.make_token(self.identity)
            except (AssertionError, OSError, ValueError):
                continue
            if self.ask("GET", "/api/v1/identities/details", token=token) != 200:
                continue
            if self.ask("POST", "/api/v1/auth/token/revoke", {"accessToken": token}, token="") == 200:
                self.revoked.add(token)

    def use(self, is_over):
        while not is_over.is_set():
            status = self.ask("GET", "/api/v1/identities/details", token=self.limited)
            (self.used if status == 200 else self.perhaps_used if status is None else []).append(1)

    def run_until_killed(self):
        is_over = threading.Event()
        self.limited, self.used, self.perhaps_used = self.make_token(self.counted), [], []
        jobs = [(self.write, writer) for writer in range(WRITERS)] + [(self.revoke,), (self.use,), (self.use,)]
        threads = [threading.Thread(target=job, args=(*rest, is_over)) for job, *rest in jobs]
        before = sum(self.answered.values()), len(self.revoked)
        for thread in threads:
            thread.start()
        until(lambda: sum(self.answered.values()) > before[0] + BUSY and len(self.revoked) > before[1] + 3
              and len(self.used) > BUSY, "answers of each kind", timeout=60)
        os.kill(self.own.server.pid, signal.SIGKILL)
        is_over.set()
        for thread in threads:
            thread.join()


@pytest.fixture
def own(new_dev, tmp_path):
    """On a slow disk, so that most kills come while a batch is on its way to it: what is answered too early is lost."""
    shim = Shim(tmp_path)
    own = new_dev(is_fixed=True, env=shim.env)
    shim.slow(1000)
    return own


def test_kill_9_again_and_again(own):
    load = Load(own)
    for _ in range(ROUNDS):
        load.run_until_killed()
        own.server.restart(kill=True)
        values = load.values()
        for writer in range(WRITERS):
            first, second = (int(values.get(f"W{writer}_{half}", 0)) for half in "AB")
            surely, at_most = load.answered.get(f"W{writer}_A", 0), load.asked[f"W{writer}_A"]
            assert surely <= first <= at_most, "an acknowledged write is lost, or one that nobody asked for is there"
            assert first == second, "half a batch"
        assert not load.deleted & set(values), "a deleted secret is back"
        assert {load.ask("GET", "/api/v1/identities/details", token=token) for token in load.revoked} == {401}
        while load.ask("GET", "/api/v1/identities/details", token=load.limited) == 200:
            load.used.append(1)
        assert USE_LIMIT - len(load.perhaps_used) <= len(load.used) <= USE_LIMIT, (load.used, load.perhaps_used)
    assert load.deleted and len(load.revoked) > 3 * ROUNDS
    own.server.stop()
    verified = subprocess.run([BINARY, "audit", "verify", "--data", own.data], capture_output=True, text=True, timeout=60)
    assert verified.returncode == 0, verified.stderr
