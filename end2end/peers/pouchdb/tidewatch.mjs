// Tidewatch as the other of the two stores: `POST /mutations` in, `GET /changes` out, with everything that a device of the wild
// sends: frozen operation ids, clocks and check sums. Every answer follows a synced commit.

import { freeze, Hlc, uuidV7 } from "../../clients/harness/frozen.mjs";
import { BATCH, equipment, equipmentId } from "../harness/documents.mjs";
import { expect } from "../harness/http.mjs";
import { enrol, SCOPE, start } from "../harness/tidewatch.mjs";

/** Devices that take turns: the server limits the requests of each. */
const DEVICES = 64;

export class TidewatchStore {
  static label = "tidewatch (synced)";

  static async open({ binary, folder }) {
    const place = await start(binary, folder);
    const devices = await enrol(place, DEVICES);
    return Object.assign(new TidewatchStore(), { ...place, devices, clock: new Hlc("peer"), turn: 0 });
  }

  /** The next device. Batches and devices go round in the same order, so no two requests of one device are under way at once. */
  device() {
    this.turn += 1;
    return this.devices[this.turn % this.devices.length];
  }

  batch(n) {
    const device = this.devices[n % this.devices.length];
    const intents = Array.from({ length: BATCH }, (_, at) => this.intent(n * BATCH + at));
    const around = { protocol: 1, client_id: device.clientId, batch_id: uuidV7(Date.now()), schema_version: 1 };
    return { device, text: `${JSON.stringify(around).slice(0, -1)},"mutations":[${intents.join(",")}]}` };
  }

  intent(n) {
    const now = Date.now();
    const about = { operation_id: uuidV7(now), collection: "equipment", record_id: equipmentId(n), scope: SCOPE, op: "create" };
    const stamps = { logical_timestamp: this.clock.tick(now), created_at: new Date(now).toISOString(), priority: 3 };
    return freeze({ ...about, fields: equipment(n), ...stamps });
  }

  async push(agent, { device, text }) {
    const { json } = await expect(200, `${this.url}/mutations`, { method: "POST", agent, headers: device.headers, body: text });
    if (json.results.length !== BATCH || json.results.some((row) => row.status !== "applied")) throw new Error("an intent was not applied");
  }

  async page(agent, since, limit) {
    const { headers } = this.device();
    const { json } = await expect(200, `${this.url}/changes?limit=${limit}&since=${since ?? 0}`, { agent, headers });
    if (json.changes.some((row) => !row.fields)) throw new Error("a row without its body");
    return { rows: json.changes.length, position: json.cursor, more: json.has_more };
  }

  async poll(agent, position) {
    const { headers } = this.device();
    const url = `${this.url}/changes?limit=1000&since=${position}`;
    // The first poll has no tag yet; its page is empty, and the next one is answered without a body.
    const tag = this.tag ?? (await expect(200, url, { agent, headers })).headers.etag;
    this.tag = tag;
    await expect(304, url, { agent, headers: { ...headers, "if-none-match": tag } });
  }

  close() {
    return this.server.stop();
  }
}
