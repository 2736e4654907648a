"""The command line: exit codes, forms of output, sentences."""
import base64
import hashlib
import hmac
import json
import os
import pty
import select
import subprocess
import time
from urllib.parse import parse_qs, urlsplit

import pytest

from harness.apiserver import authority
from harness.postern import ANY_PORT, BINARY, clean_env


@pytest.mark.parametrize("words, code", [(("help",), 0), (("version",), 0), (("no-such-thing",), 64), (("pam", "--help"), 0),
                                         (("pam", "access", "--help"), 0), (("pam", "access"), 64), (("status", "--no-such"), 64),
                                         (("pam", "access", "no-slash"), 64), (("pam", "account", "create", "a/b"), 64)])
def test_usage(words, code, postern_dev):
    postern_dev.admin(*words, exit_code=code)


def test_help_of_a_group_shows_that_group(postern_dev):
    shown = postern_dev.admin("pam", "resource", "--help").stdout
    assert "pam resource create" in shown and "pam session" not in shown
    assert "pam session list" in postern_dev.admin("pam", "--help").stdout
    assert 'no command "pam no-such"' in postern_dev.admin("pam", "no-such", "--help", exit_code=64).stderr


def test_a_command_without_its_dashes_is_told(postern_dev):
    done = postern_dev.admin("pam", "access", "a/b", "kubectl", "get", "pods", exit_code=64)
    assert "postern pam access a/b -- kubectl …" in done.stderr


def test_the_development_administrator_can_log_in(postern_dev, tmp_path):
    from harness.postern import Cli
    person = Cli(postern_dev, tmp_path / "person")
    password = postern_dev.data / "dev/password"
    assert password.stat().st_mode & 0o777 == 0o600
    person("login", "--email", postern_dev.first["email"], "--password-file", password)
    person("gateway", "list")


def test_a_login_asks_for_the_second_factor(postern_dev, tmp_path):
    from harness.postern import Cli, secret_file
    email, person = "second@example.org", Cli(postern_dev, tmp_path / "second")
    password = secret_file(tmp_path / "password", postern_dev.password)
    postern_dev.admin("user", "create", email, "--password-file", password)
    bare = postern_dev.ok("POST", "/api/v3/auth/login", {"email": email, "password": postern_dev.password})["accessToken"]
    app = postern_dev.ok("POST", "/api/v1/user/me/totp/register", token=bare)
    postern_dev.ok("POST", "/api/v1/user/me/totp/verify", {"totp": totp_code(app["otpUrl"], 0)}, token=bare)

    words = ("login", "--email", email, "--password-file", password, "--code-file")
    assert "code of your authenticator app" in person(*words[:-1], exit_code=64, stdin="").stderr
    person(*words, secret_file(tmp_path / "wrong", "wrong123"), exit_code=5)
    person("gateway", "list", exit_code=4)  # nothing was kept
    person(*words, secret_file(tmp_path / "code", totp_code(app["otpUrl"], 1)))
    person("gateway", "list")
    person(*words, secret_file(tmp_path / "recovery", app["recoveryCodes"][3] + "\n"))
    person("gateway", "list")


