# SPDX-License-Identifier: Apache-2.0
"""A case: a short series of requests and what must come back. The form of the files: README.md."""
import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

from runner import totp
from runner.match import compare, short
from runner.variables import Missing, Variables

STEP = {"do", "as", "send", "query", "headers", "body", "text", "status", "reply", "headers out", "same text", "keep", "each", "times",
        "at once", "restart", "given", "until", "cluster", "asked", "code"}
CASE = {"says", "spec", "steps"}
POLL_SECONDS = 0.05
ENVELOPE = {"reqId": "<request id>", "message": "<any>", "error": "<text>"}


class Case:
    def __init__(self, path, cast):
        self.cast = cast
        self.data = json.loads(path.read_text())
        self.name = path.stem
        unknown = set(self.data) - CASE
        for step in self.data["steps"]:
            unknown |= set(step) - STEP
        if unknown:
            raise ValueError(f"{path}: unknown members {sorted(unknown)}")

    def run(self):
        """What differs, in lines; later steps run as long as they have the variables they need."""
        variables = Variables(self.cast.lookup)
        differences = []
        for number, step in enumerate(self.data["steps"], 1):
            try:
                lines = run_step(step, variables, self.cast)
            except Missing as missing:
                lines = [f"cannot be done: {missing}"]
            where = step.get("do") or step.get("send") or next(iter(step))
            differences += [f"step {number} ({where}): {line}" for line in lines]
        return differences


def run_step(step, variables, cast):
    if "each" in step:
        plain = {name: value for name, value in step.items() if name != "each"}
        lines = []
        for more in variables.fill(step["each"]):
            lines += [f"with {short(more)}: {line}" for line in run_step(plain, variables.having(more), cast)]
        return lines
    if "times" in step:
        plain = {name: value for name, value in step.items() if name != "times"}
        return [f"time {i}: {line}" for i in range(1, step["times"] + 1) for line in run_step(plain, variables, cast)]
    if "restart" in step:
        cast.instance.restart()
        return []
    if "given" in step:
        return compare(variables.fill(step["reply"]), variables.fill(step["given"]), "given")
    if "code" in step:
        wanted = variables.fill(step["code"])
        variables.keep(wanted["keep"], totp.code(wanted["of"], wanted["ahead"]))
        return []
    if "cluster" in step:
        cluster = variables.fill(step["cluster"])
        cast.cluster.script(cluster["name"], cluster.get("answers", {}))
        if "send" not in step:
            return []
    if "asked" in step:
        return compare(variables.fill(step["reply"]), cast.cluster.asked(variables.fill(step["asked"])), "asked")
    if "at once" in step:
        return run_at_once(step, variables, cast)
    ready = prepare(step, variables)
    deadline = time.monotonic() + ready.get("until", 0)
    while True:
        differences = check(ready, send(ready, cast), variables)
        if not differences or time.monotonic() >= deadline:
            return differences
        time.sleep(POLL_SECONDS)


def prepare(step, variables):
    """Everything filled before the request is sent: who is named in the reply must exist by then."""
    return {name: variables.fill(value) for name, value in step.items()}


def run_at_once(step, variables, cast):
    """The same request many times in parallel; how often each status must come: {"200": 1, "400": 19}."""
    count = sum(step["at once"].values())
    step = prepare(step, variables)
    with ThreadPoolExecutor(count) as pool:
        replies = list(pool.map(lambda _: send(step, cast), range(count)))
    statuses = {}
    for reply in replies:
        statuses[str(reply.status)] = statuses.get(str(reply.status), 0) + 1
    if statuses != step["at once"]:
        return [f"the statuses are {statuses}, wanted {step['at once']}"]
    good = next((reply for reply in replies if reply.status == 200), None)
    return check({"status": 200} | step, good, variables) if good else []


def send(step, cast):
    actor = step.get("as", "admin")
    method, _, path = step["send"].partition(" ")
    query = "&".join(f"{quote(name)}={quote(str(value), safe='')}" for name, value in step.get("query", {}).items())
    token = cast.token(actor) if cast.knows(actor) else actor
    return cast.instance.call(method, path + ("?" + query if query else ""), step.get("text", step.get("body")), token, step.get("headers"))


def check(step, reply, variables):
    status = step.get("status", 200)
    if reply.status not in (status if isinstance(status, list) else [status]):
        return [f"status {reply.status}, wanted {status}: {reply.text[:600]}"]
    differences = check_form(reply)
    if "reply" in step:
        differences += compare(step["reply"], reply.json if "json" in reply.headers.get("content-type", "") else reply.text)
    differences += compare(step.get("headers out", {}), reply.headers, "headers")
    if "same text" in step and reply.text != step["same text"]:
        differences.append(f"the body is {reply.text[:300]}, wanted {step['same text'][:300]}")
    for name, where in step.get("keep", {}).items():
        found = pick(reply, where)
        if found is None:
            differences.append(f"there is no {where} to keep: {reply.text[:300]}")
        else:
            variables.keep(name, found)
    return differences


def check_form(reply):
    """What holds for every reply: the request id, and the envelope of errors (platform.md §1.2, §1.3)."""
    differences = compare("<request id>", reply.headers.get("x-request-id"), "header x-request-id")
    if reply.status < 400:
        return differences
    if "json" not in reply.headers.get("content-type", ""):
        return differences + [f"status {reply.status} without JSON: {reply.text[:300]}"]
    error = reply.json
    differences += compare(ENVELOPE | {"statusCode": reply.status}, error)
    differences += compare("<issues>" if reply.status == 422 else "<text>", error.get("message"), "reply.message")
    if error.get("reqId") != reply.headers.get("x-request-id"):
        differences.append("reqId and x-request-id differ")
    if reply.status == 429:
        differences += compare(r"~^[1-9]\d*$", reply.headers.get("retry-after"), "header retry-after")
    return differences


def pick(reply, where):
    """"a.b.0.c" of the body; "" is the whole body as text; "headers.etag"; ["a.b", "x=(.*)"] is what the group matches there."""
    if isinstance(where, list):
        found = re.search(where[1], str(pick(reply, where[0])))
        return found[1] if found else None
    if where == "":
        return reply.text
    if where.startswith("headers."):
        return reply.headers.get(where.removeprefix("headers."))
    value = reply.json
    for name in where.split("."):
        try:
            value = value[int(name)] if isinstance(value, list) else value[name]
        except (KeyError, IndexError, TypeError, ValueError):
            return None
    return value
