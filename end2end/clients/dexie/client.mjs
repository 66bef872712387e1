// The sync loop of seed 001 on Dexie, as `protocol.md` 2.15 maps it.
//
// Rules: an intent is frozen before it is first sent; rows and cursor of a page are one transaction; a row of a record with
// unsent edits is skipped, and the answer to those edits brings what was skipped; an unknown status stops the client.

import { freeze, Hlc, uuidV7 } from "../harness/frozen.mjs";

const FINAL = new Set(["applied", "merged", "superseded", "conflict"]);
const COLLECTION = "todos";

/** A request failed in a way that passes. */
export class LinkError extends Error {}

/** The client was told to end. */
export class Stopped extends Error {}

export class SyncClient {
  constructor(db, { url, enrol, name, fetch = globalThis.fetch, now = Date.now, random = Math.random }) {
    Object.assign(this, { db, url: url.replace(/\/$/, ""), enrol, name, fetch, now, random, stopped: false });
    this.counts = { queued: 0, applied: 0, merged: 0, superseded: 0, conflict: 0, rejected: 0, deferred: 0, replayed: 0, pushes: 0, pulls: 0, retries: 0 };
  }

  async meta(key) {
    return (await this.db.meta.get(key))?.value;
  }

  /** Ends a sync before its next request; what the database holds is all that is left of it. */
  stop() {
    this.stopped = true;
  }

