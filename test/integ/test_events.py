"""Changes of secrets as they happen: platform.md §13, by real HTTP of both versions."""
import json
import secrets
import socket
import ssl

import pytest

from harness.feed import ALL, PATIENCE, Feed, at
from harness.poll import until

BOTH = pytest.mark.parametrize("http", ["--http1.1", "--http2"])
TOO_MANY = 5  # and one more


@pytest.fixture
def world(postern_dev):
    return World(postern_dev)


class World:
    """A project of its own, and machine identities in it."""

    def __init__(self, instance):
        self.instance = instance
        self.id = instance.ok("POST", "/api/v1/projects", {"projectName": f"events-{secrets.token_hex(4)}"})["project"]["id"]

    def put(self, key, environment="dev", path="/", method="POST", token=None, **more):
        body = {"projectId": self.id, "environment": environment, "secretPath": path, "secretValue": "a"} | more
        return self.instance.ok(method, f"/api/v4/secrets/{key}", body, token=token)["secret"]

    def drop(self, key, environment="dev", path="/"):
        self.instance.ok("DELETE", f"/api/v4/secrets/{key}", {"projectId": self.id, "environment": environment, "secretPath": path})

    def folder(self, name, environment="dev", path="/"):
        return self.instance.ok("POST", "/api/v2/folders", {"projectId": self.id, "environment": environment, "name": name, "path": path})

    def machine(self, role="viewer", permissions=None):
        """An identity with a role, or one that has these permissions: (id, token, id of the token)."""
        instance = self.instance
        if permissions is not None:
            role = f"r-{secrets.token_hex(4)}"
            instance.ok("POST", f"/api/v1/projects/{self.id}/roles", {"slug": role, "name": role, "permissions": permissions})
        organization = instance.ok("GET", f"/api/v1/projects/{self.id}")["project"]["orgId"]
        identity = instance.ok("POST", "/api/v1/identities", {"name": secrets.token_hex(4), "organizationId": organization})["identity"]["id"]
        instance.ok("POST", f"/api/v1/auth/token-auth/identities/{identity}", {})
        made = instance.ok("POST", f"/api/v1/auth/token-auth/identities/{identity}/tokens", {"name": "t"})
        if role:
            instance.ok("POST", f"/api/v1/projects/{self.id}/memberships/identities/{identity}", {"role": role})
        return identity, made["accessToken"], made["tokenData"]["id"]

    def feed(self, register=None, **more):
        return Feed(self.instance, self.id, register or ALL, **more)

    def live(self):
        """How many subscriptions the server has."""
        text = self.instance.api("GET", "/metrics", token="").text
        return int(next(line.split()[1] for line in text.splitlines() if line.startswith("postern_subscriptions ")))


@BOTH
def test_a_change_is_told_when_it_has_been_made(world, http):
    with world.feed(http=http) as feed:
        assert feed.status == 200 and feed.version == {"--http1.1": "HTTP/1.1", "--http2": "HTTP/2"}[http]
        assert feed.headers["content-type"] == "text/event-stream" and feed.headers["cache-control"] == "no-cache"
        assert feed.headers["x-accel-buffering"] == "no"
        made = world.put("A")
        event = feed.next()
        assert event["event"] == "secret:create" and event["id"].isdigit()
        assert event["data"] == {"time": event["data"]["time"], "source": "infisical", "datacontenttype": "application/json",
                                 "type": "secret-manager", "projectType": "secret-manager",
                                 "data": {"specversion": 1, "event": "secret:create", "eventType": "secret:create", "payload": [
                                     {"secretId": made["id"], "secretKey": "A", "secretPath": "/", "environment": "dev"}]}}
        world.put("A", method="PATCH", secretValue="another value")
        assert feed.next()["event"] == "secret:update"
        world.drop("A")
        assert feed.next()["event"] == "secret:delete"
        assert "another value" not in feed.text
        world.instance.api("POST", "/api/v4/secrets/A:B", {"projectId": world.id, "environment": "dev", "secretValue": "a"})
        world.put("B")
        assert feed.payloads(1)[0][1]["secretKey"] == "B", "what was refused is not told"


def test_of_a_batch_all_are_told_and_of_a_move_both_ends(world):
    world.folder("to")
    with world.feed() as feed:
        batch = {"projectId": world.id, "environment": "dev", "secretPath": "/",
                 "secrets": [{"secretKey": f"K{i}", "secretValue": "v"} for i in range(3)]}
        ids = [one["id"] for one in world.instance.ok("POST", "/api/v4/secrets/batch", batch)["secrets"]]
        assert [(event, item["secretKey"]) for event, item in feed.payloads(3)] == [("secret:create", f"K{i}") for i in range(3)]
        world.instance.ok("POST", "/api/v4/secrets/move", {
            "projectId": world.id, "sourceEnvironment": "dev", "sourceSecretPath": "/", "destinationEnvironment": "dev",
            "destinationSecretPath": "/to", "secretIds": ids[:2], "shouldOverwrite": False})
        told = {(event, item["secretKey"], item["secretPath"]) for event, item in feed.payloads(4)}
        assert told == {("secret:delete", "K0", "/"), ("secret:delete", "K1", "/"), ("secret:create", "K0", "/to"), ("secret:create", "K1", "/to")}


