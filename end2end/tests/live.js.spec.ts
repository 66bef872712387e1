// Live: a change in the store reaches an open page without a reload, unless its reader has paused it; a lost stream is said.

import { test, expect, islandsReady } from "../fixtures.ts";

test.use({ store: "own" });

// How soon is measured by `cargo xtask bench live`, on the shipped binary and without neighbours.
test("every push is on the open overview without a reload", async ({ page, fleet }) => {
  const device = await fleet.device("LOW-TAB-0500").enrol();
  await page.goto("/");
  await islandsReady(page);
  const rail = page.getByRole("navigation", { name: "Main" });
  await expect(page.getByRole("banner").getByRole("status")).toHaveText("Live");
  await page.evaluate(() => ((globalThis as { kept?: boolean }).kept = true));
  for (let at = 1; at <= 3; at += 1) {
    const [result] = await device.push({ record: `INS-050${at}` });
    await expect(rail.getByRole("link", { name: `log at seq ${result?.seq} ` })).toBeVisible();
  }
  expect(await page.evaluate(() => (globalThis as { kept?: boolean }).kept), "the page was not loaded again").toBe(true);
});

test("a device that gets stuck appears in the open table and in its open overview", async ({ page, context, fleet }) => {
  const device = await fleet.device("HAR-PHN-0871").enrol();
  await device.report();
  const overview = await context.newPage();
  await page.goto("/devices?filter=condition:stuck");
  await expect(page.getByRole("main")).toContainText("No device is stuck");
  await islandsReady(page);
  await expect(page.getByRole("banner").getByRole("status")).toHaveText("Live");
  await device.poison(2, 1);
  await expect(page.getByRole("rowheader", { name: device.name })).toBeVisible();
  await overview.goto("/");
  await expect(overview.getByRole("region", { name: /Needs a person/i })).toContainText("inspections");
});

test("a paused page holds what comes, says how much, and shows it when it resumes", async ({ page, fleet }) => {
  const device = await fleet.device("LOW-TAB-0500").enrol();
  await page.goto("/log");
  await islandsReady(page);
  const stamp = page.getByRole("banner");
  await expect(stamp.getByRole("status")).toHaveText("Live");
  await stamp.getByRole("button", { name: "Pause live updates" }).click();
  await expect(stamp.getByRole("status")).toHaveText("Paused");
  await device.push({ record: "INS-0500" });
  await expect(stamp).toContainText(/\d+ updates? held/);
  await expect(page.getByRole("rowheader", { name: "INS-0500" })).toHaveCount(0);
  await stamp.getByRole("button", { name: "Resume live updates" }).click();
  await expect(page.getByRole("rowheader", { name: "INS-0500" })).toBeVisible();
  await expect(stamp.getByRole("status")).toHaveText("Live");
});

for (const [what, asked] of [["what was about to come", false], ["an answer that is on its way", true]] as const) {
  test(`${what} when a page is paused does not come through`, async ({ page, fleet }) => {
    const device = await fleet.device("LOW-TAB-0500").enrol();
    await page.goto("/log");
    await islandsReady(page);
    const stamp = page.getByRole("banner");
    await expect(stamp.getByRole("status")).toHaveText("Live");
    // A page that has not asked for a while asks on its next turn, and any other waits until it may. What is held is read before the page
    // gives way to anything else: the stream may hold more a moment later.
    const held = await stamp.getByRole("button", { name: "Pause live updates" }).evaluate(async (button, asked) => {
      let last = performance.now();
      document.addEventListener("tidewatch:refreshed", () => (last = performance.now()));
      while (asked && performance.now() - last < 700) await new Promise((turn) => setTimeout(turn, 20));
      document.dispatchEvent(new CustomEvent("tidewatch:refresh"));
      if (asked) await new Promise((turn) => setTimeout(turn, 0));
      document.addEventListener("tidewatch:refreshed", () => document.body.classList.add("came-through"));
      (button as HTMLElement).click();
      const words = () => /\d+ updates? held/.exec(button.closest(".asof")?.textContent ?? "")?.[0];
      for (let turn = 0; turn < 100 && !words(); turn += 1) await Promise.resolve();
      return words();
    }, asked);
    expect(held).toBe("1 update held");
    await device.push({ record: "INS-0500" });
    await expect(stamp).toContainText(/([2-9]|\d{2,}) updates held/);
    await expect(page.getByRole("rowheader", { name: "INS-0500" })).toHaveCount(0);
    await expect(page.locator("body")).not.toHaveClass(/came-through/);
    await stamp.getByRole("button", { name: "Resume live updates" }).click();
    await expect(page.getByRole("rowheader", { name: "INS-0500" })).toBeVisible();
  });
}

test("an open menu holds the page still, and closing it lets the change in", async ({ page, fleet }) => {
  const device = await fleet.device("LOW-TAB-0500").enrol();
  await device.push({ record: "INS-0500" });
  await page.goto("/log");
  await islandsReady(page);
  await expect(page.getByRole("banner").getByRole("status")).toHaveText("Live");
  await page.getByLabel(/account menu/).click();
  await device.push({ record: "INS-0501" });
  await expect(page.getByRole("banner").getByRole("status")).toHaveText("Paused");
  await expect(page.getByRole("rowheader", { name: "INS-0501" })).toHaveCount(0);
  await page.keyboard.press("Escape");
  await expect(page.getByRole("rowheader", { name: "INS-0501" })).toBeVisible();
});

test("rows keep their place and their focus when a page refreshes", async ({ page, fleet }) => {
  const device = await fleet.device("LOW-TAB-0500").enrol();
  await device.push({ record: "INS-0500" });
  await page.goto("/log");
  await islandsReady(page);
  await expect(page.getByRole("banner").getByRole("status")).toHaveText("Live");
  const link = page.getByRole("rowheader", { name: "INS-0500" }).getByRole("link");
  await link.focus();
  await device.push({ record: "INS-0501" });
  await expect(page.getByRole("rowheader", { name: "INS-0501" })).toBeVisible();
  await expect(link).toBeFocused();
});

test("a page whose server is gone says stale, and is live again by itself", async ({ page, console, fleet, complaints }) => {
  complaints.forgive(/ERR_(CONNECTION_REFUSED|EMPTY_RESPONSE|INCOMPLETE_CHUNKED_ENCODING|CONNECTION_RESET)/);
  const device = await fleet.device("LOW-TAB-0500").enrol();
  await page.goto("/log");
  await islandsReady(page);
  const status = page.getByRole("banner").getByRole("status");
  await expect(status).toHaveText("Live");
  await console.server.halt();
  await expect(status).toHaveText("Stale");
  await console.server.run();
  await expect(status).toHaveText("Live", { timeout: 15_000 });
  await device.push({ record: "INS-0502" });
  await expect(page.getByRole("rowheader", { name: "INS-0502" })).toBeVisible();
});

test("an open page whose session ends leads to the sign-in form", async ({ page, context, fleet }) => {
  const device = await fleet.device("LOW-TAB-0500").enrol();
  await page.goto("/log");
  await islandsReady(page);
  await expect(page.getByRole("banner").getByRole("status")).toHaveText("Live");
  await context.clearCookies();
  await device.push({ record: "INS-0503" });
  await expect(page).toHaveURL(/\/sign-in\?next=(\/|%2F)log/);
});
