// One HTTP client for every server that is compared: keep-alive, one request at a time on a connection.

import http from "node:http";

const PATIENCE_MS = 300_000;

/** Connections that are kept open. */
export function connections(count) {
  return new http.Agent({ keepAlive: true, maxSockets: count });
}

/** Sends a request; answers status, head and the bytes of the body. */
export function request(url, { method = "GET", headers = {}, body, agent } = {}) {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { "content-length": Buffer.byteLength(body), "content-type": "application/json" };
    const sent = http.request(url, { method, agent, headers: { accept: "application/json", ...length, ...headers }, timeout: PATIENCE_MS });
    sent.on("timeout", () => sent.destroy(new Error(`${method} ${url} took more than ${PATIENCE_MS / 1_000} s`)));
    sent.on("error", reject);
    sent.on("response", (answer) => {
      const parts = [];
      answer.on("data", (part) => parts.push(part));
      answer.on("error", reject);
      answer.on("end", () => resolve({ status: answer.statusCode, headers: answer.headers, body: Buffer.concat(parts) }));
    });
    sent.end(body);
  });
}

/** The answer of a request that must have this status; JSON is read. */
export async function expect(status, url, options) {
  const answer = await request(url, options);
  if (answer.status !== status) {
    throw new Error(`${options?.method ?? "GET"} ${url} was answered ${answer.status} instead of ${status}: ${answer.body.toString().slice(0, 300)}`);
  }
  const isJson = answer.headers["content-type"]?.includes("json") && answer.body.length > 0;
  return { ...answer, json: isJson ? JSON.parse(answer.body) : undefined };
}

/** Runs `work(n)` for every n below `count`, so many at a time; answers how long each took, in milliseconds. */
export async function inLanes(lanes, count, work) {
  const times = [];
  let next = 0;
  const lane = async (at) => {
    while (next < count) {
      const n = next;
      next += 1;
      const started = performance.now();
      await work(n, at);
      times.push(performance.now() - started);
    }
  };
  await Promise.all(Array.from({ length: lanes }, (_, at) => lane(at)));
  return times;
}
