// SPDX-License-Identifier: Apache-2.0
// The part of Node.js that this package uses, so that it builds with the compiler alone.

interface NodeError extends Error {
  readonly code?: string;
}

declare module "node:http" {
  export interface IncomingMessage {
    readonly statusCode?: number;
    readonly headers: Readonly<Record<string, string | string[] | undefined>>;
    on(event: "data", listener: (chunk: Uint8Array) => void): this;
    on(event: "end" | "aborted", listener: () => void): this;
    on(event: "error", listener: (error: NodeError) => void): this;
    destroy(error?: Error): void;
  }
  export interface ClientRequest {
    on(event: "response", listener: (answer: IncomingMessage) => void): this;
    on(event: "error", listener: (error: NodeError) => void): this;
    on(event: "socket", listener: (socket: Socket) => void): this;
    readonly reusedSocket: boolean;
    end(body?: Uint8Array): void;
    destroy(error?: Error): void;
  }
  export interface Socket {
    readonly connecting: boolean;
    readonly authorized?: boolean;
    once(event: "connect" | "secureConnect", listener: () => void): this;
  }
  export interface RequestOptions {
    readonly method: string;
    readonly headers: Readonly<Record<string, string | number>>;
    readonly agent: object;
    readonly ca?: readonly string[];
  }
  export class Agent {
    constructor(options: { readonly keepAlive: boolean; readonly maxSockets: number; readonly ca?: readonly string[] });
    destroy(): void;
  }
  export function request(url: URL, options: RequestOptions): ClientRequest;
}

declare module "node:https" {
  export { Agent, request } from "node:http";
}

declare module "node:tls" {
  export const rootCertificates: readonly string[];
}

declare class TextEncoder {
  encode(text: string): Uint8Array;
}
declare class TextDecoder {
  constructor(label: string, options: { readonly fatal: boolean });
  decode(bytes: Uint8Array): string;
}
declare class URLSearchParams {
  append(name: string, value: string): void;
  toString(): string;
}
declare class URL {
  constructor(text: string);
  readonly protocol: string;
  readonly hostname: string;
  readonly username: string;
  readonly password: string;
  readonly search: string;
  readonly hash: string;
  readonly origin: string;
  readonly pathname: string;
}
declare function setTimeout(call: () => void, ms: number): object;
declare function clearTimeout(timer: object): void;
