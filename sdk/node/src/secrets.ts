// SPDX-License-Identifier: Apache-2.0
import { InfisicalError } from "./errors.js";
import type { Caller } from "./client.js";
import type { CreateSecret, DeleteSecret, GetSecret, ListSecrets, Secret, SecretImport, UpdateSecret } from "./types.js";

export class SecretsResource {
  readonly #caller: Caller;

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  list(of: ListSecrets): Promise<{ secrets: Secret[]; imports?: SecretImport[] }> {
    return this.#caller.call({ method: "GET", path: "/api/v4/secrets", query: of });
  }

  async get(of: GetSecret): Promise<{ secret: Secret }> {
    const { secretName, ...query } = of;
    return this.#caller.call({ method: "GET", path: pathOf(secretName), query });
  }

  async create(secret: CreateSecret): Promise<{ secret: Secret }> {
    const { secretName, ...body } = secret;
    return this.#caller.call({ method: "POST", path: pathOf(secretName), body });
  }

  /** What is not given stays as it is. */
  async update(secret: UpdateSecret): Promise<{ secret: Secret }> {
    const { secretName, ...body } = secret;
    return this.#caller.call({ method: "PATCH", path: pathOf(secretName), body });
  }

  async delete(secret: DeleteSecret): Promise<{ secret: Secret }> {
    const { secretName, ...body } = secret;
    return this.#caller.call({ method: "DELETE", path: pathOf(secretName), body });
  }
}

/** What a URL would read as a step up or as nothing must not become another call. */
function pathOf(name: string): string {
  if (["", ".", ".."].includes(name)) throw new InfisicalError(`"${name}" is not the name of a secret`);
  return `/api/v4/secrets/${encodeURIComponent(name)}`;
}
