// What is written: a row of a building's equipment, about 350 bytes as JSON, the same for every server.

const KINDS = ["hvac", "pump", "panel", "meter"];
const STATUSES = ["in_service", "needs_check", "out_of_order"];

/** Rows that one request carries. */
export const BATCH = 100;

export function equipmentId(n) {
  return `eq-${n.toString(16).padStart(8, "0")}`;
}

export function equipment(n) {
  const serial = (Math.imul(n, 2_654_435_761) >>> 0).toString(16).padStart(8, "0");
  return {
    name: `Air handling unit ${n}`,
    kind: KINDS[n % 4],
    serial: `SN-${serial}`,
    room: `B${n % 7}.${String(n % 400).padStart(3, "0")}`,
    status: STATUSES[n % 3],
    pressure_kpa: 300 + ((n * 7) % 200),
    hours: (n % 9_000) + 0.5,
    checked_by: `tech-${n % 900}`,
    note: "filters changed, belt tension within limits, next inspection due in ninety days, no leak seen",
  };
}