def test_only_what_was_registered_for_is_told(world):
    for name, path in (("app", "/"), ("deep", "/app"), ("apple", "/")):
        world.folder(name, path=path)
    with world.feed(at("dev", "/app/**")) as below, world.feed(at("dev")) as root, world.feed(at("prod", "/", ("delete",))) as gone:
        world.put("ROOT")
        world.put("APPLE", path="/apple")
        world.put("APP", path="/app")
        world.put("DEEP", path="/app/deep")
        world.put("PROD", environment="prod")
        world.drop("PROD", environment="prod")
        assert [item["secretKey"] for _, item in below.payloads(2)] == ["APP", "DEEP"]
        assert [item["secretKey"] for _, item in root.payloads(1)] == ["ROOT"]
        assert [(event, item["secretKey"]) for event, item in gone.payloads(1)] == [("secret:delete", "PROD")]
        world.put("LAST", path="/app")
        world.put("LAST")
        assert below.payloads(1)[0][1]["secretKey"] == root.payloads(1)[0][1]["secretKey"] == "LAST", "nothing else was told"


def test_who_imports_a_folder_is_told_of_its_changes(world):
    world.folder("shared")
    world.folder("app", environment="prod")
    world.instance.ok("POST", "/api/v2/secret-imports", {"projectId": world.id, "environment": "prod", "path": "/app",
                                                         "import": {"environment": "dev", "path": "/shared"}})
    with world.feed(at("prod", "/app")) as feed:
        world.put("A", path="/shared")
        event = feed.next()
        assert event["event"] == "secret:import-mutation"
        assert event["data"]["data"]["payload"] == [{"secretPath": "/app", "environment": "prod"}]
        made = world.instance.ok("POST", "/api/v2/secret-imports", {"projectId": world.id, "environment": "prod", "path": "/app",
                                                                    "import": {"environment": "staging", "path": "/"}})
        assert feed.next()["event"] == "secret:import-mutation"
        world.instance.ok("DELETE", f"/api/v2/secret-imports/{made['secretImport']['id']}", {"projectId": world.id, "environment": "prod", "path": "/app"})
        assert feed.next()["event"] == "secret:import-mutation"
        world.put("B", environment="staging")
        world.put("C", environment="prod", path="/app")
        assert feed.next()["event"] == "secret:create", "what is imported no more is not told"


def test_personal_overrides_are_told_to_nobody(world):
    world.put("A")
    email = f"{secrets.token_hex(4)}@example.org"
    world.instance.ok("POST", "/api/v1/admin/user-management/users", {"email": email, "password": "correct horse battery", "organizationRole": "admin"})
    world.instance.ok("POST", f"/api/v1/projects/{world.id}/memberships", {"emails": [email], "roleSlugs": ["member"]})
    token = world.instance.ok("POST", "/api/v3/auth/login", {"email": email, "password": "correct horse battery"}, token="")["accessToken"]
    organization = world.instance.ok("GET", f"/api/v1/projects/{world.id}")["project"]["orgId"]
    person = world.instance.ok("POST", "/api/v3/auth/select-organization", {"organizationId": organization}, token=token)["token"]
    with world.feed() as feed, world.feed(token=person) as own:
        world.put("A", token=person, type="personal")
        world.put("B")
        assert feed.payloads(1)[0][1]["secretKey"] == own.payloads(1)[0][1]["secretKey"] == "B"


ONLY_DEV = [{"subject": "secret-event-subscriptions", "action": ["subscribe-to-creation-events"], "conditions": {"environment": {"$eq": "dev"}}}]


@BOTH
def test_only_what_the_subscribers_rights_allow_is_told(world, http):
    _, token, _ = world.machine(permissions=ONLY_DEV)
    created = [{"event": "secret:create"}]
    with world.feed(created, token=token, http=http) as feed:
        assert feed.status == 200
        world.put("HIDDEN", environment="prod")
        world.put("SHOWN")
        assert feed.payloads(1)[0][1]["secretKey"] == "SHOWN"
        assert "HIDDEN" not in feed.text
    for register in (ALL, at("prod", "/", ("create",)), [{"event": "secret:update"}]):
        with world.feed(register, token=token, http=http) as refused:
            assert refused.status == 403, register


@BOTH
def test_rights_that_change_count_at_once(world, http):
    """As they are when it is told, not as they were when it was subscribed to."""
    identity, token, _ = world.machine("member")
    place = f"/api/v1/projects/{world.id}/memberships/identities/{identity}"
    with world.feed([{"event": "secret:create"}], token=token, http=http) as feed:
        world.put("A")
        assert feed.payloads(1)[0][1]["secretKey"] == "A"
        role = f"r-{secrets.token_hex(4)}"
        world.instance.ok("POST", f"/api/v1/projects/{world.id}/roles", {"slug": role, "name": role, "permissions": ONLY_DEV})
        world.instance.ok("PATCH", place, {"roles": [{"role": role}]})
        world.put("HIDDEN", environment="prod")
        world.put("B")
        assert feed.payloads(1)[0][1]["secretKey"] == "B"
        world.instance.ok("DELETE", place)
        world.put("C")
        code, rest = feed.end()
        assert code == 0 and [event["event"] for event in rest] == ["error"] and "HIDDEN" not in feed.text and '"C"' not in feed.text


