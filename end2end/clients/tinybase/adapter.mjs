// A TinyBase MergeableStore on the protocol: the changes of each transaction are an operation `crdt` of type `opaque`.
//
// Carried: an outbox of frozen changes, and the cursor. One record is one store, with the list of its changes in the field
// `changes`; the store keeps them and does not read them.

import { Outbox, drain } from "../harness/outbox.mjs";

const FIELD = "changes";
/** JSON has no `undefined`, and a deletion is one: it travels as this character, as TinyBase's own synchronizers do it. */
const UNDEFINED = "\uFFFC";

const mapped = (value, leaf) => {
  if (Array.isArray(value)) return Array.from(value, (item) => mapped(item, leaf));
  if (value === null || typeof value !== "object") return leaf(value);
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, mapped(member, leaf)]));
};
export const encoded = (changes) => mapped(changes, (value) => (value === undefined ? UNDEFINED : value));
export const decoded = (changes) => mapped(changes, (value) => (value === UNDEFINED ? undefined : value));

export class SyncedStore {
  constructor({ device, collection, id, store }) {
    Object.assign(this, { device, collection, id, store, outbox: new Outbox(device, collection), applied: 0, taking: false });
    store.addDidFinishTransactionListener(() => {
      const changes = store.getTransactionMergeableChanges();
      const [[tables], [values]] = changes;
      if (this.taking || Object.keys(tables).length + Object.keys(values).length === 0) return;
      this.outbox.add(id, { type: "opaque", field: FIELD, value: encoded(changes) });
    });
  }

  /** Sends and reads. Order does not matter, and what is there already changes nothing. */
  async sync() {
    await this.outbox.flush();
    this.cursor = await drain(this.device, this.collection, this.cursor, (row) => row.record_id === this.id && this.take(row.fields[FIELD].$opaque));
  }

  /** The list only grows: what came after the changes taken before. */
  take(list) {
    this.taking = true;
    for (const changes of list.slice(this.applied)) this.store.applyMergeableChanges(decoded(changes));
    this.taking = false;
    this.applied = list.length;
  }
}
