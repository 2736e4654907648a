"""
doc/guide/kubernetes-access.md, executed: every block of a shell's commands, in order, against a real API server.

Comments before the blocks, which readers do not see, say whose terminal it is and what is expected:

    <!-- as NAME[ in another terminal][, stays | , until it succeeds | , fails[ with CODE]] -->
    <!-- file NAME -->          the next block is that file, in everybody's directory
    <!-- hook NAME -->          Python that this cluster needs, see HOOKS
    <!-- Ctrl-C as NAME -->     ends what stays there, with exit code 0
    <!-- ends as NAME with N --> waits until what stays there has ended by itself

Without a comment a block belongs to the terminal of the one before. Every command of a block must succeed. A block of text after it is what was printed,
with `…` for whatever.
"""
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass

import pytest

from harness import TOP
from harness.kubectl import NEWEST, Kubectl
from harness.poll import until
from harness.postern import BINARY, Split, clean_env
from harness.process import Process

GUIDE = TOP / "doc/guide/kubernetes-access.md"
DIRECTIVE = re.compile(r"^<!-- (.+) -->$")
FENCE = re.compile(r"^```(\w*)$")


@dataclass
class Step:
    """One directive with its block and what it shall print."""
    line: int
    directive: str
    language: str = ""
    text: str = ""
    expected: str = ""


def read_steps(text):
    """The steps of a guide; Ctrl-C, an end and a hook are steps without a block."""
    steps, directive, block = [], "as administrator", None
    for number, line in enumerate(text.splitlines(), 1):
        if block is not None and line != "```":
            block.text += line + "\n"
        elif block is not None:
            if block.language == "text":
                steps[-1].expected = block.text
            else:
                steps.append(block)
            if owner := re.match(r"as \w+", directive):
                directive = owner[0]
            else:
                directive = "as administrator"
            block = None
        elif fence := FENCE.match(line):
            block = Step(number, directive, fence[1])
        elif found := DIRECTIVE.match(line):
            directive = found[1]
            if directive.startswith(("Ctrl-C ", "ends ", "hook ")):
                steps.append(Step(number, directive))
                directive = "as administrator"
    assert block is None, "a block without an end"
    return steps


class Terminal:
    """A shell that goes on from block to block: what it exports is there in the next one."""

    def __init__(self, home, env):
        self.home, self.state = home, home / ".state"
        self.env = env
        self.stays = None

    def script(self, text):
        restore = f'[ ! -e "{self.state}" ] || . "{self.state}"\ncd "{self.home}"\n'
        return f"set -euo pipefail\n{restore}trap 'export -p > \"{self.state}\"' EXIT\n{text}"

    def run(self, text):
        return subprocess.run(["bash", "-c", self.script(text)], env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=90, check=False)

    def start(self, text):
        """What stays is the terminal's foreground process: Ctrl-C reaches the program itself."""
        command = text.strip().splitlines()
        assert len(command) == 1, "what stays is one command"
        log = self.state.parent / "stays.log"
        log.unlink(missing_ok=True)  # what an earlier one printed is not this one's
        self.stays = Process("the guide's " + " ".join(command[0].split()[:3]), ["bash", "-c", self.script("").replace("trap", ": trap") + "exec " + command[0]],
                             log, env=self.env)

    def printed_kubeconfig(self):
        self.stays.wait_for(lambda: "export KUBECONFIG=" in self.stays.text(), "the kubeconfig", timeout=60)
        return re.findall(r"export KUBECONFIG=(\S+)", self.stays.text())[-1]


