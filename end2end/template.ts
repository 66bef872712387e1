// Made once a run: a store with staff, collections and an enrolment token, by the commands that an admin would use. Every server starts
// from a copy of it, because a password costs a good part of a second to hash.

import { rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { SCOPE } from "./fleet.ts";
import { STAFF, temporaryFolder, tidewatch } from "./server.ts";

/** What the devices of the journeys sync. */
const COLLECTIONS = join(dirname(fileURLToPath(import.meta.url)), "collections.json");
/** Where the workers find it. */
export const TEMPLATE_DATA = "TIDEWATCH_E2E_TEMPLATE";
/** The token that devices enrol with. */
export const TEMPLATE_ENROLMENT = "TIDEWATCH_E2E_ENROLMENT";

export default function makeTemplate(): () => void {
  const folder = temporaryFolder("template");
  const data = join(folder, "data");
  const removed = (): void => rmSync(folder, { recursive: true, force: true });
  try {
    for (const [role, { name, password }] of Object.entries(STAFF)) {
      tidewatch(["user", "add", name, "--role", role, "--password-stdin", "--data", data], `${password}\n`);
    }
    tidewatch(["collections", "import", COLLECTIONS, "--data", data]);
    const token = tidewatch(["token", "create", "--kind", "enrolment", "--name", "harbour", "--scopes", SCOPE, "--data", data]).trim();
    if (!/^\S+$/.test(token)) throw new Error(`\`token create\` must print the token alone, it printed ${JSON.stringify(token)}`);
    process.env[TEMPLATE_DATA] = data;
    process.env[TEMPLATE_ENROLMENT] = token;
  } catch (error) {
    removed();
    throw error;
  }
  return removed;
}
