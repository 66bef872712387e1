// RxDB's replication on the protocol: pull, push, stream.
//
// Carried in the document: `version`, the store's version underneath. The policy of the collection is `client_resolves`: the
// store takes a write only on the version that it was made on, and hands back its record otherwise.

import { createHash } from "node:crypto";

import { replicateRxCollection } from "rxdb/plugins/replication";
import { Subject } from "rxjs";

import { LinkError } from "../harness/device.mjs";
import { canonical } from "../harness/frozen.mjs";
import { merged } from "../harness/merge.mjs";

const content = ({ id, version, _deleted, ...fields }) => (_deleted ? null : fields);
const document = (id, version, fields) => ({ id, ...fields, version, _deleted: !fields });
const same = (a, b) => canonical(a) === canonical(b);

/** What a conflict means here. `dead` keeps, by `key`, the writes that the store has refused for good. */
export const conflictHandler = (dead) => ({
  isEqual: (a, b) => a.version === b.version && same(content(a), content(b)),
  async resolve({ assumedMasterState: base, newDocumentState: mine, realMasterState: theirs }) {
    if (dead.has(key({ assumedMasterState: base, newDocumentState: mine }))) return theirs;
    return document(theirs.id, theirs.version, merged(base && content(base), content(mine), content(theirs)));
  },
});

/** Names a write by what it says: RxDB has no log of intents, so this is what a retry repeats, also after a crash. */
const key = ({ assumedMasterState: base, newDocumentState: mine }) => createHash("sha256").update(canonical([mine.id, base?.version ?? 0, content(mine)])).digest("hex").slice(0, 48);

function intent(collection, row) {
  const fields = content(row.newDocumentState);
  const base = row.assumedMasterState?.version;
  const stated = { operation_id: key(row), collection, record_id: row.newDocumentState.id, op: fields ? "put" : "delete" };
  return { ...stated, ...(fields && { fields }), ...(base && { base_version: base }) };
}

export function replicate({ collection, device, dead, heard = () => {} }) {
  const name = collection.name;
  const stream = new Subject();
  const listening = new AbortController();
  let turn = Promise.resolve();

  async function write(rows) {
    const results = await device.push(rows.map((row) => intent(name, row)));
    const masters = [];
    for (const row of rows) {
      const { id } = row.newDocumentState;
      const result = results.get(key(row));
      heard(row, result);
      if (result.status === "deferred") throw new LinkError("deferred: RxDB sends it again");
      if (result.status === "conflict") masters.push(document(id, result.version, result.record));
      // Whatever is not a conflict counts as success with RxDB, so a refused write is kept aside and taken back.
      if (result.status === "rejected") {
        dead.set(key(row), { row, problem: result.problem });
        masters.push(row.assumedMasterState ?? document(id, 0, null));
      }
    }
    return masters;
  }

  async function read(checkpoint, size) {
    const documents = [];
    let { cursor = "0" } = checkpoint ?? {};
    for (let more = true; more && documents.length < size; ) {
      // `compact` answers whole records, and a short page is not the end: RxDB stops asking when it gets one.
      const page = await device.page({ since: cursor, compact: "true", collections: name, limit: String(size - documents.length) });
      for (const row of page.changes) {
        if (row.op === "put") documents.push(document(row.record_id, row.version, row.fields));
        // A record that has left the scope is gone here as well.
        else if (row.op === "delete" || row.op === "evict") documents.push(document(row.record_id, row.version, null));
        else if (row.record_id) throw new Error(`unknown feed operation ${row.op}: this client needs an upgrade`);
      }
      cursor = page.cursor;
      more = page.has_more || page.snapshot?.complete === false;
    }
    return { documents, checkpoint: { cursor } };
  }

  const pushing = () => replication.internalReplicationState?.streamQueue.up;
  const replication = replicateRxCollection({
    collection, replicationIdentifier: `tidewatch-${name}`, live: true, retryTime: 50, waitForLeadership: false, autoStart: false,
    push: { batchSize: 50, handler: (rows) => (turn = turn.catch(() => {}).then(() => write(rows))) },
    pull: {
      batchSize: 200, stream$: stream,
      async handler(checkpoint, size) {
        // RxDB skips a pulled document that has unsent changes and does not come back to it: a page that was read while a push
        // was under way may hold what came after that push, so it does not count.
        for (;;) {
          const before = pushing();
          await before;
          const page = await read(checkpoint, size);
          if (pushing() === before) return page;
        }
      },
    },
  });
  const stop = async () => (listening.abort(), replication.cancel());
  device.listen(() => stream.next("RESYNC"), listening.signal).catch((error) => replication.subjects.error.next(error));
  return { replication, start: () => replication.start(), stop };
}
