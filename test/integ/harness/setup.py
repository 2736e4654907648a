"""What tools/setup has brought."""
import subprocess
from functools import cache
from pathlib import Path

from harness import TOP


@cache
def where(what):
    """The path of a thing that `tools/setup --where` knows."""
    path = Path(subprocess.run([TOP / "tools/setup", "--where", what], stdout=subprocess.PIPE, text=True, check=True).stdout.strip())
    if not path.exists():
        raise FileNotFoundError(f"{path}: run tools/setup clients first (./check integ does)")
    return path
