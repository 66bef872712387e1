// The same failed entries in both consoles, one after the other, again and again (A B A B …): the list at its beginning, in its
// middle and at its end.

import { rmSync } from "node:fs";
import { join } from "node:path";

import { connections, inLanes } from "../harness/http.mjs";
import { Meter } from "../harness/process.mjs";
import { Figures, percentile } from "../harness/table.mjs";
import { BullBoard } from "./bull-board.mjs";
import { TidewatchOutbox } from "./tidewatch.mjs";

const PLACES = ["first", "middle", "last"];
const LOOKS = 30;

export async function compare({ binary, folder, quick }) {
  for (const { entries, times } of quick ? [{ entries: 2_000, times: 1 }] : [{ entries: 10_000, times: 3 }, { entries: 100_000, times: 2 }]) {
    const figures = new Figures();
    for (let time = 0; time < times; time += 1) {
      for (const Console of [BullBoard, TidewatchOutbox]) {
        const place = join(folder, "console");
        rmSync(place, { recursive: true, force: true });
        const console = await Console.open({ binary, folder: place, entries });
        const add = (what, unit, value) => figures.add(what, unit, Console.label, value);
        try {
          await looked(console, add);
          add("in memory at most, the console's process", "MB", console.board.memory().peak);
        } finally {
          await console.close();
        }
      }
    }
    figures.print(`${entries.toLocaleString("en")} failed entries of about 522 bytes in 12 ways`);
  }
}

async function looked(console, add) {
  const agent = connections(1);
  for (const place of PLACES) {
    await console.list(place, agent);
    const meter = new Meter(console.processes);
    const times = await inLanes(1, LOOKS, async () => {
      const { rows } = await console.list(place, agent);
      if (rows === 0) throw new Error(`the ${place} page is empty`);
    });
    add(`${place} page of the list, p50`, "ms", percentile(times, 0.5));
    add(`${place} page of the list, slowest`, "ms", percentile(times, 1));
    add("others, while looking", "% of the machine", meter.stop(LOOKS).foreign);
  }
  agent.destroy();
}
