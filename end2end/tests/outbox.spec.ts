// The outbox across devices: from a group of failures to its entries, to one entry and what waits behind it.

import { downloaded, rowsOf } from "../download.ts";
import { HARBOUR, expect, expectAddress, test } from "../fixtures.ts";

test("failures that are alike are one group, which leads to its entries", async ({ page }) => {
  await page.goto("/outbox");
  await expect(page).toHaveTitle("Outbox · Tidewatch");
  await expect(page.getByRole("main")).toMatchAriaSnapshot({ name: "outbox.aria.yml" });
  const groups = page.getByRole("table", { name: /Groups of failures/ }).getByRole("rowheader");
  await expect(groups).toHaveCount(1);
  await groups.getByRole("link", { name: "422 schema_invalid" }).click();
  await expect(page).toHaveURL(/\/outbox\/groups\/[0-9a-f]{8}$/);
  await expect(page.getByRole("main")).toContainText("3 entries on 1 device. None of them can succeed by being sent again");
  await expect(page.getByRole("table").getByRole("rowheader")).toHaveCount(3);
});

test("an entry says why it is stuck, and never what it holds", async ({ page }) => {
  await page.goto("/outbox/entries?filter=state:poisoned");
  await page.getByRole("table").getByRole("rowheader").first().getByRole("link").click();
  const main = page.getByRole("main");
  await expect(main).toContainText("This server refused it for good");
  await expect(main.getByRole("region", { name: "Payload" })).toContainText("reading");
  await expect(main, "values are never shown").not.toContainText("twelve");
  await expect(main.getByRole("region", { name: "Attempts" }).getByRole("row")).toHaveCount(2);
  await main.getByRole("link", { name: "Open its trace" }).click();
  await expect(page).toHaveURL(/\/operations\//);
  await expect(page.getByRole("main")).toContainText("Rejected.");
});

test("a filter narrows the entries, and one that cannot be read lists none", async ({ page, complaints }) => {
  await page.goto("/outbox/entries");
  const rows = page.getByRole("table").getByRole("rowheader");
  await expect(rows).toHaveCount(5);
  const field = page.getByRole("combobox", { name: "Add a filter" });
  await field.fill(`device:${HARBOUR.stuck}`);
  await field.press("Enter");
  await expectAddress(page, `/outbox/entries?filter=device:${HARBOUR.stuck}`);
  await expect(rows).toHaveCount(5);
  await field.fill("state:poisoned");
  await field.press("Enter");
  await expect(rows).toHaveCount(3);
  await page.goto(`/outbox/entries?filter=device:${HARBOUR.well}`);
  await expect(page.getByRole("main")).toContainText("No entry matches");
  complaints.foresee(/status of 400/);
  expect((await page.goto("/outbox/entries?filter=colour:red"))?.status()).toBe(400);
  await expect(page.getByRole("main")).toContainText("The filter could not be read");
});

test("a state and a collection lead to their entries", async ({ page }) => {
  await page.goto("/outbox");
  await page.getByRole("region", { name: /entries on/ }).getByRole("link", { name: "3", exact: true }).click();
  await expectAddress(page, "/outbox/entries?filter=state:poisoned");
  await page.getByRole("link", { name: "By collection" }).click();
  await page.getByRole("rowheader", { name: "inspections" }).getByRole("link").click();
  await expectAddress(page, "/outbox/entries?filter=collection:inspections");
  await expect(page.getByRole("table").getByRole("rowheader")).toHaveCount(5);
});

test("the export of a group holds its entries alone, one line each", async ({ page }) => {
  await page.goto("/outbox");
  await page.getByRole("table").getByRole("link", { name: "422 schema_invalid" }).click();
  const rows = rowsOf<{ state: string; device_name: string; error_code: string }>((await downloaded(page, "NDJSON")).text);
  expect(rows).toHaveLength(3);
  for (const entry of rows) expect(entry).toMatchObject({ state: "poisoned", device_name: HARBOUR.stuck, error_code: "schema_invalid" });
});

test("a group or an entry that is not there any more is a 404 that leads on", async ({ page, complaints }) => {
  complaints.foresee(/status of 404/);
  expect((await page.goto("/outbox/groups/00000000"))?.status()).toBe(404);
  await page.getByRole("link", { name: "See all groups" }).click();
  await expect(page).toHaveURL("/outbox");
  expect((await page.goto("/outbox/entries/no-device/no-operation"))?.status()).toBe(404);
  await expect(page.getByRole("main")).toContainText("No such entry");
});
