// Everything that has failed at once, in both consoles, one after the other, again and again (A B A B …): tried again, and taken out of
// the way. The first page of the list is looked at meanwhile, as somebody does who waits for it.
//
// Not the same work: Bull Board moves a job back to those that wait, or deletes it, and answers when it is through with all of them. Here
// every entry is decided again and applied, or archived so that it can be put back; each has its outcome and its audit row, a second
// person approves, and every commit is synced to the disk (Redis: every second).

import { rmSync } from "node:fs";
import { join } from "node:path";

import { connections } from "../harness/http.mjs";
import { Meter } from "../harness/process.mjs";
import { Figures, percentile } from "../harness/table.mjs";
import { BullBoard } from "./bull-board.mjs";
import { TidewatchOutbox } from "./tidewatch.mjs";

const BULKS = [
  { name: "retryAll", title: "tried again" },
  { name: "removeAll", title: "taken out of the way (deleted by Bull Board, quarantined by tidewatch)" },
];
/** Pause between two looks at the list. */
const PAUSE_MS = 20;
/** How long a list may show what is done already. */
const SETTLE_MS = 60_000;

export async function compare({ binary, folder, quick }) {
  const { entries, times } = quick ? { entries: 2_000, times: 1 } : { entries: 20_000, times: 3 };
  for (const { name, title } of BULKS) {
    const figures = new Figures();
    for (let time = 0; time < times; time += 1) {
      for (const Console of [BullBoard, TidewatchOutbox]) {
        const place = join(folder, "console");
        rmSync(place, { recursive: true, force: true });
        const console = await Console.openMended({ binary, folder: place, entries });
        try {
          await drained(console, name, (what, unit, value) => figures.add(what, unit, Console.label, value));
        } finally {
          await console.close();
        }
      }
    }
    figures.print(`${entries.toLocaleString("en")} failed entries of about 522 bytes ${title}, ${times} runs each`);
  }
}

async function drained(console, name, add) {
  const before = resident(console);
  const looker = new Looker(console);
  await looker.look();
  const watched = looker.watch();
  const meter = new Meter(console.processes);
  const { frozen, accepted, done } = await console[name]();
  const { foreign } = meter.stop(console.entries);
  looker.stopped = true;
  const times = await watched;
  if (frozen !== undefined) add("frozen, with its dry run", "ms", frozen);
  add("from its submission until accepted", "ms", accepted);
  add("from the first click until all are done", "ms", done);
  add("until the list has none of them, after that", "ms", await settled(console));
  add("first page of the list meanwhile, p50", "ms", percentile(times, 0.5));
  add("first page of the list meanwhile, p95", "ms", percentile(times, 0.95));
  add("first page of the list meanwhile, slowest", "ms", percentile(times, 1));
  add("looks at it", "", times.length);
  add("resident before, console and database", "MB", before);
  add("resident after, console and database", "MB", resident(console));
  add("resident at most, the console's process", "MB", console.board.memory().peak);
  add("others, meanwhile", "% of the machine", foreign);
}

function resident(console) {
  return console.processes.reduce((sum, process) => sum + process.memory().resident, 0);
}

/** Milliseconds until the list shows none that has failed. */
async function settled(console) {
  const began = performance.now();
  while (performance.now() - began < SETTLE_MS) {
    if ((await console.failed()) === 0) return performance.now() - began;
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  throw new Error("the list does not follow");
}

/** Somebody who looks at the first page of the list, on a connection of their own. */
class Looker {
  constructor(console) {
    this.console = console;
    this.agent = connections(1);
    this.stopped = false;
  }

  /** Looks once; answers milliseconds. */
  async look() {
    const started = performance.now();
    await this.console.list("first", this.agent);
    return performance.now() - started;
  }

  /** Looks again and again until it is stopped; answers milliseconds of each. */
  async watch() {
    const times = [];
    while (!this.stopped) {
      times.push(await this.look());
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
    this.agent.destroy();
    return times;
  }
}
