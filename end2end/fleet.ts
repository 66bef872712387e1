// Devices as journeys use them: they speak the public sync API, nothing else, and do the same in every run.
//
// Ids come from names and counters, so that a trace, a row or a refusal can be named in a journey. A device in trouble gets there
// by what it sends (`poison`), never by a request that was tampered with on its way.

import { createHash } from "node:crypto";
import { Queue } from "./queue.ts";
import { isSigned, type Key } from "./signature.ts";

/** What a device says of itself when it enrols. */
export interface Enrolment {
  principal?: string;
  platform?: "ios" | "android" | "windows" | "macos" | "linux" | "web";
  app_version?: string;
}

/** One intent, as short as a journey wants it. */
export interface Edit {
  record: string;
  collection?: string;
  op?: "create" | "update" | "put" | "delete";
  fields?: Record<string, unknown>;
  base_version?: number;
  scope?: string;
  depends_on?: string[];
}

/** What became of an intent. */
export interface Result {
  operation_id: string;
  status: "applied" | "merged" | "superseded" | "conflict" | "rejected" | "deferred" | "queued";
  seq?: number;
  version?: number;
  problem?: { code: string; status: number; detail?: string };
}

type Json = Record<string, unknown>;

/** What a device is told to do. */
export interface Command extends Json {
  id: string;
  kind: string;
  args: Json;
}

/** One line of a device's log. */
export interface LogLine {
  at: string;
  level: "trace" | "debug" | "info" | "warn" | "error";
  target: string;
  message: string;
}

/** An answer of the API: never thrown away by its status, because refusals are journeys too. */
export interface Answer {
  status: number;
  type: string;
  body: Json;
}

/** What every device may read and write. */
export const SCOPE = "site:lowestoft";
/** Where edits go when nobody says otherwise. */
const COLLECTION = "inspections";
/** A reading that the schema of inspections refuses: the sentinel that poisons an entry. */
const UNREADABLE = "twelve";
/** The first reading of a device that writes them as text. */
export const READING = 411.5;
/** What a push that gets stuck on its way is answered. */
const JAMMED = { code: "schema_invalid", status: 422, message: "the gateway does not let it through" };

/** All devices of one store. */
export class Fleet {
  #devices = new Map<string, Device>();
  #url: string;
  #enrolment: string;

  constructor(url: string, enrolment: string) {
    this.#url = url;
    this.#enrolment = enrolment;
  }

  /** The device of this name; the same object every time. */
  device(name: string): Device {
    let device = this.#devices.get(name);
    if (!device) {
      device = new Device(name, this.#url, this.#enrolment);
      this.#devices.set(name, device);
    }
    return device;
  }
}

/** One installation of the app. */
export class Device {
  readonly name: string;
  readonly id: string;
  #url: string;
  #enrolment: string;
  #access = "";
  #operations = 0;
  #batches = 0;
  #reports = 0;
  #cursor = "0";
  #trusted: Key[] | undefined;
  #platform: string | undefined;
  #app: string | undefined;
  #stuck: Json[] = [];
  #queue = new Queue();
  #poisoned: { operation_id: string; record_id: string; detail: string; created_at: string }[] = [];

  constructor(name: string, url: string, enrolment: string) {
    this.name = name;
    this.id = uuidOf(name);
    this.#url = url;
    this.#enrolment = enrolment;
  }

  /** The token that it enrols with. */
  get enrolment(): string {
    return this.#enrolment;
  }

  /** Its bearer token. */
  get token(): string {
    return this.#access;
  }

  /** Where the console shows it. */
  get path(): string {
    return `/devices/${this.id}`;
  }

  /** Registers with the enrolment token of the store. */
  async enrol(says: Enrolment = {}): Promise<this> {
    this.#platform = says.platform ?? "android";
    this.#app = says.app_version ?? "4.2.1";
    const body = { client_id: this.id, principal: says.principal ?? "Ruth Adeyemi", platform: this.#platform, app_version: this.#app, schema_version: 1 };
    const answer = await this.#ask("POST", "/clients", body, this.#enrolment);
    if (answer.status >= 300) throw refused("enrolling", this.name, answer);
    this.#access = String(answer.body.access_token);
    return this;
  }

  /** Sends edits and gives one result each. */
  push(...edits: Edit[]): Promise<Result[]> {
    return this.#push(edits.map((edit) => this.#intent(edit)));
  }

  async #push(mutations: Json[]): Promise<Result[]> {
    const answer = await this.ask("POST", "/mutations", {
      protocol: 1,
      client_id: this.id,
      batch_id: `${this.name}-batch-${(this.#batches += 1)}`,
      schema_version: 1,
      sent_at: new Date().toISOString(),
      mutations,
    });
    if (answer.status !== 200) throw refused("pushing", this.name, answer);
    return answer.body.results as Result[];
  }

