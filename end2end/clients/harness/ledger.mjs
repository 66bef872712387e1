// The book of every edit that a scenario made, and the proof that none of them vanished.
//
// Every edit writes a value that no other edit writes, and notes which value its author saw there before. At the end a value is
// accounted for when it is visible, when it is noted in the record as the losing side of a conflict, when the author of an
// accounted value saw it and replaced it, or when whoever deleted the record (and was acknowledged) saw it. An edit that was
// overwritten by somebody who had not seen it is none of these. Only an edit that was never acknowledged may also go with a
// deletion by its own author.

export class Ledger {
  constructor() {
    this.before = new Map();
    this.written = new Map();
    this.acknowledged = new Set();
    this.deletions = new Map();
    this.given = new Set();
    this.counts = { edits: 0, acknowledged: 0, deletions: 0, collisions: 0 };
  }

  /** An edit of a field: the value, and what its author saw there. */
  wrote(id, value, seen) {
    this.counts.edits += 1;
    this.before.set(value, seen);
    if (!this.written.has(id)) this.written.set(id, new Set());
    this.written.get(id).add(value);
  }

  /** The store acknowledged a record that holds these values. */
  acked(values) {
    for (const value of values) if (this.before.has(value)) this.acknowledged.add(value);
  }

  /** The store acknowledged a deletion by somebody who saw these values. */
  deleted(id, values) {
    this.counts.deletions += 1;
    this.deletions.set(id, [...(this.deletions.get(id) ?? []), ...values]);
  }

  /** Somebody deletes a record here in which it sees these values. Those never sent are gone with it, whoever wins in the end. */
  discarded(values) {
    for (let value of values) {
      for (; value !== undefined && !this.given.has(value); value = this.before.get(value)) this.given.add(value);
    }
  }

  /** Throws when an edit is unaccounted for. `visible` answers the values of a record, losing ones as well, [] when deleted. */
  check(visible) {
    const missing = [];
    for (const [id, values] of this.written) {
      const accounted = new Set();
      const open = [...visible(id), ...(this.deletions.get(id) ?? [])];
      while (open.length > 0) {
        const value = open.pop();
        if (value === undefined || accounted.has(value)) continue;
        accounted.add(value);
        open.push(this.before.get(value));
      }
      for (const value of values) {
        if (accounted.has(value) || (this.given.has(value) && !this.acknowledged.has(value))) continue;
        missing.push(`${id}: ${value}${this.acknowledged.has(value) ? " (acknowledged)" : ""}`);
      }
    }
    this.counts.acknowledged = this.acknowledged.size;
    if (missing.length > 0) throw new Error(`${missing.length} edits vanished: ${missing.slice(0, 5).join("; ")}`);
  }
}
