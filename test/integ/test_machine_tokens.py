"""Access tokens of machine identities while the server dies under load: no use is given twice, nothing revoked comes back."""
import os
import secrets
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.poll import until

LIMIT = 150


@pytest.fixture
def own(new_dev):
    return new_dev(is_fixed=True)


def make_identity(own, **terms):
    organization = own.ok("GET", "/api/v1/projects")["projects"][0]["orgId"]
    identity = own.ok("POST", "/api/v1/identities", {"name": f"m-{secrets.token_hex(4)}", "organizationId": organization})["identity"]["id"]
    own.ok("POST", f"/api/v1/auth/token-auth/identities/{identity}", terms)
    return identity


def make_token(own, identity):
    return own.ok("POST", f"/api/v1/auth/token-auth/identities/{identity}/tokens", {})["accessToken"]


def status(own, token):
    """Of one use; None when no answer came."""
    try:
        return own.api("GET", "/api/v1/identities/details", token=token).status
    except (OSError, ValueError):
        return None


def test_kill_9_under_load_gives_no_use_twice(own):
    token = make_token(own, make_identity(own, accessTokenNumUsesLimit=LIMIT))
    used, lost = [], []

    def use_often(_):
        for _ in range(40):
            answer = status(own, token)
            (used if answer == 200 else lost if answer is None else []).append(1)
    with ThreadPoolExecutor(8) as pool:
        done = pool.map(use_often, range(8))
        until(lambda: len(used) > 40, "some uses")
        os.kill(own.server.pid, signal.SIGKILL)
        list(done)
    own.server.restart(kill=True)
    before = len(used)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(use_often, range(8)))
    assert 40 < before < LIMIT and len(used) <= LIMIT, (before, len(used))
    assert len(used) >= LIMIT - 8 - len(lost), "uses that nobody had were counted"
    assert status(own, token) == 401


def test_kill_9_under_load_resurrects_no_revoked_token(own):
    identity = make_identity(own)
    tokens = [make_token(own, identity) for _ in range(60)]
    revoked, late = [], []
    is_over = threading.Event()

    def keep_warm(mine):
        while not is_over.is_set():
            for token in mine:
                was_revoked = token in revoked
                if status(own, token) == 200 and was_revoked:
                    late.append(token)

    def revoke(token):
        try:
            if own.api("POST", "/api/v1/auth/token/revoke", {"accessToken": token}, token="").status == 200:
                revoked.append(token)
        except (OSError, ValueError):
            pass
    with ThreadPoolExecutor(6) as pool:
        warm = [pool.submit(keep_warm, tokens[part::4]) for part in range(4)]
        until(lambda: all(status(own, token) == 200 for token in tokens[:4]), "they work")
        done = [pool.submit(revoke, token) for token in tokens]
        until(lambda: len(revoked) > 20, "some revocations")
        os.kill(own.server.pid, signal.SIGKILL)
        for each in done:
            each.result()
        is_over.set()
        for each in warm:
            each.result()
    own.server.restart(kill=True)
    assert revoked and not late
    assert {status(own, token) for token in revoked} == {401}
