"""The ways from kubectl to a cluster: directly, by `pam access`, by `kube login`; each gives a kubeconfig."""
import re
from contextlib import contextmanager

from harness.poll import until

ROADS = ["direct", "access", "login"]


@contextmanager
def access(cli, account, *options):
    """`pam access` in the background; its kubeconfig. Ends as Ctrl-C does."""
    kubeconfig = cli.home / f"access-{cli.started}.yaml"
    process = cli.start("pam", "access", account, "--port", "0", "--kubeconfig", kubeconfig, *options)
    process.wait_for(kubeconfig.exists, "the road")
    try:
        yield kubeconfig
    finally:
        assert process.stop() == 0, process.text()


@contextmanager
def login(cli, account, *options):
    """`kube login`: no process beside kubectl."""
    kubeconfig = cli.home / "login.yaml"
    cli("kube", "login", account, "--kubeconfig", kubeconfig, *options)
    try:
        yield kubeconfig
    finally:
        cli("kube", "logout", account)


@contextmanager
def road(kind, cluster, cli, account, token, tmp_path, namespace):
    """One of ROADS, by name."""
    if kind == "direct":
        yield cluster.kubeconfig_of(token, tmp_path / "direct.yaml", namespace)
    elif kind == "access":
        with access(cli, account) as kubeconfig:
            yield kubeconfig
    else:
        with login(cli, account) as kubeconfig:
            yield kubeconfig


def last_session(instance):
    """The newest session of the project."""
    return instance.admin.json("pam", "session", "list")[0]


def speaks(instance, kubectl, *subresources):
    """The newest session has all of these upgraded as this kubectl does it, none otherwise: it did not fall back, nor was it brought to."""
    session, wanted = last_session(instance)["id"], {(each, kubectl.transport(each)) for each in subresources}

    def spoken():
        requests = instance.admin.json("pam", "session", "logs", session, "--requests")
        seen = {(each["subresource"], each["upgrade"]) for each in requests if each["upgrade"]}
        assert seen == wanted, seen
        return True
    until(spoken, f"{kubectl.version} speaks {wanted}")


TIMES = [(re.compile(r"\b\d+(\.\d+)?(ms|s|m|h|d)(\d+s)?\b"), "AGE"),
         (re.compile(r"\d{4}-\d\d-\d\dT[0-9:.]+Z"), "TIME"),
         (re.compile(r"\d{4}-\d\d-\d\d [0-9:.]+ [+-]\d{4} UTC|[A-Z][a-z]{2} [A-Z][a-z]{2} +\d+ [0-9:]+ \d{4}"), "TIME"),
         (re.compile(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} [0-9:]+ [+-]\d{4}"), "TIME"),
         (re.compile(r"\b[a-z0-9]{5}\b(?=\s|$|\))"), "WORD5")]


def steady(text):
    """Output without what differs between two runs of the same command."""
    for pattern, word in TIMES:
        text = pattern.sub(word, text)
    return re.sub(r"[ \t]+", " ", text)
