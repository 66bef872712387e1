// The queue of an app in AsyncStorage: one key an item, priorities, batches, dead letters.
//
// The index is in memory and holds keys alone; it is made anew from the keys at start, so that a crash between an item and its index
// loses nothing. What is in the queue is not in memory.

import { gzipSync } from "node:zlib";

import { LinkError, pause } from "../harness/device.mjs";

const PRIORITIES = { high: 0, normal: 1, low: 2 };
const BATCH = 100;
/** Bodies above this are compressed. */
const COMPRESS_ABOVE = 1_024;
const BACKOFF_MS = [1_000, 2_000, 4_000, 8_000, 16_000];

export class Queue {
  constructor(storage, device, { backoff = BACKOFF_MS } = {}) {
    Object.assign(this, { storage, device, backoff, index: [[], [], []], sequence: 0 });
  }

  /** Makes the index from what is stored. */
  async open() {
    this.index = [[], [], []];
    for (const key of (await this.storage.getAllKeys()).sort()) {
      const [kind, priority, sequence] = key.split(":");
      if (kind !== "queue") continue;
      this.index[Number(priority)].push(key);
      this.sequence = Math.max(this.sequence, Number.parseInt(sequence, 36) + 1);
    }
    return this;
  }

  get length() {
    return this.index.reduce((sum, keys) => sum + keys.length, 0);
  }

  async add(item) {
    const priority = PRIORITIES[item.priority ?? "normal"];
    const key = `queue:${priority}:${(this.sequence++).toString(36).padStart(8, "0")}:${item.id}`;
    await this.storage.setItem(key, JSON.stringify(item));
    this.index[priority].push(key);
  }

  /** The keys of the next batch: high before normal before low. */
  next() {
    const keys = [];
    for (const lane of this.index) keys.push(...lane.slice(0, BATCH - keys.length));
    return keys;
  }

  async forget(keys) {
    await this.storage.multiRemove(keys);
    const gone = new Set(keys);
    this.index = this.index.map((lane) => lane.filter((key) => !gone.has(key)));
  }

  /** Sends one batch; answers how many items left the queue. Failures of the link throw and count for no item. */
  async step() {
    const keys = this.next();
    const items = (await this.storage.multiGet(keys)).map(([, text]) => JSON.parse(text));
    const answer = await this.send("/api/v1/adapters/asyncstorage/items", { items });
    const done = [];
    for (const [at, result] of answer.results.entries()) {
      this.device.counts[result.status] += 1;
      if (result.replayed) this.device.counts.replayed += 1;
      if (result.next === "dead_letter") {
        const letter = { ...items[at], error: result.problem, attempts: 1, failedAt: Date.now() };
        await this.storage.setItem(`dead:${items[at].id}`, JSON.stringify(letter));
      } else if (result.next !== "remove") continue;
      done.push(keys[at]);
    }
    this.device.counts.intents += items.length;
    await this.forget(done);
    return done.length;
  }

  /** Sends until nothing is left. `progress` hears of each batch. */
  async drain(progress = () => {}) {
    for (let failures = 0; this.length > 0; ) {
      try {
        const left = await this.step();
        failures = left > 0 ? 0 : failures + 1;
        progress(this.length);
        if (left === 0) await pause(this.backoff[Math.min(failures, this.backoff.length) - 1]);
      } catch (error) {
        if (!(error instanceof LinkError)) throw error;
        failures += 1;
        await pause(Math.random() * this.backoff[Math.min(failures, this.backoff.length) - 1]);
      }
    }
  }

  /** The dead letters, and their mirror at the store. */
  async dead() {
    const keys = (await this.storage.getAllKeys()).filter((key) => key.startsWith("dead:"));
    return (await this.storage.multiGet(keys)).map(([, text]) => JSON.parse(text));
  }

  async mirror() {
    const items = await this.dead();
    if (items.length === 0) return undefined;
    for (let failures = 0; ; failures += 1) {
      try {
        // The store keeps each once, so a report whose answer was lost is sent again as it is.
        return await this.send("/api/v1/adapters/asyncstorage/dead-letters", { items });
      } catch (error) {
        if (!(error instanceof LinkError) || failures === this.backoff.length) throw error;
        await pause(Math.random() * this.backoff[failures]);
      }
    }
  }

  send(path, body) {
    const text = JSON.stringify(body);
    this.device.counts.pushes += 1;
    return this.device.authorised("POST", path, text.length > COMPRESS_ABOVE ? { packed: gzipSync(text) } : { body });
  }
}
