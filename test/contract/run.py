#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
run.py POSTERN FOLDER [CASE…]: the contract's cases of a folder, against a server of their own; TAP.
run.py --listed FOLDER…: whether these are all the folders that hold cases.
"""
import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.dont_write_bytecode = True

from runner.case import Case  # noqa: E402
from runner.instance import Cast, Failed, Instance  # noqa: E402
from runner.routes import Routes  # noqa: E402

MAX_SHOWN = 20


class Tap:
    """Lines of the Test Anything Protocol; failed says how many went wrong."""

    def __init__(self):
        self.count = self.failed = 0
        print("TAP version 13")

    def point(self, name, differences):
        self.count += 1
        self.failed += bool(differences)
        print(f"{'not ok' if differences else 'ok'} {self.count} - {name.replace('#', '＃')}")
        for line in differences[:MAX_SHOWN]:
            print("# " + line.replace("\n", "\n# "))
        if len(differences) > MAX_SHOWN:
            print(f"# … and {len(differences) - MAX_SHOWN} more")
        sys.stdout.flush()

    def end(self):
        print(f"1..{self.count}")
        return 1 if self.failed or self.count == 0 else 0


def attempt(run):
    """A test that cannot be done at all has failed, and the next one still runs."""
    try:
        return run()
    except (Failed, OSError, ValueError, KeyError) as error:
        return [f"{type(error).__name__}: {error}"]


def run_folder(binary, folder, wanted):
    files = sorted(path for path in folder.glob("*.json") if path.name != "instance.json" and (not wanted or path.name.split(".")[0] in wanted))
    options = folder / "instance.json"
    tap = Tap()
    instance = Instance(binary, json.loads(options.read_text()) if options.exists() else {})
    try:
        cast = Cast(instance)
        for path in files:
            if path.name.endswith(".routes.json"):
                for name, run in Routes(path, cast, binary).tests():
                    tap.point(name, attempt(run))
            else:
                case = Case(path, cast)
                tap.point(f"{path.stem} ({', '.join(case.data['spec'])}): {case.data['says']}", attempt(case.run))
    finally:
        problem = instance.stop()
    tap.point("the server ends well", [problem] if problem else [])
    return tap.end()


def check_listed(listed):
    there = {path.parent.name for path in HERE.glob("*/*.json")}
    for name in sorted(there ^ set(listed)):
        print(f"{name}: {'no test of test/contract/meson.build runs it' if name in there else 'holds no cases'}")
    return int(there != set(listed))


def main(words):
    if words[:1] == ["--listed"]:
        return check_listed(words[1:])
    if len(words) < 2:
        print(__doc__.strip(), file=sys.stderr)
        return 64
    try:
        return run_folder(words[0], HERE / words[1], words[2:])
    except Failed as failed:
        print(f"Bail out! {failed}")
        return 1


sys.exit(main(sys.argv[1:]))
