// Yjs documents on the protocol: each local update is an operation `crdt` of type `yjs1`, each pulled record the merged document.
//
// Carried: an outbox of frozen updates, and the cursor. One record is one document, in the field `doc`.

import * as Y from "yjs";

import { Outbox, drain } from "../harness/outbox.mjs";

const FIELD = "doc";
const REMOTE = Symbol("remote");

export class Documents {
  constructor(device, collection) {
    Object.assign(this, { device, collection, documents: new Map(), outbox: new Outbox(device, collection) });
  }

  /** The document of a record. Its changes go to the outbox, unless they came from the store. */
  document(id) {
    if (!this.documents.has(id)) {
      const document = new Y.Doc();
      document.on("update", (update, origin) => {
        if (origin !== REMOTE) this.outbox.add(id, { type: "yjs1", field: FIELD, update: Buffer.from(update).toString("base64") });
      });
      this.documents.set(id, document);
    }
    return this.documents.get(id);
  }

  /** Sends and reads. Order does not matter: updates that are there already change nothing. */
  async sync() {
    await this.outbox.flush();
    this.cursor = await drain(this.device, this.collection, this.cursor, (row) => {
      Y.applyUpdate(this.document(row.record_id), stored(row.fields), REMOTE);
    });
  }
}

/** The merged update of a record of the store. */
export const stored = (fields) => Buffer.from(fields[FIELD].$yjs1, "base64");
