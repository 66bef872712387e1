// The same documents by the same client into both stores, one after the other, again and again (A B A B …), each time into a
// server that has just been started on an empty folder.

import { rmSync } from "node:fs";
import { join } from "node:path";

import { BATCH } from "../harness/documents.mjs";
import { connections, inLanes } from "../harness/http.mjs";
import { Meter } from "../harness/process.mjs";
import { Figures, percentile } from "../harness/table.mjs";
import { PouchStore } from "./pouchdb.mjs";
import { TidewatchStore } from "./tidewatch.mjs";

const PAGE = 1_000;

/** How much, how often: [documents, connections, repetitions, what is read]. */
function rounds(quick) {
  if (quick) return [{ documents: 2_000, lanes: 4, times: 1, reads: 1 }];
  return [
    { documents: 10_000, lanes: 1, times: 5, reads: 0 },
    { documents: 10_000, lanes: 4, times: 5, reads: 3 },
    { documents: 100_000, lanes: 4, times: 2, reads: 1 },
  ];
}

export async function compare({ binary, folder, quick }) {
  const polls = quick ? 200 : 2_000;
  for (const round of rounds(quick)) {
    const figures = new Figures();
    for (let time = 0; time < round.times; time += 1) {
      for (const Store of [PouchStore, TidewatchStore]) {
        const place = join(folder, "store");
        rmSync(place, { recursive: true, force: true });
        const store = await Store.open({ binary, folder: place });
        const add = (what, unit, value) => figures.add(what, unit, Store.label, value);
        try {
          await wrote(store, round, add);
          if (round.reads > 0) await reads(store, round, polls, add);
          add("in memory at most", "MB", store.server.memory().peak);
        } finally {
          await store.close();
        }
      }
    }
    const [documents, lanes] = [round.documents.toLocaleString("en"), round.lanes];
    figures.print(`${documents} documents of about 350 bytes, ${BATCH} a request, ${lanes} connection${lanes > 1 ? "s" : ""}`);
  }
}

async function wrote(store, { documents, lanes }, add) {
  const batches = Array.from({ length: documents / BATCH }, (_, n) => store.batch(n));
  const agent = connections(lanes);
  const meter = new Meter([store.server]);
  const times = await inLanes(lanes, batches.length, (n) => store.push(agent, batches[n]));
  const load = meter.stop(documents);
  agent.destroy();
  add("written", "documents/s", load.rate);
  add("written per second of the server's processor time", "documents", load.perCpu);
  add("a request, p50", "ms", percentile(times, 0.5));
  add("a request, p99", "ms", percentile(times, 0.99));
  add("others, while writing", "% of the machine", load.foreign);
}

async function reads(store, { documents, reads: times }, polls, add) {
  const agent = connections(1);
  let position;
  for (let time = 0; time < times; time += 1) {
    const meter = new Meter([store.server]);
    let [rows, more] = [0, true];
    position = undefined;
    while (more) {
      const page = await store.page(agent, position, PAGE);
      [rows, more, position] = [rows + page.rows, page.more, page.position];
    }
    if (rows < documents) throw new Error(`the feed has ${rows} rows of ${documents}`);
    const load = meter.stop(rows);
    add(`read in pages of ${PAGE.toLocaleString("en")}`, "rows/s", load.rate);
    add("read per second of the server's processor time", "rows", load.perCpu);
    add("others, while reading", "% of the machine", load.foreign);
  }
  await store.poll(agent, position);
  const meter = new Meter([store.server]);
  await inLanes(1, polls, () => store.poll(agent, position));
  const load = meter.stop(polls);
  add("polls without news", "requests/s", load.rate);
  add("polls per second of the server's processor time", "requests", load.perCpu);
  agent.destroy();
}
