// The local database of seed 001: records, write-ahead log, metadata. Dexie unchanged; IndexedDB is the caller's business.
//
// `todos.version` is the store's version of the record underneath the device's own unsent edits. IndexedDB can not index
// booleans, so `deleted` is 0 or 1. `wal.seq` is the order of the intents; `wal.intent` is the frozen wire form, as text.

import Dexie from "dexie";

export function openDatabase(name) {
  const db = new Dexie(name);
  db.version(1).stores({
    todos: "id, updatedAt, version, deleted",
    wal: "++seq, &opId, kind, createdAt, recordId",
    meta: "key",
    dead: "opId",
  });
  return db;
}
