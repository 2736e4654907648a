// SPDX-License-Identifier: Apache-2.0
// A server that answers what a test tells it, for what a real one cannot be made to do.
import { createServer } from "node:http";

/** answers: functions (request, body) => {status, headers, body} | "hang" | "drop", one per request; the last one stays. */
export async function serve(t, ...answers) {
  const seen = [];
  const server = createServer((request, response) => {
    const chunks = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      const text = Buffer.concat(chunks).toString();
      seen.push({ method: request.method, url: request.url, headers: request.headers, body: text === "" ? undefined : JSON.parse(text) });
      const step = answers[Math.min(seen.length, answers.length) - 1];
      const answer = typeof step === "function" ? step(seen.at(-1)) : step;
      if (answer === "drop") return request.socket.destroy();
      if (answer === "hang") return;
      response.writeHead(answer.status ?? 200, { "content-type": "application/json", ...answer.headers });
      response.end(typeof answer.body === "string" ? answer.body : JSON.stringify(answer.body ?? {}));
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => new Promise((resolve) => { server.close(resolve); server.closeAllConnections(); }));
  return { url: `http://127.0.0.1:${server.address().port}`, seen, server };
}

/** Surroundings without waiting: what it was asked to sleep is in .slept. */
export function noWaiting() {
  const slept = [];
  return { slept, sleep: async (ms) => void slept.push(ms), random: () => 0.5 };
}

export const refusal = (status, error, message, more = {}) => ({
  status, headers: more.headers, body: { reqId: "req-1234567890abcd", statusCode: status, error, message, ...more.body },
});
