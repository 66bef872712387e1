// Two clients that edit offline, in chains and against each other, and what must be true when both have synced.
//
// Every field of a record is written by one side only while both are offline, so the outcome of each merge is known
// beforehand: every edit must be there in the end.

import "fake-indexeddb/auto";

import assert from "node:assert/strict";

import { canonical } from "../harness/frozen.mjs";
import { SyncClient } from "./client.mjs";
import { openDatabase } from "./db.mjs";

const SHARED = 30;
const OWN = 12;

/** One run; throws when anything is lost or different in the end. */
export async function run({ url, enrol, rounds, seed, name }) {
  const prefix = `dx-${seed}-${Date.now().toString(36)}-`;
  const clients = ["A", "B"].map((side) => new SyncClient(openDatabase(`${prefix}${name}-${side}`), { url, enrol, name: `${name} ${side}` }));
  try {
    for (const client of clients) await client.open();
    for (const client of clients) await client.report();
    const expected = await play(clients, prefix, rounds);
    const records = await verify(clients, prefix, expected);
    for (const client of clients) await client.report();
    return { records, clients: clients.map(({ clientId, name, counts }) => ({ client_id: clientId, name, ...counts })) };
  } finally {
    clients.forEach((client) => client.db.close());
  }
}

/** Plays `rounds` rounds and answers what every record must hold. */
async function play([a, b], prefix, rounds) {
  const expected = {};
  const edit = async (client, op, id, fields) => {
    await client.edit(op, id, fields);
    if (op === "delete") delete expected[id];
    else expected[id] = { ...(op === "create" ? {} : expected[id]), ...fields };
  };
  const shared = Array.from({ length: SHARED }, (_, n) => `${prefix}shared-${n}`);
  for (const id of shared) await edit(a, "create", id, { title: "new", done: false, notes: "" });
  await a.sync();
  await b.sync();
  for (let round = 0; round < rounds; round += 1) {
    // Offline: both edit the same records, each its own field, in chains on edits that nobody has seen yet.
    for (const [n, id] of shared.entries()) {
      if (!(id in expected)) continue;
      await edit(a, "update", id, { title: `title ${round}.${n} first` });
      await edit(a, "update", id, { title: `title ${round}.${n}` });
      await edit(b, "update", id, { notes: `notes ${round}.${n} first` });
      await edit(b, "update", id, { notes: `notes ${round}.${n}` });
    }
    for (const [name, client] of [["a", a], ["b", b]]) {
      for (let n = 0; n < OWN; n += 1) {
        const id = `${prefix}${name}-${round}-${n}`;
        await edit(client, "create", id, { title: `mine ${n}`, done: false, notes: "" });
        await edit(client, "update", id, { done: true });
        await edit(client, "update", id, { notes: `after ${n}` });
        if (n % 4 === 0) await edit(client, "delete", id, null);
      }
    }
    // Online again, both at once.
    await Promise.all([a.sync(), b.sync()]);
  }
  // What the other side pushed last is still to be pulled.
  await a.sync();
  await b.sync();
  return expected;
}

/** The store's records, read from nothing. */
async function storeRecords(client, prefix) {
  const records = {};
  for (let since = "0"; ; ) {
    const query = new URLSearchParams({ since, compact: "true", limit: "500", scopes: client.scope, collections: "todos" });
    const page = await client.authorised("GET", `/changes?${query}`);
    for (const row of page.changes) {
      if (!row.record_id?.startsWith(prefix)) continue;
      if (row.op === "delete") delete records[row.record_id];
      else records[row.record_id] = { version: row.version, body: row.fields };
    }
    since = page.cursor;
    if (!page.has_more && page.snapshot?.complete !== false) return records;
  }
}

/** Throws unless both clients hold what the store holds, and that is what was expected. */
async function verify([a, b], prefix, expected) {
  const store = await storeRecords(a, prefix);
  for (const client of [a, b]) {
    assert.equal(canonical(await client.records(prefix)), canonical(store), `${client.name} differs from the store`);
    assert.equal(await client.db.wal.count(), 0, `${client.name} has unsent operations`);
    assert.equal(await client.db.dead.count(), 0, `${client.name} has rejected operations`);
  }
  const bodies = Object.fromEntries(Object.entries(store).map(([id, record]) => [id, record.body]));
  assert.equal(canonical(bodies), canonical(expected), "an edit is lost");
  return Object.keys(store).length;
}