  /** Reads the feed to its end. */
  async pull(): Promise<this> {
    for (;;) {
      const answer = await this.ask("GET", `/changes?since=${encodeURIComponent(this.#cursor)}`);
      if (answer.status !== 200) throw refused("pulling", this.name, answer);
      this.#cursor = String(answer.body.cursor);
      if (!answer.body.has_more) return this;
    }
  }

  /** The readings of its own inspections, as the store has them by now. */
  async readings(): Promise<unknown[]> {
    const answer = await this.ask("GET", "/changes?since=0&compact=true&limit=5000");
    if (answer.status !== 200) throw refused("scanning", this.name, answer);
    const rows = answer.body.changes as { record_id: string; fields?: Json }[];
    const own = rows.filter(({ record_id }) => record_id.startsWith(`INS-${this.name}-`));
    return own.flatMap(({ fields }) => fields?.reading ?? []);
  }

  /** Sends edits that can never be accepted, and reports them as the poisoned head of its outbox, with `waiting` entries behind them. */
  async poison(count: number, waiting = 0): Promise<Result[]> {
    const edits = Array.from({ length: count }, (_, at): Edit => ({
      record: `INS-${this.name}-${at + 1}`,
      op: "create",
      fields: { result: "pass", reading: UNREADABLE },
    }));
    const created_at = new Date().toISOString();
    const results = await this.push(...edits);
    this.#poisoned = results.map((result, at) => {
      if (result.status !== "rejected") throw new Error(`${this.name}: a reading of "${UNREADABLE}" was answered ${result.status}`);
      return { operation_id: result.operation_id, record_id: edits[at]!.record, detail: result.problem?.detail ?? "", created_at };
    });
    await this.report({ waiting });
    return results;
  }

  /**
   * Queues `count` edits whose readings are numbers written as text (from `READING` on) and `behind` more that name the first of them, and syncs as an app does: the first are
   * refused, and the others wait behind them, here and nowhere else. Gives the operation ids of those that wait.
   */
  async getStuck(count: number, behind: number): Promise<string[]> {
    const heads = Array.from({ length: count }, (_, at) =>
      this.#intent({ record: `INS-${this.name}-${at + 1}`, fields: { result: "pass", reading: `${READING + at}` } }));
    const others = Array.from({ length: behind }, (_, at) =>
      this.#intent({ record: `INS-${this.name}-w${at + 1}`, depends_on: [String(heads[0]!.operation_id)] }));
    this.#queue.add([...heads, ...others]);
    await this.sync();
    return others.map(({ operation_id }) => String(operation_id));
  }

  /**
   * A round of its sync: sends what does not wait behind a refused entry, until nothing more can go, and reports its outbox. Gives what
   * came of what was sent. It hears nothing of what the console wants.
   */
  async sync(): Promise<Result[]> {
    const all: Result[] = [];
    for (let ready = this.#queue.ready(); ready.length > 0; ready = this.#queue.ready()) {
      const results = await this.#push(ready);
      for (const result of results) this.#queue.answered(result);
      all.push(...results);
    }
    await this.report({ members: { outbox: this.#queue.digest() } });
    return all;
  }

  /**
   * Does what the commands that wait for it say of its queue: it sends once more what it is told to, and nothing else. Gives the commands
   * that it has obeyed.
   */
  async obey(): Promise<Command[]> {
    const commands = await this.commands();
    for (const { id, args } of commands) {
      const entries = (args.entries as { operation_id: string; action: string }[]).map(({ operation_id, action }) => {
        if (action !== "retry") throw new Error(`${this.name} was told to ${action} ${operation_id}`);
        return { operation_id, outcome: this.#queue.retry(operation_id) ? "ok" : "not_found" };
      });
      await this.say(id, { state: "done", result: { entries } });
    }
    return commands;
  }

  /**
   * Queues an edit that no push of it gets through, one that names it and one that changes its record later, and reports them: only
   * this device has them. Gives their operation ids.
   */
  async jam(): Promise<{ jam: string; named: string; later: string }> {
    const record = `INS-${this.name}-jam`;
    const jam = this.#intent({ record });
    const named = this.#intent({ record: `INS-${this.name}-named`, depends_on: [String(jam.operation_id)] });
    const later = this.#intent({ record, op: "put", fields: { result: "fail" } });
    this.#stuck = [jam, named, later];
    await this.#reportStuck();
    return { jam: String(jam.operation_id), named: String(named.operation_id), later: String(later.operation_id) };
  }

  /**
   * Fetches what it is told to take out of the way, sends those payloads up, lets go of them, sends what waited behind, and reports what
   * is left. Gives one result for each that was sent; none while it is told nothing.
   */
  async letGo(): Promise<Result[]> {
    const commands = await this.commands();
    if (commands.length === 0) return [];
    for (const { id, args } of commands) {
      const told = new Set((args.entries as { operation_id: string }[]).map(({ operation_id }) => operation_id));
      const leaves = this.#stuck.filter(({ operation_id }) => told.has(String(operation_id)));
      const lines = leaves.map((intent) => `${JSON.stringify({ state: "poisoned", error: JAMMED, intent })}\n`).join("");
      const kept = await this.#ask("POST", `/control/escrow?command=${id}`, lines, this.#access);
      if (kept.status !== 200) throw refused("sending payloads up", this.name, kept);
      await this.say(id, { state: "done", result: { entries: [...told].map((operation_id) => ({ operation_id, outcome: "ok" })) } });
      this.#stuck = this.#stuck.filter((intent) => !leaves.includes(intent));
    }
    const results = this.#stuck.length > 0 ? await this.#push(this.#stuck) : [];
    const open = new Set(results.filter(({ status }) => status === "deferred").map(({ operation_id }) => operation_id));
    this.#stuck = this.#stuck.filter(({ operation_id }) => open.has(String(operation_id)));
    await this.#reportStuck();
    return results;
  }

  async #reportStuck(): Promise<void> {
    const entries = this.#stuck.map((intent, at) => ({
      operation_id: intent.operation_id, record_id: intent.record_id, collection: intent.collection, scope: intent.scope, op: intent.op,
      priority: intent.priority, created_at: intent.created_at, depends_on: intent.depends_on ?? [], bytes: 96,
      ...(at === 0 ? { state: "poisoned", attempts: 7, error: JAMMED } : { state: "waiting", attempts: 0 }),
    }));
    await this.report({ members: { outbox: { total: entries.length, bytes: 96 * entries.length, truncated: false, entries } } });
  }

  /** Reports itself: healthy and with an empty outbox, unless told otherwise. */
  async report(says: { waiting?: number; battery?: number; at?: Date; members?: Json } = {}): Promise<this> {
    this.#reports += 1;
    const at = (says.at ?? new Date()).toISOString();
    const poisoned = this.#poisoned.map(({ operation_id, record_id, detail, created_at }) => ({
      operation_id, record_id, collection: COLLECTION, scope: SCOPE, op: "create", priority: 2, created_at, attempts: 1, last_attempt_at: at,
      bytes: 96, state: "poisoned", error: { code: "schema_invalid", status: 422, message: detail },
    }));
    const waiting = Array.from({ length: says.waiting ?? 0 }, (_, at) => ({
      operation_id: `${this.name}-waits-${at + 1}`, record_id: `INS-${this.name}-w${at + 1}`, collection: COLLECTION, scope: SCOPE, op: "update",
      priority: 3, created_at: poisoned[0]?.created_at ?? new Date().toISOString(), attempts: 0, bytes: 64, state: "queued",
    }));
    const entries = [...poisoned, ...waiting];
    const report = {
      report_id: `${this.name}-report-${this.#reports}`,
      at,
      seq: this.#reports,
      device: {
        name: this.name, platform: this.#platform, os_version: "17.0", app_version: this.#app, schema_version: 1,
        labels: { region: "north" }, power: "battery", battery_percent: says.battery ?? 61, network: "cellular", foreground: true, clock_offset_ms: 0,
      },
      connectivity: { p2p_peers_connected: 2, relay_connection_quality: "good", network_partition_duration: 0, last_successful_sync: at },
      offline_resilience: { queued_operations_count: entries.length, critical_operations_pending: 0, storage_usage_percent: 41.5, sync_conflicts_detected: 0 },
      battery_optimization: { background_processing_efficiency: 0.91, battery_impact_score: 2.4, sync_frequency_adaptive_rate: 0.8 },
      user_experience: { offline_feature_availability_percent: 97, sync_conflict_resolution_success_rate: 0.98, user_intervention_required_count: 0 },
      sync: {
        cursors: this.#cursor === "0" ? {} : { [SCOPE]: this.#cursor },
        ...(entries.length > 0 ? { oldest_pending_at: entries[0]!.created_at } : {}),
        last_attempt_at: at, last_ack_at: at, last_applied_at: at, retry_count: 0,
        latency_ms: { count: 18, p50: 120, p95: 410, p99: 800 }, attempts: { first_try_ok: 95, ok: 99, total: 100 }, token_errors: 0,
      },
      outbox: { total: entries.length, bytes: entries.reduce((sum, entry) => sum + entry.bytes, 0), truncated: false, entries },
      ...says.members,
    };
    const answer = await this.ask("POST", "/telemetry", { client_id: this.id, reports: [report] });
    if (answer.status !== 202 || answer.body.accepted !== 1) throw refused("reporting", this.name, answer);
    return this;
  }

  /**
   * Asks for its commands, and says that it is at each of them once it has seen who signed it. It trusts the keys that it saw first; a command
   * that none of them vouches for, or that was taken back, is not obeyed and fails the journey.
   */
  async commands(): Promise<Command[]> {
    const answer = await this.ask("GET", "/control/commands");
    if (answer.status !== 200) throw refused("asking for commands", this.name, answer);
    this.#trusted ??= (await this.ask("GET", "/control/keys")).body.keys as Key[];
    for (const command of answer.body.commands as Command[]) {
      if (!isSigned(command, this.#trusted, this.id)) throw new Error(`${this.name}: nobody has signed command ${command.id} for it`);
      const { state } = await this.say(command.id, { state: "running" });
      if (state !== "running") throw new Error(`${this.name}: command ${command.id} is ${state}`);
    }
    return answer.body.commands as Command[];
  }

  /** Says what became of a command, and gives what the console takes it for. */
  async say(id: string, word: Json): Promise<Json> {
    const answer = await this.ask("POST", `/control/commands/${id}/status`, word);
    if (answer.status !== 200) throw refused(`speaking of command ${id}`, this.name, answer);
    return answer.body;
  }

  /** Uploads lines of its log under the command that asked for them. */
  async uploadLog(id: string, lines: LogLine[]): Promise<void> {
    const body = lines.map((line) => `${JSON.stringify(line)}\n`).join("");
    const answer = await this.#ask("POST", `/control/logs?command=${id}&begins_at=${lines[0]!.at}`, body, this.#access);
    if (answer.status !== 200) throw refused("uploading its log", this.name, answer);
  }

  /** Any request of this device, with its token. */
  ask(method: "GET" | "POST", path: string, body?: unknown): Promise<Answer> {
    return this.#ask(method, path, body, this.#access);
  }

  #intent(edit: Edit): Json {
    this.#operations += 1;
    const intent: Json = {
      operation_id: `${this.name}-op-${String(this.#operations).padStart(4, "0")}`,
      client_seq: this.#operations,
      collection: edit.collection ?? COLLECTION,
      record_id: edit.record,
      scope: edit.scope ?? SCOPE,
      op: edit.op ?? "create",
      ...(edit.depends_on === undefined ? {} : { depends_on: edit.depends_on }),
      ...(edit.base_version === undefined ? {} : { base_version: edit.base_version }),
      ...(edit.op === "delete" ? {} : { fields: edit.fields ?? { result: "pass" } }),
      created_at: new Date().toISOString(),
      priority: 2,
    };
    return intent;
  }

  async #ask(method: string, path: string, body: unknown, token: string): Promise<Answer> {
    const headers: Record<string, string> = { "sync-protocol": "1", "sync-schema": "1", authorization: `Bearer ${token}` };
    if (token !== this.#enrolment) headers["sync-client"] = this.id;
    const isLines = typeof body === "string";
    if (body !== undefined) headers["content-type"] = isLines ? "application/x-ndjson" : "application/json";
    const sent = body === undefined || isLines ? body : JSON.stringify(body);
    const answer = await fetch(this.#url + path, { method, headers, body: sent, redirect: "manual" });
    const text = await answer.text();
    const type = answer.headers.get("content-type") ?? "";
    return { status: answer.status, type, body: /json/.test(type) ? (JSON.parse(text) as Json) : { text } };
  }
}

function refused(doing: string, name: string, answer: Answer): Error {
  return new Error(`${name} was refused while ${doing}: ${answer.status} ${JSON.stringify(answer.body)}`);
}

/** A UUID that belongs to a name. */
function uuidOf(name: string): string {
  const hex = createHash("sha256").update(`device ${name}`).digest("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), `7${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`, hex.slice(20, 32)].join("-");
}
