// One device: found from the table, its three tabs as addresses of their own, and an id that nobody has.

import { HARBOUR, expect, row, test } from "../fixtures.ts";

test("the table leads to a device, and its tabs are addresses", async ({ page, fleet }) => {
  const { path } = fleet.device(HARBOUR.stuck);
  await page.goto("/devices");
  await page.getByRole("link", { name: HARBOUR.stuck }).click();
  await expect(page).toHaveURL(path);
  await expect(page.getByRole("heading", { level: 1 })).toContainText(HARBOUR.stuck);
  const tabs = page.getByRole("navigation", { name: "Device sections" });
  await tabs.getByRole("link", { name: "Outbox" }).click();
  await expect(page).toHaveURL(`${path}/outbox`);
  await tabs.getByRole("link", { name: "Metrics" }).click();
  await expect(page).toHaveURL(`${path}/metrics`);
  await tabs.getByRole("link", { name: "Timeline" }).click();
  await expect(page).toHaveURL(path);
  await expect(page.getByRole("main")).toMatchAriaSnapshot({ name: "device-timeline.aria.yml" });
});

test("the outbox of a stuck device lists its poisoned entries first, with why", async ({ page, fleet }) => {
  const { name, path } = fleet.device(HARBOUR.stuck);
  await page.goto(`${path}/outbox`);
  const entries = page.getByRole("table", { name: /Entries of this device's outbox/ }).getByRole("rowheader");
  const ids = [1, 2, 3].map((n) => new RegExp(`${name}-op-000${n}|${name.slice(0, 6)}.*000${n}`));
  await expect(entries).toHaveCount(5);
  for (const id of ids) await expect(entries.filter({ hasText: id })).toHaveCount(1);
  await expect(page.getByRole("main")).toMatchAriaSnapshot({ name: "device-outbox.aria.yml" });
  await page.getByRole("link", { name: "Poisoned 3" }).click();
  await expect(page).toHaveURL(`${path}/outbox?state=poisoned`);
  await expect(entries).toHaveCount(3);
  await expect(page.getByRole("table")).toContainText("schema_invalid");
});

test("metrics of a device have a table beside every chart", async ({ page, fleet }) => {
  await page.goto(`${fleet.device(HARBOUR.well).path}/metrics?range=6h`);
  const figures = page.getByRole("figure");
  await expect(figures.first()).toBeVisible();
  const count = await figures.count();
  for (let at = 0; at < count; at += 1) {
    const table = figures.nth(at).getByRole("table");
    if (!(await table.isVisible())) await figures.nth(at).getByText("Table").click();
    await expect(table).toBeVisible();
    await expect(table.getByRole("row").nth(1)).toBeVisible();
  }
});

test("an id that no device has is not found, and so is text that is no id", async ({ page, complaints }) => {
  complaints.foresee(/status of 404/);
  for (const id of ["01900000-0000-7000-8000-000000000000", "not-an-id"]) {
    const answer = await page.goto(`/devices/${id}`);
    expect(answer?.status(), id).toBe(404);
    await expect(page.getByRole("heading", { level: 1 }), id).toHaveText("No such device");
  }
});

test("a device that was never in contact says never, not zero", async ({ page, fleet }) => {
  // It has reported no name, so it goes by the head of its id.
  await page.goto(`/devices?filter=id:${fleet.device(HARBOUR.never).id}`);
  const line = row(page, fleet.device(HARBOUR.never).id.slice(0, 8));
  await expect(line).toContainText(/never/i);
  await expect(line).toContainText("unknown");
});
