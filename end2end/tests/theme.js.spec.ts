// The theme follows the system until its reader says otherwise; what was said outlives the page.

import type { Page } from "@playwright/test";
import { expect, islandsReady, test } from "../fixtures.ts";

/** Whether the page is painted dark, by its own canvas. */
function isDark(page: Page): Promise<boolean> {
  return page.evaluate(() => {
    const pen = document.createElement("canvas").getContext("2d");
    if (!pen) throw new Error("no canvas");
    // The page's own background, over that of its root.
    for (const element of [document.documentElement, document.body].filter((there) => there !== null)) {
      pen.fillStyle = getComputedStyle(element).backgroundColor;
      pen.fillRect(0, 0, 1, 1);
    }
    const [r = 0, g = 0, b = 0] = pen.getImageData(0, 0, 1, 1).data;
    return r + g + b < 3 * 128;
  });
}

for (const colorScheme of ["light", "dark"] as const) {
  test.describe(`on a ${colorScheme} system`, () => {
    test.use({ colorScheme });

    test("the page is painted as the system asks, from its first paint", async ({ page }) => {
      await page.goto("/", { waitUntil: "commit" });
      await expect.poll(() => isDark(page)).toBe(colorScheme === "dark");
    });

    test("the button overrides the system, on the next page and in the next window too", async ({ page, context }) => {
      await page.goto("/");
      await islandsReady(page);
      const button = page.getByRole("button", { name: /^Theme/ });
      const system = colorScheme === "dark";
      await expect(async () => {
        await button.click();
        expect(await isDark(page)).toBe(!system);
      }).toPass({ intervals: [0], timeout: 15_000 });
      await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Devices", exact: true }).click();
      await expect(page).toHaveURL("/devices");
      expect(await isDark(page)).toBe(!system);
      const next = await context.newPage();
      await next.goto("/log");
      expect(await isDark(next)).toBe(!system);
    });
  });
}

test("the palette sets the theme by name", async ({ page }) => {
  await page.goto("/");
  await islandsReady(page);
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox", { name: "Find or go to" }).fill("theme: dark");
  await page.keyboard.press("Enter");
  await expect.poll(() => isDark(page)).toBe(true);
  await page.reload();
  expect(await isDark(page)).toBe(true);
});
