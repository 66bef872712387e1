// Tidewatch as the other console: the same entries, refused by its own store because a field has the wrong type, and therefore in
// the mirror of the outboxes with their payloads archived.

import { freeze, Hlc, uuidV7 } from "../../clients/harness/frozen.mjs";
import { collection, FIELDS, operation, payload, word } from "../harness/failures.mjs";
import { expect } from "../harness/http.mjs";
import { configure, enrol, SCOPE, serve, start } from "../harness/tidewatch.mjs";

const DEVICES = 100;
const BATCH = 100;
const PER_PAGE = 10;
/** How often a job is looked at, and for how long at most. */
const LOOK_MS = 5;
const JOB_MS = 240_000;
/** Entries are a tenth of a second apart. */
const APART_MS = 100;
const SETTLE_MS = 60_000;

const numbers = Object.fromEntries(FIELDS.map((name) => [name, "number"]));
const collections = (policy) => ["inspections", "orders"].map((name) => ({ name, priority: "normal", policy: { kind: "lww", ...policy } }));

export class TidewatchOutbox {
  static label = "tidewatch";

  static async open({ binary, folder, entries }) {
    const place = await start(binary, folder, collections({ fields: numbers }));
    const outbox = Object.assign(new TidewatchOutbox(), { ...place, entries, began: Date.now() - entries * APART_MS, clock: new Hlc("peer") });
    outbox.board = place.server;
    outbox.processes = [place.server];
    const devices = await enrol(place, Math.min(DEVICES, Math.ceil(entries / BATCH)));
    for (let n = 0; n < entries; n += BATCH) await outbox.fail(devices[(n / BATCH) % devices.length], n, Math.min(n + BATCH, entries));
    await outbox.settled(entries);
    return outbox;
  }

  /**
   * The same, filled by a process that has ended, as that of the board is: the server has just come up. Its collections ask for nothing any
   * more, so what was refused can be applied.
   */
  static async openMended(settings) {
    const outbox = await this.open(settings);
    await outbox.close();
    configure(settings.binary, settings.folder, collections({}));
    const { url, server } = await serve(settings.binary, settings.folder);
    Object.assign(outbox, { url, board: server, processes: [server] });
    await outbox.settled(settings.entries);
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
      shown = await this.failed();
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

  /** Everything that has failed is decided again and applied, each entry with its audit row. */
  async retryAll() {
    return await this.drain("retry");
  }

  /** Everything that has failed is taken out of the way; each entry can be put back, and has its audit row. */
  async removeAll() {
    return await this.drain("quarantine");
  }

  /** Previews, submits, has it approved by a second person, waits until every entry is done; answers milliseconds. */
  async drain(action) {
    const began = performance.now();
    const since = () => performance.now() - began;
    const post = async (status, path, body, token = this.tokens.api) =>
      (await expect(status, `${this.url}/api/v1/outbox/drain/${path}`, { method: "POST", headers: { authorization: `Bearer ${token}` }, body: JSON.stringify(body) })).json;
    const set = await post(201, "previews", { action, dependants: "cut", selection: { filter: "state:poisoned" } });
    const frozen = since();
    if (set.entries !== this.entries) throw new Error(`the set holds ${set.entries} of ${this.entries} entries`);
    const { set: id, hash, selection, idempotency_key } = set;
    const job = await post(202, "jobs", { set: id, count: this.entries, typed_count: this.entries, hash, selection, idempotency_key, reason: "measured on purpose", canary: 0 });
    const accepted = since() - frozen;
    if (set.needs_approval) await post(200, `jobs/${job.job}/approve`, {}, this.tokens.second);
    await this.finished(job.job);
    return { frozen, accepted, done: since() };
  }

  async finished(job) {
    let view;
    for (const started = Date.now(); Date.now() - started < JOB_MS; ) {
      view = (await expect(200, `${this.url}/api/v1/outbox/drain/jobs/${job}`, { headers: this.headers() })).json;
      if (view.state === "done" && view.tally.ok === this.entries) return;
      if (view.state !== "running") break;
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
    throw new Error(`the job did not end well: ${JSON.stringify(view.tally)}, ${view.state}`);
  }

  /** How many have failed, as the list says it. */
  async failed() {
    const { json } = await expect(200, `${this.url}/api/v1/outbox`, { headers: this.headers() });
    return json.states.find((row) => row.state === "poisoned")?.entries ?? 0;
  }

  async close() {
    for (const process of this.processes) await process.stop();
  }
}