class Walk:
    """The people and machines of the guide."""

    def __init__(self, cluster, postern, folder):
        self.cluster, self.postern, self.folder = cluster, postern, folder
        self.runtime = tempfile.mkdtemp(prefix="pn-guide-")
        self.output = ""
        self.last = "as administrator"
        self.files = folder / "files"
        self.bin = folder / "bin"
        self.bin.mkdir(parents=True)
        (self.bin / "postern").symlink_to(BINARY)
        (self.bin / "kubectl").symlink_to(Kubectl(NEWEST, folder).path)
        self.files.mkdir()
        (self.files / "ada.password").write_text("correct horse battery staple")
        (self.files / "admin.password").write_text(postern.password)
        for name in ("ada.password", "admin.password"):
            (self.files / name).chmod(0o600)
        shutil.copy(postern.ca_file, self.files / "ca.pem")
        shutil.copy(cluster.ca_file, self.files / "cluster-ca.crt")
        self.terminals = {name: self.terminal(name) for name in ("administrator", "ada", "edge")}
        self.replaced = {name: 0 for name in self.replacements()}

    def terminal(self, name):
        """The directory is everybody's, the home is not."""
        home = self.folder / name
        home.mkdir()
        env = clean_env(HOME=str(home), XDG_CONFIG_HOME=str(home / "config"), XDG_RUNTIME_DIR=self.runtime, KUBECACHEDIR=str(home / "cache"),
                        PATH=f"{self.bin}:{os.environ['PATH']}")
        if name == "administrator":
            env["KUBECONFIG"] = str(self.cluster.kubeconfig)
        terminal = Terminal(self.files, env)
        terminal.state = home / "state"
        return terminal

    def replacements(self):
        """What is an example in the guide, and what it is here."""
        return {"https://postern.example.com:8200": self.postern.url, "https://10.0.0.1:6443": self.cluster.url,
                "--email admin@example.org": "--email admin@example.org --password-file admin.password",
                "--email ada@example.com": "--email ada@example.com --password-file ada.password"}

    def real(self, text, terminal):
        for example, here in self.replacements().items():
            self.replaced[example] += text.count(example)
            text = text.replace(example, here)
        return text.replace("export KUBECONFIG=… ", f"export KUBECONFIG={terminal.printed_kubeconfig()} ") if "KUBECONFIG=…" in text else text

    def hook_inside_yaml(self):
        """Pods of the test cluster are processes of this host; mounts but for the identity, and images, are not made."""
        path = self.files / "inside.yaml"
        text = path.read_text()
        for there, here in (("/etc/postern-ca/ca.pem", self.postern.ca_file), ("/etc/postern/token", self.files / "inside.token"),
                            ("/var/lib/postern/gateway", self.folder / "inside.state")):
            assert there in text
            text = text.replace(there, str(here))
        path.write_text(re.sub(r"image: postern:\S+", "image: postern", text))

    def take(self, step):
        """One step; its output is checked where the guide shows it."""
        if step.directive == "hook inside.yaml":
            self.hook_inside_yaml()
            return
        if match := re.match(r"Ctrl-C as (\w+)$", step.directive):
            process = self.terminals[match[1]].stays
            process.popen.send_signal(signal.SIGINT)
            assert process.popen.wait(30) == 0, process.text()
            return
        if match := re.match(r"ends as (\w+) with (\d+)$", step.directive):
            process = self.terminals[match[1]].stays
            assert process.popen.wait(60) == int(match[2]), process.text()
            self.output = process.text()
            self.check_output(step)
            return
        if match := re.match(r"file (\S+)$", step.directive):
            (self.files / match[1]).write_text(step.text)
            return
        self.run(step)

    def run(self, step):
        match = re.match(r"as (\w+)( in another terminal)?(?:, (.+))?$", step.directive)
        assert match and step.language == "sh", f"{GUIDE.name}:{step.line}: {step.directive}"
        terminal, how = self.terminals[match[1]], match[3] or ""
        text = self.real(step.text, terminal)
        if how == "stays":
            terminal.start(text)
            if "pam access" in text:
                terminal.printed_kubeconfig()
            return
        if how == "until it succeeds":
            until(lambda: self.attempt(terminal, text) == 0 or None, f"line {step.line}: {text}\n{self.output}", timeout=90)
        else:
            code = self.attempt(terminal, text)
            failed = re.match(r"fails(?: with (\d+))?$", how)
            assert how == "" or failed, how
            is_right = code == 0 if not failed else code == int(failed[1]) if failed[1] else code != 0
            assert is_right, f"{GUIDE.name}:{step.line}: exit code {code}\n{text}\n{self.output}"
        self.check_output(step)

    def attempt(self, terminal, text):
        done = terminal.run(text)
        self.output = done.stdout
        return done.returncode

    def check_output(self, step):
        for line in step.expected.splitlines():
            pattern = ".*".join(re.escape(part) for part in line.split("…"))
            assert re.search(pattern, self.output, re.DOTALL), f"{GUIDE.name}:{step.line}: {line!r} is not in\n{self.output}"

    def stop(self):
        for terminal in self.terminals.values():
            if terminal.stays and terminal.stays.is_running():
                terminal.stays.stop()
        shutil.rmtree(self.runtime)


