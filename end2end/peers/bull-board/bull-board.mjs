// Bull Board, unchanged, on Debian's Redis: a data folder of its own, a free port of the loopback, appended to and synced every second.

import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { expect } from "../harness/http.mjs";
import { errand, freePort, Process } from "../harness/process.mjs";
import { NAME } from "./queue.mjs";

const PER_PAGE = 10;
/** "Clean" leaves alone what has failed in the last five seconds. */
const GRACE_MS = 6_000;
const script = (name) => fileURLToPath(new URL(`./${name}`, import.meta.url));

export class BullBoard {
  static label = "Bull Board with Redis";

  static async open({ folder, entries }) {
    mkdirSync(folder, { recursive: true });
    const [port, redisPort] = [await freePort(), await freePort()];
    const words = ["--port", redisPort, "--bind", "127.0.0.1", "--dir", folder, "--appendonly", "yes", "--appendfsync", "everysec", "--save", ""];
    const redis = new Process("redis-server", words.map(String));
    await redis.until(/Ready to accept connections/);
    errand(process.execPath, [script("fill.mjs"), redisPort, 0, entries].map(String));
    const url = `http://127.0.0.1:${port}`;
    const board = await new Process(process.execPath, [script("board.mjs"), port, redisPort].map(String)).ready(`${url}/`);
    return Object.assign(new BullBoard(), { url, redis, board, entries, processes: [board, redis] });
  }

  /** One page of what has failed: `first`, `middle` or `last`. */
  async list(place, agent) {
    const pages = Math.ceil(this.entries / PER_PAGE);
    const page = { first: 1, middle: Math.ceil(pages / 2), last: pages }[place];
    const query = `activeQueue=${NAME}&status=failed&page=${page}&jobsPerPage=${PER_PAGE}`;
    const { json, body } = await expect(200, `${this.url}/api/queues?${query}`, { agent });
    return { rows: json.queues[0].jobs.length, bytes: body.length };
  }

  /** The same, for a bulk: what has only just failed is not removed, so it is left to lie for a while. */
  static async openMended(settings) {
    const console = await this.open(settings);
    await new Promise((resolve) => setTimeout(resolve, GRACE_MS));
    return console;
  }

  /** Everything that has failed goes back to those that wait; the answer comes when all is done. Answers milliseconds. */
  async retryAll() {
    const began = performance.now();
    const { json } = await expect(200, `${this.url}/api/queues/${NAME}/retry/failed`, { method: "PUT" });
    if (json.retried !== this.entries) throw new Error(`${json.retried} of ${this.entries} were retried`);
    return { accepted: performance.now() - began, done: performance.now() - began };
  }

  /** Everything that has failed is taken out of the way; here that means that it is gone. Answers milliseconds. */
  async removeAll() {
    const began = performance.now();
    await expect(200, `${this.url}/api/queues/${NAME}/clean/failed`, { method: "PUT" });
    return { accepted: performance.now() - began, done: performance.now() - began };
  }

  /** How many have failed, as the list says it. */
  async failed() {
    const { json } = await expect(200, `${this.url}/api/queues?activeQueue=${NAME}&status=failed&page=1&jobsPerPage=${PER_PAGE}`);
    return json.queues[0].counts.failed;
  }

  async close() {
    for (const process of this.processes) await process.stop();
  }
}
