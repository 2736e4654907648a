# SPDX-License-Identifier: Apache-2.0
"""Compares a value of a reply with what a case expects of it; answers with sentences about what differs."""
import base64
import json
import re
from datetime import datetime, timezone

from runner import certificate

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
ADDRESS = r"[^:/]+:\d+"
TEXTS = {
    "uuid": UUID,
    "time": TIME,
    "text": r"(?s).+",
    "token": r"[\w-]+\.[\w-]+\.[\w-]+",
    "host:port": ADDRESS,
    "request id": r"req-[0-9A-Za-z]+",
    "slug": r"[a-z0-9]+(-[a-z0-9]+)*",
    "enrolment token of a gateway": r"gwe_[A-Za-z0-9_-]{43}",
    "enrolment token of a relay": r"rle_[A-Za-z0-9_-]{43}",
}
KINDS = {
    "any": lambda value: True,
    "string": lambda value: isinstance(value, str),
    "number": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "issues": lambda value: isinstance(value, list) and value != [] and all(map(is_issue, value)),
    "32 bytes": lambda value: isinstance(value, str) and len(base64.b64decode(value, validate=True)) == 32,
}
ABSENT = object()
SLACK_SECONDS = 20  # machines that run the tests are slow


def is_issue(issue):
    """One item of a 422 (platform.md §1.3): {code, path[], message, …}."""
    return (isinstance(issue, dict) and all(isinstance(issue.get(name), str) and issue[name] for name in ("code", "message"))
            and isinstance(issue.get("path"), list))


def short(value):
    text = "nothing" if value is ABSENT else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 300 else text[:300] + "…"


def compare(wanted, value, at="reply"):
    """The differences, none when it fits. Members that are not wanted are not looked at (§1.1: clients ignore them)."""
    if isinstance(wanted, str) and wanted.startswith("<") and wanted.endswith(">"):
        return _word(wanted[1:-1], value, at)
    if isinstance(wanted, str) and wanted.startswith("~"):
        fits = isinstance(value, str) and re.search(wanted[1:], value)
        return [] if fits else [f"{at} is {short(value)}, wanted a text with /{wanted[1:]}/"]
    if isinstance(wanted, dict):
        return _object(wanted, value, at)
    if isinstance(wanted, list):
        if not isinstance(value, list) or len(value) != len(wanted):
            return [f"{at} is {short(value)}, wanted {len(wanted)} items"]
        return [line for i, item in enumerate(wanted) for line in compare(item, value[i], f"{at}[{i}]")]
    fits = type(value) is type(wanted) and value == wanted
    return [] if fits else [f"{at} is {short(value)}, wanted {short(wanted)}"]


def _word(word, value, at):
    if word == "absent":
        return [] if value is ABSENT else [f"{at} is {short(value)}, wanted no such member"]
    if word.endswith(" or null"):
        return [] if value is None else _word(word[:-len(" or null")], value, at)
    if word in TEXTS:
        fits = isinstance(value, str) and re.fullmatch(TEXTS[word], value)
    else:
        fits = value is not ABSENT and KINDS[word](value)
    return [] if fits else [f"{at} is {short(value)}, wanted {word}"]


def _object(wanted, value, at):
    differences = []
    for name, item in wanted.items():
        if name.startswith("<"):
            differences += RULES[name[1:-1]](item, value, at)
        elif not isinstance(value, dict):
            return [f"{at} is {short(value)}, wanted an object"]
        else:
            differences += compare(item, value.get(name, ABSENT), f"{at}.{name}")
    return differences


# Rules about a whole value: {"<has>": item}.

def _array(value, at):
    return [] if isinstance(value, list) else [f"{at} is {short(value)}, wanted an array"]


def _has(wanted, value, at):
    if _array(value, at):
        return _array(value, at)
    fits = any(not compare(wanted, item) for item in value)
    return [] if fits else [f"{at} is {short(value)}, wanted an item like {short(wanted)}"]


def _has_not(wanted, value, at):
    if _array(value, at):
        return _array(value, at)
    return [f"{at}[{i}] is {short(item)}, wanted no such item" for i, item in enumerate(value) if not compare(wanted, item)]


def _all(wanted, value, at):
    if _array(value, at):
        return _array(value, at)
    return [line for i, item in enumerate(value) for line in compare(wanted, item, f"{at}[{i}]")]


def _only(wanted, value, at):
    """All values of an object are like this one."""
    if not isinstance(value, dict):
        return [f"{at} is {short(value)}, wanted an object"]
    return [line for name, item in value.items() for line in compare(wanted, item, f"{at}.{name}")]


def _count(wanted, value, at):
    fits = isinstance(value, (list, dict)) and len(value) == wanted
    return [] if fits else [f"{at} is {short(value)}, wanted {wanted} items"]


def _between(wanted, value, at):
    low, high = wanted
    fits = isinstance(value, int) and low <= value <= high
    return [] if fits else [f"{at} is {short(value)}, wanted {low} to {high}"]


def _issues_at(wanted, value, at):
    """A 422 that names exactly these fields, each once or more."""
    if not KINDS["issues"](value):
        return [f"{at} is {short(value)}, wanted issues"]
    named = sorted({".".join(map(str, issue["path"])) for issue in value})
    return [] if named == sorted(wanted) else [f"{at} names {named}, wanted {sorted(wanted)}"]


def _from_now(wanted, value, at):
    """A time so many seconds from now, to a few seconds."""
    if _word("time", value, at):
        return _word("time", value, at)
    away = (datetime.fromisoformat(value.replace("Z", "+00:00")) - datetime.now(timezone.utc)).total_seconds()
    return [] if abs(away - wanted) <= SLACK_SECONDS else [f"{at} is {away:.0f} s from now, wanted {wanted} s"]


def _claims(wanted, value, at):
    """The claims of a JSON web token; nobody checks the signature here."""
    if _word("token", value, at):
        return _word("token", value, at)
    claims = value.split(".")[1]
    return compare(wanted, json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4))), f"{at} (claims)")


def _no(wanted, value, at):
    """Nowhere in the value, however deep, stands this text: for secrets."""
    return [f"{at} holds {short(wanted)}"] if wanted in json.dumps(value, ensure_ascii=False) else []


RULES = {
    "has": _has,
    "has not": _has_not,
    "all": _all,
    "only": _only,
    "count": _count,
    "between": _between,
    "issues at": _issues_at,
    "from now": _from_now,
    "claims": _claims,
    "no": _no,
    "certificate": certificate.compare,
    "chain": certificate.compare_chain,
}