  async request(method, path, { body, token, wanted = [200, 201, 202] } = {}) {
    const headers = { authorization: `Bearer ${token}`, "sync-protocol": "1", "sync-schema": "1" };
    if (this.clientId) headers["sync-client"] = this.clientId;
    if (body !== undefined) headers["content-type"] = "application/json";
    if (this.stopped) throw new Stopped(`${method} ${path}: the client has ended`);
    let response;
    try {
      response = await this.fetch(this.url + path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
    } catch (error) {
      throw new LinkError(`${method} ${path}: ${error.message}`);
    }
    const answer = await response.json().catch(() => null);
    if (this.stopped) throw new Stopped(`${method} ${path}: the client ended before it saw the answer`);
    if (wanted.includes(response.status)) return answer;
    if (response.status === 429 || response.status >= 500) throw new LinkError(`${method} ${path}: ${response.status}`);
    throw Object.assign(new Error(`${method} ${path}: ${response.status} ${answer?.code}: ${answer?.detail}`), { status: response.status, code: answer?.code });
  }

  /** A request with the device's token, which is renewed once when it is refused. */
  async authorised(method, path, body) {
    try {
      return await this.request(method, path, { body, token: this.tokens.access_token });
    } catch (error) {
      if (error.status !== 401) throw error;
      const tokens = await this.request("POST", "/clients/token", { body: { refresh_token: this.tokens.refresh_token } });
      await this.db.meta.put({ key: "tokens", value: (this.tokens = tokens) });
      return this.request(method, path, { body, token: tokens.access_token });
    }
  }

  /** Opens the account that the database remembers, or enrols. */
  async open() {
    this.clientId = await this.meta("clientId");
    if (!this.clientId) {
      this.clientId = crypto.randomUUID();
      await this.db.meta.put({ key: "clientId", value: this.clientId });
    }
    this.hlc = new Hlc(this.clientId.slice(-12));
    const body = { client_id: this.clientId, principal: this.name, platform: "web", app_version: "dexie-4.4.7", schema_version: 1 };
    const answer = await this.request("POST", "/clients", { body, token: this.enrol });
    this.tokens = { access_token: answer.access_token, refresh_token: answer.refresh_token };
    this.scope = answer.scopes[0];
    await this.db.meta.put({ key: "tokens", value: this.tokens });
  }

  /** An edit: the visible record and the frozen intent change together. `fields` is null to delete. */
  async edit(op, id, fields) {
    const { db } = this;
    await db.transaction("rw", db.todos, db.wal, db.meta, async () => {
      const record = await db.todos.get(id);
      const last = await db.wal.where("recordId").equals(id).last();
      const now = this.now();
      const clientSeq = ((await db.meta.get("clientSeq"))?.value ?? 0) + 1;
      const intent = {
        operation_id: uuidV7(now), client_seq: clientSeq, collection: COLLECTION, record_id: id, scope: this.scope, op,
        logical_timestamp: this.hlc.tick(now), created_at: new Date(now).toISOString(), priority: 3,
      };
      if (last) intent.base_operation_id = last.opId;
      else if (record?.version) intent.base_version = record.version;
      if (op !== "delete") intent.fields = fields;
      await db.wal.add({ opId: intent.operation_id, kind: `${COLLECTION}.${op}`, recordId: id, payload: fields, createdAt: now, retries: 0, intent: freeze(intent) });
      await db.meta.put({ key: "clientSeq", value: clientSeq });
      await db.todos.put(overlay(record ?? { id, version: 0, deleted: 0 }, op, fields));
    });
    this.counts.queued += 1;
  }

  async push() {
    const entries = await this.db.wal.orderBy("seq").limit(100).toArray();
    if (entries.length === 0) return false;
    this.counts.pushes += 1;
    const head = { protocol: 1, client_id: this.clientId, batch_id: uuidV7(this.now()), schema_version: 1, sent_at: new Date(this.now()).toISOString() };
    const body = { ...head, mutations: entries.map((entry) => JSON.parse(entry.intent)) };
    let answer;
    try {
      answer = await this.authorised("POST", "/mutations", body);
    } catch (error) {
      if (error instanceof LinkError) await this.db.wal.where("opId").anyOf(entries.map((entry) => entry.opId)).modify((entry) => void (entry.retries += 1));
      throw error;
    }
    for (const result of answer.results) await this.take(result);
    return true;
  }

  /** Takes the answer to one intent. */
  async take(result) {
    const { db } = this;
    if (result.replayed) this.counts.replayed += 1;
    if (result.status === "deferred") return void (this.counts.deferred += 1);
    if (!FINAL.has(result.status) && result.status !== "rejected") throw new Error(`unknown status ${result.status}: this client needs an upgrade`);
    this.counts[result.status] += 1;
    await db.transaction("rw", db.todos, db.wal, db.dead, async () => {
      const entry = await db.wal.where("opId").equals(result.operation_id).first();
      if (!entry) return;
      await db.wal.delete(entry.seq);
      if (result.status === "rejected") return void (await db.dead.put({ opId: entry.opId, problem: result.problem, payload: entry.payload }));
      const behind = await db.wal.where("recordId").equals(entry.recordId).sortBy("seq");
      let record = await db.todos.get(entry.recordId);
      if (result.record) {
        record = { ...result.record, id: entry.recordId, version: result.version, deleted: 0 };
        for (const other of behind) record = overlay(record, other.kind.split(".")[1], other.payload);
      }
      await db.todos.put({ ...record, version: result.version ?? record.version });
    });
  }

  /** One page: rows and cursor in one transaction. Answers whether there is more. */
  async pull() {
    const { db } = this;
    this.counts.pulls += 1;
    const since = await this.meta("cursor");
    const scan = since === undefined || (await this.meta("scanning")) === true;
    const query = new URLSearchParams({ since: since ?? "0", limit: "200", scopes: this.scope, collections: COLLECTION });
    if (scan) query.set("compact", "true");
    const page = await this.authorised("GET", `/changes?${query}`);
    await db.transaction("rw", db.todos, db.wal, db.meta, async () => {
      const unsent = new Set(await db.wal.orderBy("recordId").uniqueKeys());
      for (const row of page.changes) if (!unsent.has(row.record_id)) await this.applyRow(row);
      await db.meta.bulkPut([{ key: "cursor", value: page.cursor }, { key: "scanning", value: scan && page.snapshot?.complete === false }]);
    });
    return page.has_more || page.snapshot?.complete === false;
  }

  async applyRow(row) {
    const { db } = this;
    // Rows that change no record: one that has left the scope goes from here, and so does everything once the scope is closed.
    if (row.op === "evict") return void (await db.todos.delete(row.record_id));
    if (row.op === "revoke") return void (row.scope === this.scope && (await db.todos.clear()));
    if (["conflict", "resolved", "grant", "schema"].includes(row.op)) return;
    const record = await db.todos.get(row.record_id);
    if (record && row.version <= record.version) return;
    const stamp = { id: row.record_id, version: row.version, updatedAt: row.committed_at };
    switch (row.op) {
      case "create":
      case "put":
        return void (await db.todos.put({ ...row.fields, ...stamp, deleted: 0 }));
      case "update": {
        const next = { ...record, ...stamp, deleted: 0 };
        for (const name of row.changed) if (!(name in row.fields)) delete next[name];
        return void (await db.todos.put({ ...next, ...row.fields, ...stamp }));
      }
      case "delete":
        return void (await db.todos.put({ ...stamp, deleted: 1 }));
      default:
        throw new Error(`unknown feed operation ${row.op}: this client needs an upgrade`);
    }
  }

  /** Pushes and pulls until there is nothing left to send and nothing left to read; failures of the link back off and go on. */
  async sync({ limitMs = 60_000 } = {}) {
    const until = this.now() + limitMs;
    for (let failures = 0; this.now() < until; ) {
      try {
        while (await this.push());
        while (await this.pull());
        if ((await this.db.wal.count()) === 0) return;
        failures = 0;
      } catch (error) {
        if (!(error instanceof LinkError)) throw error;
        this.counts.retries += 1;
        failures += 1;
      }
      // Full jitter, as of protocol 2.10, on a scale that suits a test.
      await new Promise((done) => setTimeout(done, this.random() * Math.min(2_000, 20 * 2 ** failures)));
    }
    throw new Error(`${this.name} did not get through within ${limitMs} ms`);
  }

  /** A telemetry report, so that the console knows the device by its name. */
  async report() {
    const at = new Date(this.now()).toISOString();
    const queued = await this.db.wal.count();
    const report = {
      report_id: uuidV7(this.now()), at, device: { name: this.name, platform: "web", os_version: `Node ${process.versions.node}`, app_version: "dexie-4.4.7", schema_version: 1 },
      offline_resilience: { queued_operations_count: queued },
      sync: { cursors: { [this.scope]: await this.meta("cursor") }, retry_count: this.counts.retries },
      outbox: { total: queued, truncated: false, entries: [] },
    };
    const answer = await this.authorised("POST", "/telemetry", { client_id: this.clientId, reports: [report] });
    if (answer.rejected?.length > 0) throw new Error(`the report was refused: ${JSON.stringify(answer.rejected)}`);
  }

  /** Records as a person sees them, without local members: id to body. */
  async records(prefix) {
    const rows = await this.db.todos.where("id").startsWith(prefix).and((row) => row.deleted === 0).toArray();
    return Object.fromEntries(rows.map(({ id, version, deleted, updatedAt, ...body }) => [id, { version, body }]));
  }
}

function overlay(record, op, fields) {
  if (op === "delete") return { id: record.id, version: record.version, updatedAt: record.updatedAt, deleted: 1 };
  return { ...record, ...fields, deleted: 0 };
}
