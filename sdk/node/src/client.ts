// SPDX-License-Identifier: Apache-2.0
import { DynamicSecretsResource } from "./dynamic-secrets.js";
import { InfisicalApiError, InfisicalError } from "./errors.js";
import { IdentitiesResource, KubernetesAuthResource } from "./identities.js";
import { SecretsResource } from "./secrets.js";
import { type Call, Transport, type TransportOptions } from "./transport.js";
import type { AccessToken, KubernetesLogin, Login, TokenSource } from "./types.js";

export interface InfisicalClientOptions extends TransportOptions {
  /** A token that is at hand already, instead of login(). */
  readonly accessToken?: string;
}

/** Makes a call as whoever is logged in. */
export interface Caller {
  call<T>(call: Call): Promise<T>;
}

export class InfisicalClient {
  readonly dynamicSecrets: DynamicSecretsResource;
  readonly identities: IdentitiesResource;
  readonly identityAuth: { readonly kubernetes: KubernetesAuthResource };
  readonly secrets: SecretsResource;
  readonly #transport: Transport;
  #token: string | undefined;
  /** Logs in again with what login() was given; undefined when it cannot be repeated. */
  #again: (() => Promise<AccessToken>) | undefined;
  #pending: Promise<AccessToken> | undefined;

  constructor(options: InfisicalClientOptions) {
    const caller: Caller = { call: (call) => this.#call(call) };
    this.#transport = new Transport(options);
    this.#token = options.accessToken;
    this.dynamicSecrets = new DynamicSecretsResource(caller);
    this.identities = new IdentitiesResource(caller);
    this.identityAuth = { kubernetes: new KubernetesAuthResource(caller) };
    this.secrets = new SecretsResource(caller);
  }

  /**
   * Logs in, and makes all later calls with the token that this gives. When the server no longer takes that token, the
   * client logs in once more by itself, if what it was given can be used again: a client secret, or a function as `jwt`.
   */
  async login(login: Login): Promise<AccessToken> {
    if (login.accessToken !== undefined) {
      this.#token = login.accessToken;
      this.#again = undefined;
      return { accessToken: login.accessToken, expiresIn: 0, accessTokenMaxTTL: 0, tokenType: "Bearer" };
    }
    const attempt = this.#method(login);
    const granted = await attempt();
    const isRepeatable = login.universalAuth !== undefined || typeof login.kubernetesAuth?.jwt === "function";
    this.#token = granted.accessToken;
    this.#again = isRepeatable ? attempt : undefined;
    return granted;
  }

  /** Forgets the token and closes connections. */
  close(): void {
    this.#token = undefined;
    this.#again = undefined;
    this.#transport.close();
  }

  #method(login: Login): () => Promise<AccessToken> {
    const { kubernetesAuth, universalAuth } = login;
    if (kubernetesAuth !== undefined) return async () => this.#post("kubernetes-auth", await kubernetesBody(kubernetesAuth));
    if (universalAuth !== undefined) return () => this.#post("universal-auth", universalAuth);
    throw new InfisicalError("login() takes one of kubernetesAuth, universalAuth and accessToken");
  }

  #post(method: string, body: object): Promise<AccessToken> {
    return this.#transport.call<AccessToken>({ method: "POST", path: `/api/v1/auth/${method}/login`, body });
  }

  async #call<T>(call: Call): Promise<T> {
    const token = this.#token;
    if (token === undefined) throw new InfisicalError("not logged in: call login() first, or give the client an accessToken");
    try {
      return await this.#transport.call<T>({ ...call, token });
    } catch (error) {
      if (!(error instanceof InfisicalApiError) || error.status !== 401 || this.#again === undefined) throw error;
    }
    if (this.#token === token) await this.#renew(this.#again);
    return this.#transport.call<T>({ ...call, token: this.#token });
  }

  /** Calls that fail together share one login. */
  async #renew(again: () => Promise<AccessToken>): Promise<void> {
    this.#pending ??= again();
    try {
      this.#token = (await this.#pending).accessToken;
    } finally {
      this.#pending = undefined;
    }
  }
}

async function kubernetesBody(login: KubernetesLogin): Promise<object> {
  return { ...login, jwt: (await read(login.jwt)).trim() };
}

async function read(source: TokenSource): Promise<string> {
  return typeof source === "string" ? source : source();
}
