// SPDX-License-Identifier: Apache-2.0
// The one module that talks to the network: JSON over HTTP(S), with time-outs, limits and bounded retries.
import * as http from "node:http";
import * as https from "node:https";
import { InfisicalApiError, InfisicalError, InfisicalNetworkError } from "./errors.js";

export type Method = "GET" | "POST" | "PATCH" | "DELETE";

export interface Call {
  readonly method: Method;
  /** Below the base URL: "/api/v4/secrets". */
  readonly path: string;
  /** Values that are undefined are left out. */
  readonly query?: object;
  readonly body?: object;
  readonly token?: string | undefined;
}

export interface TransportOptions {
  readonly baseUrl: string;
  /** Certificates (PEM) that the server's must lead to, instead of the ones Node.js brings. */
  readonly ca?: string | readonly string[];
  /** An http.Agent or https.Agent of your own: proxies, client certificates. `ca` is then its business. */
  readonly agent?: object;
  /** For one attempt, from the first byte to the last; 30,000 when not given. */
  readonly timeoutMs?: number;
  /** How often a call is tried again after 429, 503 and failures of the network; 4 when not given, 0 for never. */
  readonly retries?: number;
  readonly userAgent?: string;
}

/** What a test replaces. */
export interface Surroundings {
  readonly sleep: (ms: number) => Promise<void>;
  readonly random: () => number;
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Uint8Array;
}

const MAX_ANSWER_BYTES = 64 * 1024 * 1024;
const MAX_RETRIES = 10;
const MAX_TIMEOUT_MS = 600_000;
const FIRST_DELAY_MS = 250;
const MAX_DELAY_MS = 8_000;
/** A server that asks for more patience than this gets its answer passed on instead. */
const MAX_RETRY_AFTER_MS = 60_000;
const MAX_SOCKETS = 16;

/** Nothing was sent: trying again cannot do a thing twice. */
const BEFORE_SENDING = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH", "CONNECT_TIMEOUT", "STALE"]);
/** Something may have arrived: only what reads is tried again. */
const WHILE_WAITING = new Set(["ECONNRESET", "EPIPE", "ETIMEDOUT", "TIMEOUT", "CLOSED"]);

const real: Surroundings = {
  sleep: (ms) => new Promise((resolve) => void setTimeout(resolve, ms)),
  random: Math.random,
};

export class Transport {
  private readonly base: string;
  private readonly agent: object;
  private readonly ownAgent: http.Agent | undefined;
  private readonly request: typeof http.request;
  private readonly timeoutMs: number;
  private readonly retries: number;
  private readonly userAgent: string;

  constructor(options: TransportOptions, private readonly surroundings: Surroundings = real) {
    const url = baseOf(options.baseUrl);
    const isTls = url.protocol === "https:";
    this.base = url.origin + url.pathname.replace(/\/+$/, "").replace(/\/api$/, "");
    this.request = isTls ? https.request : http.request;
    this.ownAgent = options.agent === undefined ? agentOf(isTls, options.ca) : undefined;
    this.agent = options.agent ?? (this.ownAgent as object);
    this.timeoutMs = limited("timeoutMs", options.timeoutMs ?? 30_000, 1, MAX_TIMEOUT_MS);
    this.retries = limited("retries", options.retries ?? 4, 0, MAX_RETRIES);
    this.userAgent = options.userAgent ?? "postern-sdk-node";
  }

  /** Closes idle connections; a later call opens new ones. */
  close(): void {
    this.ownAgent?.destroy();
  }

  async call<T>(call: Call): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      let failure: InfisicalError;
      let waitMs: number | undefined;
      try {
        const answer = await this.send(call);
        if (answer.status >= 200 && answer.status < 300) return parse<T>(answer);
        failure = refusal(answer);
        waitMs = waitAfterRefusal(answer, call.method);
      } catch (error) {
        if (!(error instanceof InfisicalNetworkError)) throw error;
        failure = error;
        waitMs = BEFORE_SENDING.has(error.code) || (call.method === "GET" && WHILE_WAITING.has(error.code)) ? 0 : undefined;
      }
      if (waitMs === undefined || waitMs > MAX_RETRY_AFTER_MS || attempt >= this.retries) throw failure;
      await this.surroundings.sleep(waitMs + this.jitter(attempt));
    }
  }

  /** Spread over the whole span, so that clients that failed together do not come back together. */
  private jitter(attempt: number): number {
    return Math.ceil(this.surroundings.random() * Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** attempt));
  }

  private send(call: Call): Promise<Answer> {
    const url = new URL(this.base + call.path + queryOf(call.query));
    const body = call.body === undefined ? undefined : new TextEncoder().encode(JSON.stringify(call.body));
    const headers: Record<string, string | number> = { accept: "application/json", "user-agent": this.userAgent };
    if (call.token !== undefined) headers["authorization"] = `Bearer ${call.token}`;
    if (body !== undefined) {
      headers["content-type"] = "application/json";
      headers["content-length"] = body.length;
    }
    return new Promise((resolve, reject) => {
      const request = this.request(url, { method: call.method, headers, agent: this.agent });
      let isSent = false;
      const fail = (error: NodeError): void => {
        clearTimeout(timer);
        request.destroy();
        reject(networkError(error, url, stageOf(error, isSent, request.reusedSocket), this.timeoutMs));
      };
      const timer = setTimeout(() => fail(coded("TIMEOUT")), this.timeoutMs);
      request.on("socket", (socket) => {
        if (!socket.connecting) isSent = true;
        else socket.once(url.protocol === "https:" ? "secureConnect" : "connect", () => void (isSent = true));
      });
      request.on("error", fail);
      request.on("response", (answer) =>
        collect(answer, fail, (bytes) => {
          clearTimeout(timer);
          resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: bytes });
        }),
      );
      request.end(body);
    });
  }
}

