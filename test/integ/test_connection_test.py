"""What is saved is tried first, through its gateway: the answers of a real API server, and what a person reads."""
import secrets
import time
from pathlib import Path

import pytest

from harness.poll import until
from harness.postern import free_address
from test_impersonation import VIEWER, Outside, pod_gateway, service_account  # noqa: F401: a fixture

RESOURCES, ACCOUNTS = "/api/v1/pam/resources/kubernetes", "/api/v1/pam/accounts/kubernetes"


def new_name():
    return f"r-{secrets.token_hex(4)}"


def resource(postern, name, url, ca_file, gateway="dev", **more):
    gateways = {each["name"]: each["id"] for each in postern.admin.json("gateway", "list")}
    details = {"url": url, "sslCertificate": Path(ca_file).read_text() if ca_file else None}
    body = {"projectId": postern.project_id, "name": name, "gatewayId": gateways[gateway], "connectionDetails": details} | more
    return postern.api("POST", RESOURCES, body)


def account(postern, resource_id, credentials, **more):
    return postern.api("POST", ACCOUNTS, {"resourceId": resource_id, "name": new_name(), "credentials": credentials} | more)


def names(postern):
    return {each["name"] for each in postern.ok("GET", f"/api/v1/pam/resources?projectId={postern.project_id}&limit=100")["resources"]}


def test_a_cluster_is_tried(cluster, postern_dev):
    answer = resource(postern_dev, new_name(), cluster.url, cluster.ca_file)
    assert answer.status == 200, answer.text
    test = answer.json["resource"]["connectionTest"]
    assert test["status"] == "ok" and "Kubernetes v1." in test["message"], test


@pytest.mark.parametrize("kind, words", [("dead", "refused the connection"), ("wrong-ca", "certificate"), ("wrong-name", "resolve")])
def test_what_cannot_be_reached_is_not_stored(kind, words, cluster, postern_dev):
    url = {"dead": f"https://{free_address()}", "wrong-name": "https://no-such-host.invalid"}.get(kind, cluster.url)
    ca_file, name = postern_dev.ca_file if kind == "wrong-ca" else cluster.ca_file, new_name()
    begin = time.monotonic()
    answer = resource(postern_dev, name, url, ca_file)
    assert answer.status == 400 and "cannot reach the cluster" in answer.json["message"], answer.text
    assert words in answer.json["message"].lower(), answer.text
    assert time.monotonic() - begin < 25
    assert name not in names(postern_dev)
    answer = resource(postern_dev, name, url, ca_file, skipConnectionTest=True)
    assert answer.status == 200 and answer.json["resource"]["connectionTest"]["status"] == "skipped"
    # A change is tried as well, and leaves what was there when it fails.
    there = answer.json["resource"]["id"]
    answer = postern_dev.api("PATCH", f"{RESOURCES}/{there}", {"connectionDetails": {"url": f"https://{free_address()}"}})
    assert answer.status == 400, answer.text
    assert postern_dev.ok("GET", f"{RESOURCES}/{there}")["resource"]["connectionDetails"]["url"] == url
    mended = {"connectionDetails": {"url": cluster.url, "sslCertificate": cluster.ca_file.read_text()}}
    assert postern_dev.ok("PATCH", f"{RESOURCES}/{there}", mended)["resource"]["connectionTest"]["status"] == "ok"


