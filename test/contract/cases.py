#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
cases.py [FOLDER/cases.txt…]: which of the contracts' numbered cases no test names, with the reason; TAP.

A case counts as covered when a file of test/contract, test/unit or test/integ names its number, or does so in the name of a
test: c5_…, c59_to_c62_…, test_c88_…. One that is neither covered nor has a reason in cases.txt is a failure, and so is a reason for
a case that is covered.
"""
import json
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
RANGE = re.compile(r"([A-Z]+-?)(\d+)(?:…(\d+))?(?:: (.+))?")
NUMBER = re.compile(r"\b([A-Z]{2}-|C-|D)(\d+(?:…\d+)?(?:, \d+(?:…\d+)?)*)")
FUNCTION = re.compile(r"(?:(?:PN|STAGE)_TEST\(|def test_)((?:c\d+_(?:to_)?)+)")
IN_FUNCTION = re.compile(r"c(\d+)_(?:to_c(\d+))?")


def numbers(prefix, first, last):
    return [f"{prefix}{number:0{len(first)}}" for number in range(int(first), int(last or first) + 1)]


def listed(path):
    """{case: reason or None}"""
    cases = {}
    for line in path.read_text().splitlines():
        if line and not line.startswith("#"):
            match = RANGE.fullmatch(line)
            if not match:
                raise SystemExit(f"{path}: not a range of cases: {line}")
            cases |= dict.fromkeys(numbers(match[1], match[2], match[3]), match[4])
    return cases


def text_of(path):
    """As a reader sees it: in JSON an ellipsis may be written as an escape."""
    text = path.read_text()
    return json.dumps(json.loads(text), ensure_ascii=False) if path.suffix == ".json" else text


def named():
    """What the tests name: KV-03, or KV-01…05, 07 for several."""
    found = set()
    for path in [*HERE.glob("*/*.json"), *(HERE.parent / "unit").glob("*/*.c"), *(HERE.parent / "integ").glob("*.py")]:
        text = text_of(path)
        for name in FUNCTION.findall(text):
            for first, last in IN_FUNCTION.findall(name):
                found |= set(numbers("C-", first, last))
        for prefix, several in NUMBER.findall(text):
            for one in several.split(", "):
                first, _, last = one.partition("…")
                found |= set(numbers(prefix, first, last))
    return found


def main(paths):
    covered, failed, count = named(), False, 0
    print("TAP version 13")
    for path in paths or sorted(HERE.glob("*/cases.txt")):
        cases = listed(path)
        missing = {case: reason for case, reason in cases.items() if case not in covered}
        without = [case for case, reason in missing.items() if not reason]
        stale = [case for case, reason in cases.items() if reason and case in covered]
        count, failed = count + 1, failed or bool(without + stale)
        print(f"{'not ok' if without + stale else 'ok'} {count} - {path.parent.name}: every case is covered or says why not")
        print(f"# {path.parent.name}: {len(cases) - len(missing)} of {len(cases)} numbered cases covered")
        for case in without:
            print(f"# {case}: nothing covers it, and cases.txt gives no reason")
        for case in stale:
            print(f"# {case}: is covered, and cases.txt says why not")
        for case, reason in missing.items():
            if reason:
                print(f"# not covered: {case} ({reason})")
    print(f"1..{count}")
    return failed


if __name__ == "__main__":
    sys.exit(main([Path(path) for path in sys.argv[1:]]))
