// Draining with JavaScript: what axe finds on a set and on a job, in both themes and on a phone.

import { axe, expect, islandsReady, test } from "../fixtures.ts";

test.use({ store: "own", as: "operator" });

const WIDE = { viewport: { width: 1440, height: 900 } };
const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };

for (const [name, screen, colorScheme] of [["1440 wide", WIDE, "light"], ["1440 wide", WIDE, "dark"], ["390 wide", PHONE, "light"], ["390 wide", PHONE, "dark"]] as const) {
  test.describe(`${name}, ${colorScheme}`, () => {
    test.use({ ...screen, colorScheme });

    test("a set, a job and its entries fit, and axe finds nothing", async ({ page, fleet }) => {
      test.slow();
      const device = await fleet.device("LOW-TAB-0801").enrol({ app_version: "4.18.0" });
      await device.poison(3, 2);
      const look = async (name: string): Promise<void> => {
        const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        expect.soft(over, `${name} runs over by so many pixels`).toBeLessThanOrEqual(0);
        expect.soft(await axe(page), name).toEqual([]);
      };
      await page.goto("/outbox/entries?filter=state:poisoned");
      await islandsReady(page);
      await page.getByRole("checkbox", { name: /^Select LOW-TAB-080…0002 of LOW-TAB-0801$/ }).check();
      await expect(page.getByText("1 ticked")).toBeVisible();
      await page.getByRole("checkbox", { name: "Select all on this page" }).check();
      await expect(page.getByText("3 ticked")).toBeVisible();
      await look("ticked entries");
      await page.getByRole("button", { name: "Quarantine" }).click();
      await expect(page).toHaveURL(/\/outbox\/drain\/S\d+/);
      await look("set");
      await page.getByLabel("Reason, kept in the audit log").fill("out of the way for now");
      await page.getByRole("button", { name: /^Quarantine 3\sentries$/ }).click();
      await expect(page.getByRole("main")).toContainText("3 of 3 settled");
      await look("job");
      await page.getByText("Undo", { exact: true }).first().click();
      await look("job with a step open");
      await page.goto(`${page.url()}/items`);
      await look("entries of the job");
    });
  });
}
