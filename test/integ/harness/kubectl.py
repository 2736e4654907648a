"""The versions of kubectl that people have, as tools/setup fetched them."""
import os
import subprocess
from pathlib import Path

VERSIONS = ["1.20.2", "1.36.4", "1.37.1"]
NEWEST = VERSIONS[-1]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "postern"


class Kubectl:
    """kubectl(…words, kubeconfig=…) runs to its end; kubectl.argv and .env are for those who need a process."""

    def __init__(self, version, home, kubeconfig=None):
        self.version, self.home, self.kubeconfig = version, Path(home), kubeconfig
        self.path = CACHE / "kubectl" / version / "kubectl"
        if not self.path.exists():
            raise FileNotFoundError(f"no kubectl {version}: run tools/setup cluster")

    @property
    def minor(self):
        return int(self.version.split(".")[1])

    def using(self, kubeconfig):
        return Kubectl(self.version, self.home, kubeconfig)

    def argv(self, *words):
        return [str(word) for word in (self.path, *words)]

    def env(self, extra=None):
        env = {"PATH": os.environ["PATH"], "HOME": str(self.home), "KUBECACHEDIR": str(self.home / "cache"), "TERM": "xterm"}
        if self.kubeconfig:
            env["KUBECONFIG"] = str(self.kubeconfig)
        return env | (extra or {})

    def __call__(self, *words, stdin="", check=True, timeout=60, env=None, text=True):
        done = subprocess.run(self.argv(*words), input=stdin, capture_output=True, text=text, timeout=timeout, env=self.env(env),
                              check=False)
        if check and done.returncode != 0:
            raise AssertionError(f"kubectl {' '.join(map(str, words))}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
        return done