@BOTH
def test_a_token_that_is_revoked_ends_its_subscriptions_at_once(world, http):
    identity, token, token_id = world.machine()
    with world.feed(token=token, http=http) as feed, world.feed(http=http) as other:
        assert feed.status == 200
        world.instance.ok("POST", f"/api/v1/auth/token-auth/tokens/{token_id}/revoke")
        code, rest = feed.end()
        assert code == 0 and [event["event"] for event in rest] == ["error"]
        assert "revoked" in json.loads(rest[0]["data"])["message"]
        world.put("A")
        assert other.payloads(1)[0][1]["secretKey"] == "A" and '"A"' not in feed.text
    with world.feed(token=token, http=http) as again:
        assert again.status == 401


def test_a_project_of_another_is_not_there(world, postern_dev):
    """Nor does who may see one project hear of the other."""
    elsewhere = World(postern_dev)
    _, token, _ = elsewhere.machine("admin")
    with world.feed(token=token) as refused:
        assert refused.status == 403
    with Feed(postern_dev, "00000000-0000-4000-8000-000000000000", ALL, token=token) as missing:
        assert missing.status == 404
    with elsewhere.feed(token=token) as feed:
        world.put("THEIRS")
        elsewhere.put("OURS")
        assert feed.payloads(1)[0][1]["secretKey"] == "OURS" and "THEIRS" not in feed.text


@BOTH
def test_somebody_has_only_so_many_in_a_project(world, http):
    _, token, _ = world.machine()
    feeds = [world.feed(token=token, http=http) for _ in range(TOO_MANY)]
    assert {feed.status for feed in feeds} == {200}
    with world.feed(token=token, http=http) as sixth:
        assert sixth.status == 429 and "retry-after" in sixth.headers
    with world.feed(http=http) as other:
        assert other.status == 200, "another's are counted apart"
    feeds.pop().close()

    def again():
        feed = world.feed(token=token, http=http)
        feeds.append(feed)
        return feed.status == 200
    until(again, "room for one more", PATIENCE)
    for feed in feeds:
        feed.close()


def test_a_burst_of_ten_thousand_is_told_in_full_and_in_order(world):
    with world.feed(at("dev", "/", ("create",))) as first, world.feed([{"event": "secret:create"}], http="--http2") as second:
        for number in range(20):
            batch = {"projectId": world.id, "environment": "dev", "secretPath": "/",
                     "secrets": [{"secretKey": f"K{number:02}_{i:03}_{'x' * 100}", "secretValue": "v"} for i in range(500)]}
            world.instance.ok("POST", "/api/v4/secrets/batch", batch)
        wanted = [f"K{number:02}_{i:03}" for number in range(20) for i in range(500)]
        for feed in (first, second):
            assert [item["secretKey"][:7] for _, item in feed.payloads(10000)] == wanted
            assert max(len(line) for line in feed.text.splitlines()) < 64 * 1024, "clients read lines of no more"


def test_who_never_reads_holds_up_nobody(world):
    """Nor does the server keep for them what they do not take: what waits is in the database."""
    _, token, _ = world.machine()
    context = ssl.create_default_context(cafile=world.instance.ca_file)
    host, port = world.instance.url.removeprefix("https://").split(":")
    body = json.dumps({"projectId": world.id, "register": ALL})
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as plain:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with context.wrap_socket(plain, server_hostname=host) as deaf, world.feed([{"event": "secret:create"}]) as feed:
            deaf.sendall(f"POST /api/v1/events/subscribe/project-events HTTP/1.1\r\nHost: any\r\nAuthorization: Bearer {token}\r\n"
                         f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
            until(lambda: world.live() >= 2, "both subscriptions", PATIENCE)
            before = resident(world.instance.server.pid)
            for number in range(20):
                batch = {"projectId": world.id, "environment": "dev", "secretPath": "/",
                         "secrets": [{"secretKey": f"K{number:02}_{i:03}_{'x' * 200}", "secretValue": "v"} for i in range(500)]}
                world.instance.ok("POST", "/api/v4/secrets/batch", batch)
            assert len(feed.payloads(10000)) == 10000
            assert resident(world.instance.server.pid) - before < 64 << 20
    until(lambda: world.live() == 0, "that they are gone", PATIENCE)


def resident(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * 4096


def test_a_server_that_stops_ends_them_cleanly(new_dev):
    world = World(new_dev())
    with world.feed() as first, world.feed(http="--http2") as second:
        world.put("A")
        assert first.payloads(1) and second.payloads(1)
        assert world.instance.server.stop(timeout=60) == 0
        assert first.end() == second.end() == (0, [])
