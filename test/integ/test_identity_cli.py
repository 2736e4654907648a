"""Machine identities on the command line: who they are, how they log in, what they may."""
import os

import pytest

from harness.postern import Cli, secret_file


@pytest.fixture
def identity(postern_dev):
    """The name of an identity that only this test has."""
    name = f"i-{os.urandom(4).hex()}"
    postern_dev.admin("identity", "create", name)
    yield name
    postern_dev.admin("identity", "delete", name, exit_code=None)


def test_an_identity_from_beginning_to_end(postern_dev):
    admin, name = postern_dev.admin, f"i-{os.urandom(4).hex()}"
    made = admin.json("identity", "create", name, "--metadata", "team=build,stage=test")
    assert {(pair["key"], pair["value"]) for pair in made["metadata"]} == {("team", "build"), ("stage", "test")}
    assert name in admin("identity", "list").stdout
    assert admin.json("identity", "get", name)["identityId"] == made["id"]
    admin("identity", "set", name, "--name", f"{name}-new", "--role", "member", "--delete-protection")
    assert admin.json("identity", "get", made["id"])["role"] == "member"
    admin("identity", "delete", f"{name}-new", exit_code=2)
    admin("identity", "set", made["id"], "--delete-protection=false")
    admin("identity", "delete", made["id"])
    admin("identity", "get", made["id"], exit_code=6)
    admin("identity", "get", name, exit_code=6)


def test_a_client_secret_logs_in_until_it_is_revoked(postern_dev, identity, tmp_path):
    admin, job = postern_dev.admin, Cli(postern_dev, tmp_path / "job")
    client_id = admin.json("identity", "universal-auth", "attach", identity, "--access-token-ttl", "600")["clientId"]
    made = admin.json("identity", "universal-auth", "client-secret", "create", identity, "--description", "the job's")
    file = secret_file(tmp_path / "client-secret", made["clientSecret"] + "\n")
    job("login", "--method", "universal-auth", "--client-id", client_id, "--client-secret-file", file)
    assert "a machine identity" in job("status").stdout
    assert (job.config / "postern/credentials.json").stat().st_mode & 0o777 == 0o600
    by_variable = {"POSTERN_CLIENT_ID": client_id, "POSTERN_CLIENT_SECRET": made["clientSecret"]}
    token = job("login", "--method", "universal-auth", "--plain", env=by_variable).stdout.strip()
    job("status", env={"POSTERN_TOKEN": token})
    listed = admin("identity", "universal-auth", "client-secret", "list", identity)
    assert "the job's" in listed.stdout and made["clientSecret"] not in listed.stdout
    admin("identity", "universal-auth", "client-secret", "revoke", identity, made["clientSecretData"]["id"])
    job("status", env={"POSTERN_TOKEN": token}, exit_code=4)
    refused = job("login", "--method", "universal-auth", "--plain", env=by_variable, exit_code=4)
    assert "Invalid credentials" in refused.stderr and made["clientSecret"] not in refused.stderr
    assert admin.json("identity", "universal-auth", "get", identity)["accessTokenTTL"] == 600
    admin("identity", "universal-auth", "update", identity, "--access-token-ttl", "60", "--client-secret-trusted-ips", "10.0.0.0/8")
    admin("identity", "universal-auth", "revoke", identity)
    admin("identity", "universal-auth", "get", identity, exit_code=None)


def test_a_token_works_until_it_is_revoked(postern_dev, identity, tmp_path):
    admin = postern_dev.admin
    made = admin.json("identity", "token", "create", identity, "--name", "laptop")
    job = Cli(postern_dev, tmp_path / "job", token=made["accessToken"])
    assert "a machine identity" in job("status").stdout
    listed = admin("identity", "token", "list", identity).stdout
    assert "laptop" in listed and made["accessToken"] not in listed
    admin("identity", "token", "create", identity)  # a second one beside it
    admin("identity", "token", "revoke", made["tokenData"]["id"])
    job("status", exit_code=4)


def test_who_is_nobody_in_a_project_reads_no_secrets_there(postern_dev, identity, tmp_path):
    admin = postern_dev.admin
    project = ["--project", admin.json("project", "create", identity)["id"]]
    admin("secret", "set", "A=1", *project)
    job = Cli(postern_dev, tmp_path / "job", token=admin.json("identity", "token", "create", identity)["accessToken"])
    job("secret", "get", "A", *project, exit_code=5)
    job("identity", "create", "another", exit_code=5)
    admin("project", "identity", "add", identity, "--role", "viewer", *project)
    assert job("secret", "get", "A", "--plain", *project).stdout == "1\n"
    job("secret", "set", "A=2", *project, exit_code=5)
    assert identity in admin("project", "identity", "list", *project).stdout
    admin("project", "identity", "set", identity, "--role", "member", *project)
    job("secret", "set", "A=2", *project)
    admin("project", "identity", "remove", identity, *project)
    job("run", *project, "--", "true", exit_code=5)


def test_a_project_from_beginning_to_end(postern_dev):
    admin, name = postern_dev.admin, f"p-{os.urandom(4).hex()}"
    made = admin.json("project", "create", name, "--slug", f"{name}-slug", "--description", "for a test")
    assert admin.json("project", "get", f"{name}-slug")["id"] == made["id"]
    admin("project", "set", made["id"], "--name", f"{name}-new")
    assert admin.json("project", "get", "--project", made["id"])["name"] == f"{name}-new"
    assert made["id"] in admin("project", "list").stdout
    admin("project", "delete", f"{name}-slug")
    admin("project", "get", f"{name}-slug", exit_code=6)
