// Every page from a phone to a wall: nothing runs over the edge, and every page can be left.

import { expect, pagesOf, test } from "../fixtures.ts";

test.describe("390 wide", () => {
  test.use({ viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });

  test("no page runs over the right edge, and every page can be left", async ({ page, fleet, complaints }) => {
    complaints.foresee(/status of 40[04]/);
    for (const [name, path] of pagesOf(fleet)) {
      await page.goto(path);
      const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      expect.soft(over, `${name} runs over by so many pixels`).toBeLessThanOrEqual(0);
      await expect.soft(page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Devices", exact: true }), name).toBeInViewport();
    }
  });
});

test.describe("2560 wide", () => {
  test.use({ viewport: { width: 2560, height: 1440 } });

  test("no page runs over the right edge", async ({ page, fleet, complaints }) => {
    complaints.foresee(/status of 40[04]/);
    for (const [name, path] of pagesOf(fleet)) {
      await page.goto(path);
      const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      expect.soft(over, name).toBeLessThanOrEqual(0);
    }
  });
});
