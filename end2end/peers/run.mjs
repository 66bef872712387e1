// Tidewatch beside its peers on this machine, in alternating runs; `cargo xtask bench peers` builds the server and calls this.
//
//   node run.mjs --binary …/tidewatch --folder DIR [--peer pouchdb,bull-board,bulk] [--quick]
//
// Everything listens on the loopback and is stopped by its id. An answer that is wrong ends the run: a figure of failures is no figure.
// Exit code: 0 when everything could be measured, 1 when not, 2 for bad usage.

import { mkdirSync, rmSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";

/** What can be compared, and by what. */
const PEERS = { pouchdb: "./pouchdb/compare.mjs", "bull-board": "./bull-board/compare.mjs", bulk: "./bull-board/bulk.mjs" };

function options() {
  const { values } = parseArgs({ options: { binary: { type: "string" }, folder: { type: "string" }, peer: { type: "string" }, quick: { type: "boolean" } } });
  if (!values.binary || !values.folder) throw new Error("--binary and --folder must be set");
  const known = Object.keys(PEERS);
  const peers = values.peer?.split(",") ?? known;
  if (peers.some((peer) => !known.includes(peer))) throw new Error(`--peer must be of ${known.join(", ")}`);
  return { binary: resolve(values.binary), folder: resolve(values.folder), peers, quick: values.quick ?? false };
}

async function main() {
  let settings;
  try {
    settings = options();
  } catch (error) {
    console.error(error.message);
    return 2;
  }
  try {
    for (const peer of settings.peers) {
      rmSync(settings.folder, { recursive: true, force: true });
      mkdirSync(settings.folder, { recursive: true });
      const { compare } = await import(PEERS[peer]);
      await compare(settings);
    }
    return 0;
  } catch (error) {
    console.error(error);
    return 1;
  } finally {
    rmSync(settings.folder, { recursive: true, force: true });
  }
}

process.exitCode = await main();
