// SPDX-License-Identifier: Apache-2.0
// What is sent and what comes back, by the names of the API.

export interface TrustedIp {
  /** An address or a network: "10.0.0.0/8". */
  ipAddress: string;
  /** In answers only. */
  type?: "ipv4" | "ipv6";
  prefix?: number;
}

/** What a login gives. */
export interface AccessToken {
  accessToken: string;
  /** Seconds. */
  expiresIn: number;
  /** Seconds; until then it can be renewed. */
  accessTokenMaxTTL: number;
  tokenType: string;
}

// ---- identities ----

export interface Metadata {
  key: string;
  value: string;
}

export interface Identity {
  id: string;
  name: string;
  orgId: string;
  projectId?: string | null;
  authMethods?: string[];
  hasDeleteProtection: boolean;
  metadata?: Metadata[];
  createdAt: string;
  updatedAt: string;
}

export interface CreateIdentity {
  name: string;
  organizationId: string;
  /** Slug of a role in the organization; "no-access" when not given. */
  role?: string;
  hasDeleteProtection?: boolean;
  metadata?: Metadata[];
}

// ---- how identities log in ----

/** Limits of the access tokens that a login gives. */
export interface AccessTokenLimits {
  /** Seconds. */
  accessTokenTTL?: number;
  /** Seconds. */
  accessTokenMaxTTL?: number;
  /** 0: no limit. */
  accessTokenNumUsesLimit?: number;
  accessTokenTrustedIps?: TrustedIp[];
}

export interface KubernetesAuthSettings extends AccessTokenLimits {
  /** URL or host[:port] of the Kubernetes API server. */
  kubernetesHost?: string | null;
  /** CA of its certificate, PEM. */
  caCert?: string;
  verifyTlsCertificate?: boolean;
  /** Token of the service account that reviews tokens; without one, the token that logs in reviews itself. */
  tokenReviewerJwt?: string | null;
  /** Who asks the cluster: the server ("api") or a gateway inside the cluster ("gateway"). */
  tokenReviewMode?: "api" | "gateway";
  gatewayId?: string | null;
  gatewayPoolId?: string | null;
  /** Namespaces, separated by commas; empty: any. */
  allowedNamespaces?: string;
  /** Names of service accounts, separated by commas; empty: any. */
  allowedNames?: string;
  allowedAudience?: string;
}

export type AttachKubernetesAuth = KubernetesAuthSettings & { identityId: string };
export type UpdateKubernetesAuth = AttachKubernetesAuth;

export interface IdentityKubernetesAuth {
  id: string;
  identityId: string;
  kubernetesHost: string | null;
  caCert?: string;
  verifyTlsCertificate?: boolean;
  tokenReviewerJwt?: string | null;
  tokenReviewMode?: "api" | "gateway";
  gatewayId?: string | null;
  gatewayPoolId?: string | null;
  allowedNamespaces: string;
  allowedNames: string;
  allowedAudience: string;
  accessTokenTTL: number;
  accessTokenMaxTTL: number;
  accessTokenNumUsesLimit: number;
  accessTokenTrustedIps: TrustedIp[];
  createdAt: string;
  updatedAt: string;
}

// ---- logging in ----

/** A token, or how to get one: a function is asked again when the login has to be repeated. */
export type TokenSource = string | (() => string | Promise<string>);

export interface KubernetesLogin {
  identityId: string;
  /** A service account token. Give a function that reads its file, since the kubelet replaces it. */
  jwt: TokenSource;
  organizationSlug?: string;
}

export interface UniversalLogin {
  clientId: string;
  clientSecret: string;
  organizationSlug?: string;
}

/** One of them. */
export type Login =
  | { kubernetesAuth: KubernetesLogin; universalAuth?: never; accessToken?: never }
  | { universalAuth: UniversalLogin; kubernetesAuth?: never; accessToken?: never }
  | { accessToken: string; kubernetesAuth?: never; universalAuth?: never };

// ---- secrets ----

export interface Tag {
  id: string;
  slug: string;
  name?: string;
  color?: string | null;
}

