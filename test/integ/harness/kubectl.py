"""The versions of kubectl that people have, as tools/setup fetched or built them."""
import os
import subprocess
from pathlib import Path

from harness.setup import where

VERSIONS = ["1.20.2", "1.36.4", "1.37.1"]
BUILT = ["1.28", "1.29", "1.30", "1.31"]  # from their Go modules; ./check long
NEWEST = VERSIONS[-1]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "postern"

WEBSOCKETS_SINCE = {"exec": 29, "attach": 29, "portforward": 30}  # minor versions; by themselves since 30, 30 and 31


def websockets(switch):
    """kubectl's own switches for exec, attach, cp and for port-forward: "true", or "false" for SPDY."""
    return {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": switch, "KUBECTL_PORT_FORWARD_WEBSOCKETS": switch}


class Kubectl:
    """kubectl(…words, kubeconfig=…) runs to its end; kubectl.argv and .env are for those who need a process."""

    def __init__(self, version, home, kubeconfig=None, settings=None):
        self.version, self.home, self.kubeconfig, self.settings = version, Path(home), kubeconfig, settings or {}
        self.path = (where(f"kubectl-{version}") if version in BUILT else CACHE / "kubectl" / version) / "kubectl"
        if not self.path.exists():
            raise FileNotFoundError(f"no kubectl {version}: run tools/setup cluster")

    @property
    def minor(self):
        return int(self.version.split(".")[1])

    def transport(self, subresource):
        """What it has such a request upgraded to: WebSocket since the version with the switch for it, unless that is off."""
        is_off = websockets("false").items() <= self.settings.items()
        return "SPDY/3.1" if is_off or self.minor < WEBSOCKETS_SINCE[subresource] else "websocket"

    def using(self, kubeconfig):
        return Kubectl(self.version, self.home, kubeconfig, self.settings)

    def argv(self, *words):
        return [str(word) for word in (self.path, *words)]

    def env(self, extra=None):
        env = {"PATH": os.environ["PATH"], "HOME": str(self.home), "KUBECACHEDIR": str(self.home / "cache"), "TERM": "xterm"} | self.settings
        if self.kubeconfig:
            env["KUBECONFIG"] = str(self.kubeconfig)
        return env | (extra or {})

    def __call__(self, *words, stdin="", check=True, timeout=60, env=None, text=True):
        done = subprocess.run(self.argv(*words), input=stdin, capture_output=True, text=text, timeout=timeout, env=self.env(env),
                              check=False)
        if check and done.returncode != 0:
            raise AssertionError(f"kubectl {' '.join(map(str, words))}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
        return done
