// One operation, one trace: from the log, by its id, and for one that was refused.

import { HARBOUR, expect, test } from "../fixtures.ts";

test("the log lists every change, newest first", async ({ page }) => {
  await page.goto("/log");
  await expect(page).toHaveTitle("Changes · Tidewatch");
  await expect(page.getByRole("main")).toMatchAriaSnapshot({ name: "changes.aria.yml" });
});

test("the log narrows to one collection and leads from a change to its trace", async ({ page }) => {
  const operation = `${HARBOUR.well}-op-0003`;
  await page.goto("/log");
  await page.getByRole("rowheader", { name: "AST-0001" }).getByRole("link", { name: "assets" }).click();
  await expect(page).toHaveURL("/log?filter=collection:assets");
  await expect(page.getByRole("table").getByRole("rowheader")).toHaveText([/AST-0001/]);
  await page.getByRole("table").locator(`a[href="/operations/${operation}"]`).click();
  await expect(page).toHaveURL(`/operations/${operation}`);
  await expect(page.getByRole("main")).toContainText("Applied.");
  await expect(page.getByRole("main")).toMatchAriaSnapshot({ name: "trace.aria.yml" });
});

test("an operation is found by its id", async ({ page }) => {
  const operation = `${HARBOUR.other}-op-0001`;
  await page.goto("/log");
  await page.getByRole("searchbox", { name: "Operation id" }).fill(operation);
  await page.getByRole("button", { name: "Open trace" }).click();
  await expect(page).toHaveURL(`/operations/${operation}`);
  await expect(page.getByRole("main")).toContainText("Applied.");
});

test("a refused operation has a trace too, which says why", async ({ page }) => {
  await page.goto(`/operations/${HARBOUR.stuck}-op-0001`);
  await expect(page.getByRole("main")).toContainText("Rejected.");
  await expect(page.getByRole("main")).toContainText("schema_invalid");
  await expect(page.getByRole("main"), "values are never shown").not.toContainText("twelve");
});

test("an id that the store has never seen is a 404 that says what it may mean", async ({ page, complaints }) => {
  complaints.foresee(/status of 404/);
  const answer = await page.goto("/operations/LOW-TAB-0412-op-9999");
  expect(answer?.status()).toBe(404);
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("No trace of this operation");
});

test("the audit log says who signed in and enrolled", async ({ page, fleet }) => {
  await page.goto("/audit");
  await expect(page.getByRole("table").getByRole("rowheader", { name: "device_enrol" })).toHaveCount(4);
  await page.getByRole("link", { name: `device:${fleet.device(HARBOUR.well).id}` }).first().click();
  await expect(page).toHaveURL(new RegExp(`/audit\\?filter=subject:`));
  await expect(page.getByRole("table").getByRole("rowheader")).toHaveText(["device_enrol"]);
});
