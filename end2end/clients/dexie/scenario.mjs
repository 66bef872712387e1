// Clients that edit offline and online, in chains and against each other, lose requests and are restarted, and what must be true
// when all have synced. Everything that they do follows the seed.
//
// In a round every field of a record is written by one client only, so the outcome of each merge is known beforehand: every edit
// must be there in the end.

import "fake-indexeddb/auto";

import assert from "node:assert/strict";

import { dice, pick } from "../harness/dice.mjs";
import { canonical } from "../harness/frozen.mjs";
import { LinkError, Stopped, SyncClient } from "./client.mjs";
import { openDatabase } from "./db.mjs";

const SHARED = 30;
const FIELDS = ["title", "done", "notes"];
/** How many requests are lost on the way, before the server sees them. */
const LOST_REQUESTS = 0.1;

/** The outcome of a request that the link may lose a few times. */
async function patiently(request) {
  for (let left = 50; ; left -= 1) {
    try {
      return await request();
    } catch (error) {
      if (!(error instanceof LinkError) || left === 0) throw error;
    }
  }
}

/** A client with dice of its own, which a restart takes away from its database and gives it back. */
class Person {
  constructor(options, side, random) {
    Object.assign(this, { options, side, random, chances: dice(Math.floor(random() * 2 ** 32)), name: `${options.name} ${side}`, edits: 0, lost: 0, restarts: 0 });
  }

  async open() {
    const fetch = (...request) => {
      if (this.chances() >= LOST_REQUESTS) return globalThis.fetch(...request);
      this.lost += 1;
      throw new Error("the request is lost");
    };
    const { url, enrol, database } = this.options;
    const client = new SyncClient(openDatabase(`${database}-${this.side}`), { url, enrol, name: this.name, fetch, random: this.chances });
    if (this.client) client.counts = this.client.counts;
    this.client = client;
    await patiently(() => client.open());
  }

  /** Ends wherever it is, and begins again with what its database holds. */
  async restart() {
    this.restarts += 1;
    this.client.stop();
    await this.syncing.catch((error) => {
      if (!(error instanceof Stopped)) throw error;
    });
    this.client.db.close();
    await this.open();
  }

  /** Syncs until everything is through. Some are restarted on the way. */
  async synced() {
    const restarts = this.random() < 0.5 ? 1 : 0;
    const after = this.random() * 60;
    this.syncing = this.client.sync();
    // It is awaited below, also when it fails before that.
    this.syncing.catch(() => {});
    if (restarts > 0) {
      await new Promise((done) => setTimeout(done, after));
      await this.restart();
      this.syncing = this.client.sync();
    }
    await this.syncing;
  }

  /** Tells the console of itself, however often it takes. */
  report() {
    return patiently(() => this.client.report());
  }
}

/** One run; throws when anything is lost or different in the end. */
export async function run({ url, enrol, random, rounds, seed, clients: count, name }) {
  const prefix = `dx-${seed}-${Date.now().toString(36)}-`;
  const people = Array.from({ length: count }, (_, n) => new Person({ url, enrol, name, database: `${prefix}${name}` }, "ABCDEFGH"[n], random));
  try {
    for (const person of people) await person.open();
    for (const person of people) await person.report();
    const expected = await play(people, prefix, rounds, random);
    const records = await verify(people, prefix, expected);
    for (const person of people) await person.report();
    const described = people.map(({ client, name, edits, lost, restarts }) => ({ client_id: client.clientId, name, edits, lost, restarts, ...client.counts }));
    return { records, clients: described };
  } finally {
    people.forEach(({ client }) => client?.db.close());
  }
}

