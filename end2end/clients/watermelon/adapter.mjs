// WatermelonDB's `synchronize` on the protocol: `pullChanges`, `pushChanges` and a conflict resolver.
//
// Carried in the record: `base`, what the store held when the row was last pulled, and `gone`, a deletion that the store has and
// that is carried out once it is sure that nobody here has edited the record meanwhile. Carried beside it: the last push, frozen.

import Module from "node:module";

import { UpgradeNeeded } from "../harness/device.mjs";
import { canonical } from "../harness/frozen.mjs";
import { merged } from "../harness/merge.mjs";

const { synchronize } = Module.createRequire(import.meta.url)("@nozbe/watermelondb/sync");
const PUSH = "tidewatch-push";

const toFields = ({ id, base, gone, _status, _changed, lost, ...fields }) => ({ ...fields, lost: JSON.parse(lost || "[]") });
const toRaw = (id, { lost = [], ...fields }) => ({ id, ...fields, lost: JSON.stringify(lost), base: canonical({ ...fields, lost }), gone: false });

/** The push was refused as a whole, because a record had changed since the pull. */
export class Faster extends Error {}

export class Sync {
  constructor({ database, table, device, dead = new Map(), heard = () => {} }) {
    Object.assign(this, { database, table, device, dead, heard, adapter: database.adapter });
  }

  /** One round of `synchronize`. Throws when another device was faster; the next round settles that. */
  async round() {
    const steps = { pullChanges: (args) => this.pull(args), pushChanges: (args) => this.push(args), conflictResolver: (...args) => this.resolve(...args) };
    await synchronize({ database: this.database, sendCreatedAsUpdated: true, ...steps });
    await this.purge();
  }

  async pull({ lastPulledAt }) {
    // WatermelonDB freezes nothing, so the adapter has to: what became of the last push must be known before anything is merged.
    const frozen = JSON.parse((await this.adapter.getLocal(PUSH)) ?? "null");
    if (frozen && !frozen.acknowledged) await this.send(frozen);
    const pushed = frozen?.acknowledged ? frozen.intents.filter((intent) => intent.fields) : [];
    this.acknowledged = new Map(pushed.map(({ record_id: id, fields }) => [id, { fields, base: frozen.bases[id] }]));
    const rows = new Map();
    let query = lastPulledAt ? { since: String(lastPulledAt), epoch: this.epoch } : { since: "0" };
    let page;
    do {
      page = await this.device.page({ ...query, compact: "true", collections: this.table, limit: "500" });
      // Paging may repeat a record; `synchronize` must get it once.
      for (const row of page.changes) if (row.record_id) rows.set(row.record_id, row);
      query = { since: page.cursor };
    } while (page.has_more || page.snapshot?.complete === false);
    const updated = [];
    for (const row of rows.values()) {
      if (row.op === "put") updated.push(toRaw(row.record_id, row.fields));
      else if (row.op === "delete" || row.op === "evict") updated.push({ id: row.record_id, gone: true });
      else throw new Error(`unknown feed operation ${row.op}: this client needs an upgrade`);
    }
    this.rows = rows;
    this.epoch = page.epoch;
    // WatermelonDB keeps a number: the position that the cursor has scanned up to, good together with the epoch.
    return { changes: { [this.table]: { created: [], updated, deleted: [] } }, timestamp: Number(page.cursor.split(".")[2]) };
  }

  resolve(_table, local, remote, resolved) {
    if (local._status === "synced") return resolved;
    // The base is what was pulled last, or the push on top of it once that is acknowledged.
    const pushed = this.acknowledged.get(local.id);
    const known = pushed && pushed.base === local.base ? pushed.fields : local.base && JSON.parse(local.base);
    if (known && canonical(known) === canonical(toFields(local))) return { ...local, ...remote, _status: "synced", _changed: "" };
    if (remote.gone) return { ...local, base: "null", gone: false };
    return { ...resolved, ...toRaw(local.id, merged(known, toFields(local), toFields(remote))), base: remote.base };
  }

