// Clients that write into the same Yjs documents, offline and while they sync.

import assert from "node:assert/strict";

import * as Y from "yjs";

import { Device, LinkError, pause } from "../harness/device.mjs";
import { pick } from "../harness/dice.mjs";
import { canonical } from "../harness/frozen.mjs";
import { Documents, stored } from "./adapter.mjs";

const COLLECTION = "pages";
const DOCUMENTS = 5;
const PATIENCE_MS = 30_000;

/** Words are `[…]`: what is typed is a word, and what is deleted is a word. */
const words = (text) => text.toString().match(/\[[^\]]*\]/g) ?? [];

class Client {
  constructor(device, random) {
    Object.assign(this, { device, random, edits: 0, documents: new Documents(device, COLLECTION) });
  }

  /** Types a word between two others, or deletes one, and counts in the map. */
  edit(id, book) {
    const document = this.documents.document(id);
    document.transact(() => {
      const text = document.getText("text");
      const present = words(text);
      const at = Math.floor(this.random() * (present.length + 1));
      const place = present.slice(0, at).join("").length;
      const word = present[at];
      if (word && this.random() < 0.25) {
        text.delete(place, word.length);
        book.deleted.add(`${id}${word}`);
      } else {
        const typed = `[${this.device.name} ${(this.edits += 1)}]`;
        text.insert(place, typed);
        book.typed.add(`${id}${typed}`);
      }
      const count = document.getMap("counts");
      count.set(this.device.name, (count.get(this.device.name) ?? 0) + 1);
      document.getArray("log").push([`${this.device.name} ${count.get(this.device.name)}`]);
      book.counts[`${id} ${this.device.name}`] = count.get(this.device.name);
    });
  }

  async synced() {
    const until = Date.now() + PATIENCE_MS;
    for (let failures = 0; ; failures += 1) {
      try {
        return await this.documents.sync();
      } catch (error) {
        if (!(error instanceof LinkError) || Date.now() > until) throw error;
        await pause(this.random() * Math.min(500, 10 * 2 ** failures));
      }
    }
  }
}

/** One run; throws when anything is lost or different in the end. */
export async function run({ url, enrol, random, seed, rounds, clients: count, name }) {
  const prefix = `yj-${seed}-${Date.now().toString(36)}-`;
  const book = { typed: new Set(), deleted: new Set(), counts: {} };
  const clients = Array.from({ length: count }, (_, n) => new Client(new Device({ url, enrol, name: `${name} ${"ABCDEFGH"[n]}`, app: "yjs-13.6.33" }), random));
  for (const client of clients) await client.device.open();
  const ids = Array.from({ length: DOCUMENTS }, (_, n) => `${prefix}${n}`);
  for (let round = 0; round < rounds; round += 1) {
    for (const client of clients) for (let n = 0; n < 30; n += 1) client.edit(pick(random, ids), book);
    await Promise.all(clients.flatMap((client) => [client.synced(), late(client, ids, book, random)]));
  }
  for (let round = 0; round < 2; round += 1) for (const client of clients) await client.synced();
  const store = await clients[0].device.records(COLLECTION, prefix);
  for (const id of ids) verify(clients, id, store[id].fields, book);
  const described = clients.map(({ device }) => ({ client_id: device.clientId, name: device.name, ...device.counts }));
  return { records: Object.keys(store).length, typed: book.typed.size, deleted: book.deleted.size, clients: described };
}

/** Types on while the client syncs. */
async function late(client, ids, book, random) {
  for (let n = 0; n < 20; n += 1) {
    client.edit(pick(random, ids), book);
    if (random() < 0.5) await pause(random() * 4);
  }
}

/** Store and clients hold the same document: every word that was typed and not deleted once, and every count. */
function verify(clients, id, fields, book) {
  const document = new Y.Doc();
  Y.applyUpdate(document, stored(fields));
  const shown = (one) => canonical([one.getText("text"), one.getMap("counts"), one.getArray("log")].map((part) => part.toJSON()));
  const known = (one) => Object.fromEntries(Y.decodeStateVector(Y.encodeStateVector(one)));
  for (const client of clients) {
    const own = client.documents.document(id);
    assert.equal(shown(own), shown(document), `${client.device.name} differs from the store in ${id}`);
    assert.deepEqual(known(own), known(document), `${client.device.name} knows other updates than the store of ${id}`);
    assert.equal(client.documents.outbox.entries.length + client.documents.outbox.dead.length, 0, `${client.device.name} has unsent or refused updates`);
    assert.equal(document.getMap("counts").get(client.device.name), book.counts[`${id} ${client.device.name}`], `a count of ${client.device.name} is lost`);
  }
  const expected = [...book.typed].filter((word) => word.startsWith(id) && !book.deleted.has(word)).map((word) => word.slice(id.length));
  assert.deepEqual(words(document.getText("text")).sort(), expected.sort(), `words of ${id} are lost or came back`);
  const entries = document.getArray("log").toJSON();
  assert.equal(new Set(entries).size, entries.length, `an update of ${id} stands twice`);
  assert.equal(entries.length, Object.values(document.getMap("counts").toJSON()).reduce((sum, count) => sum + count, 0), `log entries of ${id} are lost`);
}
