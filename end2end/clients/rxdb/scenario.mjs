// Clients on RxDB with its memory storage, that edit, delete and collide, online, offline and while replication is restarted.

import assert from "node:assert/strict";

import { createRxDatabase } from "rxdb";
import { getRxStorageMemory } from "rxdb/plugins/storage-memory";

import { Device, pause } from "../harness/device.mjs";
import { pick } from "../harness/dice.mjs";
import { canonical } from "../harness/frozen.mjs";
import { Ledger } from "../harness/ledger.mjs";
import { conflictHandler, replicate } from "./adapter.mjs";

const COLLECTION = "heroes";
const FIELDS = ["title", "notes", "status"];
const PATIENCE_MS = 30_000;

const schema = {
  version: 0, primaryKey: "id", type: "object",
  properties: {
    id: { type: "string", maxLength: 64 }, version: { type: "integer" }, lost: { type: "array", items: { type: "string" } },
    count: { type: "number" }, title: { type: "string" }, notes: { type: "string" }, status: { type: "string" },
  },
};
const values = (record) => (record ? [...FIELDS.map((field) => record[field]), ...(record.lost ?? [])] : []);

class Client {
  constructor(device, ledger, random) {
    Object.assign(this, { device, ledger, random, edits: 0, errors: [], dead: new Map() });
  }

  async open(label) {
    await this.device.open();
    this.database = await createRxDatabase({ name: `${label}-${this.device.name}-${this.device.clientId}`, storage: getRxStorageMemory(), multiInstance: false });
    ({ [COLLECTION]: this.collection } = await this.database.addCollections({ [COLLECTION]: { schema, conflictHandler: conflictHandler(this.dead) } }));
  }

  /** What the store said about a document, for the ledger. */
  heard({ newDocumentState: document }, result) {
    if (result.status === "applied" && document._deleted) this.ledger.deleted(document.id, values(document));
    else if (result.status === "applied") this.ledger.acked(values(document));
  }

  async online() {
    if (this.link) return;
    this.link = replicate({ collection: this.collection, device: this.device, dead: this.dead, heard: (row, result) => this.heard(row, result) });
    this.link.replication.error$.subscribe((error) => {
      const reason = JSON.stringify(error.parameters?.errors ?? error.message ?? error);
      if (!/LinkError|POST|GET|fetch|socket|terminated|deferred/.test(reason)) this.errors.push(reason);
    });
    await this.link.start();
  }

  async offline() {
    await this.link?.stop();
    this.link = undefined;
  }

  async edit(id, field) {
    const value = `${field} ${this.device.name} ${(this.edits += 1)}`;
    const document = await this.collection.findOne(id).exec();
    if (!document) return;
    let seen;
    await document.incrementalModify((data) => ((seen = data), data._deleted ? data : { ...data, [field]: value }));
    if (!seen._deleted) this.ledger.wrote(id, value, seen[field]);
  }

  async create(id) {
    const record = Object.fromEntries(FIELDS.map((field) => [field, `${field} ${this.device.name} ${(this.edits += 1)}`]));
    for (const value of Object.values(record)) this.ledger.wrote(id, value, undefined);
    await this.collection.insert({ id, ...record });
  }

  /** A record that the store refuses for good: its number does not travel in JSON. */
  async poison(id) {
    await this.collection.insert({ id, count: 2 ** 53 });
    this.poisoned = id;
  }

  async delete(id) {
    const document = await this.collection.findOne(id).exec();
    let seen;
    await document?.incrementalModify((data) => ((seen = data), { ...data, _deleted: true }));
    this.ledger.discarded(values(seen));
  }

  async records(prefix) {
    const documents = await this.collection.find().exec();
    return Object.fromEntries(documents.filter(({ id }) => id.startsWith(prefix)).map((document) => {
      const { id, version, ...fields } = document.toJSON();
      return [id, { version, fields }];
    }));
  }
}

