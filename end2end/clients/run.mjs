// Real clients against a started tidewatch.
//
//   TIDEWATCH_URL=http://127.0.0.1:4600 TIDEWATCH_ENROL=twe_… node run.mjs
//   node run.mjs --url … --enrol … [--client rxdb] [--lose-acks 0.4] [--runs 25] [--rounds 3] [--seed 1] [--name "Tablet"]
//
// Starts no server itself. `TIDEWATCH_ENROL` is an enrolment token; the collections of `collections.json` must be imported.
// Every client runs `--runs` times clean and as often through a proxy that destroys the socket of 40 % of the pushes after the
// server has carried them out (or once per run with what `--lose-acks` says). Prints one JSON object per run on stdout with
// its seed, the reason on stderr when one fails, and a summary per client in the end.
// Exit code: 0 when the clients and the store were equal and no edit was lost in every run; 1 when not; 2 for bad usage.

import { parseArgs } from "node:util";

import { dice } from "./harness/dice.mjs";
import { losingProxy } from "./harness/proxy.mjs";

const CLIENTS = ["dexie", "rxdb", "watermelon", "yjs", "tinybase", "asyncstorage", "arxos"];
const LABELS = { dexie: "Dexie", rxdb: "RxDB", watermelon: "WatermelonDB", yjs: "Yjs", tinybase: "TinyBase", asyncstorage: "AsyncStorage", arxos: "ArxOS" };

function options() {
  const text = { type: "string" };
  const { values } = parseArgs({ options: { url: text, enrol: text, client: text, "lose-acks": text, runs: text, rounds: text, seed: text, name: text } });
  const url = values.url ?? process.env.TIDEWATCH_URL;
  const enrol = values.enrol ?? process.env.TIDEWATCH_ENROL;
  if (!url || !enrol) throw new Error("TIDEWATCH_URL and TIDEWATCH_ENROL (or --url and --enrol) must be set");
  const clients = values.client?.split(",") ?? CLIENTS;
  if (clients.some((client) => !CLIENTS.includes(client))) throw new Error(`--client must be of ${CLIENTS.join(", ")}`);
  const losses = values["lose-acks"] === undefined ? [0, 0.4] : [Number(values["lose-acks"])];
  if (losses.some((loss) => !(loss >= 0 && loss < 1))) throw new Error("--lose-acks must be from 0 to below 1");
  const [runs, rounds, seed] = [values.runs ?? 1, values.rounds ?? 3, values.seed ?? 1].map(Number);
  if (![runs, rounds].every((count) => Number.isInteger(count) && count > 0) || !Number.isInteger(seed)) throw new Error("--runs, --rounds and --seed must be whole numbers");
  return { url, enrol, clients, losses, runs, rounds, seed, name: values.name };
}

async function once({ url, enrol, rounds, name }, client, loss, seed) {
  const started = Date.now();
  const { run } = await import(`./${client}/scenario.mjs`);
  // The proxy has dice of its own, so that what is lost does not move what is edited.
  const lossy = dice(seed ^ 0x5bd1e995);
  const proxy = await losingProxy(url, () => lossy() < loss);
  const label = `${name ?? LABELS[client]}${loss > 0 ? " lossy" : ""}`;
  try {
    const outcome = await run({ url: proxy.url, enrol, random: dice(seed), seed, rounds, clients: 2 + (seed % 2), name: label });
    return { ok: true, client, lose_acks: loss, seed, lost_acks: proxy.lost.count, seconds: (Date.now() - started) / 1_000, ...outcome };
  } catch (error) {
    console.error(error);
    return { ok: false, client, lose_acks: loss, seed, lost_acks: proxy.lost.count, seconds: (Date.now() - started) / 1_000, error: error.message.split("\n")[0] };
  } finally {
    await proxy.close();
  }
}

async function main() {
  let settings;
  try {
    settings = options();
  } catch (error) {
    console.error(error.message);
    return 2;
  }
  let failed = 0;
  for (const client of settings.clients) {
    for (const loss of settings.losses) {
      let held = 0;
      for (let n = 0; n < settings.runs; n += 1) {
        const outcome = await once(settings, client, loss, settings.seed + n);
        console.log(JSON.stringify(outcome));
        held += outcome.ok ? 1 : 0;
      }
      failed += settings.runs - held;
      console.error(`${LABELS[client]}, ${loss * 100} % of acknowledgements lost: ${held} of ${settings.runs} runs held`);
    }
  }
  return failed === 0 ? 0 : 1;
}

process.exitCode = await main();
