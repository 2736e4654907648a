// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import { inspect } from "node:util";
import { InfisicalClient, InfisicalError } from "@postern/sdk";
import { refusal, serve } from "./server.js";

const granted = (accessToken) => ({ body: { accessToken, expiresIn: 60, accessTokenMaxTTL: 120, tokenType: "Bearer" } });
const place = { projectId: "p", environment: "dev", secretPath: "/a" };

async function made(t, ...answers) {
  const server = await serve(t, ...answers);
  const client = new InfisicalClient({ baseUrl: server.url });
  t.after(() => client.close());
  return { client, ...server };
}

test("CommonJS gets the same", () => {
  const names = Object.keys(createRequire(import.meta.url)("@postern/sdk")).sort();
  assert.deepEqual(names, ["InfisicalApiError", "InfisicalClient", "InfisicalError", "InfisicalNetworkError"]);
});

test("nothing is called before a login", async (t) => {
  const { client, seen } = await made(t, {});
  await assert.rejects(client.secrets.list(place), InfisicalError);
  assert.equal(seen.length, 0);
});

test("a login from Kubernetes: the token is trimmed, and later calls use what it gave", async (t) => {
  const { client, seen } = await made(t, granted("at-1"), { body: { secrets: [] } });
  assert.deepEqual(await client.login({ kubernetesAuth: { identityId: "i", jwt: "ey.j.wt\n" } }), granted("at-1").body);
  assert.deepEqual([seen[0].url, seen[0].body], ["/api/v1/auth/kubernetes-auth/login", { identityId: "i", jwt: "ey.j.wt" }]);
  assert.equal(seen[0].headers.authorization, undefined);
  await client.secrets.list(place);
  assert.equal(seen[1].headers.authorization, "Bearer at-1");
});

test("a universal login, and a token that was at hand", async (t) => {
  const { client, seen } = await made(t, granted("at-1"), { body: { secrets: [] } });
  await client.login({ universalAuth: { clientId: "c", clientSecret: "s" } });
  assert.deepEqual([seen[0].url, seen[0].body], ["/api/v1/auth/universal-auth/login", { clientId: "c", clientSecret: "s" }]);
  await client.login({ accessToken: "mine" });
  await client.secrets.list(place);
  assert.equal(seen[1].headers.authorization, "Bearer mine");
  await assert.rejects(client.login({}), /one of/);
});

test("what can be repeated logs in again, once, also for calls that fail together", async (t) => {
  let logins = 0;
  const { client } = await made(t, ({ url, headers }) => {
    if (url.endsWith("/login")) return granted(`at-${++logins}`);
    return headers.authorization === "Bearer at-1" ? refusal(401, "UnauthorizedError", "expired") : { body: { secrets: [] } };
  });
  let asked = 0;
  await client.login({ kubernetesAuth: { identityId: "i", jwt: async () => `jwt-${++asked}` } });
  await Promise.all([client.secrets.list(place), client.secrets.list(place)]);
  assert.deepEqual([logins, asked], [2, 2]);
});

test("a 401 that stays is passed on, and a plain token is not used twice", async (t) => {
  let logins = 0;
  const { client } = await made(t, ({ url }) => (url.endsWith("/login") ? granted(`at-${++logins}`) : refusal(401, "UnauthorizedError", "no")));
  await client.login({ universalAuth: { clientId: "c", clientSecret: "s" } });
  await assert.rejects(client.secrets.list(place), { status: 401 });
  assert.equal(logins, 2);
  await client.login({ kubernetesAuth: { identityId: "i", jwt: "plain" } });
  await assert.rejects(client.secrets.list(place), { status: 401 });
  assert.equal(logins, 3);
});

