"""Workloads of a real cluster log in with their service account and read their secrets (Shows 1)."""
import json
import os
import subprocess

import pytest

from harness import TOP
from harness.poll import until
from harness.postern import BINARY, Cli, clean_env, secret_file
from harness.setup import where
from harness.workload import Workload

POD = """
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  serviceAccountName: app
  restartPolicy: Never
  containers:
  - name: main
    image: any
    command: {command}
    env: {env}
    volumeMounts: [{{name: token, mountPath: /var/run/secrets/infisical, readOnly: true}}]
  volumes:
  - name: token
    projected: {{sources: [{{serviceAccountToken: {{audience: postern, expirationSeconds: 600, path: token}}}}]}}
"""

# The application of the SDK's documentation; where the test cluster mounts a projected token is in a variable.
APPLICATION = """
import { InfisicalClient } from "node-infisical";
import { readFileSync } from "fs";

async function main() {
  const client = new InfisicalClient({ baseUrl: process.env.SERVER! });
  const jwt = readFileSync(`${process.env.TESTCLUSTER_VOLUMES_DIR}/token/token`, "utf-8");
  await client.login({ kubernetesAuth: { identityId: process.env.INFISICAL_IDENTITY_ID!, jwt } });
  const secrets = await client.secrets.list({ projectId: process.env.PROJECT!, environment: "prod", secretPath: "/" });
  for (const secret of secrets.secrets) {
    console.log(`${secret.secretKey}=${secret.secretValue}`);
  }
}

main().catch(console.error);
"""


@pytest.fixture
def workload(postern_dev, cluster, namespace):
    made = Workload(postern_dev, cluster, namespace)
    yield made
    made.delete()


def run_pod(workload, name, command, **env):
    """What a pod says until it ends well."""
    workload.token()  # makes the service account
    values = [{"name": key, "value": str(value)} for key, value in env.items()]
    workload.cluster.apply(POD.format(name=name, namespace=workload.namespace, command=json.dumps([str(word) for word in command]),
                                      env=json.dumps(values)))
    kubectl = workload.cluster.kubectl

    def phase():
        return kubectl("-n", workload.namespace, "get", "pod", name, "-o", "jsonpath={.status.phase}").stdout
    until(lambda: phase() in ("Succeeded", "Failed"), "the pod's end", 60)
    said = kubectl("-n", workload.namespace, "logs", name).stdout
    assert phase() == "Succeeded", said
    return said


def sdk_folder(folder):
    """A folder in which `node-infisical` is our sdk/node."""
    if not (TOP / "sdk/node/dist").exists():
        raise FileNotFoundError("sdk/node/dist: build it first (./check integ does)")
    (folder / "node_modules").mkdir()
    (folder / "node_modules/node-infisical").symlink_to(TOP / "sdk/node")
    (folder / "package.json").write_text('{"type": "module"}')
    return folder


def test_the_documented_application_runs_in_a_pod(workload, tmp_path):
    application = sdk_folder(tmp_path) / "app.ts"
    application.write_text(APPLICATION)
    newest = sorted(where("node").parents[1].glob("24.*/node"))[-1]  # reads TypeScript as it is
    said = run_pod(workload, "application", [newest, application], SERVER=workload.postern.url, PROJECT=workload.project_id,
                   INFISICAL_IDENTITY_ID=workload.id, NODE_EXTRA_CA_CERTS=workload.postern.ca_file)
    assert said.splitlines() == ["API_KEY=k-1", "DATABASE_URL=postgres://db"]


def test_a_pod_runs_its_program_with_secrets(workload, tmp_path):
    script = tmp_path / "entry.sh"
    script.write_text(f"""set -e
export HOME={tmp_path} POSTERN_KUBERNETES_TOKEN_FILE=$TESTCLUSTER_VOLUMES_DIR/token/token
POSTERN_TOKEN=$({BINARY} login --method kubernetes --plain) || exit
export POSTERN_TOKEN
exec {BINARY} run --env prod -- sh -c 'echo "$DATABASE_URL with $API_KEY"'
""")
    said = run_pod(workload, "program", ["/bin/sh", script], POSTERN_DOMAIN=workload.postern.url, POSTERN_CA_FILE=workload.postern.ca_file,
                   POSTERN_IDENTITY_ID=workload.id, POSTERN_PROJECT_ID=workload.project_id)
    assert said == "postgres://db with k-1\n"


