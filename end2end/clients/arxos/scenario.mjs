// Technicians of one building, away and back, with the app that their design describes.

import assert from "node:assert/strict";

import { Device } from "../harness/device.mjs";
import { pick } from "../harness/dice.mjs";
import { SyncManager } from "./client.mjs";

const PATIENCE_MS = 30_000;
const STATES = ["ok", "fault", "off", "service"];

/** One run; throws when the apps and the store differ in the end, or an item is stuck. */
export async function run({ url, enrol, random, seed, rounds, clients: count, name }) {
  const prefix = `ax-${seed}-${Date.now().toString(36)}-`;
  const apps = [];
  for (let n = 0; n < count; n += 1) {
    const device = await new Device({ url, enrol, name: `${name} ${"ABCDEFGH"[n]}`, app: "arxos-1" }).open();
    device.scope = device.tokens.scopes.find((scope) => scope.startsWith("building:"));
    apps.push(Object.assign(new SyncManager(device, device.scope.slice("building:".length)), { usesCursor: n % 2 === 0 }));
  }
  const ids = Array.from({ length: 6 + rounds * 4 }, (_, n) => `${prefix}${n}`);
  for (const id of ids) apps[0].edit(id, { status: "ok" }, Date.now());
  await apps[0].synced(random, PATIENCE_MS);
  for (let round = 0; round < rounds; round += 1) {
    for (const app of apps) {
      await app.synced(random, PATIENCE_MS);
      // More than ten edits go as a batch, fewer one by one.
      for (let n = 0; n < (round % 2 ? 6 : 20); n += 1) {
        const id = pick(random, ids);
        if (app.equipment.has(id) && random() < 0.05) app.remove(id, Date.now());
        else app.edit(id, { status: pick(random, STATES), [`by_${app.device.name}`]: n }, Date.now());
      }
    }
    await Promise.all(apps.map((app) => app.synced(random, PATIENCE_MS)));
  }
  for (let round = 0; round < 2; round += 1) for (const app of apps) await app.synced(random, PATIENCE_MS);
  const store = await apps[0].device.records("equipment", prefix);
  const shown = (rows) => Object.fromEntries(Object.entries(rows).map(([id, row]) => [id, [row.version, row.status]]).sort());
  const wanted = shown(Object.fromEntries(Object.entries(store).map(([id, { version, fields }]) => [id, { version, ...fields }])));
  for (const app of apps) {
    assert.deepEqual(app.failed, [], `${app.device.name} had operations refused`);
    const own = Object.fromEntries([...app.equipment].filter(([id]) => id.startsWith(prefix)));
    assert.deepEqual(shown(own), wanted, `${app.device.name} differs from the store`);
  }
  const described = apps.map(({ device, conflicts }) => ({ client_id: device.clientId, name: device.name, conflicts: conflicts.length, ...device.counts }));
  return { records: Object.keys(store).length, clients: described };
}
