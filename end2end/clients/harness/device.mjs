// What every adapter needs of the protocol: an account, a push whose answers are all understood, pages, the event stream.
//
// It knows no client library and keeps nothing but its tokens.

import { randomUUID } from "node:crypto";

import { freeze, uuidV7 } from "./frozen.mjs";

const STATUSES = new Set(["applied", "merged", "superseded", "conflict", "rejected", "deferred"]);

/** A request failed in a way that passes. */
export class LinkError extends Error {}

/** The server answered something that this client does not know: it must stop, not go on as if it were success. */
export class UpgradeNeeded extends Error {}

export class Device {
  constructor({ url, enrol, name, app }) {
    Object.assign(this, { url: url.replace(/\/$/, ""), enrol, name, app, clientId: randomUUID() });
    this.counts = { intents: 0, applied: 0, merged: 0, superseded: 0, conflict: 0, rejected: 0, deferred: 0, replayed: 0, pushes: 0, pages: 0, failures: 0 };
  }

  async request(method, path, { body, packed, token, signal, raw } = {}) {
    const headers = { authorization: `Bearer ${token}`, "sync-protocol": "1", "sync-schema": "1", "sync-client": this.clientId };
    if (body !== undefined || packed) headers["content-type"] = "application/json";
    if (packed) headers["content-encoding"] = "gzip";
    let response;
    let answer;
    try {
      response = await fetch(this.url + path, { method, headers, body: packed ?? (body === undefined ? undefined : JSON.stringify(body)), signal });
      if (raw && response.ok) return response;
      answer = await response.json();
    } catch (error) {
      this.counts.failures += 1;
      throw new LinkError(`${method} ${path}: ${error.message}`);
    }
    if (response.ok) return answer;
    const problem = Object.assign(new Error(`${method} ${path}: ${response.status} ${answer?.code}: ${answer?.detail}`), { status: response.status, code: answer?.code, problem: answer });
    if (response.status === 429 || response.status >= 500 || answer?.code === "in_flight") throw new LinkError(problem.message);
    throw problem;
  }

  /** A request with the device's token, which is renewed once when it is refused. */
  async authorised(method, path, options = {}) {
    try {
      return await this.request(method, path, { ...options, token: this.tokens.access_token });
    } catch (error) {
      if (error.status !== 401) throw error;
      this.tokens = await this.request("POST", "/clients/token", { body: { refresh_token: this.tokens.refresh_token } });
      return this.request(method, path, { ...options, token: this.tokens.access_token });
    }
  }

  async open() {
    const body = { client_id: this.clientId, principal: this.name, platform: "web", app_version: this.app, schema_version: 1 };
    this.tokens = await this.request("POST", "/clients", { body, token: this.enrol });
    this.scope = this.tokens.scopes[0];
    return this;
  }

  /** A batch of intents; answers their results by operation id. `around` are members of the envelope, such as `atomic`. */
  async push(intents, around = {}) {
    const envelope = { protocol: 1, client_id: this.clientId, batch_id: uuidV7(Date.now()), schema_version: 1, sent_at: new Date().toISOString(), ...around };
    this.counts.pushes += 1;
    const mutations = intents.map((intent) => JSON.parse(freeze({ scope: this.scope, ...intent })));
    const answer = await this.authorised("POST", "/mutations", { body: { ...envelope, mutations } });
    for (const result of answer.results) {
      if (!STATUSES.has(result.status)) throw new UpgradeNeeded(`the status ${result.status}`);
      this.counts[result.status] += 1;
      if (result.replayed) this.counts.replayed += 1;
    }
    this.counts.intents += intents.length;
    return new Map(answer.results.map((result) => [result.operation_id, result]));
  }

  /** One page of the feed. */
  page(query, signal) {
    this.counts.pages += 1;
    return this.authorised("GET", `/changes?${new URLSearchParams({ scopes: this.scope, ...query })}`, { signal });
  }

  /** Calls `moved` whenever the store says that something moved, and once after each (re)connection, until `signal`. */
  async listen(moved, signal) {
    for (let failures = 0; !signal.aborted; failures += 1) {
      try {
        const response = await this.authorised("GET", "/events", { signal, raw: true });
        let text = "";
        for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
          text += chunk;
          const events = text.split("\n\n");
          text = events.pop();
          if (events.some((event) => /^event: ?(hello|invalidate|reset)/m.test(event))) moved();
          failures = 0;
        }
      } catch (error) {
        if (signal.aborted) return;
        if (error.status) throw error;
      }
      await pause(Math.random() * Math.min(2_000, 50 * 2 ** failures), signal);
    }
  }

  /** Every live record of a collection, read from nothing: `{id: {version, fields}}`. */
  async records(collection, prefix = "") {
    const records = {};
    for (let since = "0"; ; ) {
      const page = await this.page({ since, compact: "true", limit: "500", collections: collection });
      for (const row of page.changes) {
        if (!row.record_id?.startsWith(prefix)) continue;
        if (row.op === "delete") delete records[row.record_id];
        else records[row.record_id] = { version: row.version, fields: row.fields };
      }
      since = page.cursor;
      if (!page.has_more && page.snapshot?.complete !== false) return records;
    }
  }
}

/** Waits, or less when aborted. */
export function pause(ms, signal) {
  return new Promise((done) => {
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", () => (clearTimeout(timer), done()), { once: true });
  });
}
