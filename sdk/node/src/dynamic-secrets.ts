// SPDX-License-Identifier: Apache-2.0
import { InfisicalError } from "./errors.js";
import type { Caller } from "./client.js";
import type { CreateDynamicSecret, CreateLease, DynamicSecret, DynamicSecretPlace, EndDynamicSecret, Lease, RenewLease } from "./types.js";

const base = "/api/v1/dynamic-secrets";

export class DynamicSecretsResource {
  readonly leases: LeasesResource;
  readonly #caller: Caller;

  constructor(caller: Caller) {
    this.#caller = caller;
    this.leases = new LeasesResource(caller);
  }

  list(of: DynamicSecretPlace): Promise<{ dynamicSecrets: DynamicSecret[] }> {
    return this.#caller.call({ method: "GET", path: base, query: of });
  }

  /** With `inputs` for who may edit it, without the token. */
  async get(of: DynamicSecretPlace & { name: string }): Promise<{ dynamicSecret: DynamicSecret }> {
    const { name, ...query } = of;
    return this.#caller.call({ method: "GET", path: `${base}/${segment(name)}`, query });
  }

  /** Tries the cluster first: one that refuses is an error, and nothing is stored. */
  create(secret: CreateDynamicSecret): Promise<{ dynamicSecret: DynamicSecret }> {
    return this.#caller.call({ method: "POST", path: base, body: secret });
  }

  /** Revokes its leases; it is there until the last one is gone. */
  async delete(of: EndDynamicSecret & { name: string }): Promise<{ dynamicSecret: DynamicSecret }> {
    const { name, ...body } = of;
    return this.#caller.call({ method: "DELETE", path: `${base}/${segment(name)}`, body });
  }
}

export class LeasesResource {
  readonly #caller: Caller;

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  async list(of: DynamicSecretPlace & { dynamicSecretName: string }): Promise<{ leases: Lease[] }> {
    const { dynamicSecretName, ...query } = of;
    return this.#caller.call({ method: "GET", path: `${base}/${segment(dynamicSecretName)}/leases`, query });
  }

  /** `data.TOKEN` is shown this once. A call that may have arrived is not repeated: it would be a second lease. */
  create(lease: CreateLease): Promise<{ lease: Lease; dynamicSecret: DynamicSecret; data: Record<string, string> }> {
    return this.#caller.call({ method: "POST", path: `${base}/leases`, body: lease });
  }

  async get(of: DynamicSecretPlace & { leaseId: string }): Promise<{ lease: Lease & { dynamicSecret: DynamicSecret } }> {
    const { leaseId, ...query } = of;
    return this.#caller.call({ method: "GET", path: `${base}/leases/${segment(leaseId)}`, query });
  }

  /** Adds to its end, as far as its token lasts. */
  async renew(of: RenewLease): Promise<{ lease: Lease }> {
    const { leaseId, ...body } = of;
    return this.#caller.call({ method: "POST", path: `${base}/leases/${segment(leaseId)}/renew`, body });
  }

  /** When the cluster does not let it, `lease.status` says so, and the server tries again until it does. */
  async revoke(of: EndDynamicSecret & { leaseId: string }): Promise<{ lease: Lease }> {
    const { leaseId, ...body } = of;
    return this.#caller.call({ method: "DELETE", path: `${base}/leases/${segment(leaseId)}`, body });
  }
}

/** What a URL would read as a step up or as nothing must not become another call. */
function segment(name: string): string {
  if (["", ".", ".."].includes(name)) throw new InfisicalError(`"${name}" names no dynamic secret and no lease`);
  return encodeURIComponent(name);
}
