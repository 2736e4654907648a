# SPDX-License-Identifier: Apache-2.0
"""What a cluster of runner/cluster.py has by itself: the objects that leases are made of, with uids, 409 and 404, and tokens."""
import base64
import json
import re
import threading
import time
import uuid
from urllib.parse import parse_qs

PATHS = re.compile(r"/(?:api/v1|apis/rbac\.authorization\.k8s\.io/v1)(?:/namespaces/([^/]+))?"
                   r"/(serviceaccounts|secrets|rolebindings|clusterrolebindings|roles|clusterroles)(?:/([^/]+))?(/token)?")


def encode(part):
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


def failure(status, reason, message):
    return {"status": status, "json": {"kind": "Status", "status": "Failure", "reason": reason, "code": status, "message": message}}


class Objects:
    """One cluster's. The service account `app` and every role but `missing` are there from the start."""

    def __init__(self):
        self.lock, self.objects, self.tokens = threading.Lock(), {}, 0

    def answer(self, method, path, query, body):
        if path == "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews":
            return {"status": 201, "json": {"kind": "SelfSubjectAccessReview", "status": {"allowed": True}}}
        match = PATHS.fullmatch(path)
        if not match:
            return None
        namespace, kind, name, token = match.groups()
        with self.lock:
            if token:
                return self.token(namespace, name, body)
            if method == "POST":
                return self.create(namespace, kind, body, "dryRun=All" in query)
            if method == "DELETE":
                return self.delete(namespace, kind, name, body)
            return self.get(namespace, kind, name) if name else self.labelled(namespace, kind, query)

    def labelled(self, namespace, kind, query):
        wanted = dict(pair.split("=") for pair in parse_qs(query).get("labelSelector", [""])[0].split(",") if pair)
        there = [made for place, made in self.objects.items() if place[:2] == (namespace, kind)]
        return {"json": {"metadata": {}, "items": [made for made in there if wanted.items() <= made["metadata"].get("labels", {}).items()]}}

    def get(self, namespace, kind, name):
        if kind in ("roles", "clusterroles") and name != "missing" or (kind, name) == ("serviceaccounts", "app"):
            return {"json": {"metadata": {"name": name, "uid": "there"}}}
        found = self.objects.get((namespace, kind, name))
        return {"json": found} if found else failure(404, "NotFound", f'{kind} "{name}" not found')

    def create(self, namespace, kind, body, is_dry):
        name = body["metadata"]["name"]
        if (namespace, kind, name) in self.objects:
            return failure(409, "AlreadyExists", f'{kind} "{name}" already exists')
        made = body | {"metadata": body["metadata"] | {"uid": str(uuid.uuid4())}}
        if not is_dry:
            self.objects[namespace, kind, name] = made
        return {"status": 201, "json": made}

    def delete(self, namespace, kind, name, body):
        found = self.objects.get((namespace, kind, name))
        wanted = ((body or {}).get("preconditions") or {}).get("uid")
        if not found:
            return failure(404, "NotFound", f'{kind} "{name}" not found')
        if wanted and wanted != found["metadata"]["uid"]:
            return failure(409, "Conflict", "the UID in the precondition does not match")
        del self.objects[namespace, kind, name]
        return {"json": {"kind": "Status", "status": "Success"}}

    def token(self, namespace, name, body):
        now, length = int(time.time()), body["spec"].get("expirationSeconds", 3600)
        if length < 600:
            return failure(422, "Invalid", "may not specify a duration less than 10 minutes")
        self.tokens += 1
        claims = {"iat": now, "exp": now + length, "jti": str(uuid.uuid4()), "sub": f"system:serviceaccount:{namespace}:{name}",
                  "aud": body["spec"].get("audiences") or ["https://kubernetes.default.svc"]}
        token = f"{encode({'alg': 'RS256', 'kid': 'k'})}.{encode(claims)}.c2ln"
        ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(claims["exp"]))
        return {"status": 201, "json": {"kind": "TokenRequest", "status": {"token": token, "expirationTimestamp": ends}}}

    def list(self):
        """Those that are there, as [{"kind", "namespace", "name"}], oldest first."""
        with self.lock:
            return [{"namespace": namespace, "kind": kind, "name": name} for namespace, kind, name in self.objects]
