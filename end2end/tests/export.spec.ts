// Export: every matching row with the filter, order and columns of the page it was asked from.

import { readFile } from "node:fs/promises";
import type { Page } from "@playwright/test";
import { HARBOUR, expect, test } from "../fixtures.ts";

/** Clicks a link and reads the file that it downloads. */
async function downloaded(page: Page, name: string | RegExp): Promise<{ file: string; text: string }> {
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name }).click()]);
  return { file: download.suggestedFilename(), text: await readFile(await download.path(), "utf8") };
}

test("CSV of the devices has the rows, the order and the columns of the page", async ({ page }) => {
  await page.goto("/devices?filter=platform:android&sort=queue&columns=device,queue,platform");
  const { file, text } = await downloaded(page, /^CSV/);
  expect(file).toMatch(/devices.*\.csv$/);
  const lines = text.trim().split(/\r?\n/).map((line) => line.split(","));
  expect(lines.slice(1).map((cells) => cells.find((cell) => /^"?(LOW|HAR|YAR)-/.test(cell)))).toEqual([HARBOUR.stuck, HARBOUR.other]);
  expect(lines[1]).toContain("5");
  expect(lines[2]).toContain("0");
  expect(text, "columns that were not asked for stay out").not.toMatch(/battery|conflicts/i);
});

test("JSON of the devices holds the same, with what was not reported as null and never as zero", async ({ page }) => {
  await page.goto("/devices?sort=name&columns=device,queue");
  const { file, text } = await downloaded(page, "JSON");
  expect(file).toMatch(/devices.*\.json$/);
  const rows = JSON.parse(text) as Record<string, unknown>[];
  const ids = new Set(rows.map((line) => JSON.stringify(line)));
  for (const name of [HARBOUR.stuck, HARBOUR.other, HARBOUR.well]) expect([...ids].filter((line) => line.includes(name)), name).toHaveLength(1);
  expect(rows).toHaveLength(4);
});

test("an export is all matching rows, not the page that is shown", async ({ page }) => {
  await page.goto("/devices?sort=name&rows=1");
  const { text } = await downloaded(page, /^CSV/);
  expect(text.trim().split(/\r?\n/)).toHaveLength(1 + 4);
});

test("changes and audit export one JSON object a line", async ({ page }) => {
  await page.goto("/log?filter=collection:inspections");
  const changes = (await downloaded(page, "NDJSON")).text.trim().split("\n").map((line) => JSON.parse(line) as { operation_id: string });
  expect(changes.map(({ operation_id }) => operation_id)).toEqual([`${HARBOUR.other}-op-0001`, `${HARBOUR.well}-op-0002`, `${HARBOUR.well}-op-0001`]);
  await page.goto("/audit?filter=action:device_enrol");
  const audit = (await downloaded(page, "NDJSON")).text.trim().split("\n").map((line) => JSON.parse(line) as { action: string });
  expect(audit.map(({ action }) => action)).toEqual(Array(4).fill("device_enrol"));
});

test("an export with a bad filter is refused, and nobody exports without a session", async ({ page, baseURL, cookieOf }) => {
  await page.goto("/devices");
  const cookie = await cookieOf("viewer");
  const bad = await fetch(`${baseURL}/export/devices.csv?filter=colour:red`, { headers: { cookie } });
  expect(bad.status).toBe(400);
  expect(await bad.text()).toContain("colour");
  for (const path of ["/export/devices.csv", "/export/devices.json", "/export/log.ndjson", "/export/audit.ndjson"]) {
    const answer = await fetch(baseURL + path, { redirect: "manual" });
    expect([302, 303, 401], path).toContain(answer.status);
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
