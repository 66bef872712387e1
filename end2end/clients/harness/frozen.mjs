// Freezing an intent: operation id (UUIDv7), hybrid logical clock, check sum over canonical JSON (RFC 8785).

import { createHash, randomBytes } from "node:crypto";

/** Canonical JSON: members sorted by UTF-16 code units (what `sort` does), numbers as JSON.stringify writes them. */
export function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const members = Object.keys(value).sort().filter((name) => value[name] !== undefined);
  return `{${members.map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`).join(",")}}`;
}

/** A UUIDv7 for this millisecond. */
export function uuidV7(now) {
  const bytes = randomBytes(16);
  bytes.writeUIntBE(now, 0, 6);
  bytes[6] = 0x70 | (bytes[6] & 0x0f);
  bytes[8] = 0x80 | (bytes[8] & 0x3f);
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** A hybrid logical clock: stamps grow even when the wall clock does not. */
export class Hlc {
  constructor(node) {
    this.node = node;
    this.ms = 0;
    this.counter = 0;
  }

  tick(now) {
    [this.ms, this.counter] = now > this.ms ? [now, 0] : [this.ms, this.counter + 1];
    return `${this.ms.toString(16).padStart(12, "0")}${this.counter.toString(16).padStart(4, "0")}-${this.node}`;
  }
}

/** The frozen text of an intent, with its check sum. */
export function freeze(intent) {
  const checksum = `sha256:${createHash("sha256").update(canonical(intent)).digest("hex")}`;
  return JSON.stringify({ ...intent, checksum });
}