@pytest.fixture(scope="module")
def walk(cluster, tmp_path_factory):
    if not cluster.ready["identityMounted"]:
        pytest.skip("this host gives pods no mount namespace: their identity is not where Kubernetes puts it")
    folder = tmp_path_factory.mktemp("guide")
    postern = Split(folder / "postern")
    walk = Walk(cluster, postern, folder)
    yield walk
    walk.stop()
    cluster.kubectl("delete", "namespace", "dev", "postern", "--ignore-not-found", "--wait=false")
    cluster.kubectl("-n", "kube-system", "delete", "sa,secret", "postern-pam", "postern-pam-token", "--ignore-not-found")
    cluster.kubectl("delete", "clusterrolebinding", "postern-pam", "--ignore-not-found")
    postern.stop()


@pytest.mark.timeout(600)
def test_the_guide_is_true(walk):
    for step in read_steps(GUIDE.read_text(encoding="utf-8")):
        walk.take(step)
    assert all(walk.replaced.values()), f"no longer in the guide: {walk.replaced}"
    sessions_tell_who_when_and_why(walk)
    no_token_is_left(walk)
    a_missing_ca_is_no_way_back(walk)


def sessions_tell_who_when_and_why(walk):
    """What is tracked: creation, person, cluster, duration, commands, end."""
    done = walk.terminals["administrator"].run("postern pam session list -o json")
    sessions = json.loads(done.stdout)
    assert len(sessions) >= 9
    assert all(row["actorName"] == "ada@example.com" and row["startedAt"] and row["endedAt"] and row["endReason"] for row in sessions), sessions
    assert {row["accountPath"] for row in sessions} >= {"prod/viewer", "prod/deployer", "inside/deployer", "inside/viewer"}


def no_token_is_left(walk):
    """Of the method `gateway` nothing of the cluster is stored; of the other, nothing is in what our processes said."""
    assert "eyJhbGciOi" not in walk.postern.logs()
    rows = walk.terminals["administrator"].run("postern pam account list inside -o json").stdout
    assert "eyJhbGciOi" not in rows


def a_missing_ca_is_no_way_back(walk):
    """The CA in the pod's directory goes; its gateway says so, and nothing unverified happens."""
    pod = walk.cluster.get("-n", "postern", "pods")["items"][0]["metadata"]["name"]
    directory = walk.cluster.kubectl("-n", "postern", "exec", pod, "--", "sh", "-c", "echo $TESTCLUSTER_SERVICEACCOUNT_DIR").stdout.strip()
    os.rename(f"{directory}/ca.crt", f"{directory}/ca.gone")
    try:
        def refused():
            done = walk.terminals["ada"].run("postern pam access inside/deployer -- kubectl -n dev get pods")
            return done if done.returncode else None
        done = until(refused, "the end of trust", timeout=90)
        assert "ca.crt cannot be read" in done.stdout, done.stdout
    finally:
        os.rename(f"{directory}/ca.gone", f"{directory}/ca.crt")


def test_directives_are_read():
    steps = read_steps("x\n<!-- as ada, stays -->\n```sh\na\n```\n```text\n…b\n```\n<!-- Ctrl-C as ada -->\n<!-- file f -->\n```yaml\nk: v\n```\n")
    assert [(step.directive, step.language, step.text, step.expected) for step in steps] == [
        ("as ada, stays", "sh", "a\n", "…b\n"), ("Ctrl-C as ada", "", "", ""), ("file f", "yaml", "k: v\n", "")]


def test_every_block_is_executed_or_expected():
    """Nothing in the guide looks like a command without being run."""
    text = GUIDE.read_text(encoding="utf-8")
    outside = re.sub(r"^```\w+$.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    assert not re.findall(r"^    \S.*$", outside, re.MULTILINE)
    languages = re.findall(r"^```(\w+)$", text, re.MULTILINE)
    assert set(languages) == {"sh", "yaml", "text"}
    assert len([step for step in read_steps(text) if step.language]) == len([name for name in languages if name != "text"])
