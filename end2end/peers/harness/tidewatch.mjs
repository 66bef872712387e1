// The shipped binary: a store of its own for each run, devices that talk to it, and a person who looks at it.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { expect } from "./http.mjs";
import { errand, freePort, Process } from "./process.mjs";

const COLLECTIONS = [{ name: "equipment", priority: "important", policy: { kind: "lww", clock: "hlc" } }];
export const SCOPE = "building:42";

/** Starts a server on an empty folder; its log is synced before each answer. */
export async function start(binary, folder, collections = COLLECTIONS) {
  mkdirSync(folder, { recursive: true });
  const definitions = join(folder, "collections.json");
  writeFileSync(definitions, JSON.stringify(collections));
  const data = join(folder, "data");
  errand(binary, ["collections", "import", definitions, "--data", data]);
  const token = (kind, words) => errand(binary, ["token", "create", "--kind", kind, "--name", `peers-${kind}`, ...words, "--data", data]);
  const tokens = { enrol: token("enrolment", ["--scopes", SCOPE]), api: token("api", ["--role", "operator"]) };
  const url = `http://127.0.0.1:${await freePort()}`;
  const words = ["serve", "--log", "error", "--durability", "full", "--listen", url.slice("http://".length), "--data", data];
  const server = await new Process(binary, words).ready(`${url}/readyz`);
  return { server, url, data, tokens };
}

/** Enrols devices; each is allowed so many requests a second, so a load needs several. */
export async function enrol({ url, tokens }, count) {
  const devices = [];
  for (let n = 0; n < count; n += 1) {
    const body = JSON.stringify({ platform: "android", app_version: "4.18.0", schema_version: 1, scopes: [SCOPE] });
    const { json } = await expect(201, `${url}/clients`, { method: "POST", headers: { authorization: `Bearer ${tokens.enrol}` }, body });
    const headers = { authorization: `Bearer ${json.access_token}`, "sync-protocol": "1", "sync-client": json.client_id };
    devices.push({ clientId: json.client_id, headers });
  }
  return devices;
}
