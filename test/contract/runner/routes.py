# SPDX-License-Identifier: Apache-2.0
"""
Every route of `postern routes` refuses whoever may not call it. The files *.routes.json say what
stands for the parameters of each route, with which input it would succeed, and who is sent away. What
each role may is not in the files: it follows from the listing and from the roles (roles.py).
"""
import json
import re
import subprocess

from runner.case import check_form, prepare, run_step, send
from runner.roles import is_granted, make_actors, read_permission
from runner.variables import Missing, Variables

LINE = re.compile(r"(GET|POST|PATCH|PUT|DELETE) +(\S+) +(\S+) +\[(.*)\] +\S+ +\S+ +\S+")
# Which token is of a kind that a route may or may not take.
KINDS = {"identity": "admin", "user": "owner", "gateway": "gateway", "relay": "relay", "service": "service", "user-before-mfa": "halfway"}


# Routes that name an object by nothing but its id.
ALONE = re.compile(r"^[^:]*/:(?!project|organization)(\w*[iI]d)(/[^:/]+)?$")
NOTHING = "01a20000-0000-7000-8000-00000000beef"


class Routes:
    def __init__(self, path, cast, binary):
        self.data = json.loads(path.read_text())
        self.cast = cast
        self.variables = Variables(cast.lookup)
        listing = subprocess.run([binary, "routes"], capture_output=True, text=True, check=True).stdout
        self.rows = [self._row(line) for line in listing.splitlines() if line]
        self.setup = [line for step in self.data["setup"] for line in run_step(step, self.variables, cast)]
        self.actors = make_actors(cast, *(self.variables.get(name) for name in ("target", "elsewhere")))

    @staticmethod
    def _row(line):
        match = LINE.fullmatch(line)
        if not match:
            raise ValueError(f"not a line of `postern routes`: {line}")
        return f"{match[1]} {match[2]}", set(match[3].split(",")), match[4]

    def tests(self):
        """(name, function) for each refusal; the functions answer with what differs."""
        yield "setup", lambda: self.setup
        yield "every route that the tables name is there", self.leftovers
        for route, access, permission in self.rows:
            if "anyone" in access:
                continue
            yield f"{route}: 401 without a credential", self.refuses(route, "nobody", [401])
            yield f"{route}: 403 TokenError for what is no token", self.refuses(route, "not.a.token", [403], "TokenError")
            for kind, actor in KINDS.items():
                if not {kind, kind + "-without-org"} & access:
                    yield f"{route}: 403 for the token of a {kind}", self.refuses(route, actor, [403])
            if "service" in access and route not in self.data["own"]:
                yield f"{route}: 403 or 404 for another project's service token", self.refuses(route, "service", [403, 404])
            for actor, rule in self.data["refused"].items():
                if self._is_refused(route, access, rule):
                    yield f"{route}: 403 or 404 for the {actor}", self.refuses(route, actor, [403, 404])
            if "user" in access and ALONE.search(route) and route not in self.data["own"]:
                for actor in ("noaccess", "foreigner") + (("outsider",) if permission.startswith("project ") else ()):
                    yield f"{route}: what the {actor} may not see is as if it were not there", lambda route=route, actor=actor: self._hides(route, actor)
        roles = list(self._roles())
        for route, permission, actor in (row[:3] for row in roles if row[3] is False):
            yield f"{route} [{permission}]: not for {actor.name}", lambda route=route, permission=permission, actor=actor: self._denies(route, permission, actor)
        for number, step in enumerate(self.data["after"], 1):
            yield f"after all refusals, {number}: {step['do']}", lambda step=step: run_step(step, self.variables, self.cast)
        for route, permission, actor in (row[:3] for row in roles if row[3] is True and not row[0].startswith("DELETE ")):
            yield f"{route} [{permission}]: for {actor.name}", lambda route=route, actor=actor: self._allows(route, actor)

    def _roles(self):
        """(route, permission, actor, whether he may) for all that people may call; fails on a permission it cannot read."""
        for route, access, permission in self.rows:
            asked = read_permission(permission)
            for actor in self.actors if "user" in access else []:
                yield route, permission, actor, is_granted(route, asked, actor, self.data["own"])

    def _hides(self, route, actor):
        """Of what is named by its id alone a refusal says no more than of an id that nothing has."""
        try:
            request = self._request(route)
        except Missing as missing:
            return [str(missing)]
        real = request["send"].rsplit("/", 1)[1] if ALONE.search(route)[2] is None else request["send"].split("/")[-2]
        there = send(prepare(request | {"as": actor}, self.variables), self.cast)
        nowhere = send(prepare(json.loads(json.dumps(request).replace(real, NOTHING)) | {"as": actor}, self.variables), self.cast)
        if there.status not in (403, 404):
            return []
        said = [(reply.status, str(reply.json.get("message")).replace(id, "ID")) for reply, id in ((there, real), (nowhere, NOTHING))]
        return [] if said[0] == said[1] else [f"{said[0]} for what is there, {said[1]} for what is not"]

    def _denies(self, route, permission, actor):
        try:
            reply = self._send(route, actor.token)
        except Missing as missing:
            return [str(missing)]
        if read_permission(permission).or_own and ":" not in route and actor.belongs and reply.status == 200:
            return ["shows what is another's"] if self.variables.get("session") in reply.text else []
        if reply.status not in (403, 404):
            return [f"status {reply.status}, wanted 403 or 404: {reply.text[:300]}"]
        return check_form(reply)

    def _allows(self, route, actor):
        """Whatever the answer is about the input, it is not about the caller: what is not found is so for the admin too."""
        try:
            reply = self._send(route, actor.token)
        except Missing as missing:
            return [str(missing)]
        is_boundary = reply.status == 403 and reply.json.get("error") == "PermissionBoundaryError"
        is_gone = reply.status == 404 and self._send(route, "admin").status == 404
        if reply.status in (401, 403, 404, 429) and not is_boundary and not is_gone or reply.status >= 500:
            return [f"status {reply.status}: {reply.text[:300]}"]
        return check_form(reply)

    def _send(self, route, actor):
        return send(prepare(self._request(route) | {"as": actor}, self.variables), self.cast)

    def _is_refused(self, route, access, rule):
        """{"only": [routes]}, or {"but": {route: why}}: everywhere else where people may come."""
        if "only" in rule:
            return route in rule["only"]
        return "user" in access and route not in self.data["own"] and route not in rule["but"]

    def leftovers(self):
        """Names of routes that are no longer there would be exceptions for nothing."""
        known = {route for route, _, _ in self.rows}
        named = set(self.data["own"]) | set(self.data["inputs"])
        for rule in self.data["refused"].values():
            named |= set(rule.get("only", [])) | set(rule.get("but", {}))
        return [f"there is no route {route}" for route in sorted(named - known)]

    def refuses(self, route, actor, statuses, error=None):
        return lambda: self._refuses(route, actor, statuses, error)

    def _refuses(self, route, actor, statuses, error):
        try:
            reply = self._send(route, actor)
        except Missing as missing:
            return [str(missing)]
        if reply.status not in statuses:
            return [f"status {reply.status}, wanted {statuses}: {reply.text[:300]}"]
        if error and reply.json.get("error") != error:
            return [f"error is {reply.json.get('error')}, wanted {error}"]
        return check_form(reply)

    def _request(self, route):
        """With objects that exist and an input that is right, so that only the caller can be what is wrong."""
        method, _, pattern = route.partition(" ")
        path = re.sub(r":(\w+)", lambda match: str(self._parameter(pattern, match[1])), pattern)
        return {"send": f"{method} {path}"} | self.data["inputs"].get(route, {})

    def _parameter(self, pattern, name):
        for prefix, values in self.data["parameters"].items():
            if pattern.startswith(prefix) and name in values:
                return self.variables.fill(values[name])
        raise Missing(f"say under \"parameters\" what :{name} of {pattern} is")
