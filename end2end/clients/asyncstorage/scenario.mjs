// Telephones of one line that record the same calls, each in a queue of its own; an app that is killed between two batches, and an
// item that the store refuses.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";

import { Device } from "../harness/device.mjs";
import { Queue } from "./queue.mjs";
import { AsyncStorage } from "./storage.mjs";

/** Short pauses: the outages here are over at once. */
const BACKOFF_MS = [10, 20, 40, 80, 160];

const call = (prefix, n, heard) => ({
  id: randomUUID(),
  type: "EventCreate",
  priority: ["high", "normal", "low"][n % 3],
  timestamp: Date.now(),
  payload: { line_id: "wild", ts: new Date(1_763_629_200_000 + n * 60_000).toISOString(), number: `+${prefix}${n}`, direction: "in", duration: 60 + heard },
});

/** One run; throws when a call is lost or stands twice, or an item is in neither queue nor store. */
export async function run({ url, enrol, random, seed, rounds, clients: count, name }) {
  const prefix = `${seed % 1_000}${Date.now() % 1_000_000_000}`;
  const phones = [];
  for (let n = 0; n < count; n += 1) {
    const device = await new Device({ url, enrol, name: `${name} ${"ABCDEFGH"[n]}`, app: "asyncstorage-1" }).open();
    device.scope = device.tokens.scopes.find((scope) => scope.startsWith("line:"));
    const storage = new AsyncStorage();
    phones.push({ device, storage, queue: await new Queue(storage, device, { backoff: BACKOFF_MS }).open() });
  }
  const calls = rounds * 40;
  try {
    // Each telephone hears every call, give or take nothing or a second, after the first that it is measured from.
    for (let n = 0; n < calls; n += 1) for (const [at, { queue }] of phones.entries()) await queue.add(call(prefix, n, at === 0 ? 0 : Math.round(random())));
    const bad = { id: randomUUID(), type: "EventCreate", timestamp: Date.now(), payload: { line_id: "another", ts: "x", number: prefix } };
    await phones[0].queue.add(bad);
    await phones[0].queue.drain();
    for (const phone of phones.slice(1)) {
      // One batch, and then the app is killed and starts again with what is stored.
      await phone.queue.step().catch(() => 0);
      phone.queue = await new Queue(phone.storage, phone.device, { backoff: BACKOFF_MS }).open();
    }
    await Promise.all(phones.map(({ queue }) => queue.drain()));
    const dead = await phones[0].queue.dead();
    assert.deepEqual(dead.map(({ id, error }) => [id, error.code]), [[bad.id, "scope_forbidden"]]);
    const mirrored = await phones[0].queue.mirror();
    assert.equal(mirrored.accepted + mirrored.duplicates, 1, JSON.stringify(mirrored));
    const store = await phones[0].device.records("events");
    const numbers = Object.values(store).map(({ fields }) => fields.number).filter((number) => number.startsWith(`+${prefix}`));
    assert.equal(new Set(numbers).size, numbers.length, "a call stands twice");
    assert.equal(numbers.length, calls, "a call is lost");
    for (const { device, queue } of phones) assert.equal(queue.length, 0, `${device.name} has unsent items`);
  } finally {
    for (const { storage } of phones) storage.clear();
  }
  const described = phones.map(({ device }) => ({ client_id: device.clientId, name: device.name, ...device.counts }));
  return { records: calls, clients: described };
}
