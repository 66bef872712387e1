// ArxOS mobile as its design has it: tables, a queue without operation ids, batches above ten items, single writes below, and a
// conflict handler that forces its way or gives in. What its sample code leaves out is left out here, too: a forced item stays in the
// queue.

import { LinkError, pause } from "../harness/device.mjs";

const BATCH_ABOVE = 10;
const BATCH = 50;

export class SyncManager {
  constructor(device, building) {
    Object.assign(this, { device, building, equipment: new Map(), queue: [], conflicts: [], syncedAt: 0, cursor: undefined, made: 0, failed: [] });
  }

  edit(id, fields, now) {
    const known = this.equipment.get(id);
    const row = { building_id: this.building, name: id, type: "pump", created_at: now, version: 0, ...known, ...fields, id, updated_at: now };
    this.equipment.set(id, row);
    this.queue.push({ id: (this.made += 1), entity_type: "equipment", entity_id: id, operation: known ? "update" : "create", payload: { ...row }, created_at: now, attempts: 0 });
  }

  remove(id, now) {
    const row = this.equipment.get(id);
    this.equipment.delete(id);
    this.queue.push({ id: (this.made += 1), entity_type: "equipment", entity_id: id, operation: "delete", payload: { building_id: this.building, version: row?.version }, created_at: now, attempts: 0 });
  }

  async sync() {
    await this.uploadPendingChanges();
    await this.downloadUpdates();
  }

  async uploadPendingChanges() {
    const pending = this.queue.slice(0, BATCH);
    if (pending.length > BATCH_ABOVE) await this.batchSync(pending);
    else for (const item of pending) await this.syncItem(item);
  }

  async batchSync(items) {
    const answer = await this.device.authorised("POST", "/api/v1/mobile/sync/batch", { body: { operations: items } });
    this.device.counts.pushes += 1;
    for (const result of answer.results) this.count(result);
    for (const conflict of answer.conflicts) {
      this.conflicts.push(conflict);
      if (conflict.server_version && conflict.resolution !== "local_wins") this.equipment.set(conflict.entity_id, conflict.server_version);
    }
    for (const error of answer.errors.filter((one) => !one.retryable)) this.failed.push(error);
    const refused = new Set(answer.errors.filter((one) => !one.retryable).map((one) => items[one.index].id));
    const done = new Set([...answer.success, ...answer.conflicts.map((conflict) => conflict.entity_id)]);
    this.queue = this.queue.filter((item) => !refused.has(item.id) && !(items.includes(item) && done.has(item.entity_id)));
  }

  async syncItem(item) {
    const path = `/api/v1/mobile/equipment/${item.entity_id}`;
    try {
      if (item.operation === "delete") await this.single("DELETE", path);
      else await this.single(item.operation === "create" ? "POST" : "PUT", path, item.payload);
      this.queue = this.queue.filter((other) => other !== item);
    } catch (error) {
      if (error.status === 409) await this.handleConflict(item, path, error.problem.serverVersion);
      else if (error.status === 404) this.queue = this.queue.filter((other) => other !== item);
      else throw error;
    }
  }

  async single(method, path, body) {
    this.device.counts.pushes += 1;
    const { result, equipment } = await this.device.authorised(method, path, { body });
    this.count(result);
    return equipment;
  }

  /** Last write wins by the two rows' own times; a forced item is not taken off the queue. */
  async handleConflict(item, path, server) {
    if (server && item.payload.updated_at > server.updated_at) {
      item.attempts += 1;
      await this.single("PUT", path, { ...item.payload, force: true });
      return;
    }
    if (server) this.equipment.set(item.entity_id, server);
    this.queue = this.queue.filter((other) => other !== item);
    this.conflicts.push({ entity_id: item.entity_id, resolution: "server_wins" });
  }

  count(result) {
    this.device.counts.intents += 1;
    this.device.counts[result.status] += 1;
    if (result.replayed) this.device.counts.replayed += 1;
  }

  /** Rows of records with entries in the queue are left alone: the answers to these settle them. */
  async downloadUpdates() {
    for (;;) {
      const query = this.cursor ? `cursor=${encodeURIComponent(this.cursor)}` : `since=${this.syncedAt}`;
      const answer = await this.device.authorised("GET", `/api/v1/mobile/equipment/building/${this.building}/updates?${query}`);
      this.device.counts.pages += 1;
      const pending = new Set(this.queue.map((item) => item.entity_id));
      for (const { equipment } of answer.updates) if (!pending.has(equipment.id)) this.equipment.set(equipment.id, equipment);
      for (const id of answer.deletes) if (!pending.has(id)) this.equipment.delete(id);
      // Only an app that has nothing to send may move on: what it has skipped does not come again.
      if (pending.size > 0) return;
      [this.cursor, this.syncedAt] = [this.usesCursor ? answer.cursor : undefined, Date.parse(answer.last_sync)];
      if (!answer.has_more) return;
    }
  }

  /** Syncs until the queue is empty. */
  async synced(random, patience) {
    const until = Date.now() + patience;
    for (let failures = 0; ; failures += 1) {
      try {
        await this.sync();
        if (this.queue.length === 0) return await this.downloadUpdates();
      } catch (error) {
        if (!(error instanceof LinkError)) throw error;
      }
      if (Date.now() > until) throw new Error(`${this.device.name} still has ${this.queue.length} items: ${JSON.stringify(this.queue[0])}`);
      await pause(random() * Math.min(200, 5 * 2 ** failures));
    }
  }
}
