// Clients on WatermelonDB with its LokiJS adapter, that edit, delete and collide between and during their syncs.

import assert from "node:assert/strict";
import { createRequire } from "node:module";

import { Device, LinkError, pause } from "../harness/device.mjs";
import { pick } from "../harness/dice.mjs";
import { canonical } from "../harness/frozen.mjs";
import { Ledger } from "../harness/ledger.mjs";
import { Faster, Sync } from "./adapter.mjs";

const require = createRequire(import.meta.url);
const { Database, Model, Q, appSchema, tableSchema } = require("@nozbe/watermelondb");
const { default: LokiJSAdapter } = require("@nozbe/watermelondb/adapters/lokijs");
require("@nozbe/watermelondb/utils/common/logger").default.silence();

const TABLE = "cards";
const FIELDS = ["title", "notes", "status"];
const PATIENCE_MS = 30_000;

class Card extends Model {
  static table = TABLE;
}
const text = (name) => ({ name, type: "string" });
const schema = appSchema({ version: 1, tables: [tableSchema({ name: TABLE, columns: [...FIELDS.map(text), text("lost"), text("base"), { name: "gone", type: "boolean" }, { name: "count", type: "number" }] })] });
const values = (fields) => (fields ? [...FIELDS.map((field) => fields[field]), ...(fields.lost ?? [])] : []);
const held = (raw) => ({ count: raw.count, ...Object.fromEntries(FIELDS.map((field) => [field, raw[field]])), lost: JSON.parse(raw.lost || "[]") });

class Client {
  constructor(device, ledger, random) {
    Object.assign(this, { device, ledger, random, edits: 0, rounds: 0, outrun: 0, seen: new Map(), dead: new Map() });
  }

  async open(label) {
    await this.device.open();
    const adapter = new LokiJSAdapter({ schema, dbName: `${label}${this.device.clientId}`, useWebWorker: false, useIncrementalIndexedDB: false, extraLokiOptions: { autosave: false } });
    this.database = new Database({ adapter, modelClasses: [Card] });
    this.cards = this.database.get(TABLE);
    this.sync = new Sync({ database: this.database, table: TABLE, device: this.device, dead: this.dead, heard: (intent, result) => this.heard(intent, result) });
  }

  /** What became of an intent, for the ledger. */
  heard({ record_id: id, op, fields }) {
    if (op === "delete") this.ledger.deleted(id, this.seen.get(id) ?? []);
    else this.ledger.acked(values(fields));
  }

  /** Syncs until it gets through. */
  async synced() {
    const until = Date.now() + PATIENCE_MS;
    for (let failures = 0; ; failures += 1) {
      try {
        this.rounds += 1;
        return await this.sync.round();
      } catch (error) {
        if (error instanceof Faster) this.outrun += 1;
        else if (!(error instanceof LinkError)) throw error;
        if (Date.now() > until) throw new Error(`${this.device.name} did not get through within ${PATIENCE_MS / 1_000} s: ${error.message}`);
        await pause(Math.random() * Math.min(500, 10 * 2 ** failures));
      }
    }
  }

  async alive(id) {
    const [card] = await this.cards.query(Q.where("id", id), Q.where("gone", Q.notEq(true))).fetch();
    return card;
  }

  edit(id, field) {
    const value = `${field} ${this.device.name} ${(this.edits += 1)}`;
    return this.database.write(async () => {
      const card = await this.alive(id);
      if (!card) return;
      this.ledger.wrote(id, value, card._raw[field]);
      await card.update((record) => void record._setRaw(field, value));
    });
  }

  create(id) {
    return this.database.write(() => this.cards.create((card) => {
      card._raw.id = id;
      for (const field of FIELDS) {
        const value = `${field} ${this.device.name} ${(this.edits += 1)}`;
        this.ledger.wrote(id, value, undefined);
        card._setRaw(field, value);
      }
      card._setRaw("lost", "[]");
    }));
  }

  /** A record that the store refuses for good: its number does not travel in JSON. */
  poison(id) {
    this.poisoned = id;
    return this.database.write(() => this.cards.create((card) => {
      card._raw.id = id;
      card._setRaw("count", 2 ** 53);
    }));
  }

  delete(id) {
    return this.database.write(async () => {
      const card = await this.alive(id);
      if (!card) return;
      this.seen.set(id, values(held(card._raw)));
      this.ledger.discarded(this.seen.get(id));
      await card.markAsDeleted();
    });
  }

  async records(prefix) {
    const cards = await this.cards.query(Q.where("id", Q.like(`${prefix}%`)), Q.where("gone", Q.notEq(true))).fetch();
    return Object.fromEntries(cards.map((card) => [card.id, { fields: held(card._raw), status: card.syncStatus }]));
  }
}

/** One run; throws when anything is lost or different in the end. */
export async function run({ url, enrol, random, seed, rounds, clients: count, name }) {
  const prefix = `wm-${seed}-${Date.now().toString(36)}-`;
  const ledger = new Ledger();
  const clients = [];
  for (let n = 0; n < count; n += 1) clients.push(new Client(new Device({ url, enrol, name: `${name} ${"ABCDEFGH"[n]}`, app: "watermelondb-0.28.0" }), ledger, random));
  for (const client of clients) await client.open(prefix);
  const ids = Array.from({ length: 40 }, (_, n) => `${prefix}${n}`);
  for (const id of ids) await clients[0].create(id);
  for (const client of clients) await client.synced();
  await clients.at(-1).poison(`${prefix}poison`);
  for (let round = 0; round < rounds; round += 1) {
    // Offline edits first, then everybody syncs, and edits on while syncing.
    for (const [n, client] of clients.entries()) await busy(client, ids, `${prefix}${round}-${n}`, random);
    await Promise.all(clients.flatMap((client, n) => [client.synced(), busy(client, ids, `${prefix}${round}-${n}-late`, random)]));
  }
  const store = await settled(clients, prefix);
  for (const client of clients) {
    const refused = [...client.dead.values()].map(({ intent, problem }) => `${intent.record_id} ${problem.code}`);
    assert.deepEqual(refused, client.poisoned ? [`${client.poisoned} number_out_of_range`] : [], `${client.device.name} was refused`);
  }
  ledger.check((id) => values(store[id]?.fields));
  for (const { fields } of Object.values(store)) ledger.counts.collisions += fields.lost.length;
  const described = clients.map(({ device, rounds, outrun }) => ({ client_id: device.clientId, name: device.name, syncs: rounds, outrun, ...device.counts }));
  return { records: Object.keys(store).length, ...ledger.counts, clients: described };
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

/** Everybody syncs until what all had is with all; answers what the store holds. */
async function settled(clients, prefix) {
  for (let round = 0; round < 2; round += 1) for (const client of clients) await client.synced();
  const store = await clients[0].device.records(TABLE, prefix);
  const expected = Object.fromEntries(Object.entries(store).map(([id, { fields }]) => [id, { fields, status: "synced" }]));
  for (const client of clients) assert.equal(canonical(await client.records(prefix)), canonical(expected), `${client.device.name} differs from the store`);
  return store;
}
