// SPDX-License-Identifier: Apache-2.0
export { InfisicalClient, type InfisicalClientOptions } from "./client.js";
export type { DynamicSecretsResource, LeasesResource } from "./dynamic-secrets.js";
export { InfisicalApiError, InfisicalError, InfisicalNetworkError } from "./errors.js";
export type { IdentitiesResource, KubernetesAuthResource } from "./identities.js";
export type { SecretsResource } from "./secrets.js";
export type * from "./types.js";
