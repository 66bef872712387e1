// What has failed: entries with a payload of about 522 bytes, in twelve ways, the same for both consoles.

const WAYS = 12;
/** Fields that must hold a number. */
export const FIELDS = ["reading", "pressure", "depth", "weight", "length", "count"];

export function way(n) {
  return n % WAYS;
}

/** The field that is wrong. */
export function word(n) {
  return FIELDS[way(n) % FIELDS.length];
}

export function message(n) {
  return `${word(n)} must hold a number`;
}

export function collection(n) {
  return way(n) < WAYS / 2 ? "inspections" : "orders";
}

export function operation(n) {
  return `op-${String(n).padStart(8, "0")}`;
}

/** The payload of an entry. */
export function payload(n) {
  const serial = (Math.imul(n, 2_654_435_761) >>> 0).toString(16).padStart(8, "0");
  const note = "filters changed, belt tension within limits, next inspection due in ninety days, no leak seen, seals replaced, photo taken, see the sketch; ".repeat(3);
  return { collection: collection(n), record: `R-${n}`, op: "update", serial: `SN-${serial}`, checked_by: `tech-${n % 900}`, note };
}
