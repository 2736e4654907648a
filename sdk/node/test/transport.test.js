// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { Agent, createServer } from "node:http";
import { test } from "node:test";
import { InfisicalApiError, InfisicalNetworkError } from "../dist/esm/errors.js";
import { Transport } from "../dist/esm/transport.js";
import { noWaiting, refusal, serve } from "./server.js";

const read = { method: "GET", path: "/api/status" };
const write = { method: "POST", path: "/api/v1/identities", body: { name: "n" } };

async function made(t, options, ...answers) {
  const server = await serve(t, ...answers);
  const waiting = noWaiting();
  const transport = new Transport({ baseUrl: server.url, ...options }, waiting);
  t.after(() => transport.close());
  return { transport, waiting, ...server };
}

test("a call is JSON with a bearer and a query", async (t) => {
  const { transport, seen } = await made(t, {}, { body: { ok: true } });
  const query = { projectId: "p 1", tagSlugs: ["a", "b"], recursive: false, nothing: undefined };
  assert.deepEqual(await transport.call({ ...write, query, token: "secret" }), { ok: true });
  assert.equal(seen[0].url, "/api/v1/identities?projectId=p+1&tagSlugs=a%2Cb&recursive=false");
  assert.equal(seen[0].headers.authorization, "Bearer secret");
  assert.deepEqual(seen[0].body, { name: "n" });
});

for (const [given, path] of [["", ""], ["/", ""], ["/api", ""], ["/api/", ""], ["/under/api", "/under"]]) {
  test(`a base URL that ends in "${given}"`, async (t) => {
    const server = await serve(t, {});
    const transport = new Transport({ baseUrl: server.url + given });
    t.after(() => transport.close());
    await transport.call(read);
    assert.equal(server.seen[0].url, `${path}/api/status`);
  });
}

for (const bad of ["", "postern.example.com", "ftp://example.com", "https://user:pass@example.com", "https://example.com?a=b"])
  test(`"${bad}" is not a base URL`, () => assert.throws(() => new Transport({ baseUrl: bad }), /baseUrl/));

for (const bad of [{ retries: -1 }, { retries: 11 }, { retries: 0.5 }, { timeoutMs: 0 }, { timeoutMs: Infinity }])
  test(`${JSON.stringify(bad)} is refused`, () => assert.throws(() => new Transport({ baseUrl: "https://x", ...bad }), /whole number/));

test("an error carries status, reason, request id and details", async (t) => {
  const { transport } = await made(t, {}, refusal(403, "PermissionDenied", "You are not allowed", { body: { details: [{ action: "read" }] } }));
  await assert.rejects(transport.call(read), (error) => {
    assert.ok(error instanceof InfisicalApiError);
    assert.deepEqual([error.status, error.reason, error.requestId, error.message, error.details],
      [403, "PermissionDenied", "req-1234567890abcd", "You are not allowed", [{ action: "read" }]]);
    return true;
  });
});

test("a refused input names its members", async (t) => {
  const issues = [{ path: ["name"], message: "Required" }, { path: [], message: "odd" }];
  const { transport } = await made(t, {}, refusal(422, "ValidationFailure", issues));
  await assert.rejects(transport.call(write), { message: "name: Required; odd", status: 422, details: issues });
});

test("an answer that is not JSON", async (t) => {
  const { transport } = await made(t, {}, { body: "<html>" }, { status: 502, headers: { "x-request-id": "abc" }, body: "<html>" });
  await assert.rejects(transport.call(read), { reason: "NotJson", status: 200 });
  await assert.rejects(transport.call(write), { status: 502, message: "the server answered 502", requestId: "abc" });
});

test("a redirect is not followed: the bearer stays here", async (t) => {
  const { transport, seen } = await made(t, {}, { status: 302, headers: { location: "http://127.0.0.1:1/" } });
  await assert.rejects(transport.call({ ...read, token: "secret" }), { status: 302 });
  assert.equal(seen.length, 1);
});

