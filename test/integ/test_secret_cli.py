"""Secrets on the command line, as `postern` and as `infisical`, against a real server."""
import json
import os
import signal
import subprocess

import pytest

from harness.poll import until
from harness.postern import BINARY


@pytest.fixture
def project(postern_dev):
    """An administrator in a project that only this test has."""
    made = postern_dev.admin.json("project", "create", f"p-{os.urandom(4).hex()}")
    cli = postern_dev.admin

    class InProject(type(cli)):
        def env(self, extra=None):
            return super().env({"POSTERN_PROJECT_ID": made["id"]} | (extra or {}))
    return InProject(postern_dev, postern_dev.folder / made["slug"], postern_dev.token)


def test_a_secret_from_beginning_to_end(project):
    project("secret", "set", "DATABASE_URL", stdin="postgres://db\n")
    assert project("secret", "get", "DATABASE_URL", "--plain").stdout == "postgres://db\n"
    project("secret", "set", "DATABASE_URL=postgres://new", "SECOND=2")
    shown = project.json("secret", "get", "DATABASE_URL")[0]
    assert (shown["secretValue"], shown["version"]) == ("postgres://new", 2)
    assert project("secret", "get", "DATABASE_URL", "--plain", "--version", "1").stdout == "postgres://db\n"
    listed = project("secret", "list").stdout
    assert "SECOND" in listed and "postgres" not in listed
    assert "postgres://new" in project("secret", "list", "--show-values").stdout
    project("secret", "delete", "DATABASE_URL", "SECOND")
    assert project.json("secret", "list") == []
    project("secret", "get", "DATABASE_URL", exit_code=6)


def test_setting_is_all_or_nothing(project):
    project("secret", "set", "GOOD=1", "BAD:NAME=2", exit_code=2)
    assert project.json("secret", "list") == []


def test_values_come_from_files(project, tmp_path):
    key = tmp_path / "key.pem"
    key.write_text("-----BEGIN KEY-----\nabc\n-----END KEY-----\n")
    project("secret", "set", f"TLS_KEY=@{key}", "LITERAL=\\@sign")
    assert project.json("secret", "get", "TLS_KEY", "LITERAL")[0]["secretValue"] == key.read_text()
    assert project("secret", "get", "LITERAL", "--plain").stdout == "@sign\n"


def test_environments_are_apart(project):
    project("secret", "set", "WHERE=dev")
    project("secret", "set", "WHERE=prod", "--env", "prod")
    assert project("secret", "get", "WHERE", "--plain", "--env", "prod").stdout == "prod\n"
    assert project("secret", "get", "WHERE", "--plain").stdout == "dev\n"
    project("secret", "get", "WHERE", "--env", "no-such", exit_code=6)


def test_run_gives_secrets_to_a_command(project):
    project("secret", "set", "A=1", "B=two words", "PATH=/evil")
    done = project("run", "--", "sh", "-c", 'echo "$A $B"; exit 7', exit_code=7)
    assert done.stdout == "1 two words\n" and 'secret "PATH" is not passed on' in done.stderr
    assert project("run", "--", "cat", stdin="through").stdout == "through"
    project("run", "--", "no-such-command", exit_code=127)
    project("run", "--env", "no-such", "--", "true", exit_code=6)


def test_run_passes_signals_on(project, tmp_path):
    mark = tmp_path / "mark"
    script = f'trap "echo got it >{mark}.term; exit 3" TERM; touch {mark}; while :; do sleep 0.1; done'
    with subprocess.Popen([str(BINARY), "run", "--", "sh", "-c", script], env=project.env()) as started:
        until(mark.exists, "the command")
        started.send_signal(signal.SIGTERM)
        assert started.wait(30) == 3
    assert (tmp_path / "mark.term").read_text() == "got it\n"


def test_export_is_what_other_programs_read(project, tmp_path):
    values = {"A": "it's", "B": "two\nlines", "C": '"$HOME"'}
    for name, value in values.items():
        file = tmp_path / name
        file.write_text(value)
        project("secret", "set", f"{name}=@{file}")
    assert json.loads(project("export", "--format", "json").stdout) == values
    shell = project("export", "--format", "dotenv-export").stdout + "\nprintf '%s|%s|%s' \"$A\" \"$B\" \"$C\""
    assert subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=True).stdout == "|".join(values.values())
    out = tmp_path / "out.csv"
    project("export", "--format", "csv", "--output-file", out)
    assert out.stat().st_mode & 0o777 == 0o600 and 'C,"""$HOME"""' in out.read_text()


