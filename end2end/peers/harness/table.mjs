// Figures of repeated runs, as a table: smallest, middle, largest.

/** The value that this share of the values does not exceed. */
export function percentile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

function figure(value) {
  if (Number.isNaN(value)) return "–";
  if (value < 10) return value.toFixed(2);
  if (value < 1_000) return value.toFixed(1);
  return Math.round(value).toLocaleString("en");
}

/** Samples by what was measured and by whom. */
export class Figures {
  constructor() {
    this.samples = new Map();
  }

  add(what, unit, who, value) {
    const line = this.samples.get(what) ?? { unit, by: new Map() };
    this.samples.set(what, line);
    line.by.set(who, [...(line.by.get(who) ?? []), value]);
  }

  /** Smallest / middle / largest of each, side by side. */
  print(title) {
    const who = [...new Set([...this.samples.values()].flatMap((line) => [...line.by.keys()]))];
    const rows = [["what", ...who]];
    for (const [what, { unit, by }] of this.samples) {
      const cells = who.map((name) => {
        const values = by.get(name);
        if (!values) return "–";
        return [0, 0.5, 1].map((share) => figure(percentile(values, share))).join(" / ");
      });
      rows.push([`${what}${unit ? `, ${unit}` : ""}`, ...cells]);
    }
    const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
    console.log(`\n${title} (smallest / middle / largest)\n`);
    for (const row of rows) console.log(row.map((cell, column) => cell.padEnd(widths[column])).join("  ").trimEnd());
  }
}
