// SPDX-License-Identifier: Apache-2.0
// The walk of ../README.md with @infisical/sdk, which is in MODULES.
import { createRequire } from "node:module";

const { InfisicalSDK } = createRequire(`${process.env.MODULES}/`)("@infisical/sdk");
const { SERVER, PROJECT, ACCESS_TOKEN, CLIENT_ID, CLIENT_SECRET } = process.env;
const place = { projectId: PROJECT, environment: "dev", secretPath: "/" };
const client = new InfisicalSDK({ siteUrl: SERVER });
const seen = {};

if (CLIENT_ID !== undefined) {
  await client.auth().universalAuth.login({ clientId: CLIENT_ID, clientSecret: CLIENT_SECRET });
  seen.tokenType = "Bearer";
} else {
  client.auth().accessToken(ACCESS_TOKEN);
}
if (process.env.LEASE_OF !== undefined) {
  await leases();
  process.exit(0);
}
const secrets = client.secrets();
seen.created = (await secrets.createSecret("WALK", { ...place, secretValue: "one", secretComment: "by node" })).secret.secretValue;
const got = await secrets.getSecret({ ...place, secretName: "WALK" });
[seen.got, seen.comment] = [got.secretValue, got.secretComment];
const { secret: updated } = await secrets.updateSecret("WALK", { ...place, secretValue: "two" });
[seen.updated, seen.version] = [updated.secretValue, updated.version];
const { secrets: listed } = await secrets.listSecrets(place);
seen.listed = Object.fromEntries(listed.map((secret) => [secret.secretKey, secret.secretValue]));
seen.deleted = (await secrets.deleteSecret("WALK", place)).secret.secretKey;
try {
  await secrets.getSecret({ ...place, secretName: "WALK" });
} catch (error) {
  seen.missing = Number(/StatusCode=(\d+)/i.exec(String(error.message))?.[1]);
  seen.error = String(error.message);
}
console.log(JSON.stringify(seen));

/** The second walk. */
async function leases() {
  const { LEASE_OF: name, PROJECT_SLUG: projectSlug, INPUTS } = process.env;
  const of = { projectSlug, environmentSlug: "dev", path: "/" };
  const dynamic = client.dynamicSecrets();
  const made = await dynamic.create({ ...of, name: `${name}-node`, provider: { type: "kubernetes", inputs: JSON.parse(INPUTS) }, defaultTTL: "1h",
    maxTTL: "2h" });
  seen.made = [made.name, made.type, made.defaultTTL];
  seen.deleted = (await dynamic.delete(made.name, of)).name;
  const { lease, data } = await dynamic.leases.create({ ...of, dynamicSecretName: name, ttl: "15m" });
  Object.assign(seen, { data, lease: lease.id, expires: lease.expireAt, found: lease.externalEntityId });
  seen.without = (await dynamic.leases.create({ ...of, dynamicSecretName: name })).lease.id;
  seen.renewed = (await dynamic.leases.renew(lease.id, { ...of, ttl: "5m" })).lease.expireAt;
  console.log(JSON.stringify(seen));
  await new Promise((resolve) => process.stdin.once("data", resolve));
  seen.revoked = [];
  for (const id of [lease.id, seen.without]) seen.revoked.push((await dynamic.leases.delete(id, of)).lease.id);
  try {
    await dynamic.leases.create({ ...of, dynamicSecretName: name, ttl: "59s" });
  } catch (error) {
    seen.error = String(error.message);
    seen.refused = Number(/status(?: ?code)?[= ](\d+)/i.exec(seen.error)?.[1]);
  }
  console.log(JSON.stringify(seen));
}
