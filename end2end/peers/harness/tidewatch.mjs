// The shipped binary: a store of its own for each run, devices that talk to it, and a person who looks at it.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { expect } from "./http.mjs";
import { errand, freePort, Process } from "./process.mjs";

const COLLECTIONS = [{ name: "equipment", priority: "important", policy: { kind: "lww", clock: "hlc" } }];
export const SCOPE = "building:42";

/** Configures collections of a store whose server is not running. */
export function configure(binary, folder, collections) {
  mkdirSync(folder, { recursive: true });
  const definitions = join(folder, "collections.json");
  writeFileSync(definitions, JSON.stringify(collections));
  errand(binary, ["collections", "import", definitions, "--data", join(folder, "data")]);
}

/** Starts a server on what is there; its log is synced before each answer. */
export async function serve(binary, folder) {
  const [data, url] = [join(folder, "data"), `http://127.0.0.1:${await freePort()}`];
  const words = ["serve", "--log", "error", "--durability", "full", "--listen", url.slice("http://".length), "--data", data];
  return { url, data, server: await new Process(binary, words).ready(`${url}/readyz`) };
}

/** Starts a server on an empty folder. `second` is the token of a second person, who approves. */
export async function start(binary, folder, collections = COLLECTIONS) {
  configure(binary, folder, collections);
  const data = join(folder, "data");
  const token = (kind, name, words) => errand(binary, ["token", "create", "--kind", kind, "--name", `peers-${name}`, ...words, "--data", data]);
  const tokens = {
    enrol: token("enrolment", "enrolment", ["--scopes", SCOPE]),
    api: token("api", "api", ["--role", "operator"]),
    second: token("api", "second", ["--role", "product_owner"]),
  };
  return { ...(await serve(binary, folder)), tokens };
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
