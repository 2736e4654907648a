// SPDX-License-Identifier: Apache-2.0
import type { Caller } from "./client.js";
import type { Method } from "./transport.js";
import type { AttachKubernetesAuth, CreateIdentity, Identity, IdentityKubernetesAuth, UpdateKubernetesAuth } from "./types.js";

export class IdentitiesResource {
  readonly #caller: Caller;

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  create(identity: CreateIdentity): Promise<{ identity: Identity }> {
    return this.#caller.call({ method: "POST", path: "/api/v1/identities", body: identity });
  }
}

/** How an identity logs in from Kubernetes. */
export class KubernetesAuthResource {
  readonly #caller: Caller;

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  attach(settings: AttachKubernetesAuth): Promise<{ identityKubernetesAuth: IdentityKubernetesAuth }> {
    return this.#send("POST", settings);
  }

  /** What is not given stays as it is. */
  update(settings: UpdateKubernetesAuth): Promise<{ identityKubernetesAuth: IdentityKubernetesAuth }> {
    return this.#send("PATCH", settings);
  }

  get(of: { identityId: string }): Promise<{ identityKubernetesAuth: IdentityKubernetesAuth }> {
    return this.#send("GET", of);
  }

  /** Takes it away, and with it the access tokens that it gave. */
  revoke(of: { identityId: string }): Promise<{ identityKubernetesAuth: IdentityKubernetesAuth }> {
    return this.#send("DELETE", of);
  }

  #send(method: Method, given: { identityId: string }): Promise<{ identityKubernetesAuth: IdentityKubernetesAuth }> {
    const { identityId, ...body } = given;
    const path = `/api/v1/auth/kubernetes-auth/identities/${encodeURIComponent(identityId)}`;
    return this.#caller.call(method === "GET" || method === "DELETE" ? { method, path } : { method, path, body });
  }
}