def test_a_token_is_tried_in_the_clusters_own_words(cluster, postern_dev, namespace):
    made = resource(postern_dev, new_name(), cluster.url, cluster.ca_file).json["resource"]
    token, wrong = cluster.token("tried", namespace, role="view"), "eyJ-not-a-token-of-this-cluster"
    answer = account(postern_dev, made["id"], {"authMethod": "service-account-token", "serviceAccountToken": wrong})
    assert answer.status == 400 and "does not accept the token: Unauthorized" in answer.json["message"], answer.text
    assert wrong not in answer.text
    answer = account(postern_dev, made["id"], {"authMethod": "service-account-token", "serviceAccountToken": token})
    assert answer.status == 200, answer.text
    assert answer.json["account"]["connectionTest"] == {"status": "ok", "message": "The cluster accepts the token"}
    there = answer.json["account"]["id"]
    changed = postern_dev.api("PATCH", f"{ACCOUNTS}/{there}", {"credentials": {"serviceAccountToken": wrong}})
    assert changed.status == 400 and "Unauthorized" in changed.json["message"]
    # What is stored is tried with what changes: the same cluster by an account's own address.
    own = {"connectionDetails": {"url": f"{cluster.url}/", "sslRejectUnauthorized": False}}
    assert postern_dev.ok("PATCH", f"{ACCOUNTS}/{there}", own)["account"]["connectionTest"]["status"] == "ok"
    assert "connectionTest" not in postern_dev.ok("PATCH", f"{ACCOUNTS}/{there}", own | {"description": "again"})["account"]
    assert token not in postern_dev.logs() and wrong not in postern_dev.logs()


def test_the_command_line_says_it(cluster, postern_dev, namespace):
    name = new_name()
    create = ["pam", "resource", "create", name, "--url", f"https://{free_address()}", "--ca-file", cluster.ca_file, "--gateway", "dev"]
    refused = postern_dev.admin(*create, exit_code=2)
    assert "cannot reach the cluster" in refused.stderr, refused.stderr
    stored = postern_dev.admin(*create, "--no-test")
    assert "connection test: skipped: As asked for" in stored.stderr, stored.stderr


def test_a_gateway_that_is_away_is_no_reason_to_wait(cluster, postern_dev):
    postern_dev.admin("gateway", "create", away := f"g-{secrets.token_hex(4)}")
    answer = resource(postern_dev, new_name(), cluster.url, cluster.ca_file, gateway=away)
    assert answer.status == 200, answer.text
    assert answer.json["resource"]["connectionTest"]["status"] == "skipped"


def test_whom_the_gateway_may_act_as(cluster, postern_dev, namespace, pod_gateway):  # noqa: F811
    """The cluster refuses: its words, and the rule that mends it; by its name in the cluster, which no process here resolves."""
    made = resource(postern_dev, new_name(), "https://kubernetes.default.svc.cluster.local", None, gateway=pod_gateway.name)
    assert made.status == 200, made.text
    assert made.json["resource"]["connectionTest"]["status"] == "warning", made.text
    credentials = {"authMethod": "gateway-kubernetes-auth", "namespace": namespace, "serviceAccountName": VIEWER}
    until(lambda: account(postern_dev, made.json["resource"]["id"], credentials).status == 200, "the rules count")
    answer = account(postern_dev, made.json["resource"]["id"], credentials | {"serviceAccountName": "nobody"})
    assert answer.status == 400, answer.text
    assert f"manifest GATEWAY --rules --impersonate {namespace}/nobody" in answer.json["message"]
    assert "cannot impersonate resource" in answer.json["message"], answer.text


def test_constrained_impersonation_is_enough(cluster, new_dev, namespace, tmp_path):
    service_account(cluster, namespace, VIEWER, "view")
    outside = Outside(cluster, tmp_path, namespace, "postern-gateway-dev")
    dev = new_dev("--pod-identity", outside.folder, env=outside.env())
    cluster.apply(dev.admin("gateway", "manifest", "dev", "--rules", "--constrained", "--namespace", namespace,
                            "--impersonate", f"{namespace}/{VIEWER}").stdout)
    made = resource(dev, new_name(), cluster.url, cluster.ca_file).json["resource"]
    credentials = {"authMethod": "gateway-kubernetes-auth", "namespace": namespace, "serviceAccountName": VIEWER}
    until(lambda: account(dev, made["id"], credentials).status == 200, "the rules count")