  async push({ changes, lastPulledAt }) {
    const { created, updated, deleted } = changes[this.table];
    // Somebody else's edit wins against an own deletion that may not have known of it.
    const spared = deleted.filter((id) => this.rows.get(id)?.op === "put" && this.rows.get(id).client_id !== this.device.clientId);
    if (spared.length > 0) await this.restore(spared);
    const about = (record_id) => ({ operation_id: crypto.randomUUID(), collection: this.table, record_id });
    const changed = [...created, ...updated];
    const intents = [
      ...changed.map((raw) => ({ ...about(raw.id), op: "put", fields: toFields(raw) })),
      ...deleted.filter((id) => !spared.includes(id)).map((id) => ({ ...about(id), op: "delete" })),
    ];
    const bases = Object.fromEntries(changed.map(({ id, base }) => [id, base]));
    const frozen = { intents, bases, refused: [], since: lastPulledAt, epoch: this.epoch };
    await this.adapter.setLocal(PUSH, JSON.stringify(frozen));
    if (!(await this.send(frozen))) throw new Faster("another device was faster: pull and push again");
    return { experimentalRejectedIds: { [this.table]: [...spared, ...frozen.refused] } };
  }

  /** Puts records back that were deleted here and changed elsewhere. */
  restore(ids) {
    const collection = this.database.get(this.table);
    return this.database.write(async () => {
      await this.adapter.destroyDeletedRecords(this.table, ids);
      const raws = ids.map((id) => ({ ...toRaw(id, this.rows.get(id).fields), _status: "synced", _changed: "" }));
      await this.database.batch(raws.map((raw) => collection.prepareCreateFromDirtyRaw(raw)));
    });
  }

  /** Sends a frozen push, as often as it takes over time. All or nothing; answers whether it stands. */
  async send(frozen) {
    while (frozen.intents.length > 0) {
      try {
        const results = await this.device.push(frozen.intents, { atomic: true, since: frozen.since, epoch: frozen.epoch });
        for (const intent of frozen.intents) {
          const result = results.get(intent.operation_id);
          if (result.status !== "applied") throw new UpgradeNeeded(`${result.status} in an atomic push`);
          this.heard(intent);
        }
        break;
      } catch (error) {
        if (error.code === "version_conflict") return this.adapter.removeLocal(PUSH).then(() => false);
        const refused = (error.problem?.errors ?? []).map(({ field }) => Number(/^mutations\[(\d+)\]/.exec(field)?.[1]));
        if (error.problem?.retryable || refused.length === 0 || refused.some(Number.isNaN)) throw error;
        await this.bury(frozen, refused.map((at) => frozen.intents[at]), error.problem);
      }
    }
    frozen.acknowledged = true;
    await this.adapter.setLocal(PUSH, JSON.stringify(frozen));
    return true;
  }

  /** Keeps refused intents aside and takes their changes back, so that the others get through. */
  async bury(frozen, refused, problem) {
    for (const intent of refused) this.dead.set(intent.operation_id, { intent, problem });
    frozen.refused.push(...refused.map((intent) => intent.record_id));
    frozen.intents = frozen.intents.filter((intent) => !refused.includes(intent));
    await this.adapter.setLocal(PUSH, JSON.stringify(frozen));
    await this.database.write(async () => {
      for (const { record_id: id, op } of refused) {
        if (op === "delete") continue;
        const record = await this.database.get(this.table).find(id);
        const base = frozen.bases[id] && JSON.parse(frozen.bases[id]);
        if (!base) await record.destroyPermanently();
        else await record.update(({ _raw: raw }) => Object.assign(raw, toRaw(id, base), { _status: "synced", _changed: "" }));
      }
    });
  }

  /** Carries out the deletions of others, unless somebody has edited the record here since. */
  purge() {
    return this.database.write(async () => {
      for (const record of await this.database.get(this.table).query().fetch()) {
        if (record._raw.gone && record.syncStatus === "synced") await record.destroyPermanently();
      }
    });
  }
}