/** One run; throws when anything is lost or different in the end. */
export async function run({ url, enrol, random, seed, rounds, clients: count, name }) {
  const prefix = `rx-${seed}-${Date.now().toString(36)}-`;
  const ledger = new Ledger();
  const clients = [];
  for (let n = 0; n < count; n += 1) clients.push(new Client(new Device({ url, enrol, name: `${name} ${"ABCDEFGH"[n]}`, app: "rxdb-17.6.0" }), ledger, random));
  try {
    for (const client of clients) await client.open(prefix);
    await played(clients, prefix, rounds, random);
    const store = await settle(clients, prefix);
    for (const client of clients) {
      assert.deepEqual(client.errors, [], `${client.device.name} had errors`);
      const refused = [...client.dead.values()].map(({ row, problem }) => `${row.newDocumentState.id} ${problem.code}`);
      assert.deepEqual(refused, client.poisoned ? [`${client.poisoned} number_out_of_range`] : [], `${client.device.name} was refused`);
    }
    ledger.check((id) => values(store[id]?.fields));
    for (const { fields } of Object.values(store)) ledger.counts.collisions += fields.lost?.length ?? 0;
    return { records: Object.keys(store).length, ...ledger.counts, clients: clients.map(({ device }) => ({ client_id: device.clientId, name: device.name, ...device.counts })) };
  } finally {
    for (const client of clients) {
      await client.offline();
      await client.database?.close();
    }
  }
}

async function played(clients, prefix, rounds, random) {
  const ids = Array.from({ length: 40 }, (_, n) => `${prefix}${n}`);
  for (const id of ids) await clients[0].create(id);
  for (const client of clients) await client.online();
  await settle(clients, prefix);
  await clients.at(-1).poison(`${prefix}poison`);
  for (let round = 0; round < rounds; round += 1) {
    for (const client of clients) if (random() < 0.6) await client.offline();
    await Promise.all(clients.map((client, n) => busy(client, ids, `${prefix}${round}-${n}`, random)));
    for (const client of clients) await client.online();
    // Some of them are restarted in the middle of their pushes.
    for (const client of clients) {
      if (random() < 0.5) continue;
      await pause(random() * 30);
      await client.offline();
      await client.edit(pick(random, ids), pick(random, FIELDS));
      await client.online();
    }
    // And everybody edits while everything is on its way.
    await Promise.all(clients.map((client, n) => busy(client, ids, `${prefix}${round}-${n}-late`, random)));
  }
}

/** Edits in chains, records of its own, deletions. */
async function busy(client, ids, own, random) {
  for (let n = 0; n < 20; n += 1) {
    const id = pick(random, ids);
    await client.edit(id, pick(random, FIELDS));
    if (random() < 0.4) await client.edit(id, pick(random, FIELDS));
    if (random() < 0.06) await client.delete(pick(random, ids));
    if (n % 5 === 0) await client.create(`${own}-${n}`);
    if (random() < 0.3) await pause(random() * 4);
  }
}

/** Waits until nothing moves and every client holds what the store holds; answers that. */
async function settle(clients, prefix) {
  const until = Date.now() + PATIENCE_MS;
  for (;;) {
    const enough = new AbortController();
    await Promise.race([Promise.all(clients.map(({ link }) => link.replication.awaitInSync())), pause(until - Date.now(), enough.signal)]);
    enough.abort();
    const store = await clients[0].device.records(COLLECTION, prefix).catch((error) => ({ error: error.message }));
    const held = await Promise.all(clients.map((client) => client.records(prefix)));
    const differing = held.findIndex((records) => canonical(records) !== canonical(store));
    if (differing === -1) return store;
    if (Date.now() > until) {
      const id = Object.keys({ ...store, ...held[differing] }).find((id) => canonical(store[id] ?? 0) !== canonical(held[differing][id] ?? 0));
      const [there, here] = [store[id], held[differing][id]].map((record) => JSON.stringify(record));
      throw new Error(`${clients[differing].device.name} differs from the store for ${PATIENCE_MS / 1_000} s: ${id}: store ${there}, client ${here}`);
    }
    await pause(20);
  }
}