/** Plays `rounds` rounds and answers what every record must hold. */
async function play(people, prefix, rounds, random) {
  const expected = {};
  const edit = async (person, op, id, fields) => {
    await person.client.edit(op, id, fields);
    person.edits += 1;
    if (op === "delete") delete expected[id];
    else expected[id] = { ...(op === "create" ? {} : expected[id]), ...fields };
  };
  const value = (person, field) => (field === "done" ? random() < 0.5 : `${field} of ${person.side}, ${person.edits}`);
  const shared = Array.from({ length: SHARED }, (_, n) => `${prefix}shared-${n}`);
  for (const id of shared) await edit(people[0], "create", id, { title: "new", done: false, notes: "" });
  for (const person of people) await person.synced();
  for (let round = 0; round < rounds; round += 1) {
    // Offline: all edit the same records, each its own fields, in chains on edits that nobody has seen yet.
    for (const id of shared) if (id in expected) for (const step of dealt(people, random)) await edit(step.person, step.op, id, step.field && { [step.field]: value(step.person, step.field) });
    for (const person of people) await own(person, `${prefix}${person.side}-${round}-`, { edit, value, random });
    // Online again, all at once, and still editing.
    await Promise.all(people.map((person) => person.synced()));
    // A field that has another writer in the next round is known to that one by then.
    for (const person of people) await person.client.sync();
    for (const person of people) if (random() < 0.5) await own(person, `${prefix}${person.side}-${round}-late-`, { edit, value, random });
  }
  // What was edited last is still to be pushed, and to be pulled by the others.
  for (let turn = 0; turn < 2; turn += 1) for (const person of people) await person.synced();
  return expected;
}

/** What happens to a shared record in a round: each field belongs to one person or to nobody, or one deletes the record. */
function dealt(people, random) {
  if (random() < 0.04) return [{ person: pick(random, people), op: "delete" }];
  const steps = [];
  for (const field of FIELDS) {
    if (random() < 0.3) continue;
    const person = pick(random, people);
    for (let links = 1 + Math.floor(random() * 3); links > 0; links -= 1) steps.splice(Math.floor(random() * (steps.length + 1)), 0, { person, op: "update", field });
  }
  return steps;
}

/** Records that nobody else writes: made, changed in chains, now and then deleted. */
async function own(person, prefix, { edit, value, random }) {
  const count = 4 + Math.floor(random() * 12);
  for (let n = 0; n < count; n += 1) {
    const id = `${prefix}${n}`;
    await edit(person, "create", id, { title: `mine ${n}`, done: false, notes: "" });
    for (let links = Math.floor(random() * 4); links > 0; links -= 1) {
      const field = pick(random, FIELDS);
      await edit(person, "update", id, { [field]: value(person, field) });
    }
    if (random() < 0.25) await edit(person, "delete", id, null);
  }
}

/** The store's records, read from nothing. */
async function storeRecords(client, prefix) {
  const records = {};
  for (let since = "0"; ; ) {
    const query = new URLSearchParams({ since, compact: "true", limit: "500", scopes: client.scope, collections: "todos" });
    const page = await patiently(() => client.authorised("GET", `/changes?${query}`));
    for (const row of page.changes) {
      if (!row.record_id?.startsWith(prefix)) continue;
      if (row.op === "delete") delete records[row.record_id];
      else records[row.record_id] = { version: row.version, body: row.fields };
    }
    since = page.cursor;
    if (!page.has_more && page.snapshot?.complete !== false) return records;
  }
}

/** Throws unless all clients hold what the store holds, and that is what was expected. */
async function verify(people, prefix, expected) {
  const store = await storeRecords(people[0].client, prefix);
  for (const { client } of people) {
    assert.equal(canonical(await client.records(prefix)), canonical(store), `${client.name} differs from the store`);
    assert.equal(await client.db.wal.count(), 0, `${client.name} has unsent operations`);
    assert.equal(await client.db.dead.count(), 0, `${client.name} has rejected operations`);
  }
  const bodies = Object.fromEntries(Object.entries(store).map(([id, record]) => [id, record.body]));
  assert.equal(canonical(bodies), canonical(expected), "an edit is lost");
  return Object.keys(store).length;
}
