// Whether a command is what the console gave this very device: the Ed25519 signature over its canonical form, by a key that is published.

import { createPublicKey, verify } from "node:crypto";

/** What comes before the 32 bytes of an Ed25519 key in the form that Node reads. */
const KEY_HEAD = Buffer.from("302a300506032b6570032100", "hex");

/** A key of the console, as it publishes it. */
export interface Key {
  kid: string;
  public_key: string;
}

/** JSON with its members sorted and nothing between them, as signatures are over (RFC 8785); of what commands hold. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const members = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join(",")}}`;
}

/** Whether one of these keys has signed it for the device of this id. */
export function isSigned(command: Record<string, unknown>, keys: readonly Key[], client: string): boolean {
  const { sig, ...signed } = command;
  const key = keys.find(({ kid }) => kid === command.kid);
  if (key === undefined || command.client_id !== client) return false;
  const der = Buffer.concat([KEY_HEAD, Buffer.from(key.public_key, "base64")]);
  return verify(null, Buffer.from(canonical(signed)), createPublicKey({ key: der, format: "der", type: "spki" }), Buffer.from(String(sig), "base64"));
}