export interface SecretMetadata extends Metadata {
  isEncrypted?: boolean;
}

export interface Secret {
  id: string;
  workspace: string;
  environment: string;
  version: number;
  type: "shared" | "personal";
  secretKey: string;
  secretValue: string;
  /** The value was not readable, and is a placeholder. */
  secretValueHidden?: boolean;
  secretComment: string;
  secretPath?: string;
  secretMetadata?: SecretMetadata[];
  tags?: Tag[];
  skipMultilineEncoding?: boolean | null;
  createdAt: string;
  updatedAt: string;
}

export interface SecretImport {
  secretPath: string;
  environment: string;
  folderId?: string;
  secrets: Secret[];
}

/** Where secrets are. */
export interface Place {
  projectId: string;
  /** Slug: "production". */
  environment: string;
  /** "/" when not given. */
  secretPath?: string;
}

export interface ListSecrets extends Place {
  recursive?: boolean;
  /** true when not given. */
  includeImports?: boolean;
  /** true when not given. */
  expandSecretReferences?: boolean;
  viewSecretValue?: boolean;
  includePersonalOverrides?: boolean;
  tagSlugs?: string[];
  metadataFilter?: string;
}

export interface GetSecret extends Place {
  secretName: string;
  version?: number;
  type?: "shared" | "personal";
  includeImports?: boolean;
  expandSecretReferences?: boolean;
  viewSecretValue?: boolean;
}

export interface SecretFields {
  secretComment?: string;
  secretMetadata?: SecretMetadata[];
  tagIds?: string[];
  skipMultilineEncoding?: boolean;
  type?: "shared" | "personal";
}

export interface CreateSecret extends Place, SecretFields {
  secretName: string;
  secretValue: string;
}

export interface UpdateSecret extends Place, SecretFields {
  secretName: string;
  newSecretName?: string;
  secretValue?: string;
}

export interface DeleteSecret extends Place {
  secretName: string;
  type?: "shared" | "personal";
}

/** Where dynamic secrets are: by the project's slug. */
export interface DynamicSecretPlace {
  projectSlug: string;
  environmentSlug: string;
  /** "/" when not given. */
  path?: string;
}

export interface DynamicSecret {
  id: string;
  name: string;
  version: number;
  type: string;
  defaultTTL: string;
  maxTTL: string | null;
  /** null, "Revocation in process" or "Failed to delete". */
  status: string | null;
  statusDetails: string | null;
  folderId: string;
  createdAt: string;
  updatedAt: string;
  usernameTemplate?: string | null;
  metadata?: SecretMetadata[];
  inputs?: Record<string, unknown>;
}

export interface CreateDynamicSecret extends DynamicSecretPlace {
  name: string;
  provider: { type: "kubernetes"; inputs: Record<string, unknown> };
  /** "1h" */
  defaultTTL: string;
  maxTTL?: string;
  usernameTemplate?: string;
  metadata?: SecretMetadata[];
}

export interface EndDynamicSecret extends DynamicSecretPlace {
  /** Forget it, whatever is left in the cluster. */
  isForced?: boolean;
}

export interface Lease {
  id: string;
  version: number;
  /** The service account. */
  externalEntityId: string;
  expireAt: string;
  /** null or "Failed to delete". */
  status: string | null;
  statusDetails: string | null;
  dynamicSecretId: string;
  createdAt: string;
  updatedAt: string;
  config?: { namespace?: string } | null;
}

export interface CreateLease extends DynamicSecretPlace {
  dynamicSecretName: string;
  /** "30m"; the dynamic secret's when not given. */
  ttl?: string;
  /** `outputs`: what `data` has beside `TOKEN`; the dynamic secret's when not given. */
  config?: { namespace?: string; outputs?: ("KUBECONFIG" | "NAMESPACE" | "SERVICE_ACCOUNT" | "EXPIRES_AT")[] };
}

export interface RenewLease extends DynamicSecretPlace {
  leaseId: string;
  ttl?: string;
}