function dynamicCalls({ dynamicSecrets }) {
  const of = { projectSlug: "p", environmentSlug: "dev", path: "/a" };
  const query = "projectSlug=p&environmentSlug=dev&path=%2Fa";
  const base = "/api/v1/dynamic-secrets";
  const provider = { type: "kubernetes", inputs: { namespace: "n" } };
  return [
    [() => dynamicSecrets.list(of), "GET", `${base}?${query}`],
    [() => dynamicSecrets.get({ ...of, name: "k/8" }), "GET", `${base}/k%2F8?${query}`],
    [() => dynamicSecrets.create({ ...of, name: "k", provider, defaultTTL: "1h" }), "POST", base, { ...of, name: "k", provider, defaultTTL: "1h" }],
    [() => dynamicSecrets.delete({ ...of, name: "k", isForced: true }), "DELETE", `${base}/k`, { ...of, isForced: true }],
    [() => dynamicSecrets.leases.list({ ...of, dynamicSecretName: "k" }), "GET", `${base}/k/leases?${query}`],
    [() => dynamicSecrets.leases.create({ ...of, dynamicSecretName: "k", config: { namespace: "n" } }), "POST", `${base}/leases`,
      { ...of, dynamicSecretName: "k", config: { namespace: "n" } }],
    [() => dynamicSecrets.leases.get({ ...of, leaseId: "l" }), "GET", `${base}/leases/l?${query}`],
    [() => dynamicSecrets.leases.renew({ ...of, leaseId: "l", ttl: "1h" }), "POST", `${base}/leases/l/renew`, { ...of, ttl: "1h" }],
    [() => dynamicSecrets.leases.revoke({ ...of, leaseId: "l" }), "DELETE", `${base}/leases/l`, of],
  ];
}

test("each call goes where it belongs", async (t) => {
  const { client, seen } = await made(t, { body: {} });
  await client.login({ accessToken: "x" });
  const identityId = "0b7e";
  const config = `/api/v1/auth/kubernetes-auth/identities/${identityId}`;
  const secret = "/api/v4/secrets/A%20B";
  const calls = [
    [() => client.identities.create({ name: "n", organizationId: "o" }), "POST", "/api/v1/identities", { name: "n", organizationId: "o" }],
    [() => client.identityAuth.kubernetes.attach({ identityId, kubernetesHost: "k" }), "POST", config, { kubernetesHost: "k" }],
    [() => client.identityAuth.kubernetes.update({ identityId, allowedNames: "a" }), "PATCH", config, { allowedNames: "a" }],
    [() => client.identityAuth.kubernetes.get({ identityId }), "GET", config],
    [() => client.identityAuth.kubernetes.revoke({ identityId }), "DELETE", config],
    [() => client.secrets.list({ ...place, recursive: true }), "GET", "/api/v4/secrets?projectId=p&environment=dev&secretPath=%2Fa&recursive=true"],
    [() => client.secrets.get({ ...place, secretName: "A B" }), "GET", `${secret}?projectId=p&environment=dev&secretPath=%2Fa`],
    [() => client.secrets.create({ ...place, secretName: "A B", secretValue: "v" }), "POST", secret, { ...place, secretValue: "v" }],
    [() => client.secrets.update({ ...place, secretName: "A B", newSecretName: "C" }), "PATCH", secret, { ...place, newSecretName: "C" }],
    [() => client.secrets.delete({ ...place, secretName: "A B" }), "DELETE", secret, place],
    ...dynamicCalls(client),
  ];
  for (const [call, method, url, body] of calls) {
    await call();
    const { method: wasMethod, url: wasUrl, body: wasBody } = seen.at(-1);
    assert.deepEqual([wasMethod, wasUrl, wasBody], [method, url, body]);
  }
});

for (const name of ["", ".", ".."])
  test(`"${name}" cannot name a secret: it would be another call`, async (t) => {
    const { client, seen } = await made(t, {});
    await client.login({ accessToken: "x" });
    await assert.rejects(client.secrets.delete({ ...place, secretName: name }), InfisicalError);
    await assert.rejects(client.dynamicSecrets.leases.revoke({ projectSlug: "p", environmentSlug: "dev", leaseId: name }), InfisicalError);
    assert.equal(seen.length, 0);
  });

test("no credential shows when a client or an error is printed", async (t) => {
  const { client } = await made(t, granted("at-visible"), refusal(500, "InternalServerError", "Something went wrong"));
  await client.login({ universalAuth: { clientId: "c", clientSecret: "cs-visible" } });
  const error = await client.secrets.list(place).catch((caught) => caught);
  for (const shown of [inspect(client, { depth: 9, showHidden: true }), JSON.stringify(client), inspect(error, { depth: 9 }), String(error.stack)])
    assert.doesNotMatch(shown, /at-visible|cs-visible/);
});