def run_node(folder, script, version="20.*", **env):
    file = folder / "script.js"
    file.write_text(script)
    node = sorted(where("node").parents[1].glob(f"{version}/node"))[-1]
    done = subprocess.run([node, file], env=clean_env(**{name: str(value) for name, value in env.items()}), capture_output=True, text=True,
                          timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


# With `ca` instead of a variable of Node's, in each version of Node.js.
ADMINISTRATION = """
import { readFileSync } from "node:fs";
import { InfisicalClient, InfisicalApiError, InfisicalNetworkError } from "node-infisical";

const { SERVER, CA_FILE, TOKEN, ORGANIZATION, PROJECT, HOST, HOST_CA, REVIEWER, JWT, NAMESPACE } = process.env;
const ca = readFileSync(CA_FILE, "utf8");
const admin = new InfisicalClient({ baseUrl: SERVER, ca, accessToken: TOKEN });
const caught = (promise) => promise.then(() => null, (error) => error);
const seen = {};

const { identity } = await admin.identities.create({ name: "sdk", organizationId: ORGANIZATION });
const { kubernetes } = admin.identityAuth;
const attached = await kubernetes.attach({ identityId: identity.id, kubernetesHost: HOST, caCert: readFileSync(HOST_CA, "utf8"),
  tokenReviewerJwt: REVIEWER, allowedNamespaces: "default,production", allowedNames: "app", allowedAudience: "postern",
  accessTokenTTL: 3600, accessTokenMaxTTL: 3600, accessTokenNumUsesLimit: 0, accessTokenTrustedIps: [{ ipAddress: "0.0.0.0/0" }] });
seen.attached = attached.identityKubernetesAuth.allowedNamespaces;

const workload = new InfisicalClient({ baseUrl: SERVER, ca });
const login = () => workload.login({ kubernetesAuth: { identityId: identity.id, jwt: () => JWT } });
const refused = await caught(login());
seen.refused = [refused instanceof InfisicalApiError, refused.status, refused.reason, typeof refused.requestId];

await kubernetes.update({ identityId: identity.id, allowedNamespaces: `default,${NAMESPACE}` });
const got = (await kubernetes.get({ identityId: identity.id })).identityKubernetesAuth;
seen.got = [got.allowedNamespaces, got.allowedNames, got.accessTokenTTL];
const granted = await login();
seen.granted = [granted.tokenType, granted.expiresIn, granted.accessTokenMaxTTL];

const place = { projectId: PROJECT, environment: "dev", secretPath: "/" };
seen.created = (await admin.secrets.create({ ...place, secretName: "A", secretValue: "1" })).secret.secretValue;
seen.updated = (await admin.secrets.update({ ...place, secretName: "A", secretValue: "2" })).secret.version;
seen.read = (await admin.secrets.get({ ...place, secretName: "A" })).secret.secretValue;
seen.listed = (await admin.secrets.list(place)).secrets.map((secret) => secret.secretKey);
seen.stranger = (await caught(workload.secrets.list(place))).status;
seen.deleted = (await admin.secrets.delete({ ...place, secretName: "A" })).secret.secretKey;
seen.missing = (await caught(admin.secrets.get({ ...place, secretName: "A" }))).status;

await kubernetes.revoke({ identityId: identity.id });
seen.revoked = (await caught(login())).status;
const distrusting = await caught(new InfisicalClient({ baseUrl: SERVER, accessToken: TOKEN }).secrets.list(place));
seen.distrusting = [distrusting instanceof InfisicalNetworkError, distrusting.code];
console.log(JSON.stringify(seen));
"""


@pytest.mark.parametrize("version", ["20.*", "22.*", "24.*"])
def test_the_sdk_administers_and_logs_in(version, workload, tmp_path):
    postern = workload.postern
    organization = postern.ok("GET", "/api/v1/identities/details")["identityDetails"]["organization"]["id"]
    seen = run_node(sdk_folder(tmp_path), ADMINISTRATION, version, SERVER=postern.url, CA_FILE=postern.ca_file, TOKEN=postern.token,
                    ORGANIZATION=organization, PROJECT=workload.project_id, HOST=workload.cluster.url, HOST_CA=workload.cluster.ca_file,
                    REVIEWER=workload.reviewer(), JWT=workload.token(), NAMESPACE=workload.namespace)
    assert seen == {
        "attached": "default,production", "refused": [True, 403, "ForbiddenError", "string"],
        "got": [f"default,{workload.namespace}", "app", 3600], "granted": ["Bearer", 3600, 3600], "created": "1", "updated": 2,
        "read": "2", "listed": ["A"], "stranger": 403, "deleted": "A", "missing": 404, "revoked": 404,
        "distrusting": [True, seen["distrusting"][1]]}
    assert "SIGN" in seen["distrusting"][1] or "CERT" in seen["distrusting"][1] or "VERIFY" in seen["distrusting"][1]


# ---- identity kubernetes check ----

def check(workload, tmp_path, token, exit_code):
    """The step that failed (None: none did), and what is said to do."""
    file = secret_file(tmp_path / f"token-{os.urandom(3).hex()}", token)
    report = workload.postern.admin.json("identity", "kubernetes", "check", workload.id, "--token-file", file, exit_code=exit_code)
    assert token not in json.dumps(report)
    failed = [step["step"] for step in report["steps"] if step["result"] == "FAILED"]
    assert report["ok"] == (not failed)
    return (failed[0] if failed else None), report["remedy"] or ""


def test_check_finds_nothing_wrong(workload, tmp_path):
    assert check(workload, tmp_path, workload.token(), 0) == (None, "")
    cli = Cli(workload.postern, tmp_path / "nobody")  # who may not read the settings learns the same
    file = secret_file(tmp_path / "token", workload.token())
    assert cli.json("identity", "kubernetes", "check", workload.id, "--token-file", file)["ok"]


def test_check_names_who_is_not_allowed(workload, tmp_path, cluster):
    assert check(workload, tmp_path, workload.token("other"), 5)[0] == "name"
    step, remedy = check(workload, tmp_path, workload.token(namespace="default"), 5)
    assert step == "namespace" and f"--namespaces '{workload.namespace},default'" in remedy
    step, remedy = check(workload, tmp_path, workload.token(audience="somebody-else"), 4)
    assert step == "audience" and "audience: postern" in remedy and "--audience 'somebody-else'" in remedy


def test_check_names_a_token_that_is_not_genuine(workload, tmp_path):
    token = workload.token()
    head, body, signature = token.split(".")
    assert check(workload, tmp_path, f"{head}.{body}.{signature[::-1]}", 4)[0] == "genuine"


def test_check_names_a_reviewer_without_rights_and_its_manifest_mends_it(workload, tmp_path, cluster):
    admin = workload.postern.admin
    reviewer = workload.reviewer(may_review=False, name="powerless")
    done = admin("identity", "kubernetes", "update", workload.id, "--reviewer-token-file", "-", stdin=reviewer, exit_code=None)
    if done.returncode == 0:  # the server may already find it out when it is told
        pytest.fail("a reviewer without rights was accepted")
    assert "system:auth-delegator" in done.stderr
    admin("identity", "kubernetes", "update", workload.id, "--reviewer-token-file", "")  # the pod's own token reviews
    workload.update("--audience", "")
    step, remedy = check(workload, tmp_path, workload.token(audience=None), 4)
    assert step == "reviewer-rights" and "name: app" in remedy
    manifest = remedy[remedy.index("apiVersion:"):]
    cluster.apply(manifest)
    until(lambda: check(workload, tmp_path, workload.token(audience=None), None)[0] is None, "the manifest's effect")


def test_check_names_a_reviewer_that_is_gone(workload, tmp_path, cluster):
    reviewer = workload.reviewer(name="short-lived")
    workload.update("--reviewer-token-file", "-", stdin=reviewer)
    cluster.kubectl("-n", workload.namespace, "delete", "sa", "short-lived")
    until(lambda: check(workload, tmp_path, workload.token(), None)[0] == "reviewer", "the account's end to count")
    assert "--reviewer-token-file -" in check(workload, tmp_path, workload.token(), 4)[1]


def test_check_of_an_identity_that_cannot_log_in(workload, tmp_path):
    workload.postern.admin("identity", "kubernetes", "revoke", workload.id)
    step, remedy = check(workload, tmp_path, workload.token(), 6)
    assert step == "configured" and "identity kubernetes attach" in remedy
