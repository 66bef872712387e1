// Draining, live: numbers move by themselves, nothing moves under a hand, and rows are ticked by key.

import type { Page } from "@playwright/test";
import { type Fleet } from "../fleet.ts";
import { expect, islandsReady, test } from "../fixtures.ts";

test.use({ store: "own", as: "operator" });

/** Opens a page and waits until it follows the store. */
async function open(page: Page, path: string): Promise<void> {
  await page.goto(path);
  await islandsReady(page);
  await expect(page.getByRole("banner").getByRole("status")).toHaveText("Live");
}

/** Marks the document, so that a reload can be told from a refresh. */
async function mark(page: Page): Promise<() => Promise<boolean>> {
  await page.evaluate(() => ((globalThis as { kept?: boolean }).kept = true));
  return () => page.evaluate(() => (globalThis as { kept?: boolean }).kept === true);
}

/** How many entries of the open drain are settled, as its page says. */
async function settled(page: Page): Promise<number> {
  const words = await page.getByRole("heading", { level: 2, name: /settled$/ }).textContent();
  return Number.parseInt(words ?? "", 10);
}

/** Poisons 150 entries and begins to hold them, ten a second; the page of the drain is open then. */
async function holdSlowly(page: Page, fleet: Fleet): Promise<void> {
  for (const name of ["LOW-TAB-0811", "LOW-TAB-0812"]) await (await fleet.device(name).enrol()).poison(75);
  await open(page, "/outbox/entries?filter=state:poisoned");
  await page.getByRole("checkbox", { name: /^All 150\sthat match$/ }).check({ timeout: 15_000 });
  await page.getByRole("button", { name: "Hold" }).click();
  await page.getByLabel("Reason, kept in the audit log").fill("until the yard has called back");
  await page.getByLabel("Pace").selectOption("10 entries a second");
  await page.getByRole("checkbox", { name: /^Send \d first/ }).uncheck();
  await page.getByRole("button", { name: /^Hold 150\sentries$/ }).click();
  await expect(page).toHaveURL(/\/outbox\/jobs\/J\d+$/);
  await islandsReady(page);
}

test("the numbers of a drain move without a reload, and stand still while a step is open", async ({ page, fleet, console, cookieOf }) => {
  test.slow();
  await holdSlowly(page, fleet);
  const kept = await mark(page);
  const first = await settled(page);
  await expect.poll(() => settled(page)).toBeGreaterThan(first);
  expect(await kept(), "the page was not loaded again").toBe(true);

  await page.locator("#step-cancel > summary").click();
  const shown = await settled(page);
  const job = page.url().split("/").at(-1);
  const cookie = await cookieOf("operator");
  const stored = async (): Promise<number> => {
    const answer = await fetch(`${console.server.url}/api/v1/outbox/drain/jobs/${job}`, { headers: { cookie } });
    return ((await answer.json()) as { tally: { ok: number } }).tally.ok;
  };
  await expect.poll(stored).toBeGreaterThan(shown + 10);
  await expect(page.getByRole("banner").getByRole("status")).toHaveText("Paused");
  expect(await settled(page), "nothing moves under an open step").toBe(shown);
  await page.keyboard.press("Escape");
  await expect.poll(() => settled(page)).toBeGreaterThan(shown);
  expect(await kept(), "the page was not loaded again").toBe(true);
});

test("a drain whose console is killed goes on when it is back, and the open page says so", async ({ page, fleet, console, complaints }) => {
  test.slow();
  complaints.forgive(/ERR_(CONNECTION_REFUSED|EMPTY_RESPONSE|INCOMPLETE_CHUNKED_ENCODING|CONNECTION_RESET)/);
  await holdSlowly(page, fleet);
  const kept = await mark(page);
  await expect.poll(() => settled(page)).toBeGreaterThan(10);
  await console.server.kill();
  await expect(page.getByRole("banner").getByRole("status")).toHaveText("Stale");
  const before = await settled(page);
  await console.server.run();
  await expect.poll(() => settled(page), { timeout: 15_000 }).toBeGreaterThan(before);
  await expect(page.getByRole("main")).toContainText("It goes on where it was when this console stopped");
  expect(await kept(), "the page was not loaded again").toBe(true);
});

test("x ticks the row that has the focus, and what comes meanwhile waits behind a pill that keeps the ticks", async ({ page, fleet }) => {
  const ids = (await (await fleet.device("LOW-TAB-0821").enrol()).poison(3)).map(({ operation_id }) => operation_id);
  await open(page, "/outbox/entries?filter=state:poisoned");
  const rows = page.getByRole("table").getByRole("row").filter({ has: page.getByRole("rowheader") });
  await expect(rows).toHaveCount(3);
  await page.keyboard.press("j");
  await page.keyboard.press("j");
  await page.keyboard.press("x");
  const second = rows.nth(1).getByRole("checkbox");
  await expect(second).toBeChecked();
  await expect(rows.nth(1), "the focus stays on the row").toBeFocused();
  const bar = page.getByRole("group", { name: "Drain entries" });
  await expect(bar).toContainText("1 ticked");
  const name = await second.getAttribute("aria-label");

  await (await fleet.device("LOW-TAB-0822").enrol()).poison(2);
  const newer = bar.getByRole("button", { name: "2 newer" });
  await expect(newer).toBeVisible({ timeout: 15_000 });
  await expect(rows, `the table still shows ${ids.join(", ")} alone`).toHaveCount(3);
  await newer.click();
  await expect(rows).toHaveCount(5);
  await expect(page.getByRole("checkbox", { name: name!, exact: true })).toBeChecked();
  await expect(bar).toContainText("1 ticked");
  await expect(bar.getByRole("button", { name: /newer/ })).toBeHidden();

  await page.keyboard.press("j");
  await page.keyboard.press("x");
  await expect(bar).toContainText("2 ticked");
});

test("a list that was empty can be ticked in once something is in it", async ({ page, fleet }) => {
  const device = await fleet.device("LOW-TAB-0831").enrol();
  await device.report();
  await open(page, "/outbox/entries");
  await expect(page.getByRole("main")).toContainText("Nothing waits");
  await device.poison(2);
  await page.getByRole("checkbox", { name: "Select all on this page" }).check({ timeout: 15_000 });
  await expect(page.getByText("2 ticked")).toBeVisible();
});

test("what was written into a form of a live page stays, wherever the focus is", async ({ page, fleet }) => {
  const device = await fleet.device("LOW-TAB-0841").enrol();
  await device.report();
  await open(page, `${device.path}/commands`);
  const reason = page.getByLabel("Reason, kept in the audit log");
  await reason.fill("to see what it holds");
  await page.getByRole("radio", { name: /^Upload payloads/ }).check();
  await page.getByRole("heading", { level: 1 }).click();
  await device.poison(1);
  await expect(page.getByRole("banner").getByRole("status")).toHaveText("Paused");
  await expect(reason).toHaveValue("to see what it holds");
  await expect(page.getByRole("radio", { name: /^Upload payloads/ })).toBeChecked();
});

test("a chart that comes while the page is open is drawn", async ({ page, fleet }) => {
  await page.goto("/");
  await islandsReady(page);
  await expect(page.locator("fleet-chart")).toHaveCount(0);
  const device = await fleet.device("LOW-TAB-0851").enrol();
  await device.push({ record: "INS-0851" });
  await (await device.pull()).report();
  await expect(page.locator("fleet-chart").first()).toBeAttached({ timeout: 15_000 });
  await page.locator("fleet-chart").first().scrollIntoViewIfNeeded();
  await expect(page.locator("fleet-chart canvas").first()).toBeVisible();
});
