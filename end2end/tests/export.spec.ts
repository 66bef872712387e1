// Export: every matching row with the filter, order and columns of the page it was asked from.

import { downloaded, rowsOf } from "../download.ts";
import { HARBOUR, expect, test } from "../fixtures.ts";

test("CSV of the devices has the rows, the order and the columns of the page", async ({ page, fleet }) => {
  await page.goto("/devices?filter=platform:android&sort=queue&columns=device,queue,platform");
  const { file, text } = await downloaded(page, /^CSV/);
  expect(file).toMatch(/^tidewatch-devices-\d{4}-\d{2}-\d{2}\.csv$/);
  const lines = text.trim().split(/\r?\n/);
  const [stuck, other] = [fleet.device(HARBOUR.stuck), fleet.device(HARBOUR.other)];
  expect(lines).toEqual([
    "client_id,name,principal,simulated,platform,os_version,queue_depth,poisoned",
    `${stuck.id},${stuck.name},Jonas Whitlock,false,android,17.0,5,3`,
    `${other.id},${other.name},Kari Sørensen,false,android,17.0,0,0`,
  ]);
});

test("JSON of the devices holds the same, with what was not reported as null and never as zero", async ({ page, fleet }) => {
  await page.goto("/devices?columns=device,queue");
  const { file, text } = await downloaded(page, "JSON");
  expect(file).toMatch(/^tidewatch-devices-\d{4}-\d{2}-\d{2}\.json$/);
  const rows = JSON.parse(text) as { client_id: string; queue_depth: number | null }[];
  const depths = Object.fromEntries(rows.map(({ client_id, queue_depth }) => [client_id, queue_depth]));
  const { well, other, stuck, never } = HARBOUR;
  expect(depths).toEqual({ [fleet.device(well).id]: 0, [fleet.device(other).id]: 0, [fleet.device(stuck).id]: 5, [fleet.device(never).id]: null });
});

test("an export is all matching rows, not the page that is shown", async ({ page }) => {
  await page.goto("/devices?sort=name&rows=1");
  const { text } = await downloaded(page, /^CSV/);
  expect(text.trim().split(/\r?\n/)).toHaveLength(1 + 4);
});

test("changes and audit export one JSON object a line, and what came in is whole", async ({ page }) => {
  await page.goto("/log?filter=collection:inspections");
  const changes = rowsOf<{ operation_id: string }>((await downloaded(page, "NDJSON")).text);
  expect(changes.map(({ operation_id }) => operation_id)).toEqual([`${HARBOUR.other}-op-0001`, `${HARBOUR.well}-op-0002`, `${HARBOUR.well}-op-0001`]);
  await page.goto("/audit?filter=action:device_enrol");
  const audit = rowsOf<{ action: string }>((await downloaded(page, "NDJSON")).text);
  expect(audit.map(({ action }) => action)).toEqual(Array(4).fill("device_enrol"));
});

test("an export with a bad filter is refused, and nobody exports without a session", async ({ page, baseURL, cookieOf }) => {
  await page.goto("/devices");
  const cookie = await cookieOf("viewer");
  const bad = await fetch(`${baseURL}/export/devices.csv?filter=colour:red`, { headers: { cookie } });
  expect(bad.status).toBe(400);
  expect(await bad.text()).toContain("colour");
  for (const path of ["/export/devices.csv", "/export/devices.json", "/export/changes.ndjson", "/export/audit.ndjson"]) {
    const answer = await fetch(baseURL + path, { redirect: "manual" });
    expect(answer.status, path).toBe(401);
    expect(await answer.text(), path).not.toContain(HARBOUR.well);
  }
});

test.describe("a viewer", () => {
  test.use({ as: "viewer" });

  test("may export: names and counts, no payload", async ({ page }) => {
    await page.goto("/log");
    const { text } = await downloaded(page, "NDJSON");
    expect(text).toContain("INS-0001");
    expect(text, "values of payloads never leave").not.toContain("Bilge pump");
  });
});
