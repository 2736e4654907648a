// SPDX-License-Identifier: Apache-2.0

/** Every failure of a call. What the server or the network said is in the subclasses. Never holds a credential. */
export class InfisicalError extends Error {
  override readonly name: string = "InfisicalError";
}

/** The server answered, and the answer is no. */
export class InfisicalApiError extends InfisicalError {
  override readonly name: string = "InfisicalApiError";

  constructor(
    message: string,
    /** HTTP status. */
    readonly status: number,
    /** The kind of failure, by name: "UnauthorizedError", "ForbiddenError", "NotFound", … */
    readonly reason: string,
    /** What to quote to whoever runs the server: it is in its log. */
    readonly requestId: string | undefined,
    /** More about it, when there is: missing permissions, or the issues of a refused input. */
    readonly details: unknown,
  ) {
    super(message);
  }
}

/** There was no answer: unreachable, not trusted, broken off, or not in time. */
export class InfisicalNetworkError extends InfisicalError {
  override readonly name: string = "InfisicalNetworkError";

  constructor(
    message: string,
    /** As Node.js names it: "ECONNREFUSED", "ENOTFOUND", "SELF_SIGNED_CERT_IN_CHAIN"; or "TIMEOUT", "TOO_LARGE". */
    readonly code: string,
  ) {
    super(message);
  }
}
