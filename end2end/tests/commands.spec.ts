// Commands to one device: its log is asked for and read on the command's own page, its mesh is changed, and one that is not wanted any
// more is called back from there. Every step is a form, so all of it is done with JavaScript and without.

import type { Page } from "@playwright/test";
import { rowsOf } from "../download.ts";
import type { Device, LogLine } from "../fleet.ts";
import { expect, test } from "../fixtures.ts";

test.use({ store: "own", as: "operator" });

/** Waits until the page says so, reloading it as somebody without JavaScript would. */
async function settles(page: Page, words: string | RegExp): Promise<void> {
  await expect(async () => {
    await page.reload();
    await expect(page.getByRole("main")).toContainText(words, { timeout: 500 });
  }).toPass({ timeout: 15_000 });
}

/** Opens the commands of a device that the console knows. */
async function commandsOf(page: Page, device: Device): Promise<void> {
  await device.enrol();
  await device.report();
  await page.goto(`${device.path}/commands`);
}

/** Chooses a command, says why, and sends it. */
async function send(page: Page, kind: RegExp, reason: string): Promise<void> {
  await page.getByRole("radio", { name: kind }).check();
  await page.getByLabel("Reason, kept in the audit log").fill(reason);
  await page.getByRole("button", { name: "Send it" }).click();
}

function lines(count: number): LogLine[] {
  const at = (n: number): string => new Date(Date.now() - (count - n) * 1_000).toISOString();
  return Array.from({ length: count }, (_, n) => ({
    at: at(n),
    level: n === 1 ? "error" : "info",
    target: "sync.push",
    message: n === 1 ? "a push failed with token=hunter2-hunter2" : `pushed ${n} intents`,
  }));
}

test("the log of a device is asked for, read with its secrets masked, and noted who read it", async ({ page, fleet }) => {
  const device = fleet.device("LOW-TAB-0611");
  await commandsOf(page, device);
  await page.getByRole("radio", { name: /^Upload logs/ }).check();
  await page.getByLabel("How far back").selectOption("The last hour");
  await send(page, /^Upload logs/, "to see why it stopped pushing");
  await page.getByRole("region", { name: "Commands in flight" }).getByRole("link", { name: "Upload logs" }).click();
  await expect(page).toHaveURL(/\/commands\/[0-9a-f-]{36}$/);
  await expect(page.getByRole("main")).toMatchAriaSnapshot({ name: "command.aria.yml" });
  await expect(page.getByRole("region", { name: "Lines" })).toContainText("Nothing uploaded yet");

  const [command] = await device.commands();
  expect(Date.parse(String(command!.args.since))).toBeGreaterThan(Date.now() - 2 * 3_600_000);
  await device.uploadLog(command!.id, lines(60));
  await device.say(command!.id, { state: "done", result: {} });
  await settles(page, "Done since");
  const log = page.getByRole("region", { name: "Lines" });
  await expect(log.getByRole("row").nth(2)).toContainText(/error\s*sync\.push\s*a push failed with token=secret·[0-9a-z]{4}/);
  await expect(page.getByRole("main")).not.toContainText("hunter2");
  await log.getByRole("link", { name: "Newer" }).click();
  await expect(page).toHaveURL(/\?after=50#h-lines$/);
  await expect(log.getByRole("row").last()).toContainText("pushed 59 intents");
  const file = await page.request.get((await log.getByRole("link", { name: "NDJSON" }).getAttribute("href"))!);
  const written = rowsOf<{ message: string }>(await file.text());
  expect([file.status(), written.length, written[0]!.message]).toEqual([200, 60, "pushed 0 intents"]);
  await expect(page.getByRole("region", { name: "History" })).toContainText("by the device");
  await page.goto("/audit?filter=action:logs_read");
  await expect(page.getByRole("table").getByRole("row").nth(1)).toContainText("maya.okafor");
  await expect(page.getByRole("table").getByRole("row")).toHaveCount(2);
});

test("the mesh of a device is changed; what does not fit comes back at its field", async ({ page, fleet }) => {
  const device = fleet.device("LOW-TAB-0612");
  await commandsOf(page, device);
  await page.getByRole("radio", { name: /^Change mesh/ }).check();
  await page.getByRole("combobox", { name: "Mode" }).selectOption("Single hop: neighbours only");
  await page.getByLabel("Seconds between two broadcasts").fill("4000");
  await send(page, /^Change mesh/, "batteries run low on the ward");
  const interval = page.getByLabel("Seconds between two broadcasts");
  await expect(interval).toHaveAttribute("aria-invalid", "true");
  await expect(interval).toHaveValue("4000");
  await expect(page.getByRole("combobox", { name: "Mode" })).toHaveValue("single_hop");
  await expect(page.getByRole("main")).toContainText("1 to 3600 whole seconds. Nothing was sent.");
  await interval.fill("60");
  await page.getByRole("button", { name: "Send it" }).click();
  await page.getByRole("region", { name: "Commands in flight" }).getByRole("link", { name: "Change mesh" }).click();
  const order = page.getByRole("region", { name: "Order" });
  await expect(order).toContainText(/every 60\ss/);

  const [command] = await device.commands();
  expect(command!.args).toEqual({ mode: "single_hop", broadcast_interval_ms: 60_000, rotate_keys: false });
  const mesh = { mode: "single_hop", broadcast_interval_ms: 60_000, key_revision: 1 };
  await device.say(command!.id, { state: "done", result: mesh });
  await device.report({ members: { mesh } });
  await settles(page, "In its last report: single hop, every 60 s, key 1.");
  await expect(page.getByRole("main")).toContainText("Done since");
});

test("a command that is not wanted any more is called back from its own page", async ({ page, fleet, complaints }) => {
  complaints.foresee(/status of 404/);
  await commandsOf(page, fleet.device("LOW-TAB-0613"));
  await send(page, /^Refresh policy/, "new flags are out");
  await page.getByRole("region", { name: "Commands in flight" }).getByRole("link", { name: "Refresh policy" }).click();
  await page.getByText("Cancel", { exact: true }).first().click();
  const cancel = page.locator("details[open]");
  await cancel.getByLabel("Reason, kept in the audit log").fill("the flags were wrong");
  await cancel.getByRole("button", { name: "Cancel" }).click();
  await expect(page).toHaveURL(/\/commands\/[0-9a-f-]{36}$/);
  await expect(page.getByRole("main")).toContainText("maya.okafor called it back. The device had not begun it.");
  expect((await page.goto("/commands/nothing"))?.status()).toBe(404);
  await page.getByRole("link", { name: "See all devices" }).click();
  await expect(page).toHaveURL("/devices");
});

test.describe("390 wide", () => {
  test.use({ viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });

  test("no page of a command runs over the right edge", async ({ page, fleet }) => {
    const device = fleet.device("LOW-TAB-0614");
    await commandsOf(page, device);
    await send(page, /^Upload logs/, "to see why it stopped pushing");
    const [command] = await device.commands();
    await device.uploadLog(command!.id, [{ at: new Date().toISOString(), level: "warn", target: "t".repeat(128), message: "m".repeat(2_000) }]);
    await device.say(command!.id, { state: "done", result: {} });
    for (const path of [`${device.path}/commands`, `/commands/${command!.id}`]) {
      await page.goto(path);
      const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      expect.soft(over, path).toBeLessThanOrEqual(0);
    }
  });
});
