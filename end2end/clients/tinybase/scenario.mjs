// Clients on TinyBase's MergeableStore that set and delete the same cells, rows and values, offline and while they sync.

import assert from "node:assert/strict";

import { createMergeableStore } from "tinybase";

import { Device, LinkError, pause } from "../harness/device.mjs";
import { pick } from "../harness/dice.mjs";
import { canonical } from "../harness/frozen.mjs";
import { SyncedStore, decoded } from "./adapter.mjs";

const COLLECTION = "boards";
const CELLS = ["title", "notes", "status"];
const PATIENCE_MS = 30_000;

class Client {
  constructor(device, random, id) {
    Object.assign(this, { device, random, edits: 0, store: createMergeableStore(device.clientId) });
    this.synced_store = new SyncedStore({ device, collection: COLLECTION, id, store: this.store });
  }

  edit(book) {
    const { store, random } = this;
    const row = `r${Math.floor(random() * 15)}`;
    const cell = pick(random, CELLS);
    const value = `${this.device.name} ${(this.edits += 1)}`;
    const chance = random();
    if (chance < 0.1) store.delRow("tasks", row);
    else if (chance < 0.2) store.delCell("tasks", row, cell);
    else if (chance < 0.3) store.setValue(cell, value);
    else store.setCell("tasks", row, cell, value);
    if (chance >= 0.2) book.push(value);
  }

  async synced() {
    const until = Date.now() + PATIENCE_MS;
    for (let failures = 0; ; failures += 1) {
      try {
        return await this.synced_store.sync();
      } catch (error) {
        if (!(error instanceof LinkError) || Date.now() > until) throw error;
        await pause(this.random() * Math.min(500, 10 * 2 ** failures));
      }
    }
  }
}

/** One run; throws when anything is lost or different in the end. */
export async function run({ url, enrol, random, seed, rounds, clients: count, name }) {
  const id = `tb-${seed}-${Date.now().toString(36)}`;
  const book = [];
  const clients = [];
  for (let n = 0; n < count; n += 1) clients.push(new Client(new Device({ url, enrol, name: `${name} ${"ABCDEFGH"[n]}`, app: "tinybase-10.0.1" }), random, id));
  for (const client of clients) await client.device.open();
  for (let round = 0; round < rounds; round += 1) {
    for (const client of clients) for (let n = 0; n < 30; n += 1) client.edit(book);
    await Promise.all(clients.flatMap((client) => [client.synced(), late(client, book, random)]));
  }
  for (let round = 0; round < 2; round += 1) for (const client of clients) await client.synced();
  const store = await clients[0].device.records(COLLECTION, id);
  const list = store[id].fields.changes.$opaque;
  verify(clients, list, book);
  const described = clients.map(({ device }) => ({ client_id: device.clientId, name: device.name, ...device.counts }));
  return { records: 1, changes: list.length, edits: book.length, clients: described };
}

async function late(client, book, random) {
  for (let n = 0; n < 20; n += 1) {
    client.edit(book);
    if (random() < 0.5) await pause(random() * 4);
  }
}

/** Every client holds, cell by cell, the newest change of the list that the store keeps, and every edit is in that list. */
function verify(clients, list, book) {
  const text = JSON.stringify(list);
  for (const value of book) assert.ok(text.includes(JSON.stringify(value)), `the edit ${value} is lost`);
  assert.equal(new Set(list.map(canonical)).size, list.length, "a change stands twice");
  const newest = new Map();
  const offer = (place, [value, stamp]) => {
    if (stamp && (newest.get(place)?.[1] ?? "") < stamp) newest.set(place, [value, stamp]);
  };
  for (const [[tables], [values]] of list.map(decoded)) {
    for (const [name, value] of Object.entries(values)) offer(`values ${name}`, value);
    for (const [table, [rows]] of Object.entries(tables)) for (const [row, [cells]] of Object.entries(rows)) for (const [cell, value] of Object.entries(cells)) offer(`${table} ${row} ${cell}`, value);
  }
  const expected = Object.fromEntries([...newest].filter(([, [value]]) => value !== undefined).map(([place, [value]]) => [place, value]));
  for (const { device, store, synced_store: synced } of clients) {
    const held = Object.fromEntries(Object.entries(store.getValues()).map(([name, value]) => [`values ${name}`, value]));
    store.forEachTable((table) => store.forEachRow(table, (row, forEachCell) => forEachCell((cell, value) => void (held[`${table} ${row} ${cell}`] = value))));
    assert.equal(canonical(held), canonical(expected), `${device.name} differs from the store`);
    assert.deepEqual(store.getMergeableContentHashes(), clients[0].store.getMergeableContentHashes(), `${device.name} has other hashes`);
    assert.equal(synced.outbox.entries.length + synced.outbox.dead.length, 0, `${device.name} has unsent or refused changes`);
  }
}