def totp_code(url, ahead):
    """What an authenticator app shows (RFC 6238)."""
    secret = base64.b32decode(parse_qs(urlsplit(url).query)["secret"][0])
    mac = hmac.digest(secret, (int(time.time()) // 30 + ahead).to_bytes(8, "big"), hashlib.sha1)
    at = mac[-1] & 15
    return f"{(int.from_bytes(mac[at:at + 4], 'big') & 0x7fffffff) % 1000000:06}"


def test_not_logged_in_is_4(postern_dev, tmp_path):
    from harness.postern import Cli
    nobody = Cli(postern_dev, tmp_path / "nobody")
    assert "login" in nobody("pam", "session", "list", exit_code=4).stderr
    nobody.token = "not-a-token"
    nobody("pam", "session", "list", exit_code=4)


def test_denied_is_5_and_missing_is_6(postern_dev):
    member = postern_dev.user()
    member("pam", "resource", "create", "mine", "--url", "https://127.0.0.1:1", "--gateway", "dev", exit_code=5)
    member("pam", "access", "no-such/account", exit_code=6)
    postern_dev.admin("pam", "resource", "show", "no-such", exit_code=6)


def test_no_server_is_7(postern_dev, tmp_path):
    from harness.postern import Cli
    lost = Cli(postern_dev, tmp_path / "lost", token="x")
    done = lost("status", exit_code=7, env={"POSTERN_DOMAIN": "https://127.0.0.1:1"})
    assert done.stderr.startswith("postern: ")


def test_refused_is_2(postern_dev):
    postern_dev.admin("gateway", "create", "Not A Slug", exit_code=2)


def test_output_forms(postern_dev):
    assert isinstance(json.loads(postern_dev.admin("gateway", "list", "-o", "json").stdout), list)
    assert "name: dev" in postern_dev.admin("gateway", "list", "-o", "yaml").stdout
    assert postern_dev.admin("gateway", "list").stdout.splitlines()[0].startswith("NAME")
    postern_dev.admin("gateway", "list", "-o", "xml", exit_code=64)


def test_errors_as_json(postern_dev):
    done = postern_dev.admin("pam", "resource", "show", "no-such", "-o", "json", exit_code=6)
    assert json.loads(done.stderr)["error"] == "NotFound"


def test_login_keeps_its_token_private(postern_dev):
    user = postern_dev.user()
    stored = user.config / "postern/credentials.json"
    assert stored.stat().st_mode & 0o777 == 0o600
    assert user("status").returncode == 0
    user("logout")
    assert not stored.exists()
    user("pam", "session", "list", exit_code=4)


def test_a_wrong_password(postern_dev):
    from harness.postern import secret_file
    user = postern_dev.user()
    wrong = secret_file(user.home / "wrong", "not it")
    email = user.home.name
    first = user("login", "--email", email, "--password-file", wrong, exit_code=2).stderr
    assert first == user("login", "--email", "nobody@example.org", "--password-file", wrong, exit_code=2).stderr


def test_routes_are_as_committed(postern_dev):
    from harness import TOP
    assert postern_dev.admin("routes").stdout == (TOP / "doc/api/routes.txt").read_text()


def test_what_is_empty_on_standard_input_is_called_by_its_name(postern_dev):
    done = postern_dev.admin("secret", "set", "EMPTY", "--env", "dev", stdin="\n", exit_code=64)
    assert done.stderr == "postern: the standard input is empty\n"


@pytest.mark.parametrize("kind, more", [("gateway", []), ("relay", ["--host", "127.0.0.1:1"])])
def test_a_gateway_and_a_relay_are_deleted_by_name(kind, more, postern_dev):
    admin = postern_dev.admin
    name = f"short-lived-{kind}"
    made = admin.json(kind, "create", name, *more)
    assert admin.json(kind, "delete", name)["id"] == made["id"]
    assert made["id"] not in [each["id"] for each in admin.json(kind, "list")]
    assert f'there is no {kind} "{name}"' in admin(kind, "delete", name, exit_code=6).stderr
    postern_dev.user()(kind, "delete", "dev", exit_code=5)


def test_of_several_accounts_all_are_opened_or_none(postern_dev, tmp_path):
    """A slip in the second name leaves no session of the first, not even an ended one."""
    admin = postern_dev.admin
    ca = authority(tmp_path, "any")[0]
    admin("pam", "resource", "create", "several", "--url", "https://127.0.0.1:9", "--ca-file", ca, "--gateway", "dev", "--no-test")
    admin("pam", "account", "create", "several/one", "--token-file", "-", "--no-test", stdin="token")
    before = admin.json("pam", "session", "list")
    done = admin("pam", "access", "several/one", "several/two", "--port", "0", "--", "true", exit_code=6)
    assert "Account 'several/two' not found" in done.stderr
    admin("pam", "access", "several/one", "several", "--port", "0", "--", "true", exit_code=64)
    assert admin.json("pam", "session", "list") == before
    # Without a project only the opening knows; what was opened by then is ended.
    admin("pam", "access", "several/one", "several/two", "--port", "0", "--", "true", exit_code=6, env={"POSTERN_PROJECT_ID": ""})
    assert [each["status"] for each in admin.json("pam", "session", "list") if each not in before] == ["ended"]


def test_a_server_that_cannot_start_says_why(postern_dev, tmp_path):
    """What is this machine's is 1 and what was typed wrong 64, not a refusal by a server, of which there is none yet."""
    taken = postern_dev.url.removeprefix("https://")
    no_lock = tmp_path / "no-lock"
    (no_lock / "lock").mkdir(parents=True)
    for options, code, sentence in [
            (["--data", tmp_path / "a", "--listen", taken], 1, "Address already in use: choose another with --listen"),
            (["--data", postern_dev.data, "--listen", ANY_PORT], 1, f"{postern_dev.data} is in use by another server"),
            (["--data", no_lock, "--listen", ANY_PORT], 1, f"cannot lock {no_lock}/lock: Is a directory"),
            (["--data", tmp_path / "b", "--listen", "somewhere:1"], 64, "an address to listen on is an IP address"),
            (["--config", tmp_path / "none.yaml"], 64, f"cannot read {tmp_path}/none.yaml: No such file")]:
        done = subprocess.run([BINARY, "server", *options], env=clean_env(HOME=str(tmp_path)), capture_output=True, text=True, timeout=60,
                              check=False)
        assert sentence in done.stderr and done.returncode == code, (options, done)


def test_a_relay_on_a_taken_port_says_how_to_go_on(postern_dev, tmp_path):
    token = tmp_path / "token"
    token.write_text(postern_dev.admin.json("relay", "create", "crowded", "--host", "127.0.0.1:1")["token"])
    done = postern_dev.admin("relay", "start", "crowded", "--token-file", token, "--state", tmp_path / "state", "--listen",
                             postern_dev.relay, exit_code=1)
    assert "Address already in use: choose another with --listen" in done.stderr
    postern_dev.admin("relay", "delete", "crowded")


def test_at_a_terminal_the_log_does_not_bury_what_one_is_told(tmp_path):
    master, slave = pty.openpty()
    data = tmp_path / "data"
    with subprocess.Popen([BINARY, "server", "--dev", "--data", data, "--listen", ANY_PORT, "--relay-listen", ANY_PORT], stderr=slave,
                          env=clean_env(HOME=str(tmp_path))) as server:
        os.close(slave)
        said = b""
        while b"What happens is in" not in said:
            assert select.select([master], [], [], 60)[0], said
            said += os.read(master, 4096)
        server.terminate()
        assert server.wait(30) == 0
    os.close(master)
    assert f'export PATH="{BINARY.parent}:$PATH"' in said.decode(), said
    assert b"postern login" in said and b'"event"' not in said, said
    log = data / "server.log"
    assert str(log) in said.decode() and log.stat().st_mode & 0o777 == 0o600
    assert '"event":"tunnel-open"' in log.read_text()
