// Tidewatch as the other console: the same entries, refused by its own store because a field has the wrong type, and therefore in
// the mirror of the outboxes with their payloads archived.

import { freeze, Hlc, uuidV7 } from "../../clients/harness/frozen.mjs";
import { collection, FIELDS, operation, payload, word } from "../harness/failures.mjs";
import { expect } from "../harness/http.mjs";
import { enrol, SCOPE, start } from "../harness/tidewatch.mjs";

const DEVICES = 100;
const BATCH = 100;
const PER_PAGE = 10;
/** Entries are a tenth of a second apart. */
const APART_MS = 100;
const SETTLE_MS = 60_000;

const numbers = Object.fromEntries(FIELDS.map((name) => [name, "number"]));
const COLLECTIONS = ["inspections", "orders"].map((name) => ({ name, priority: "normal", policy: { kind: "lww", fields: numbers } }));

export class TidewatchOutbox {
  static label = "tidewatch";

  static async open({ binary, folder, entries }) {
    const place = await start(binary, folder, COLLECTIONS);
    const outbox = Object.assign(new TidewatchOutbox(), { ...place, entries, began: Date.now() - entries * APART_MS, clock: new Hlc("peer") });
    outbox.board = place.server;
    outbox.processes = [place.server];
    const devices = await enrol(place, Math.min(DEVICES, Math.ceil(entries / BATCH)));
    for (let n = 0; n < entries; n += BATCH) await outbox.fail(devices[(n / BATCH) % devices.length], n, Math.min(n + BATCH, entries));
    await outbox.settled(entries);
    return outbox;
  }

  headers() {
    return { authorization: `Bearer ${this.tokens.api}` };
  }

  async fail({ clientId, headers }, from, to) {
    const mutations = Array.from({ length: to - from }, (_, at) => this.intent(from + at));
    const around = { protocol: 1, client_id: clientId, batch_id: uuidV7(Date.now()), schema_version: 1 };
    const body = `${JSON.stringify(around).slice(0, -1)},"mutations":[${mutations.join(",")}]}`;
    const { json } = await expect(200, `${this.url}/mutations`, { method: "POST", headers, body });
    if (json.results.some((row) => row.status !== "rejected")) throw new Error("an intent that cannot be applied was applied");
  }

  intent(n) {
    const made = new Date(this.began + n * APART_MS).toISOString();
    const about = { operation_id: operation(n), collection: collection(n), record_id: `R-${n}`, scope: SCOPE, op: "create" };
    return freeze({ ...about, fields: { ...payload(n), [word(n)]: "twelve" }, logical_timestamp: this.clock.tick(Date.now()), created_at: made, priority: 3 });
  }

  /** Waits until the mirror shows this many poisoned entries: it follows the store. */
  async settled(entries) {
    let shown;
    for (const started = Date.now(); Date.now() - started < SETTLE_MS; ) {
      const { json } = await expect(200, `${this.url}/api/v1/outbox`, { headers: this.headers() });
      shown = json.states.find((row) => row.state === "poisoned")?.entries ?? 0;
      if (shown === entries) return;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    throw new Error(`the mirror shows ${shown} poisoned entries, not ${entries}`);
  }

  /** One page of what has failed: `first`, `middle` or `last`. */
  async list(place, agent) {
    const middle = this.began + Math.floor(this.entries / 2) * APART_MS;
    const position = { first: "", middle: `&after=0~${middle}~0~a`, last: "&before=9~0~0~a" }[place];
    const url = `${this.url}/api/v1/outbox/entries?limit=${PER_PAGE}${position}`;
    const { json, body } = await expect(200, url, { agent, headers: this.headers() });
    return { rows: json.rows.length, bytes: body.length };
  }

  async close() {
    for (const process of this.processes) await process.stop();
  }
}
