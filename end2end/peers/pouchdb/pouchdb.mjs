// pouchdb-server, unchanged, as one of the two stores: `_bulk_docs` in, `_changes` out. Its writes are not synced to the disk.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { BATCH, equipment, equipmentId } from "../harness/documents.mjs";
import { expect } from "../harness/http.mjs";
import { freePort, Process } from "../harness/process.mjs";

const PROGRAM = fileURLToPath(new URL("./node_modules/pouchdb-server/bin/pouchdb-server", import.meta.url));

export class PouchStore {
  static label = "pouchdb-server (not synced)";

  static async open({ folder }) {
    mkdirSync(folder, { recursive: true });
    const port = await freePort();
    const words = [PROGRAM, "-n", "-p", String(port), "-o", "127.0.0.1", "-d", folder, "-c", join(folder, "config.json")];
    const server = await new Process(process.execPath, words, { cwd: folder }).ready(`http://127.0.0.1:${port}/`);
    const store = Object.assign(new PouchStore(), { server, database: `http://127.0.0.1:${port}/equipment` });
    await expect(201, store.database, { method: "PUT" });
    return store;
  }

  /** The body of one batch. */
  batch(n) {
    const docs = Array.from({ length: BATCH }, (_, at) => ({ _id: equipmentId(n * BATCH + at), ...equipment(n * BATCH + at) }));
    return JSON.stringify({ docs });
  }

  async push(agent, body) {
    const { json } = await expect(201, `${this.database}/_bulk_docs`, { method: "POST", agent, body });
    if (json.length !== BATCH || json.some((row) => !row.ok)) throw new Error("a document was not written");
  }

  /** One page from a position (undefined is the beginning): rows, and the position after them. */
  async page(agent, since, limit) {
    const { json } = await expect(200, `${this.database}/_changes?include_docs=true&limit=${limit}&since=${since ?? 0}`, { agent });
    if (json.results.some((row) => !row.doc)) throw new Error("a row without its document");
    return { rows: json.results.length, position: json.last_seq, more: json.results.length === limit };
  }

  /** What a client that has everything asks over and over. */
  async poll(agent, position) {
    const { json } = await expect(200, `${this.database}/_changes?include_docs=true&limit=1000&since=${position}`, { agent });
    if (json.results.length > 0) throw new Error("a poll found news");
  }

  close() {
    return this.server.stop();
  }
}
