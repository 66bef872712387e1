// The overview: what the fleet's state is, what needs a person, and that a change is there the next time one looks.

import { HARBOUR, expect, test } from "../fixtures.ts";

test("the overview says how the fleet is, and what needs a person first", async ({ page }) => {
  await page.goto("/");
  await expect(page).toHaveTitle("Overview · Tidewatch");
  await expect(page.getByRole("heading", { level: 1, name: "Fleet health" })).toBeVisible();
  await expect(page.getByRole("main")).toMatchAriaSnapshot({ name: "overview.aria.yml" });
});

test("the rail has the pages that exist, the size of the fleet, and this console's own state", async ({ page }) => {
  await page.goto("/");
  const rail = page.getByRole("navigation", { name: "Main" });
  for (const name of ["Overview", "Devices", "Changes", "Audit"]) await expect(rail.getByRole("link", { name, exact: true })).toBeVisible();
  await expect(rail.getByRole("link", { name: /^4 devices/ })).toHaveAttribute("href", "/devices");
  await expect(rail.getByRole("link", { name: /log at seq/ })).toContainText("Primary");
  for (const link of await rail.getByRole("link").all()) {
    const answer = await page.request.get(new URL((await link.getAttribute("href")) ?? "", page.url()).href);
    expect(answer.status(), await link.innerText()).toBe(200);
  }
});

test("the range is a link and stays in the address", async ({ page, complaints }) => {
  await page.goto("/");
  await page.getByRole("link", { name: "7 d", exact: true }).click();
  await expect(page).toHaveURL("/?range=7d");
  await page.reload();
  await expect(page.getByRole("link", { name: "7 d", exact: true })).toHaveAttribute("aria-current", /.+/);
  complaints.foresee(/status of 400/);
  expect((await page.goto("/?range=2d"))?.status()).toBe(400);
  await expect(page.getByRole("main")).toContainText("range");
});

test("trouble on the overview leads to the entries it counts", async ({ page }) => {
  await page.goto("/");
  const work = page.getByRole("region", { name: /Needs a person/i });
  await expect(work).toContainText("inspections");
  await work.getByRole("link", { name: /entries rejected/ }).first().click();
  await expect(page).toHaveURL(/\/outbox\/groups\//);
  await expect(page.getByRole("table").getByRole("rowheader")).toHaveCount(3);
  await expect(page.getByRole("table")).toContainText(HARBOUR.stuck);
});

test.describe("with a store of its own", () => {
  test.use({ store: "own" });

  test("what a device does is on the page the next time it is opened", async ({ page, fleet }) => {
    await page.goto("/");
    const rail = page.getByRole("navigation", { name: "Main" });
    await expect(rail.getByRole("link", { name: /devices?/i }).first()).toContainText("no devices yet");
    const device = await fleet.device("LOW-TAB-0500").enrol();
    const [result] = await device.push({ record: "INS-0500" });
    await device.report();
    await expect(async () => {
      await page.reload();
      await expect(rail.getByRole("link", { name: /^1 device/ })).toBeVisible({ timeout: 1_000 });
      await expect(rail.getByRole("link", { name: `log at seq ${result?.seq} ` })).toBeVisible({ timeout: 1_000 });
    }).toPass({ timeout: 10_000, intervals: [200] });
  });

  test("a store without a device says what comes next", async ({ page }) => {
    await page.goto("/");
    await expect(page.getByRole("main")).toMatchAriaSnapshot({ name: "first-run.aria.yml" });
  });
});