// ---- what is sent ----

function baseOf(text: string): URL {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new InfisicalError("baseUrl is not a URL: https://HOST[:PORT]");
  }
  if (url.protocol !== "https:" && url.protocol !== "http:") throw new InfisicalError("baseUrl begins with https:// or http://");
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "")
    throw new InfisicalError("baseUrl is an origin and perhaps a path: no credentials, no query");
  return url;
}

function agentOf(isTls: boolean, ca: string | readonly string[] | undefined): http.Agent {
  const options = { keepAlive: true, maxSockets: MAX_SOCKETS };
  if (!isTls) return new http.Agent(options);
  return new https.Agent(ca === undefined ? options : { ...options, ca: typeof ca === "string" ? [ca] : ca });
}

function limited(name: string, value: number, min: number, max: number): number {
  if (!Number.isInteger(value) || value < min || value > max)
    throw new InfisicalError(`${name} is a whole number from ${min} to ${max}`);
  return value;
}

function queryOf(query: object | undefined): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {}) as [string, unknown][]) {
    if (value === undefined || value === null) continue;
    params.append(name, Array.isArray(value) ? value.join(",") : String(value));
  }
  const text = params.toString();
  return text === "" ? "" : `?${text}`;
}

// ---- what comes back ----

function collect(answer: http.IncomingMessage, fail: (error: NodeError) => void, done: (bytes: Uint8Array) => void): void {
  const chunks: Uint8Array[] = [];
  let total = 0;
  answer.on("data", (chunk) => {
    total += chunk.length;
    if (total > MAX_ANSWER_BYTES) fail(coded("TOO_LARGE"));
    else chunks.push(chunk);
  });
  answer.on("aborted", () => fail(coded("CLOSED")));
  answer.on("error", fail);
  answer.on("end", () => {
    const bytes = new Uint8Array(total);
    let at = 0;
    for (const chunk of chunks) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    done(bytes);
  });
}

function textOf(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch {
    return undefined;
  }
}

function parse<T>(answer: Answer): T {
  const value = textOf(answer.body);
  if (typeof value !== "object" || value === null)
    throw new InfisicalApiError("the answer is not JSON: is baseUrl the URL of a Postern server?", answer.status, "NotJson", requestIdOf(answer), undefined);
  return value as T;
}

function header(answer: Answer, name: string): string | undefined {
  const value = answer.headers[name];
  return Array.isArray(value) ? value[0] : value;
}

function requestIdOf(answer: Answer, value?: Readonly<Record<string, unknown>>): string | undefined {
  const id = value?.["reqId"];
  return typeof id === "string" ? id : header(answer, "x-request-id");
}

/** The envelope of an error; a refused input lists its issues instead of a sentence. */
function refusal(answer: Answer): InfisicalApiError {
  const parsed = textOf(answer.body);
  const value = (typeof parsed === "object" && parsed !== null ? parsed : {}) as Readonly<Record<string, unknown>>;
  const { message, error, details } = value as { message?: unknown; error?: unknown; details?: unknown };
  const sentence = Array.isArray(message) ? message.map(issueText).join("; ") : message;
  return new InfisicalApiError(
    typeof sentence === "string" && sentence !== "" ? sentence : `the server answered ${answer.status}`,
    answer.status,
    typeof error === "string" ? error : "Unknown",
    requestIdOf(answer, value),
    Array.isArray(message) ? message : details,
  );
}

function issueText(issue: unknown): string {
  const { path, message } = (issue ?? {}) as { path?: unknown; message?: unknown };
  const where = Array.isArray(path) ? path.join(".") : "";
  return where === "" ? String(message) : `${where}: ${String(message)}`;
}

/** Milliseconds until it may be tried again; undefined when it must not be. */
function waitAfterRefusal(answer: Answer, method: Method): number | undefined {
  const asked = retryAfterMs(header(answer, "retry-after"));
  if (answer.status === 429) return asked ?? 0;
  if (answer.status === 503 && asked !== undefined) return asked; // turned away at the door
  return method === "GET" && [502, 503, 504].includes(answer.status) ? 0 : undefined;
}

/** Seconds, or a date. */
function retryAfterMs(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now());
}

function coded(code: string): NodeError {
  return Object.assign(new Error(code), { code });
}

/** The code to go by: a connection that never came about, or one that the server had closed while it was idle. */
function stageOf(error: NodeError, isSent: boolean, isReused: boolean): string {
  const code = error.code ?? "UNKNOWN";
  if (!isSent && (code === "TIMEOUT" || code === "ETIMEDOUT")) return "CONNECT_TIMEOUT";
  return isReused && (code === "ECONNRESET" || code === "EPIPE") ? "STALE" : code;
}

function networkError(error: NodeError, url: URL, code: string, timeoutMs: number): InfisicalNetworkError {
  const said: Readonly<Record<string, string>> = {
    TIMEOUT: `no answer within ${timeoutMs} ms`,
    CONNECT_TIMEOUT: `no connection within ${timeoutMs} ms`,
    TOO_LARGE: `the answer is larger than ${MAX_ANSWER_BYTES} bytes`,
    CLOSED: "the connection was closed before the answer was whole",
  };
  return new InfisicalNetworkError(`${url.origin}: ${said[code] ?? error.message}`, code);
}
