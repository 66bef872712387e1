// How fast a long queue drains over a slow link, and what that costs the app.
//
//   node drain.mjs --url http://127.0.0.1:4600 --enrol twe_… [--items 10000] [--latency 200]
//
// The enrolment token must grant a scope `line:…`; the collections of `asyncstorage` must be imported. Prints one JSON object: items a
// minute, and how much the memory of this process grew from before the first item was queued to its highest while it drained.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";

import { Device } from "../harness/device.mjs";
import { Queue } from "./queue.mjs";
import { AsyncStorage } from "./storage.mjs";

const MIB = 1024 * 1024;
const PRIORITIES = ["high", "normal", "low"];

const text = { type: "string" };
const { values } = parseArgs({ options: { url: text, enrol: text, items: text, latency: text } });
const [items, latency] = [Number(values.items ?? 10_000), Number(values.latency ?? 200)];

/** A call of some seconds; the content is as long as a short message. */
function call(n, line) {
  const at = new Date(1_763_629_200_000 + n * 60_000).toISOString();
  const payload = { line_id: line, ts: at, number: `+4917${String(n).padStart(8, "0")}`, direction: n % 2 ? "in" : "out", duration: 10 + (n % 600), content: `Call ${n}: ${"ring ".repeat(20)}` };
  return { id: `call-${process.pid}-${n}`, type: "EventCreate", priority: PRIORITIES[n % 3], timestamp: Date.now(), retryCount: 0, payload };
}

const proxy = spawn(process.execPath, [new URL("./latency.mjs", import.meta.url).pathname, values.url, String(latency)], { stdio: ["pipe", "pipe", "inherit"] });
const [port] = await once(createInterface({ input: proxy.stdout }), "line");
const storage = new AsyncStorage();
try {
  const device = await new Device({ url: `http://127.0.0.1:${port}`, enrol: values.enrol, name: "Queue", app: "asyncstorage-1" }).open();
  const line = device.tokens.scopes.find((scope) => scope.startsWith("line:")).slice("line:".length);
  const queue = await new Queue(storage, device).open();
  const before = process.memoryUsage();
  for (let n = 0; n < items; n += 1) await queue.add(call(n, line));
  const peak = { rss: 0, heapUsed: 0 };
  const look = () => {
    const now = process.memoryUsage();
    peak.rss = Math.max(peak.rss, now.rss);
    peak.heapUsed = Math.max(peak.heapUsed, now.heapUsed);
  };
  const watching = setInterval(look, 20);
  const started = performance.now();
  await queue.drain(look);
  const seconds = (performance.now() - started) / 1_000;
  clearInterval(watching);
  const { applied, merged, rejected } = device.counts;
  if (applied !== items) throw new Error(`${applied} of ${items} items were applied, ${merged} merged, ${rejected} rejected`);
  const grown = (name) => (peak[name] - before[name]) / MIB;
  console.log(JSON.stringify({ items, latency_ms: latency, seconds, per_minute: (items / seconds) * 60, rss_mib: grown("rss"), heap_mib: grown("heapUsed"), pushes: device.counts.pushes }));
} finally {
  storage.clear();
  proxy.stdin.end();
}