test("429 waits as long as the server asks, whatever the method", async (t) => {
  const busy = refusal(429, "RateLimitExceeded", "later", { headers: { "retry-after": "7" } });
  const { transport, waiting, seen } = await made(t, {}, busy, busy, { body: { ok: true } });
  assert.deepEqual(await transport.call(write), { ok: true });
  assert.equal(seen.length, 3);
  assert.deepEqual(waiting.slept, [7125, 7250]); // half of 250 and of 500 as jitter
});

test("Retry-After may be a date, and too long a wait is not waited", async (t) => {
  const soon = refusal(429, "RateLimitExceeded", "later", { headers: { "retry-after": new Date(Date.now() + 5000).toUTCString() } });
  const never = refusal(429, "RateLimitExceeded", "later", { headers: { "retry-after": "3600" } });
  const { transport, waiting } = await made(t, {}, soon, never);
  await assert.rejects(transport.call(read), { status: 429 });
  assert.equal(waiting.slept.length, 1);
  assert.ok(waiting.slept[0] > 3000 && waiting.slept[0] <= 5125, String(waiting.slept[0]));
});

test("retries end", async (t) => {
  const { transport, waiting, seen } = await made(t, { retries: 2 }, refusal(429, "RateLimitExceeded", "later"));
  await assert.rejects(transport.call(read), { status: 429 });
  assert.equal(seen.length, 3);
  assert.equal(waiting.slept.length, 2);
});

for (const [status, method, headers, tries] of [[503, "POST", { "retry-after": "1" }, 2], [503, "POST", {}, 1], [503, "GET", {}, 2],
  [502, "GET", {}, 2], [502, "POST", {}, 1], [500, "GET", {}, 1], [400, "GET", { "retry-after": "1" }, 1]]) {
  test(`${method} after ${status} with ${JSON.stringify(headers)}: ${tries} tries`, async (t) => {
    const { transport, seen } = await made(t, { retries: 1 }, refusal(status, "X", "x", { headers }));
    await assert.rejects(transport.call({ ...read, method }), { status });
    assert.equal(seen.length, tries);
  });
}

test("a connection that breaks off: a read is repeated, a write is not", async (t) => {
  const { transport, seen } = await made(t, {}, "drop", { body: { ok: true } }, "drop");
  assert.deepEqual(await transport.call(read), { ok: true });
  assert.equal(seen.length, 2);
  const other = await made(t, { agent: new Agent({ keepAlive: false }) }, "drop");
  await assert.rejects(other.transport.call(write), (error) => error instanceof InfisicalNetworkError && error.code === "ECONNRESET");
  assert.equal(other.seen.length, 1);
});

test("no answer in time", async (t) => {
  const { transport, seen } = await made(t, { timeoutMs: 100, retries: 1 }, "hang");
  await assert.rejects(transport.call(read), { code: "TIMEOUT" });
  assert.equal(seen.length, 2);
  await assert.rejects(transport.call(write), { code: "TIMEOUT" });
  assert.equal(seen.length, 3);
});

test("nobody there: also a write is tried again, and the error names the server", async (t) => {
  const probe = createServer();
  await new Promise((resolve) => probe.listen(0, "127.0.0.1", resolve));
  const { port } = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  const waiting = noWaiting();
  const transport = new Transport({ baseUrl: `http://127.0.0.1:${port}`, retries: 3 }, waiting);
  await assert.rejects(transport.call(write), { code: "ECONNREFUSED", message: new RegExp(`^http://127.0.0.1:${port}: `) });
  assert.deepEqual(waiting.slept, [125, 250, 500]);
});

test("an idle connection that the server closes just then costs nothing, a new one is used", async (t) => {
  const { transport, seen, waiting } = await made(t, {}, { body: { n: 1 } }, "drop", { body: { n: 2 } });
  await transport.call(read);
  assert.deepEqual(await transport.call(write), { n: 2 });
  assert.equal(seen.length, 3);
  assert.equal(waiting.slept.length, 1);
});