def test_environments_from_beginning_to_end(project):
    assert [env["slug"] for env in project.json("env", "list")] == ["dev", "staging", "prod"]
    project("env", "create", "test", "--name", "Testing", "--position", "2")
    assert [env["slug"] for env in project.json("env", "list")] == ["dev", "test", "staging", "prod"]
    project("secret", "set", "A=1", "--env", "test")
    project("env", "set", "test", "--slug", "qa", "--name", "Quality")
    assert project("secret", "get", "A", "--plain", "--env", "qa").stdout == "1\n"
    project("env", "create", "qa", exit_code=2)
    project("env", "delete", "qa")
    project("env", "delete", "qa", exit_code=6)
    project("secret", "get", "A", "--env", "qa", exit_code=6)


def test_folders_hold_secrets_apart(project):
    project("folder", "create", "/shop", "--description", "what sells")
    project("folder", "create", "/shop/db")
    project("folder", "create", "/no/such", exit_code=6)
    project("secret", "set", "WHERE=root", "ROOT=1")
    project("secret", "set", "WHERE=shop", "--path", "/shop")
    project("secret", "set", "WHERE=db", "--path", "/shop/db")
    assert [folder["name"] for folder in project.json("folder", "list", "/shop")] == ["db"]
    assert "shop" in project("folder", "list", "--recursive").stdout
    assert project("secret", "get", "WHERE", "--plain", "--path", "/shop").stdout == "shop\n"
    assert project("run", "--path", "/shop", "--", "printenv", "WHERE").stdout == "shop\n"
    assert json.loads(project("export", "--recursive", "--format", "json").stdout) == {"ROOT": "1", "WHERE": "db"}  # the deepest
    project("folder", "set", "/shop/db", "--name", "store")
    assert project("secret", "get", "WHERE", "--plain", "--path", "/shop/store").stdout == "db\n"
    project("folder", "delete", "/shop")
    project("secret", "get", "WHERE", "--path", "/shop", exit_code=6)
    project("folder", "delete", "/shop", exit_code=6)


class Infisical:
    """The program by the official client's name, in a directory with a project file."""

    def __init__(self, cli, folder):
        self.cli, self.folder = cli, folder
        (folder / "infisical").symlink_to(BINARY.resolve())

    def __call__(self, *words, exit_code=0, env=None, token=True):
        env = self.cli.env(env)
        named = {"INFISICAL_API_URL": env.pop("POSTERN_DOMAIN") + "/api", "INFISICAL_CA_FILE": env.pop("POSTERN_CA_FILE")}
        if token:
            named["INFISICAL_TOKEN"] = env["POSTERN_TOKEN"]
        for name in ("POSTERN_TOKEN", "POSTERN_PROJECT_ID"):
            env.pop(name, None)
        done = subprocess.run([self.folder / "infisical", *words], env=env | named, cwd=self.folder, capture_output=True, text=True,
                              timeout=60, check=False)
        assert done.returncode == exit_code, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def infisical(project, tmp_path):
    (tmp_path / ".infisical.json").write_text(json.dumps({"workspaceId": project.env()["POSTERN_PROJECT_ID"], "defaultEnvironment": "staging"}))
    return Infisical(project, tmp_path)


def test_scripts_for_the_official_client_run(infisical, project):
    infisical("secrets", "set", "API_KEY=k-1", "OTHER=o", "--silent")
    assert project("secret", "get", "API_KEY", "--plain", "--env", "staging").stdout == "k-1\n"
    assert infisical("secrets", "get", "API_KEY", "--plain", "--silent") == "k-1\n"
    assert infisical("secrets", "--plain") == "k-1\no\n"
    assert infisical("run", "--command", 'echo "$API_KEY"') == "k-1\n"
    assert infisical("run", "--env=staging", "--path=/", "--recursive", "--", "printenv", "OTHER") == "o\n"
    assert infisical("export", "--format=dotenv") == "API_KEY='k-1'\nOTHER='o'\n"
    assert json.loads(infisical("export", "--format", "json")) == [{"key": "API_KEY", "value": "k-1"}, {"key": "OTHER", "value": "o"}]
    project("folder", "create", "/sub", "--env", "staging")
    assert "sub" in infisical("secrets", "folders", "get", "--path=/")
    infisical("secrets", "delete", "API_KEY", "--type=shared")
    infisical("secrets", "get", "API_KEY", exit_code=6)
    infisical("secrets", "--env", "dev", "--projectId", project.env()["POSTERN_PROJECT_ID"], "--token", project.token, token=False)
    infisical("secrets", token=False, exit_code=4)
