// An outbox for clients whose changes merge by themselves: frozen intents in order, kept until they are answered for good.

import { uuidV7 } from "./frozen.mjs";

const BATCH = 100;

export class Outbox {
  constructor(device, collection) {
    Object.assign(this, { device, collection, entries: [], dead: [] });
  }

  /** Freezes a change of a record. */
  add(recordId, crdt) {
    this.entries.push({ operation_id: uuidV7(Date.now()), collection: this.collection, record_id: recordId, op: "crdt", crdt });
  }

  /** Sends what is there. A failure of the link throws and changes nothing. */
  async flush() {
    while (this.entries.length > 0) {
      const batch = this.entries.slice(0, BATCH);
      const results = await this.device.push(batch);
      for (const entry of batch) {
        const { status, problem } = results.get(entry.operation_id);
        if (status === "deferred") return;
        if (status === "rejected") this.dead.push({ entry, problem });
        else if (status !== "applied" && status !== "merged") throw new Error(`${status} of a change that merges by itself`);
        this.entries.splice(this.entries.indexOf(entry), 1);
      }
    }
  }
}

/** Reads everything behind a cursor and gives each row to `take`; answers the new cursor. */
export async function drain(device, collection, cursor, take) {
  for (let since = cursor ?? "0"; ; ) {
    const page = await device.page({ since, compact: "true", collections: collection, limit: "200" });
    for (const row of page.changes) {
      if (row.op === "put") take(row);
      else if (row.record_id) throw new Error(`unknown feed operation ${row.op}: this client needs an upgrade`);
    }
    since = page.cursor;
    if (!page.has_more && page.snapshot?.complete !== false) return since;
  }
}
