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
