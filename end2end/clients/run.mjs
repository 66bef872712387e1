// Real clients against a started tidewatch.
//
//   TIDEWATCH_URL=http://127.0.0.1:4600 TIDEWATCH_ENROL=twe_… node run.mjs
//   node run.mjs --url … --enrol … [--lose-acks 0.4] [--rounds 3] [--seed 1] [--name "Dexie"]
//
// Starts nothing itself. `TIDEWATCH_ENROL` is an enrolment token whose first scope has a collection `todos` with the policy
// `field_merge`. Without `--lose-acks` it runs twice: once clean, once with 40 % of the answers to pushes thrown away after
// the server has carried the push out. Prints one JSON object per run on stdout, and the reason on stderr when one fails.
// Exit code: 0 when both clients, the store and the expected records are equal in every run; 1 when not; 2 for bad usage.

import "fake-indexeddb/auto";

import { parseArgs } from "node:util";

import { SyncClient } from "./dexie/client.mjs";
import { openDatabase } from "./dexie/db.mjs";
import { play, verify } from "./dexie/scenario.mjs";

function options() {
  const text = { type: "string" };
  const { values } = parseArgs({ options: { url: text, enrol: text, "lose-acks": text, rounds: text, seed: text, name: text } });
  const url = values.url ?? process.env.TIDEWATCH_URL;
  const enrol = values.enrol ?? process.env.TIDEWATCH_ENROL;
  if (!url || !enrol) throw new Error("TIDEWATCH_URL and TIDEWATCH_ENROL (or --url and --enrol) must be set");
  const losses = values["lose-acks"] === undefined ? [0, 0.4] : [Number(values["lose-acks"])];
  if (losses.some((loss) => !(loss >= 0 && loss < 1))) throw new Error("--lose-acks must be from 0 to below 1");
  return { url, enrol, losses, rounds: Number(values.rounds ?? 3), seed: Number(values.seed ?? 1), name: values.name ?? "Dexie" };
}

/** Numbers from 0 to 1 that repeat by seed (mulberry32). */
function dice(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A fetch that loses answers to pushes: the request is carried out, its answer is read and thrown away. */
function losing(loss, random, lost) {
  return async (url, init) => {
    const response = await fetch(url, init);
    if (!new URL(url).pathname.endsWith("/mutations") || random() >= loss) return response;
    await response.arrayBuffer();
    lost.count += 1;
    throw new Error("the answer was lost");
  };
}

async function run({ url, enrol, rounds, seed, name }, loss) {
  const started = Date.now();
  const lost = { count: 0 };
  const random = dice(seed);
  const label = loss > 0 ? `${name} lossy` : name;
  const clients = ["A", "B"].map((side) => {
    const db = openDatabase(`${label}-${side}-${started}`);
    return new SyncClient(db, { url, enrol, name: `${label} ${side}`, fetch: losing(loss, random, lost) });
  });
  for (const client of clients) {
    await client.open();
    await client.report();
  }
  const prefix = `dx-${started.toString(36)}-`;
  const expected = await play(clients, prefix, rounds);
  const records = await verify(clients, prefix, expected);
  for (const client of clients) await client.report();
  const described = clients.map(({ clientId, name, counts }) => ({ client_id: clientId, name, ...counts }));
  clients.forEach((client) => client.db.close());
  return { ok: true, client: "dexie", lose_acks: loss, lost_acks: lost.count, records, seconds: (Date.now() - started) / 1_000, clients: described };
}

async function main() {
  let settings;
  try {
    settings = options();
  } catch (error) {
    console.error(error.message);
    return 2;
  }
  for (const loss of settings.losses) {
    try {
      console.log(JSON.stringify(await run(settings, loss)));
    } catch (error) {
      console.log(JSON.stringify({ ok: false, client: "dexie", lose_acks: loss, error: error.message.split("\n")[0] }));
      console.error(error);
      return 1;
    }
  }
  return 0;
}

process.exitCode = await main();
